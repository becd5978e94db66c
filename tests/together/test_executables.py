"""The executables, started by their files as their users start them: conversations, errors, and every way to end."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import protocol
from lan_chat import rooms, secure
from lan_chat.client.words import ENGLISH, ITALIAN
from lan_chat.code import make_code
from lan_chat.server import words as server_words
from lan_chat.server.words import CLOSED, CLOSING
from tests.support.peers import GREETING, LinePeer, Peer, bind
from tests.support.programs import OriginalClient
from tests.support.waiting import DEADLINE_S, wait_until

if sys.platform != "linux":
    pytest.skip("these tests look for processes in Linux's /proc", allow_module_level=True)
from tests.support.executables import KINDS, Executable, Kind, build, system_kept_up

pytestmark = [pytest.mark.executable, pytest.mark.slow]

HOST = "127.0.0.1"
Start = Callable[..., Executable]


def can_have_code(kind: Kind) -> bool:
    """Whether they can open a room with a code: the Python that they were built with decides."""
    return kind.name == "wine" or secure.IS_AVAILABLE  # what tools/windows.py builds with, can


def marks_of(kind: Kind) -> list[pytest.MarkDecorator]:
    return [pytest.mark.wine] if kind.name == "wine" else []


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=marks_of(kind), id=kind.name) for kind in KINDS])
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    """Each kind of executables, built."""
    kind: Kind = request.param
    if missing := kind.missing():
        pytest.skip(missing)
    build(kind)
    with system_kept_up(kind):
        yield kind


@pytest.fixture
def start(kind: Kind, tmp_path: Path) -> Iterator[Start]:
    """Start executables, and end what the test does not."""
    started: list[Executable] = []

    def start(name: str, *arguments: str, **more: Any) -> Executable:
        started.append(Executable(kind, name, *arguments, folder=tmp_path, **more))
        return started[-1]

    yield start
    for executable in reversed(started):
        executable.__exit__()


@pytest.fixture
def start_server(start: Start) -> Callable[..., tuple[Executable, int]]:
    """Start the server on a port that was free, and give both."""

    def start_server(*options: str) -> tuple[Executable, int]:
        usual = ("--host", HOST, "--port", "0", "--grace", "0", "--backlog", "0")
        server = start("chat_server", *usual, "--room", HOST, *options)  # so a window's title is the same all along
        server.expect(f"{HOST}  port")
        return server, int(server.expect("\n").split()[-1])

    return start_server


StartServer = Callable[..., tuple[Executable, int]]


class PlayedServer(Peer):
    """A server that greets one client, and hears all that it says."""

    def __init__(self, listener: socket.socket) -> None:
        listener.settimeout(20)
        self.sock, _ = listener.accept()
        self.sock.settimeout(20)
        self.received = b""
        self.send(GREETING)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0)) as listener:
        yield listener


@pytest.fixture
def nobody_port() -> Iterator[int]:
    """A port where nobody listens, and nobody else will."""
    with bind() as sock:
        yield sock.getsockname()[1]


def xdotool(*command: str) -> str:
    return subprocess.run(["xdotool", *command], check=True, capture_output=True, text=True, timeout=30).stdout


@pytest.fixture
def keyboard(display: None) -> None:
    if not shutil.which("xdotool"):
        pytest.skip("there is no xdotool to type with (Debian: apt install xdotool)")


def find_window(title: str) -> str:
    """Wait for a window, give it the keyboard, and give its number."""
    found: list[str] = []
    for _ in range(5):  # xdotool gives up when a window goes while it looks, and may wait for one that has come
        with contextlib.suppress(subprocess.CalledProcessError, subprocess.TimeoutExpired):
            found = xdotool("search", "--sync", "--onlyvisible", "--name", title).split()
            break
    assert found, f"no window {title}, but {visible_windows('.')}"
    window = found[0]
    xdotool("windowfocus", "--sync", window)
    return window


def visible_windows(title: str) -> list[str]:
    command = ["xdotool", "search", "--onlyvisible", "--name", title]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout.split()


CHAT_WINDOW = f"^(\\([0-9]+\\) )?Chat .* {HOST}$"


def type_in_window(text: str) -> None:
    xdotool("type", "--delay", "5", "--", text)
    xdotool("key", "Return")


def type_until_heard(text: str, peer: Peer, wanted: str) -> None:
    """Type into a window that has just come: under wine it is deaf at first, and nothing tells when that is over."""
    peer.sock.settimeout(1.0)
    for _ in range(10):
        find_window(CHAT_WINDOW)  # it may have lost the keyboard to another that came or went
        type_in_window(text)
        with contextlib.suppress(AssertionError):
            peer.expect(wanted)
            return
    raise AssertionError(f"{wanted!r} was never heard")


# --- what is in them ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "unwanted"),
    [
        ("chat_server", ("tkinter", "tcl", "webbrowser")),
        ("chat_client", ("sqlite3", "csv", "email", "http", "tzdata", "images", "demos")),
    ],
)
def test_nothing_is_in_them_that_is_not_used(kind: Kind, name: str, unwanted: tuple[str, ...]) -> None:
    viewer = [sys.executable, "-m", "PyInstaller.utils.cliutils.archive_viewer", "-r", "-b", "-l", str(kind.file(name))]
    packed = subprocess.run(viewer, check=True, capture_output=True, text=True, timeout=60).stdout.replace("\\\\", "/")
    assert "chat_" in packed
    assert "protocol" in packed
    tls = ("ssl", "crypto")
    assert [word for word in tls if word in packed] == (list(tls) if can_have_code(kind) else [])
    never = (
        "lzma",
        "bz2",
        "decimal",
        "multiprocessing",
        "unittest",
        "pydoc",
        "setuptools",
    )
    found = [line for line in packed.splitlines() if any(word in line for word in (*never, *unwanted))]
    assert not found


@pytest.mark.screen
def test_sizes_and_starting_times_are_told(
    kind: Kind, start: Start, start_server: StartServer, keyboard: None, capsys: pytest.CaptureFixture[str]
) -> None:
    server, port = start_server()
    told = {"server's port": time.monotonic() - server.started_at}
    client = start("chat_client")
    client.expect_question(ITALIAN.ask_host)
    told["client's question"] = time.monotonic() - client.started_at
    client.kill()
    client = start("chat_client", HOST, str(port))
    find_window(CHAT_WINDOW)
    told["client's window"] = time.monotonic() - client.started_at
    with capsys.disabled():
        sizes = (f"{name} {kind.file(name).stat().st_size / 1e6:.1f} MB" for name in ("chat_server", "chat_client"))
        print(f"\n{kind.name}: {', '.join(sizes)}; " + ", ".join(f"{what} {s:.2f} s" for what, s in told.items()))


# --- conversations --------------------------------------------------------------------------------------------------


@pytest.mark.screen
def test_a_whole_conversation_between_the_executables_an_old_client_and_netcat(
    start: Start, start_server: StartServer, keyboard: None
) -> None:
    if not shutil.which("nc"):
        pytest.skip("there is no netcat (Debian: apt install netcat-openbsd)")
    server, port = start_server()
    netcat = subprocess.Popen(["nc", HOST, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert netcat.stdin is not None
        assert netcat.stdout is not None
        netcat.stdin.write(b"Nina\n")
        netcat.stdin.flush()
        with OriginalClient(port) as carlo:
            carlo.expect_row(GREETING)
            carlo.type_row("Carlo")
            carlo.expect("Carlo si \\u00e8 unito alla chat!")  # perhaps in one row with the welcome
            ada = start("chat_client")
            ada.expect_question(ITALIAN.ask_host)
            ada.type(f"{HOST}\r")
            ada.expect_question(ITALIAN.ask_port)
            ada.type(f"{port}\r")
            find_window(CHAT_WINDOW)
            with LinePeer(port, "Lia") as lia:
                type_until_heard("Ada", lia, "Ada si è unito alla chat!")
            carlo.expect("Ada si \\u00e8 unito alla chat!")  # perhaps in one row with what comes next
            carlo.expect("Lia ha abbandonato la Chat.")
            type_in_window("ciao, sono io!")
            carlo.expect_row("Ada: ciao, sono io!")
            carlo.type_row("perché no? 😀")
            carlo.expect_row("Carlo: perché no? 😀")
            netcat.stdin.write("così è\n".encode())
            netcat.stdin.flush()
            carlo.expect_row("Nina: così è")
            type_in_window("{quit}")
            carlo.expect_row("Ada ha abbandonato la Chat.")
            assert ada.expect_end()[0] == 0
            ada.expect_nothing_left()
            server.interrupt()
            carlo.expect_row("Il server si è disconnesso.")
            assert server.expect_end()[0] == 0
            server.expect_nothing_left()
        heard, _ = netcat.communicate(timeout=10)
        expected = (
            "Ada: ciao, sono io!",
            "Carlo: perché no? 😀",
            "Nina: così è",
            "Ada ha abbandonato la Chat.",
            "{end_conn}",
        )
        assert heard.decode().splitlines()[-5:] == list(expected)
    finally:
        netcat.kill()
        netcat.wait()
        for pipe in (netcat.stdin, netcat.stdout):
            if pipe is not None:
                pipe.close()


@pytest.mark.screen
def test_the_window_announces_the_servers_end_and_closes(
    start: Start, start_server: StartServer, display: None
) -> None:
    server, port = start_server()
    client = start("chat_client", HOST, str(port), "--name", "Ada")
    server.expect("entra come Ada.")
    server.interrupt()
    assert server.expect_end()[0] == 0
    assert client.expect_end()[0] == 0
    client.expect_nothing_left()


@pytest.mark.screen
def test_answers_on_the_console_that_cannot_work_are_explained_and_asked_again(
    start: Start, listener: socket.socket, nobody_port: int, keyboard: None
) -> None:
    client = start("chat_client", "--lang", "en")
    client.expect_question(ENGLISH.ask_host)
    client.type("\r")
    client.expect_question(ENGLISH.ask_port)
    client.type("fifty\r")
    client.expect(ENGLISH.bad_port.format(default=53000))
    client.expect_question(ENGLISH.ask_port)
    client.type(f"{nobody_port}\r")
    client.expect(ENGLISH.unreachable_refused.format(host=HOST, port=nobody_port))
    client.expect_question(ENGLISH.ask_host)
    client.type(f"{HOST}\r")
    client.expect_question(ENGLISH.ask_port)
    client.type(f"{listener.getsockname()[1]}\r")
    with PlayedServer(listener) as server:
        server.expect("\n")
        find_window(CHAT_WINDOW)  # before there is one, Ctrl+C ends the client without a word
        client.interrupt()
        assert server.expect_end() == "{quit}\n"
    assert client.expect_end()[0] == 0


@pytest.mark.screen
def test_where_there_is_no_console_a_dialog_asks(start: Start, start_server: StartServer, keyboard: None) -> None:
    server, port = start_server()
    client = start("chat_client", "--name", "Ada", stdin=subprocess.DEVNULL)
    for _ in range(3):  # as in `type_until_heard`
        window = find_window(f"^Chat$|{CHAT_WINDOW}")
        if window in visible_windows(CHAT_WINDOW):  # heard after all, only late
            break
        xdotool("type", f"{HOST}\t")
        type_in_window(str(port))
        with contextlib.suppress(AssertionError):
            server.expect("entra come Ada.")
            break
    find_window(CHAT_WINDOW)
    type_in_window("{quit}")
    assert client.expect_end()[0] == 0
    client.expect_nothing_left()


@pytest.mark.screen
def test_a_room_with_a_code_is_entered_by_the_code_typed_wrong_and_then_right(
    kind: Kind, start: Start, start_server: StartServer, display: None
) -> None:
    if not can_have_code(kind):
        old = start("chat_server", "--host", HOST, "--port", "0", "--code", stdin=subprocess.DEVNULL)
        status, output = old.expect_end()
        assert status == 2
        assert "Python 3.13" in output
        return
    server, port = start_server("--code")
    server.expect(server_words.ITALIAN.room_code.format(code=""))
    code = server.expect("\n").strip()
    client = start("chat_client", HOST, str(port), "--name", "Ada")
    client.expect(ITALIAN.code_needed)
    client.expect_question(ITALIAN.ask_code)
    client.type(f"{make_code()}\r")
    client.expect(ITALIAN.code_wrong.format(host=HOST, port=port))
    client.expect_question(ITALIAN.ask_code)
    client.type(code.upper().replace("-", " ") + "\r")
    server.expect("entra come Ada.")
    server.type("stop\r")
    assert server.expect_end()[0] == 0
    assert client.expect_end()[0] == 0
    client.expect_nothing_left()


def test_the_server_tells_who_asks_by_udp_where_its_room_is(start: Start) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((HOST, 0))
        udp_port = sock.getsockname()[1]
    server = start("chat_server", "--host", HOST, "--port", "0", "--room", "Aula 3", LAN_CHAT_UDP_PORT=str(udp_port))
    server.expect(f"{HOST}  porta ")
    port = int(server.expect("\n").split()[-1])
    server.expect(server_words.ITALIAN.room_found.format(room="Aula 3"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        answer = None
        for _ in range(10):  # a datagram may be lost
            sock.sendto(rooms.encode_question("nonce"), (HOST, udp_port))
            with contextlib.suppress(TimeoutError):
                answer = rooms.decode_answer(sock.recv(rooms.MAX_DATAGRAM_BYTES), {"nonce"})
                break
    assert answer is not None
    assert (answer.name, answer.port, answer.people) == ("Aula 3", port, 0)
    server.type("stop\r")
    assert server.expect_end()[0] == 0
    server.expect_nothing_left()


def test_a_browser_gets_the_page_and_the_client_that_stands_beside(kind: Kind, start_server: StartServer) -> None:
    client = kind.file("chat_server").with_name("chat_client.exe")
    is_made_up = not client.exists()
    if is_made_up:
        client.write_bytes(b"MZ, as a program of Windows begins")
    try:
        program, digest = client.read_bytes(), hashlib.sha256(client.read_bytes()).hexdigest()
        server, port = start_server()
        server.expect(digest)
        status, page = get(port, "/")
        assert (status, page[:15].lower()) == (200, b"<!doctype html>")
        assert get(port, "/chat_client.exe") == (200, program)
    finally:
        if is_made_up:
            client.unlink()
    assert get(port, "/chat_server.exe")[0] == 404
    server.type("stop\r")
    assert server.expect_end()[0] == 0
    server.expect_nothing_left()


def get(port: int, path: str) -> tuple[int, bytes]:
    """Return the status and the body that a browser gets."""
    connection = http.client.HTTPConnection(HOST, port, timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


# --- errors ---------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_one_sentence_and_status_2(start: Start) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        server = start("chat_server", "--host", HOST, "--port", str(port), stdin=subprocess.DEVNULL)
        assert server.expect_end() == (2, server_words.ITALIAN.port_in_use.format(port=port) + "\n")
        server.expect_nothing_left()


def test_a_host_that_cannot_be_reached_is_one_sentence_and_status_2(start: Start, nobody_port: int) -> None:
    client = start("chat_client", HOST, str(nobody_port), "--lang", "en", stdin=subprocess.DEVNULL)
    status, output = client.expect_end()
    assert status == 2
    assert ENGLISH.unreachable_refused.format(host=HOST, port=nobody_port) in output
    assert "Traceback" not in output
    client.expect_nothing_left()


@pytest.mark.parametrize("name", ["chat_server", "chat_client"])
def test_options_that_there_are_not_are_explained(start: Start, name: str) -> None:
    program = start(name, "--nonsense", stdin=subprocess.DEVNULL)
    status, output = program.expect_end()
    assert status == 2
    assert f"{program.file_name}: errore: argomenti sconosciuti: --nonsense" in output
    program.expect_nothing_left()


# --- the end --------------------------------------------------------------------------------------------------------


def test_the_operator_acts_at_the_executables_terminal(start_server: StartServer) -> None:
    server, port = start_server()
    with LinePeer(port, "Ada") as ada:
        server.expect("entra come Ada.\n")
        server.type("who\r")
        server.expect("Nella chat: 1. Connessioni: 1.")
        server.type("say cinque minuti ancora\r")
        ada.expect("Server: cinque minuti ancora\n")
        server.expect("Annunciato a 1.")
        server.type("stop\r")
        assert ada.expect_end() == "{end_conn}\n"
    assert server.expect_end()[0] == 0
    server.expect_nothing_left()


def test_ctrl_c_closes_the_server_once(start_server: StartServer) -> None:
    """A terminal's Ctrl+C reaches both processes of a one-file program, and one of them hands it on to the other."""
    server, port = start_server()
    with LinePeer(port, "Ada") as ada:
        server.expect("entra come Ada.\n")
        server.interrupt()
        assert ada.expect_end() == "{end_conn}\n"
    status, output = server.expect_end()
    assert status == 0
    assert output.count(CLOSING) == 1
    assert output.splitlines()[-1] == CLOSED
    assert "Traceback" not in output
    server.expect_nothing_left()


