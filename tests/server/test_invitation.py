"""How guests by browser are invited: the links, the QR code at a terminal, the client to download."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import chat_server
from lan_chat.qr import QUIET_ZONE, Matrix, qr_code
from lan_chat.server import invitation
from lan_chat.server.commands import Operator
from lan_chat.server.invitation import BLOCKS, Invitation, client_beside_this, half_blocks, sum_of
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ENGLISH, ITALIAN, LANGUAGES, ServerWords
from tests.support.peers import Peer
from tests.support.programs import PATIENT, TOP, Program, ServerProgram

LINK = "http://192.168.1.20:53000/"
COLORS = re.compile("\033\\[[0-9;]*m")
WIDTH = 25 + 2 * QUIET_ZONE
"""Of the code of the link, in modules."""


def read_back(lines: list[str]) -> Matrix:
    """Return the code that lines of half-blocks show: its quiet zone is checked, and taken off."""
    halves = {block: modules for modules, block in BLOCKS.items()}
    rows = [[halves[block][half] for block in line] for line in lines for half in (0, 1)]
    assert all(rows.pop())  # the lower half of the last line is nothing
    inner = [row[QUIET_ZONE:-QUIET_ZONE] for row in rows[QUIET_ZONE:-QUIET_ZONE]]
    assert sum(map(sum, rows)) == sum(map(sum, inner))
    return inner


def test_half_blocks_show_the_code_with_its_quiet_zone() -> None:
    lines = half_blocks(qr_code(LINK))
    assert {len(line) for line in lines} == {WIDTH}
    assert read_back(lines) == qr_code(LINK)


if sys.platform != "win32":  # which has no pseudo-terminals in Python
    import fcntl
    import pty
    import struct
    import termios

    @pytest.fixture
    def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
        """A terminal of 80 columns and 24 rows, which this process writes to."""
        outside, inside = pty.openpty()
        stdout = io.TextIOWrapper(io.FileIO(inside, "w"), encoding="utf-8")
        monkeypatch.setattr(invitation, "sys", SimpleNamespace(stdout=stdout))  # pytest puts its own into `sys`
        monkeypatch.setenv("TERM", "xterm-256color")
        set_size(inside, 80, 24)
        yield inside
        monkeypatch.undo()
        stdout.close()
        os.close(outside)

    def set_size(terminal: int, columns: int, rows: int) -> None:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def test_the_banner_has_the_links_and_the_code_of_the_first(terminal: int) -> None:
        banner = Invitation([LINK, "http://10.0.0.3:53000/"], ITALIAN).banner().splitlines()
        assert banner[:3] == [ITALIAN.web_title, f"    {LINK}", "    http://10.0.0.3:53000/"]
        assert banner[-1] == ITALIAN.qr_below.format(link=LINK)
        drawn = banner[3:-1]
        assert all(line.startswith("\033[97;40m") and line.endswith("\033[0m") for line in drawn)
        assert read_back([COLORS.sub("", line) for line in drawn]) == qr_code(LINK)

    @pytest.mark.parametrize("kind", ["dumb", "linux"])
    def test_a_terminal_without_these_colours_gets_none(
        kind: str, terminal: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TERM", kind)
        *drawn, below = Invitation([LINK], ITALIAN).answer().splitlines()
        assert read_back(drawn) == qr_code(LINK)
        assert below == ITALIAN.qr_below.format(link=LINK)

    @pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
    def test_a_small_terminal_is_told_how_large_it_has_to_be(terminal: int, words: ServerWords) -> None:
        invited = Invitation([LINK], words)
        for columns, rows in ((WIDTH - 1, 50), (80, 19), (0, 0)):
            set_size(terminal, columns, rows)
            assert invited.answer() == words.qr_too_small.format(link=LINK, columns=WIDTH, rows=20)
            assert invited.banner() == f"{words.web_title}\n    {LINK}"
        set_size(terminal, WIDTH, 20)
        assert "█" in invited.answer()

    def test_a_terminal_without_blocks_shows_the_link(terminal: int, monkeypatch: pytest.MonkeyPatch) -> None:
        ascii_out = io.TextIOWrapper(io.FileIO(terminal, "w", closefd=False), encoding="ascii")
        monkeypatch.setattr(invitation, "sys", SimpleNamespace(stdout=ascii_out))
        assert Invitation([LINK], ITALIAN).answer() == ITALIAN.qr_not_shown.format(link=LINK)

    @pytest.mark.parametrize("link", ["http://127.0.0.1:53000/", "http://[::1]:53000/"])
    def test_no_phone_is_invited_to_this_machine_alone(terminal: int, link: str) -> None:
        invited = Invitation([link], ITALIAN)
        assert invited.answer() == ITALIAN.qr_only_here.format(link=link)
        assert invited.banner() == f"{ITALIAN.web_title}\n    {link}"


def test_addresses_that_no_browser_opens_are_explained() -> None:
    invited = Invitation([], ITALIAN)
    assert invited.banner() == invited.answer() == ITALIAN.web_no_link


def test_without_a_terminal_there_is_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert Invitation([LINK], ITALIAN).answer() == ITALIAN.qr_not_shown.format(link=LINK)


def test_the_operators_qr_says_the_link_or_that_browsers_stay_out(server: ChatServer) -> None:
    with_web = Operator(server, ENGLISH, Invitation([LINK], ENGLISH))
    assert with_web.answer("QR\n") == ENGLISH.qr_not_shown.format(link=LINK)
    assert with_web.answer("qr 5") == "Usage: qr"
    assert Operator(server, ENGLISH).answer("qr") == ENGLISH.web_is_off


# --- the client to download -----------------------------------------------------------------------------------------


def test_the_client_beside_the_executable_is_offered_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "chat_client.exe").write_bytes(b"MZ")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "chat_server"))
    monkeypatch.chdir(tmp_path)
    assert client_beside_this() is None  # beside a Python there may be anything
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert client_beside_this() == tmp_path / "chat_client.exe"
    (tmp_path / "chat_client.exe").unlink()
    assert client_beside_this() is None
    (tmp_path / "chat_client.exe").mkdir()
    assert client_beside_this() is None


def test_the_sum_is_the_files(tmp_path: Path) -> None:
    file = tmp_path / "chat_client.exe"
    file.write_bytes(os.urandom(3_000_000))
    assert sum_of(file) == hashlib.sha256(file.read_bytes()).hexdigest()


# --- the command line -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--grace-web", "-1"], "bad_grace_web"),
        (["--grace-web", "86401"], "bad_grace_web"),
        (["--grace-web", "nan"], "bad_grace_web"),
        *((["--web-name", name], "bad_web_name") for name in ("http://aula", "aula:80", "a..b", ".", "aula 3", "è.it")),
        (["--web-name", "a" * 64], "bad_web_name"),
        (["--web-name", ".".join(["a" * 60] * 5)], "bad_web_name"),
        (["--web-name", "aula\n"], "bad_web_name"),
    ],
)
def test_options_for_browsers_that_cannot_work_are_explained(
    options: list[str], sentence: str, words: ServerWords, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        chat_server.parse_arguments([*options, "--lang", "en" if words is ENGLISH else "it"])
    assert ended.value.code == 2
    assert getattr(words, sentence) in capsys.readouterr().err


@pytest.mark.parametrize("name", ["chat", "aula-3.scuola.it", "PC_DI_ADA", "xn--e1afmkfd.local"])
def test_a_name_for_browsers_is_taken_as_it_is(name: str) -> None:
    assert chat_server.parse_arguments(["--web-name", name]).web_name == name


def test_web_is_on_or_off() -> None:
    with Program(TOP / "chat_server.py", "--web", "yes") as program:
        status, output = program.expect_end()
    assert status == 2
    assert "argomento --web: valore non previsto: 'yes'" in output


def get(port: int, host: str = "127.0.0.1") -> str:
    """Return what a browser gets that asks for the page under a name."""
    with Peer(port) as peer:
        peer.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
        return peer.expect_end()


def test_a_browser_gets_the_page_where_the_banner_says() -> None:
    with ServerProgram("--web-name", "Aula.Scuola.it", *PATIENT) as program:
        assert get(program.port).startswith("HTTP/1.1 200 ")
        assert get(program.port, "aula.scuola.it").startswith("HTTP/1.1 200 ")
        assert get(program.port, "altra.scuola.it").startswith("HTTP/1.1 421 ")


def test_without_the_web_a_browser_reads_why_and_no_link_is_shown() -> None:
    with ServerProgram("--web", "off", *PATIENT) as program:
        assert get(program.port).startswith("HTTP/1.1 501 ")
        program.interrupt()
        assert "http" not in program.expect_end()[1]


@pytest.mark.psk
@pytest.mark.parametrize(("options", "status"), [((), 403), (("--web", "on"), 200)])
def test_in_a_room_with_a_code_browsers_are_let_in_only_if_told_and_then_it_says_what_that_means(
    options: tuple[str, ...], status: int
) -> None:
    with ServerProgram("--code", "baba-coco-didi-fofo", *options, *PATIENT) as program:
        assert get(program.port).startswith(f"HTTP/1.1 {status} ")
        program.interrupt()
        output = program.expect_end()[1]
    assert (ITALIAN.web_in_clear in output) == bool(options)
