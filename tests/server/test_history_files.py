"""History files that cannot be used: a sentence, and the room goes on."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import chat_server
import protocol
from lan_chat.server.words import ITALIAN
from protocol import Notice, Welcome
from tests.support.histories import (
    export,
    make_anothers,
    make_damaged,
    make_folder,
    make_history,
    make_missing,
    make_random,
    make_text,
    make_truncated,
    rows_of,
)
from tests.support.peers import BackPeer, EventPeer, texts_of
from tests.support.programs import TOP, Program, ServerProgram
from tests.support.servers import recorded_room, room

IT = ITALIAN


@pytest.mark.parametrize("make", [make_random, make_truncated, make_anothers, make_text, make_folder, make_missing])
def test_a_file_that_is_no_history_is_one_sentence_and_left_as_it_is(
    file: Path, make: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(file)
    before = path.read_bytes() if path.is_file() else None
    with recorded_room(path) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.before == [Notice("not recorded")]
        ada.say("si parla lo stesso")
        ada.events_until("si parla lo stesso")
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert str(path) in output
    assert "Traceback" not in output
    assert (path.read_bytes() if path.is_file() else None) == before


def test_the_program_says_it_and_goes_on(file: Path) -> None:
    make_random(file)
    with Program(
        TOP / "chat_server.py", "--host", "127.0.0.1", "--port", "0", "--history", str(file), stdin=subprocess.DEVNULL
    ) as program:
        assert str(file) in program.expect("nulla viene")
        program.expect("127.0.0.1  port")
        with EventPeer(int(program.expect("\n").split()[-1]), "Ada") as ada:
            assert ada.before == [Notice("not recorded")]
            program.interrupt()
            status, output = program.expect_end()
            assert (status, "Traceback" in output) == (0, False)


def test_a_file_that_may_only_be_read_is_a_sentence_and_left_as_it_is(file: Path) -> None:
    before = make_history(file)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy = folder / "sola lettura.db"
        copy.write_bytes(before)
        copy.chmod(0o444)
        folder.chmod(0o555 if sys.platform != "win32" else 0o777)
        # The superuser may write everywhere.
        drop = "os.setuid(65534)" if hasattr(os, "geteuid") and os.geteuid() == 0 else "pass"
        code = (
            "import os, sys, chat_server\nopen_history = chat_server.open_history\n"
            f"def open_as_anybody(*arguments):\n    {drop}\n    return open_history(*arguments)\n"
            "chat_server.open_history = open_as_anybody\nsys.exit(chat_server.main())"
        )
        options = ("--host", "127.0.0.1", "--port", "0", "--history", str(copy))
        with Program("-c", code, *options, stdin=subprocess.DEVNULL, PYTHONPATH=str(TOP)) as program:
            assert str(copy) in program.expect("nulla viene")
            program.expect("127.0.0.1  port")
            with EventPeer(int(program.expect("\n").split()[-1]), "Ada") as ada:
                assert ada.before == [Notice("not recorded")]
                program.interrupt()
                status, output = program.expect_end()
            assert (status, "Traceback" in output) == (0, False)
        assert copy.read_bytes() == before
        folder.chmod(0o777)
        copy.chmod(0o666)


def test_a_locked_file_is_a_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lan_chat.server.history.HISTORY_LOCK_S", 0.05)
    make_history(file)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
            assert ada.before == [Notice("not recorded")]
        assert "locked" in capsys.readouterr().out
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.before[0] == Notice("recorded")


def test_no_damage_of_a_file_is_more_than_a_sentence(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = make_history(file)
    lot = random.Random(4)
    target = file.with_suffix(".csv")
    answers: Counter[str] = Counter()
    for number in range(150):
        damaged = file.with_name(f"{number}.db")
        content = bytearray(whole)
        for _ in range(lot.choice([1, 3, 30])):
            start = lot.randrange(len(whole))
            content[start : start + lot.choice([1, 4, 500])] = lot.randbytes(lot.choice([1, 4, 500]))
        damaged.write_bytes(content)
        for options in ([], ["--attendance"]):
            status = chat_server.main(["--history", str(damaged), "--export", str(target), *options])
            answers[f"export {status}"] += 1
        history, notice = chat_server.open_history(damaged, IT)
        answers[notice.about if notice else ""] += 1
        if history is None:
            continue
        with room(history=history, notice=notice, backlog=10) as server, EventPeer(server.port, f"u{number}") as peer:
            peer.say("ciao")
            peer.events_until("ciao")
            with BackPeer(server.port, peer.welcome.token, last=1) as back:
                assert texts_of(back.missed())[-1] == "ciao"
    assert len(answers) == 4, answers
    print(answers)
    assert "Traceback" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE events SET time = 'ieri' WHERE id = 7",
        "UPDATE events SET text = x'ff00' WHERE id = 7",
        "UPDATE events SET text = CAST(x'ff41' AS TEXT) WHERE id = 7",
        "UPDATE events SET nonce = 'uno' WHERE id = 7",
        "UPDATE members SET left_id = NULL, replay_from = 'x'",
        "UPDATE members SET left_id = NULL, token_key = 'x'",
        "DROP TABLE members",
    ],
)
def test_a_history_with_a_damaged_row_is_a_sentence(
    file: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_history(file)
    with contextlib.closing(sqlite3.connect(file)) as opened:
        opened.execute(damage)
        opened.commit()
    is_made_again = damage.startswith("DROP")
    with recorded_room(file, backlog=300) as server, EventPeer(server.port, "Zoe") as zoe:
        assert zoe.before[0] == Notice("recorded" if is_made_again else "not recorded")
    assert str(file) in capsys.readouterr().out or is_made_again
    if "events" in damage:
        status, output = export(file, file.with_suffix(".csv"))
        assert (status, output.count("\n"), "Traceback" in output) == (2, 1, False)


@pytest.mark.parametrize("when", ["-1", "1e300", "-9e999", "9e999", "32503593600.5"])
def test_a_clock_that_was_wrong_costs_a_time_and_nothing_else(file: Path, when: str) -> None:
    make_history(file)
    with contextlib.closing(sqlite3.connect(file)) as opened:
        opened.execute(f"UPDATE events SET time = {when} WHERE id = 7")
        opened.commit()
        texts = [text for (text,) in opened.execute("SELECT text FROM events WHERE type = 'message' ORDER BY id")]
    with recorded_room(file, backlog=300) as server, EventPeer(server.port, "Zoe") as zoe:
        assert zoe.before[0] == Notice("recorded")
        assert texts_of(zoe.before[1:]) == texts
    for name in ("chat.txt", "chat.csv"):
        status, output = export(file, file.with_name(name))
        assert (status, "Traceback" in output) == (0, False)


@pytest.mark.parametrize("now", [-5e9, 1e12])
def test_a_clock_that_is_wrong_now_records_a_time_that_can_be_read(
    file: Path, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.server.delivery.time.time", lambda: now)
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        ada.say("ciao")
        assert texts_of(ada.events_until("ciao")) == ["ciao"]
    monkeypatch.undo()
    with recorded_room(file, backlog=9) as server, EventPeer(server.port, "Zoe") as zoe:
        assert texts_of(zoe.before[1:]) == ["ciao"]


def test_a_second_server_on_the_same_file_goes_on_without_it(file: Path) -> None:
    with ServerProgram("--history", str(file)) as first, EventPeer(first.port, "Ada") as ada:
        with Program(TOP / "chat_server.py", "--host", "127.0.0.1", "--port", "0", "--history", str(file)) as second:
            assert IT.history_in_use in second.expect("nulla viene")
            second.expect("127.0.0.1  port")
            with EventPeer(int(second.expect("\n").split()[-1]), "Bob") as bob:
                assert bob.before == [Notice("not recorded")]
                bob.say("non qui")
                bob.events_until("non qui")
                second.interrupt()
                assert second.expect_end()[0] == 0
        ada.say("qui")
        ada.events_until("qui")
        assert [row[3] for row in rows_of(file)] == [None, "qui"]
        first.interrupt()
        first.expect_end()
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada:
        assert ada.before[0] == Notice("recorded")


def make_foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE recipes (name TEXT)")


@pytest.mark.parametrize("make", [make_damaged, make_foreign, Path.mkdir])
def test_a_file_that_cannot_be_used_is_told_and_the_room_goes_on(
    make: Callable[[Path], object], tmp_path: Path
) -> None:
    path = tmp_path / "chat.db"
    make(path)
    with ServerProgram("--history", str(path)) as program:
        peer = EventPeer(program.port)
        with peer:
            peer.tell(protocol.Join("Ada"))
            peer.expect_event(Welcome)
            assert peer.expect_event(Notice) == Notice(protocol.NOT_RECORDED)
        program.interrupt()
        status, output = program.expect_end()
        assert status == 0
        assert "Traceback" not in output