def send_signal(program: Executable, number: signal.Signals) -> None:
    os.kill(program.pids()[0], number)


ENDS: dict[str, Callable[[Executable], None]] = {
    "Ctrl+C": lambda program: program.interrupt(),
    "its terminal closes": lambda program: program.close_terminal(),
    "SIGTERM": lambda program: send_signal(program, signal.SIGTERM),
    "SIGHUP": lambda program: send_signal(program, signal.SIGHUP),
}
# Windows has no signals, and what closes there is a console's window: see below.
IN_EACH_WAY = pytest.mark.parametrize(
    ("kind", "end"),
    [
        pytest.param(kind, end, marks=marks_of(kind), id=f"{kind.name}-{end}")
        for kind in KINDS
        for end in ENDS
        if kind.name == "linux" or end == "Ctrl+C"
    ],
    indirect=["kind"],
)


@IN_EACH_WAY
def test_whatever_ends_the_server_its_clients_are_told(start_server: StartServer, end: str) -> None:
    server, port = start_server()
    with LinePeer(port, "Ada") as ada:
        ENDS[end](server)
        assert ada.expect_end() == "{end_conn}\n"
    assert server.expect_end()[0] == 0
    server.expect_nothing_left()


@pytest.mark.screen
@IN_EACH_WAY
def test_whatever_ends_the_client_it_leaves_in_order(
    start: Start, listener: socket.socket, display: None, end: str
) -> None:
    client = start("chat_client", HOST, str(listener.getsockname()[1]))
    with PlayedServer(listener) as server:
        server.expect("\n")  # its hello
        find_window(CHAT_WINDOW)
        ENDS[end](client)
        assert server.expect_end() == "{quit}\n"
    assert client.expect_end()[0] == 0
    client.expect_nothing_left()


