"""A test that has a process of its own, started by `test_menus`: the real mouse stays in the window.

Tk 8.6 ends a process with a segmentation fault where another root follows one that was destroyed under the pointer.
"""

from __future__ import annotations

import pytest

from lan_chat.client.words import ITALIAN
from tests.client.test_menus import path_on_screen
from tests.support.seats import Sit, labels


@pytest.mark.screen
def test_the_menu_bar_works_with_the_mouse(sit: Sit) -> None:
    seat = sit("Bob")
    seat.put_on_clipboard("incollato")
    shown_edit = path_on_screen(seat, 1)
    shown_bar = shown_edit.rpartition(".")[0]
    bar_x, bar_y = (int(seat.root.tk.call("winfo", f"root{axis}", shown_bar)) for axis in "xy")
    edit_x = bar_x + next(x for x in range(0, 400, 3) if seat.root.tk.call(shown_bar, "index", f"@{x},5") == 1) + 10
    seat._xdotool("mousemove", str(edit_x), str(bar_y + 8), "click", "1")
    seat.wait(lambda: int(seat.root.tk.call("winfo", "viewable", shown_edit)))
    x, y = (int(seat.root.tk.call("winfo", f"root{axis}", shown_edit)) for axis in "xy")
    y += int(seat.root.tk.call(shown_edit, "yposition", labels(seat.menu(1)).index(ITALIAN.menu_paste)))
    seat._xdotool("mousemove", str(x + 20), str(y + 5))  # a hand does not jump
    seat._xdotool("mousemove", str(x + 21), str(y + 6))
    seat._xdotool("click", "1")
    seat.wait(lambda: seat.draft == "incollato")
    assert seat.focus == str(seat.message_input)
