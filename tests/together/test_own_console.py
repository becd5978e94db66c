"""A console that belongs to the program alone, as a double-click opens it: nothing is lost with it unread.

Windows tells whose a console is; here it is told so. That the executables do it under wine is in `test_executables.py`.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.server.server import ChatServer
from tests.support.programs import TOP, Program

HOST = "127.0.0.1"
OWN_CONSOLE = "import sys, {module}\n{module}.has_own_console = lambda: True\nsys.exit({module}.main())"


@pytest.mark.parametrize(
    ("module", "arguments", "sentence", "status"),
    [
        ("chat_server", ("--port", "0", "--host", "192.0.2.77", "--lang", "en"), ENGLISH.press_enter, 2),
        ("chat_server", ("--nonsense",), ITALIAN.press_enter, 2),
        ("chat_server", ("--help",), ITALIAN.press_enter, 0),
        ("chat_client", ("127.0.0.1", "65536"), ITALIAN.press_enter, 2),
    ],
)
def test_a_console_of_its_own_does_not_close_before_it_was_read(
    module: str, arguments: tuple[str, ...], sentence: str, status: int
) -> None:
    with Program("-c", OWN_CONSOLE.format(module=module), *arguments, PYTHONPATH=str(TOP)) as program:
        program.expect(sentence)
        program.type("\n")
        assert program.expect_end() == (status, "")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="Windows and macOS have a screen whatever one does")
def test_an_error_before_the_window_is_read_too(server: ChatServer) -> None:
    arguments = (HOST, str(server.port), "--lang", "en")
    with Program(
        "-c", OWN_CONSOLE.format(module="chat_client"), *arguments, PYTHONPATH=str(TOP), DISPLAY=""
    ) as program:
        program.expect("Start the program from a graphical session.\n")
        program.expect(ENGLISH.press_enter)
        program.type("\n")
        assert program.expect_end() == (2, "")


@pytest.mark.parametrize("module", ["chat_server", "chat_client"])
def test_a_failure_of_our_own_is_read_too(module: str) -> None:
    code = OWN_CONSOLE.format(module=module).replace("\nsys", f"\n{module}.run = lambda *_: 1 / 0\nsys")
    with Program("-c", code, PYTHONPATH=str(TOP)) as program:
        program.expect("ZeroDivisionError: division by zero\n")
        program.expect(ITALIAN.press_enter)
        program.type("\n")
        assert program.expect_end() == (1, "")


def test_where_nobody_can_press_enter_nobody_is_waited_for() -> None:
    code = OWN_CONSOLE.format(module="chat_server")
    with Program("-c", code, "--nonsense", stdin=subprocess.DEVNULL, PYTHONPATH=str(TOP)) as program:
        status, output = program.expect_end()
        assert status == 2
        assert output.endswith(ITALIAN.press_enter)


@pytest.mark.screen
def test_a_console_of_its_own_makes_room_for_the_window_and_comes_back_on_an_error(
    display: None, server: ChatServer
) -> None:
    code = OWN_CONSOLE.format(module="chat_client").replace(
        "\nsys",
        "\nchat_client.show_console = lambda is_shown: print('shown' if is_shown else 'hidden')"
        "\nimport lan_chat.client.window as window"
        "\nwindow.restore_geometry = lambda root, geometry: root.after(1, lambda: 1 / 0)\nsys",
    )
    with Program("-c", code, HOST, str(server.port), PYTHONPATH=str(TOP)) as program:
        program.expect("hidden\n")
        program.expect("shown\n")
        program.expect("ZeroDivisionError: division by zero\n")
        program.interrupt()
        assert program.expect_end()[0] == 0