def test_a_program_that_is_killed_leaves_no_second_process(start_server: StartServer) -> None:
    server, _ = start_server()
    assert len(server.pids()) >= 2
    server.kill()
    server.expect_nothing_left()


# --- on Linux alone -------------------------------------------------------------------------------------------------

ON_LINUX = pytest.mark.parametrize("kind", KINDS[:1], indirect=True, ids=lambda kind: kind.name)
WITHOUT_STREAMS = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")


@ON_LINUX
def test_ctrl_c_at_a_question_ends_the_client_once(start: Start) -> None:
    # On Windows too, but wine's console does not break a question off.
    client = start("chat_client")
    client.expect_question(ITALIAN.ask_host)
    client.interrupt()
    status, output = client.expect_end()
    assert status == 130
    assert "Traceback" not in output
    client.expect_nothing_left()


@ON_LINUX
def test_a_server_without_input_and_output_works(start: Start) -> None:
    with bind() as sock:
        port = sock.getsockname()[1]
    server = start("chat_server", "--port", str(port), stdin=subprocess.DEVNULL, through=WITHOUT_STREAMS)
    wait_until(lambda: is_open(port))
    with LinePeer(port, "Ada") as ada:
        send_signal(server, signal.SIGTERM)
        assert ada.expect_end() == "{end_conn}\n"
    assert server.expect_end() == (0, "")
    server.expect_nothing_left()


