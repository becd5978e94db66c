"""What axe-core finds wrong for people who see, hear or move differently: nothing, in every view and both schemes."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.browser.conftest import Serve
from tests.browser.tabs import Browser, Tab
from tests.support.peers import LinePeer
from tests.support.programs import TOP
from tests.support.proxy import Proxy

pytestmark = pytest.mark.browser

FOLDER = TOP / ".axe"
NAMES = ("Anna", "Bruno", "Carla", "Davide", "Elena", "Fabio", "Gaia", "Hamid", "Ines", "Jonas", "Katia", "Luca")


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    file = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    npm = shutil.which("npm")
    if not file.exists() and npm:
        subprocess.run([npm, "install", "--no-save", "--prefix", FOLDER, "axe-core@4"], check=False, timeout=120)
    if not file.exists():
        pytest.skip("there is no axe-core, and no npm to install it with (Debian: apt install npm)")
    return file.read_text("utf-8")


def look_at(tab: Tab, axe: str, width: int) -> None:
    """Fail where axe-core finds something, in light and in dark."""
    tab.command("Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=False)
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        tab.command("Emulation.setEmulatedMedia", features=[feature])
        tab.run("if (!window.axe) { " + axe + " }")
        found = tab.driver.execute_async_script(
            "const done = arguments[0]; axe.run().then((said) => done(said.violations.map((one) =>"
            " [one.id, one.help, ...one.nodes.map((node) => node.html + ' ' + node.failureSummary)].join('\\n'))))"
        )
        assert not found, f"{scheme}, {width}:\n" + "\n".join(found)


@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing_in_any_view(serve: Serve, browser: Browser, axe: str, width: int) -> None:
    server = serve()
    with Proxy(server.port) as proxy:
        tab = browser.open(proxy.port)
        tab.command("Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=1, mobile=False)
        tab.until("view === 'naming'")
        look_at(tab, axe, width)
        tab.choose("a:b")
        tab.see("Il nome scelto non è valido")
        look_at(tab, axe, width)
        tab.choose("Ada")
        tab.see("Benvenuto Ada!")
        peers = [LinePeer(server.port, name) for name in NAMES]
        for peer in peers:
            peer.say("Ada, guarda http://a.example/")
            peer.say("e poi")
        tab.until("document.querySelectorAll('.message').length === 24")
        tab.say("sì")
        tab.until("document.querySelector('.own.message')")
        look_at(tab, axe, width)
        if width < 800:
            tab.run("document.querySelector('#toggle').click()")
        tab.see("Ada (tu)")
        look_at(tab, axe, width)
        if width < 800:
            tab.run("document.querySelector('#close').click()")
        proxy.refuse()
        proxy.cut()
        tab.say("nel buio")
        tab.see("Riprova ora")
        tab.run("fail([me.unsent[0]], say('muted')); tell('ancora')")
        tab.see("(non inviato)")
        look_at(tab, axe, width)
        for peer in peers:
            peer.close()
