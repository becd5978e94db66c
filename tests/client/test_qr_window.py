"""The window's QR code for phones: which address is in it, how it is drawn, and what is said where there is none."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from lan_chat.client import browser_link as link_room
from lan_chat.client.browser_link import browser_link
from lan_chat.client.palette import PALETTES
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.interfaces import Interface
from lan_chat.qr import QUIET_ZONE, Matrix, qr_code
from lan_chat.server.server import ChatServer
from tests.support.seats import Seat, Sit, everything_in
from tests.support.servers import limits, start

try:
    import tkinter as tk
    from tkinter import ttk
except ImportError:  # what needs it is skipped aloud, for want of a display
    if not TYPE_CHECKING:
        tk = None


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[Interface]:
    """The addresses that this machine is said to have: one that nobody else reaches, at first."""
    found = [Interface("lo", 1, ipaddress.ip_address("127.0.0.1"), 8, is_loopback=True)]
    monkeypatch.setattr(link_room, "interfaces", lambda: found)
    monkeypatch.setattr(link_room, "outgoing_addresses", list)
    return found


def add(machine: list[Interface], *addresses: str) -> None:
    machine += [Interface("eth0", 2, ipaddress.ip_address(address), 24) for address in addresses]


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("192.168.1.20", "http://192.168.1.20:53000/"),
        ("fd00::20", "http://[fd00::20]:53000/"),
        ("fe80::20%2", None),
        ("", None),
        ("127.0.0.1", None),
    ],
)
def test_another_machines_browser_goes_where_this_one_has_found_the_server(
    address: str, link: str | None, machine: list[Interface]
) -> None:
    assert browser_link(address, 53000) == link


def test_a_server_on_this_machine_is_reached_at_its_address_in_the_lan(machine: list[Interface]) -> None:
    add(machine, "fe80::20")
    assert browser_link("127.0.0.1", 53000) is browser_link("::1", 53000) is None
    add(machine, "fd00::20")
    assert browser_link("::1", 53000) == "http://[fd00::20]:53000/"
    assert browser_link("127.0.0.1", 53000) is None
    add(machine, "192.168.1.20")
    assert browser_link("127.0.1.1", 53000) == browser_link("::1", 53000) == "http://192.168.1.20:53000/"


@pytest.fixture
def open_to_browsers() -> Iterator[ChatServer]:
    """A server that browsers may come into."""
    server = start(limits(web=True))
    yield server
    server.stop()


def drawn(canvas: tk.Canvas) -> Matrix:
    """Return the code on a canvas, without its quiet zone."""
    side = int(canvas["width"])
    corners = [[int(place) for place in canvas.coords(item)] for item in canvas.find_all()]
    scale = min(bottom - top for _, top, _, bottom in corners)
    modules = side // scale - 2 * QUIET_ZONE
    assert side % scale == 0
    code = [[False] * modules for _ in range(modules)]
    for left, top, right, bottom in corners:
        assert bottom - top == scale
        for column in range(left // scale, right // scale):
            code[top // scale - QUIET_ZONE][column - QUIET_ZONE] = True
    return code


def shown_code(seat: Seat) -> tuple[tk.Canvas, ttk.Entry]:
    """Return the code and the address in the open window."""
    window = seat.window._qr.window
    assert window is not None
    widgets = list(everything_in(window))
    (canvas,) = (widget for widget in widgets if isinstance(widget, tk.Canvas))
    (address,) = (widget for widget in widgets if isinstance(widget, ttk.Entry))
    return canvas, address


@pytest.mark.screen
def test_the_menu_shows_the_code_large_and_its_address_to_copy(
    sit: Sit, open_to_browsers: ChatServer, machine: list[Interface]
) -> None:
    add(machine, "192.168.1.20")
    seat = sit(server=open_to_browsers)
    seat.choose(ITALIAN.menu_phones)
    canvas, address = shown_code(seat)
    link = f"http://192.168.1.20:{open_to_browsers.port}/"
    assert drawn(canvas) == qr_code(link)
    assert int(canvas["width"]) >= 250
    assert address.get() == link
    seat.wait(lambda: seat.focus == str(address))
    seat.press("Control-c")
    seat.wait(lambda: seat.clipboard == link)
    seat.press("Escape")
    seat.wait(lambda: seat.window._qr.window is None)
    seat.wait(lambda: seat.focus == str(seat.message_input))


@pytest.mark.screen
def test_the_code_is_dark_on_white_in_each_theme_and_speaks_the_windows_language(
    sit: Sit, open_to_browsers: ChatServer, machine: list[Interface]
) -> None:
    add(machine, "192.168.1.20")
    seat = sit(server=open_to_browsers)
    seat.choose(ITALIAN.menu_phones)
    seat.choose(ITALIAN.menu_dark)
    seat.choose("English")
    window = seat.window._qr.window
    assert window is not None
    assert window["background"] == PALETTES["dark"].window
    canvas, _ = shown_code(seat)
    assert canvas["background"] == "#ffffff"
    assert {canvas.itemcget(item, "fill") for item in canvas.find_all()} == {"#000000"}  # type: ignore[no-untyped-call]
    texts = [str(widget["text"]) for widget in everything_in(window) if isinstance(widget, ttk.Label)]
    assert texts == [ENGLISH.phones_how]


@pytest.mark.screen
def test_a_room_without_browsers_says_so(sit: Sit, server: ChatServer) -> None:
    seat = sit(server=server)
    seat.choose(ITALIAN.menu_phones)
    seat.see(ITALIAN.phones_not_here)
    assert seat.window._qr.window is None


@pytest.mark.screen
def test_where_no_phone_comes_in_the_window_says_why(sit: Sit, machine: list[Interface]) -> None:
    seat = sit()
    seat.fake.takes_browsers, seat.fake.address = True, "127.0.0.1"
    seat.choose(ITALIAN.menu_phones)
    seat.see(ITALIAN.phones_no_address)
    seat.fake.is_bare, seat.fake.takes_browsers = True, None
    seat.choose(ITALIAN.menu_phones)
    seat.see(ITALIAN.phones_not_here)
    assert seat.window._qr.window is None


@pytest.mark.screen
def test_in_a_room_with_a_code_the_window_says_that_browsers_are_in_clear(sit: Sit) -> None:
    seat = sit()
    seat.fake.takes_browsers, seat.fake.address, seat.fake.code_key = True, "192.168.1.20", bytes(32)
    seat.choose(ITALIAN.menu_phones)
    window = seat.window._qr.window
    assert window is not None
    texts = [str(widget["text"]) for widget in everything_in(window) if isinstance(widget, ttk.Label)]
    assert texts == [ITALIAN.phones_how, ITALIAN.phones_in_clear]
    seat.window._show_address("192.168.1.21", 53000)  # the room has moved
    assert seat.window._qr.window is None
