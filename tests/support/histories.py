"""History files: their rows, their export, and files that are damaged or no history at all."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from pathlib import Path

from protocol import Say
from tests.support.peers import EventPeer, LinePeer
from tests.support.programs import TOP, Program
from tests.support.servers import recorded_room


def rows_of(file: Path) -> list[tuple[int, str, str | None, str | None]]:
    """What is in a history by now."""
    with contextlib.closing(sqlite3.connect(file)) as opened:
        return opened.execute("SELECT id, type, name, text FROM events ORDER BY id").fetchall()


def chatter(peer: EventPeer, number: int) -> None:
    """Talk until the link breaks."""
    with contextlib.suppress(OSError):
        for nonce in range(10**9):
            peer.send(peer.decoder.encode(Say(f"{number}/{nonce} ciao", nonce)))


def make_history(file: Path) -> bytes:
    """Record something; gives the file's bytes."""
    with recorded_room(file) as server, EventPeer(server.port, "Ada") as ada, LinePeer(server.port, "Bob") as bob:
        for number in range(200):
            ada.say(f"numero {number} ".ljust(60, "x"))
        ada.say("fine")
        ada.events_until("fine")
        bob.expect("fine")
    return file.read_bytes()


def make_random(file: Path) -> Path:
    file.write_bytes(random.Random(3).randbytes(10_000))
    return file


def make_truncated(file: Path) -> Path:
    whole = make_history(file)
    file.write_bytes(whole[: len(whole) // 2])
    return file


def make_anothers(file: Path) -> Path:
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE events (id, time, type, name, text, nonce, reason)")
        other.execute("INSERT INTO events VALUES (1, 2.0, 'message', 'Ada', 'un altro programma', 1, NULL)")
        other.commit()
    return file


def make_text(file: Path) -> Path:
    file.write_text("Questa è una lettera.\n" * 100, encoding="utf-8")
    return file


def make_folder(file: Path) -> Path:
    file.mkdir()
    return file


def make_missing(file: Path) -> Path:
    return file.parent / "non c'è" / file.name


def export(file: Path, target: Path, *options: str) -> tuple[int, str]:
    with Program(TOP / "chat_server.py", "--history", str(file), "--export", str(target), *options) as program:
        return program.expect_end()


def make_damaged(path: Path) -> None:
    path.write_bytes(b"no database at all" * 1000)