def is_open(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((HOST, port)) == 0


@pytest.mark.screen
@ON_LINUX
def test_a_client_without_input_and_output_asks_in_a_window(start: Start, keyboard: None) -> None:
    client = start("chat_client", stdin=subprocess.DEVNULL, through=WITHOUT_STREAMS)
    find_window("^Chat$")
    xdotool("key", "Escape")
    assert client.expect_end() == (0, "")
    client.expect_nothing_left()


@pytest.mark.screen
@ON_LINUX
def test_a_browser_is_not_given_the_libraries_of_the_executable(
    start: Start, start_server: StartServer, keyboard: None, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1 ${LD_LIBRARY_PATH-none}" >"$0.part"\nmv "$0.part" "$0.opened"\n')
    browser.chmod(0o755)
    _, port = start_server()
    with LinePeer(port, "Bob") as bob:
        start("chat_client", HOST, str(port), "--name", "Ada", BROWSER=str(browser))
        bob.expect("Ada si è unito alla chat!\n")
        find_window(CHAT_WINDOW)
        bob.say("http://127.0.0.1/")
        type_in_window("visto")
        bob.expect("Ada: visto\n")
        xdotool("key", "ctrl+l")
    opened = browser.with_suffix(".opened")
    wait_until(opened.exists)
    assert opened.read_text() == f"http://127.0.0.1/ {os.environ.get('LD_LIBRARY_PATH', 'none')}\n"


# --- a double-click -------------------------------------------------------------------------------------------------

BY_DOUBLE_CLICK = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=marks_of(kind), id=kind.name) for kind in KINDS if kind.double_click],
    indirect=True,
)


