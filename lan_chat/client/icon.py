"""The icon of the windows, as PNG data: what `tools/icon.py` draws, since that takes longer than opening the window.

Pure data, which tests/client/test_pictures.py compares with the drawing.
"""

from __future__ import annotations

import base64

ICON_SIZES = (48, 32, 16)
"""In pixels a side."""
_DATA = (
    "iVBORw0KGgoAAAANSUhEUgAAADAAAAAwCAYAAABXAvmHAAACMElEQVR42u2ZMUsDMRTH7xvcR7hJcCv4BeoXkH4AhxucBOG2rnFwcinoLDcKgh"
    "Q/wS0OBcEDQVEQqnTT4ShYEBxiXsnJa5pr4plrErkH/6HtK3m/vJd3SS4IWmvNnG3sjSKmlImuUWOm2ETwMVOx5uCx0r/OvM3gSw3qAqQOBF8q"
    "rANQOAQQ1wGgDom0AP8GYOvghh6dv9CTqwnd7t9WDrpzeDf36Z89rwwOfgc/8G8cAAKezr4otv3TJ2lQ2B5eP+bgoh98j20FrBmAy+s3Ktrk/X"
    "PJT4QEg6ytgixNBmoMYPQ4lQ4qlo7MoEywH3yW2e7xfXMAskEBSicDYnnIMgD/a7SEIL04C1A+ssUHs4ghoPRUJQn+ja8BXCYVqV6ABR9Fd5k3"
    "BvCrqP0FgNnFZsyUIQ2Yut48B1iwhIlKBDChzwCg3HcAUIIBxg4B9DQBcgxAHAm+KM8DLMBUAUAxQOjImeDnLAAzrA3AITqWS4mg4CNV8EsAKB"
    "MJU7bGGwk4zi70d94qfw8gwCTG9+0Kg/6uU/taAByiKhM5H6xrUAnTWDd4XYCq65ZyQGpTuvskIru70ejTbgBwiBwtutBHgE5ZOmjB+QPAIcRW"
    "5xeApOW1ALYBepYBhiaenLlFgK4JgA5TYSH4gcn9S6S7+TIg2Gr0Gnm/xkHq7oNUEzA0UjJNGS/FquCLpVsIRyGI8vDuAYTY1TKv3lPz9YBLJ/"
    "LuZTu/QgQAEvho/KQ3DFrzxL4BVHGdnE84hokAAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAYAAABzenr0AAABjklEQVR42mNgGAVQoJp8oh6I3wPxfypgkDn1pFjeTyWL0XE/MZbL08hyGJYn5A"
    "B7GjvAfug5wLfh0v/orqsYhhnlnAaLg2h0OZA4SB/FDpi08fF/GJi/6xlc3KHs3P+PX3+DxUE0iA+TW3vkFVxP2dw7lDngxI2P/5EBNoeBQMvy"
    "B3A5ZADST5EDQL7GZhgoeJEBcghce/gFa6iRnQZAvgNh9LgGxTMoJNDTB0gdSD2W4Ac74OsqDRCuh+J4IOanay6AWvwfCd8HYv2BdADYETAH6N"
    "PYAfo4HADC9jBH7KeR5ftB5hPjAH4aOAJkHj/UAffxOgCtYlqPwzB7EjC8AgJaMh+H5ZgOQHIESrsgsmQBcjYiBd/HYzl2B0AdkY/kgHo8cUgp"
    "tsdXQIGC/TyBRERTB8jDitEBcQAyACrMH2gH6NPIAfpEN1yBivdT2fL9JDXbQTUYFR2xHqVGJNEh8tDqlRDej8Niebp0dKAOfY9k+XuyfU2BI5"
    "Czb/6AdPmAFp8nOcFR2QH6dIt3cgAAkU1JDr1a2BgAAAAASUVORK5CYII=",
    "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAYAAAAf8/9hAAAA8ElEQVR42mNgoBSoJp/QB+L7QPyfCNyPzYD5RGqGYXl0A/aDJIxyToMxTKFD2T"
    "msbCC2x2rA49c//n/8+husaO2RV/9BAKSxZfkDMDtz8k38Bkza+Pj//F3PwIrK5t75v+vcW7CLfBsu/T9x4yPcFX6FK/y/rtKwB2J5FAOIxb1t"
    "FfVAzf+h2B5kQD0JBryH2g4zYD3MFfkgSZgiqKvQMSi29IGa5iMZsB85LOJBBgQXLekHSeDA55E0oxoANaQezYmE8H6MhAUU1CfBgPVYkzeaP3"
    "FhUIDqk5RvoOGA22YiDJAH4vtAzE927oWnQCgAAK3fni+GGmeyAAAAAElFTkSuQmCC",
)
ICONS = tuple(base64.b64decode(data) for data in _DATA)
"""The icon in each of these sizes."""
