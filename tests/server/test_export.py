"""Exports of a history: text, tables, and attendance."""

from __future__ import annotations

import csv
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import chat_server
from lan_chat.server.export import export_history
from lan_chat.server.history import Departure, History, RoomEvent
from lan_chat.server.membership import Member
from lan_chat.server.words import ITALIAN
from protocol import Announcement, Joined, Left, Quit
from tests.support.histories import (
    chatter,
    export,
    make_anothers,
    make_damaged,
    make_folder,
    make_history,
    make_missing,
    make_random,
    make_text,
    make_truncated,
)
from tests.support.peers import EventPeer, LinePeer, drain, texts_of
from tests.support.programs import ServerProgram
from tests.support.servers import Serve

IT = ITALIAN


def damage_none(file: Path) -> Path:
    return file


TRICKY = ["=1+1", "+39 06", "-1", "@SUM(A1)", 'a,b;"c"', "due\nrighe", "ñ \U0001f600 「字」", "'già", "\t=1", "=a\n=b"]


def test_what_was_said_comes_out_as_it_was_and_no_cell_is_a_formula(file: Path) -> None:
    with ServerProgram("--history", str(file)) as program, EventPeer(program.port, "=Ada") as ada:
        for text in TRICKY:
            ada.say(text)
        said = texts_of(ada.events_until(TRICKY[-1]))
        with EventPeer(program.port, "Bob") as bob:
            bob.tell(Quit())
            drain(bob)
        ada.expect_event(Joined)
        ada.expect_event(Left)

        table, plain = file.with_suffix(".CSV"), file.with_name("storia.txt")
        assert export(file, table) == (0, IT.export_done.format(count=len(TRICKY) + 3, file=table) + "\n")
        assert table.read_bytes().startswith(b"\xef\xbb\xbf")
        with table.open(encoding="utf-8-sig", newline="") as opened:
            cells = list(csv.reader(opened))
        assert cells[0] == ["id", "time", "type", "name", "text"]
        assert [row[0] for row in cells[1:]] == [str(number) for number in range(1, len(TRICKY) + 4)]
        assert not [cell for row in cells for cell in row if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
        written = [row[4] for row in cells[1:] if row[2] == "message"]
        assert [
            cell[cell.startswith("'") and line[0] in "=+-@\t" :] for cell, line in zip(written, said, strict=True)
        ] == said

        assert export(file, plain)[0] == 0
        content = plain.read_text(encoding="utf-8")
        assert "=Ada: due\n    righe\n" in content
        assert "* Bob ha abbandonato la Chat.\n" in content
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d |    ", line) for line in content.splitlines())

        assert export(file, table, "--attendance")[0] == 0
        with table.open(encoding="utf-8-sig", newline="") as opened:
            rows = list(csv.reader(opened))
        assert rows[0] == ["name", "first seen", "last seen", "messages"]
        assert [(row[0], row[3]) for row in rows[1:]] == [("'=Ada", str(len(TRICKY))), ("Bob", "0")]
        ada.say("ancora")  # the server was not held up
        ada.events_until("ancora")
        program.process.kill()
        program.process.wait()
    assert export(file, plain)[1] == IT.export_done.format(count=len(TRICKY) + 4, file=plain) + "\n"  # nor the kill


def test_an_export_while_a_server_writes_is_a_whole_beginning(file: Path) -> None:
    target = file.with_suffix(".csv")
    with ServerProgram("--history", str(file), "--rate", "2000") as program, EventPeer(program.port, "Ada") as ada:
        talk = threading.Thread(target=chatter, args=(ada, 0))
        talk.start()
        reader = threading.Thread(target=drain, args=(ada,))
        reader.start()
        for _ in range(10):
            count = export_history(file, target, False, IT)
            with target.open(encoding="utf-8-sig", newline="") as opened:
                cells = list(csv.reader(opened))[1:]
            assert len(cells) == count
            assert [row[0] for row in cells] == [str(number) for number in range(1, count + 1)]
        program.process.kill()
        program.process.wait()
        talk.join()
        reader.join()


@pytest.mark.parametrize(
    "make", [damage_none, make_random, make_truncated, make_anothers, make_text, make_folder, make_missing]
)
def test_what_cannot_be_exported_is_one_sentence_and_leaves_the_last_export(
    file: Path, make: Callable[[Path], Path]
) -> None:
    path = make(file)
    target = file.with_name("di ieri.txt")
    target.write_text("di ieri")
    before = names_beside(file)
    status, output = export(path, target)
    assert status == 2
    assert output.count("\n") == 1
    assert str(path) in output
    assert target.read_text() == "di ieri"
    assert names_beside(file) == before


def names_beside(file: Path) -> list[str]:
    """What is in the folder, but for what SQLite needs to read a file that another program may be writing."""
    names = (entry.name for entry in file.parent.iterdir())
    return sorted(name for name in names if not name.endswith(("-shm", "-wal")))


def test_a_history_is_not_exported_over_itself(file: Path) -> None:
    before = make_history(file)
    assert export(file, file)[0] == 2
    assert export(file, file.parent / ".." / file.parent.name / file.name)[0] == 2
    assert file.read_bytes() == before


def test_an_export_that_cannot_be_written_is_one_sentence(file: Path) -> None:
    make_history(file)
    for target in (file.parent, file.parent / "non c'è" / "x.csv"):
        status, output = export(file, target)
        assert (status, output.count("\n"), "Traceback" in output) == (2, 1, False)


@pytest.mark.parametrize(
    "options",
    [
        ["--export", "x.txt"],
        ["--attendance"],
        ["--history", "x.db", "--attendance"],
        ["--grace", "-1"],
        ["--grace", "nan"],
        ["--grace", "inf"],
        ["--backlog", "-1"],
        ["--backlog", "10001"],
        ["--history"],
    ],
)
def test_options_that_cannot_work_are_explained(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        chat_server.main(options)
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_a_history_is_exported_as_text_as_csv_and_as_attendance_while_a_server_writes(
    serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "chat.db"
    server = serve(grace_s=0.0, history=History(path, ITALIAN))
    with LinePeer.__new__(LinePeer) as ada:
        super(LinePeer, ada).__init__(server.port)
        ada.send("Ada\n")
        ada.expect(ITALIAN.recorded)
        ada.send("=1+1\nperché 😀\n")
        ada.expect("😀\n")
        server.call(lambda: server.delivery.announce("attenzione"))
        ada.expect("Server: attenzione\n")
        assert chat_server.main(["--history", str(path), "--export", str(tmp_path / "a.txt")]) == 0
        command = ["--history", str(path), "--export", str(tmp_path / "a.csv")]
        assert chat_server.main(command) == 0
        assert chat_server.main([*command[:-1], str(tmp_path / "b.csv"), "--attendance"]) == 0
    lines = (tmp_path / "a.txt").read_text("utf-8").splitlines()
    said = ["* Ada si è unito alla chat!", "Ada: =1+1", "Ada: perché 😀", "* Server: attenzione"]
    assert [line[20:] for line in lines] == said
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert [row[2:] for row in rows[1:3]] == [["joined", "Ada", ""], ["message", "Ada", "'=1+1"]]
    with (tmp_path / "b.csv").open(encoding="utf-8-sig", newline="") as file:
        (_, row) = csv.reader(file)
    assert (row[0], row[3]) == ("Ada", "2")


def test_who_only_listened_was_seen_until_it_left_or_the_room_was_closed(tmp_path: Path) -> None:
    path, table = tmp_path / "chat.db", tmp_path / "a.csv"
    times = {"joined": 100.0, "left": 200.0, "message": 300.0}
    history = History(path, ITALIAN)
    members = [Member("Ada", b"1", None), Member("Bob", b"2", None)]
    members[0].joined_id, members[1].joined_id = 1, 2
    events: list[RoomEvent] = [Joined(1, times["joined"], "Ada"), Joined(2, times["joined"], "Bob")]
    history.write(events, members, [])
    history.write([Left(3, times["left"], "Ada")], [], [Departure(members[0], 3)])
    history.write([Announcement(4, times["message"], "basta")], [], [])
    history.say_goodbye(4, members[1:])
    history.close()
    assert chat_server.main(["--history", str(path), "--export", str(table), "--attendance"]) == 0
    with table.open(encoding="utf-8-sig", newline="") as file:
        last_seen = {row["name"]: row["last seen"] for row in csv.DictReader(file)}
    as_written = {name: time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) for name, when in times.items()}
    assert last_seen == {"Ada": as_written["left"], "Bob": as_written["message"]}


@pytest.mark.parametrize("arguments", [["--export", "x"], ["--attendance"], ["--history", "x", "--attendance"]])
def test_options_that_need_others_say_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        chat_server.main(arguments)
    assert caught.value.code == 2
    assert "richied" in capsys.readouterr().err


def test_what_cannot_be_exported_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_damaged(tmp_path / "bad.db")
    for name in ("nothing.db", "bad.db"):
        arguments = ["--history", str(tmp_path / name), "--export", str(tmp_path / "out.txt")]
        assert chat_server.main(arguments) == 2
        assert "Non è possibile esportare" in capsys.readouterr().err