def expect_on_console(kind: Kind, name: str, sentence: str) -> str:
    """Wait for a sentence on the console that a double-click opened, and give all that is there, without blanks."""
    seen = ""

    def is_there() -> bool:
        nonlocal seen
        seen = "".join(kind.use_console(name, "read").split())  # a row ends anywhere, and with nothing but blanks
        return "".join(sentence.split()) in seen

    wait_until(is_there, lambda: seen)
    return seen


def find_console(name: str) -> str:
    return find_window(f"{name}\\.exe$")


def is_visible(window: str) -> bool:
    return window in visible_windows("")


@pytest.mark.screen
@BY_DOUBLE_CLICK
def test_the_client_asks_on_its_console_which_makes_room_for_the_window(
    kind: Kind, start: Start, start_server: StartServer, keyboard: None
) -> None:
    _, port = start_server()
    client = start("chat_client", by_double_click=True)
    console = find_console("chat_client")
    expect_on_console(kind, "chat_client", ITALIAN.ask_host)
    type_in_window(HOST)
    expect_on_console(kind, "chat_client", ITALIAN.ask_port)
    assert is_visible(console)
    type_in_window(str(port))
    find_window(CHAT_WINDOW)
    wait_until(lambda: not is_visible(console))
    with LinePeer(port, "Bob") as bob:
        type_until_heard("Ada", bob, "Ada si è unito alla chat!")
        type_in_window("{quit}")
        bob.expect("Ada ha abbandonato la Chat.")
    assert client.expect_end()[0] == 0
    client.expect_nothing_left()


