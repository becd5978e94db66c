"""A window whose server says what no server should: it goes on, and what it shows can be saved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lan_chat.client.words import ITALIAN
from protocol import MAX_NAMES, Greeting, Joined, Left, Refused, Welcome
from tests.support.played_server import Play, message
from tests.support.seats import ReaderSit
from tests.support.session_seats import SessionSit

NASTY_NAMES = ["a" + "\u0301\u0323" * 100_000, "x" * 1_000_000, "\ud800", "Eva\udfff", "\u202eadA", "Bob\nAda: sì", ""]
MANY_NAMES = [f"n{number}" for number in range(150_000)]


def line(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, **fields}).encode() + b"\n"


@pytest.mark.screen
def test_a_window_outlives_whatever_a_server_says(play: Play, session_sit: SessionSit, tmp_path: Path) -> None:
    server = play()
    ada = session_sit(server, name="Ada")
    ada.see(ITALIAN.greeting)  # the window then asks for the name
    server.peer.expect('"join"')
    wire = [line("welcome", name="Ada", token="t", names=[*NASTY_NAMES, *MANY_NAMES], last=0)]
    for number, name in enumerate(NASTY_NAMES):
        wire += [
            line("joined", id=4 * number + 1, time=9e15, name=name),
            line("message", id=4 * number + 2, time=9e15, name=name, text=f"ciao \ud800{number}"),
            line("announcement", id=4 * number + 3, time=0, text="\x1b[2J\u2066attenzione"),
            line("left", id=4 * number + 4, time=1, name=name, reason=name),
            line("error", reason=name, detail=name),
            line("refused", reason=name) if number == len(NASTY_NAMES) - 1 else line("notice", about=name),
        ]
    wire += [b"[" * 1_000_000 + b"\n", b"x" * 5_000_000 + b"\n", line("error", reason="x", detail="w" * 8_000_000)]
    server.peer.sock.sendall(b"".join(wire))
    server.peer.tell(Welcome("Ada", "t", ("Ada", "Bob"), 100), Joined(101, 0.0, "Ada"), message(102, "tutto bene"))
    ada.see("Bob: tutto bene")
    assert ada.people == ["Ada", "Bob"]
    path = tmp_path / "chat.txt"
    ada.window.save_as(path)
    ada.see(ITALIAN.saved.format(file=path))
    saved = path.read_text("utf-8")
    assert all(f"ciao {number}\n" in saved for number in range(len(NASTY_NAMES)))
    assert "\nAda: sì" not in saved
    assert max(map(len, saved.splitlines())) < 2000


@pytest.mark.screen
def test_a_control_word_as_a_name_is_not_put_into_the_box(reader_sit: ReaderSit) -> None:
    reader = reader_sit()
    reader.hear(Welcome("{quit}", "t", ("{quit}",), 0), Refused("taken"), Greeting())
    assert (reader.draft, reader.settings.name) == ("Ada", "Ada")  # the last valid one


@pytest.mark.screen
def test_a_room_of_countless_names_lists_the_first(play: Play, session_sit: SessionSit) -> None:
    server = play()
    ada = session_sit(server, name="Ada")
    ada.see(ITALIAN.greeting)  # the window then asks for the name
    server.peer.expect('"join"')
    server.peer.send(line("welcome", name="Ada", token="t", names=MANY_NAMES, last=0).decode())
    ada.see(ITALIAN.welcome.format(name="Ada"))
    assert len(ada.people) == MAX_NAMES
    assert set(ada.people) <= set(MANY_NAMES[:MAX_NAMES])


@pytest.mark.screen
def test_countless_people_that_come_in_one_by_one_are_not_all_listed(reader_sit: ReaderSit) -> None:
    reader = reader_sit()
    reader.hear(*(Joined(number, 0.0, f"n{number}") for number in range(MAX_NAMES + 50)))
    assert len(reader.people) == MAX_NAMES
    reader.hear(Left(1, 0.0, reader.people[0]), Joined(2, 0.0, "Bob"))
    assert "Bob" in reader.people


@pytest.mark.screen
def test_megabytes_of_an_original_server_are_shown_and_saved(
    play: Play, session_sit: SessionSit, tmp_path: Path
) -> None:
    server = play(ITALIAN.greeting)
    ada = session_sit(server)
    server.peer.sock.sendall(("Bob: \u202e" + "a\u0301" * 20_000 + "\n").encode() + b"\xff\x00\x1b[2J" * 1000)
    server.peer.send("\nfine.")
    ada.see("fine.")
    ada.window.save_as(tmp_path / "chat.txt")
    assert "\x1b" not in (tmp_path / "chat.txt").read_text("utf-8")
