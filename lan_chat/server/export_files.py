"""The files of an export: the record that it reads, and the one that it writes. Main thread only; each closes its own.

The record is never written to, and never the target.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sqlite3
import stat
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from lan_chat.server.history import History
from lan_chat.server.words import ServerWords

RECORD_SUFFIXES = ("", "-wal", "-shm", "-journal", ".lock", ".lock-journal", ".lock-wal", ".lock-shm")
"""What is behind the record's name in those of its files: SQLite's own, and those of the lock."""
COPIES = 5
"""How often a record is copied that is written to meanwhile."""


class ExportError(ValueError):
    """The record cannot be read, or nothing be written there; the text says why."""


def read_only_uri(path: str | Path) -> str:
    """Return the URI with which SQLite opens a file to read it.

    Every character of the path is quoted, also the slashes: so SQLite sees no authority in `//NAS/…`, which it would
    refuse, and takes the path as the system writes it.
    """
    return f"file:{quote(os.fsencode(path), safe='')}?mode=ro"


@contextlib.contextmanager
def open_record(source: Path, words: ServerWords) -> Iterator[sqlite3.Connection]:
    """Open a record to read it, also while a server writes to it. Raises FILE_ERRORS.

    SQLite has to write beside a file that no server holds open, or has to find what a server has there. In a folder
    where it may not, a copy is read.
    """
    if not source.is_file():
        raise ExportError(words.export_source_is_no_file if source.exists() else words.export_no_source)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(contextlib.closing(sqlite3.connect(read_only_uri(source.absolute()), uri=True)))
            History.check_application(file, words)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            copy = _copy(source, Path(folder), words)
            file = stack.enter_context(contextlib.closing(sqlite3.connect(read_only_uri(copy), uri=True)))
            History.check_application(file, words)
        file.execute("BEGIN")  # all that is read is of one moment
        yield file


def _copy(source: Path, folder: Path, words: ServerWords) -> Path:
    """Copy a record with what is not in its main file yet, and return the copy's path. Raises OSError, ExportError."""
    main, log = (Path(f"{os.path.realpath(source)}{suffix}") for suffix in ("", "-wal"))
    copy = folder / "record"
    for _ in range(COPIES):
        before = _state_of(main), _state_of(log)
        shutil.copyfile(main, copy)
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(log, f"{copy}-wal")
        if before == (_state_of(main), _state_of(log)):
            return copy
        Path(f"{copy}-wal").unlink(missing_ok=True)
    raise ExportError(words.export_source_changes)


def _state_of(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is written to; None where it is not there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def check_target(target: Path, source: Path, words: ServerWords) -> None:
    """Check that an export may be written to a path. Raises ExportError, OSError."""
    real = Path(os.path.realpath(target))
    if _is_of_record(real, source):
        raise ExportError(words.export_over_record)
    if target.is_dir():
        raise ExportError(words.export_to_folder)
    if target.exists():
        mode = target.stat().st_mode
        # On Windows a name such as AUX.csv is a device, and what is written there is lost.
        is_stream = stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and sys.platform != "win32")
        if not (stat.S_ISREG(mode) or is_stream):
            raise ExportError(words.export_to_device)
    elif not real.parent.is_dir():
        raise ExportError(words.export_no_folder.format(folder=real.parent))


def _is_of_record(real: Path, source: Path) -> bool:
    """Return whether a path is that of one of the record's files, which need not be there.

    On any system as on one that does not tell apart `chat.db-wal`, `CHAT.DB-WAL` and `chat.db-wal.`.
    """
    for record in (source.absolute(), Path(os.path.realpath(source))):
        for suffix in RECORD_SUFFIXES:
            part = Path(f"{record}{suffix}")
            if _is_same(real, part) or (
                _folded(real.name) == _folded(part.name) and _is_same(real.parent, part.parent)
            ):
                return True
    return False


def _is_same(one: Path, other: Path) -> bool:
    """Return whether two paths are of one file, or folder, that is there."""
    try:
        first, second = one.stat(), other.stat()
    except OSError:
        return False
    return first.st_ino != 0 and os.path.samestat(first, second)  # 0 is what Windows says of a device


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().rstrip(". ")


@contextlib.contextmanager
def open_target(target: Path, words: ServerWords, encoding: str, newline: str | None = None) -> Iterator[TextIO]:
    """Open a file that takes the target's place when all is written to it; what was there stays whole until then.

    A pipe or a terminal is written to as it is; until a pipe has a reader, this waits, and an exception of a signal
    handler ends the wait. Raises ExportError.
    """
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding=encoding, newline=newline) as out:
                yield out
            return
        real = Path(os.path.realpath(target))  # a symbolic link stays one
        beside = real.with_name(f".lan-chat-{secrets.token_hex(8)}")
        try:
            with beside.open("x", encoding=encoding, newline=newline) as out:
                _take_after(beside, real)
                yield out
                out.flush()
                os.fsync(out.fileno())
            beside.replace(real)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
    except PermissionError as error:
        raise ExportError(words.export_not_allowed) from error
    except OSError as error:
        raise ExportError(error.strerror or str(error)) from error  # without the name of the file beside


def _take_after(new: Path, old: Path) -> None:
    """Set the owner and the permissions of a new file to those of the file that it replaces. Raises OSError."""
    if not old.exists():
        return
    if not os.access(old, os.W_OK):
        raise PermissionError
    status = old.stat()
    if sys.platform != "win32":
        with contextlib.suppress(OSError):  # only root can give a file away
            os.chown(new, status.st_uid, status.st_gid)
    new.chmod(stat.S_IMODE(status.st_mode))