@pytest.mark.screen
@BY_DOUBLE_CLICK
@pytest.mark.parametrize("name", ["chat_server", "chat_client"])
def test_the_console_stays_with_an_error_until_enter(
    kind: Kind, start: Start, keyboard: None, listener: socket.socket, name: str
) -> None:
    port = listener.getsockname()[1]
    arguments = {
        "chat_server": ("--host", HOST, "--port", str(port)),
        "chat_client": (HOST, "65536"),
    }
    sentences = {
        "chat_server": server_words.ITALIAN.port_in_use.format(port=port),
        "chat_client": ITALIAN.bad_port.format(default=protocol.DEFAULT_PORT),
    }
    program = start(name, *arguments[name], by_double_click=True)
    console = find_console(name)
    seen = expect_on_console(kind, name, ITALIAN.press_enter)
    assert "".join(sentences[name].split()) in seen
    assert is_visible(console)
    type_in_window("")
    assert program.expect_end()[0] == 2
    assert not is_visible(console)
    program.expect_nothing_left()


@pytest.mark.screen
@BY_DOUBLE_CLICK
def test_a_closed_console_closes_the_server_and_its_clients_are_told(kind: Kind, start: Start, display: None) -> None:
    with bind() as sock:
        port = sock.getsockname()[1]
    server = start("chat_server", "--host", HOST, "--port", str(port), by_double_click=True)
    wait_until(lambda: is_open(port))
    with LinePeer(port, "Ada") as ada:
        kind.use_console("chat_server", "close")
        assert ada.expect_end() == "{end_conn}\n"
    server.expect_end()
    server.expect_nothing_left()


@pytest.mark.screen
@BY_DOUBLE_CLICK
def test_a_console_closed_at_a_question_leaves_nothing(kind: Kind, start: Start, display: None) -> None:
    client = start("chat_client", by_double_click=True)
    expect_on_console(kind, "chat_client", ITALIAN.ask_host)
    kind.use_console("chat_client", "close")
    client.expect_end()
    client.expect_nothing_left()


@pytest.mark.screen
@BY_DOUBLE_CLICK
def test_a_console_that_is_closed_behind_the_window_has_the_client_leave_in_order(
    kind: Kind, start: Start, keyboard: None, listener: socket.socket
) -> None:
    client = start("chat_client", HOST, str(listener.getsockname()[1]), by_double_click=True)
    with PlayedServer(listener) as server:
        server.expect("\n")  # its hello
        find_window(CHAT_WINDOW)
        kind.use_console("chat_client", "close")
        assert server.expect_end() == "{quit}\n"
    client.expect_end()
    client.expect_nothing_left()
