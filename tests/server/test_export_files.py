"""The files of an export: paths of every kind, a record that may only be read, targets that must not be written to."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import chat_server
from lan_chat.server.export import export_history
from lan_chat.server.export_files import RECORD_SUFFIXES, ExportError, read_only_uri
from lan_chat.server.history import Changes, History
from lan_chat.server.words import ITALIAN
from protocol import Message
from tests.support.histories import (
    export,
    make_anothers,
    make_folder,
    make_missing,
    make_random,
    make_text,
    make_truncated,
)
from tests.support.programs import TOP, Program

IT = ITALIAN
POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="POSIX alone has these files and permissions")


def make_record(path: Path, count: int = 3) -> History:
    """Record some messages; the file is whole when the history is closed."""
    path.parent.mkdir(exist_ok=True)
    history = History(path, IT)
    history.write(
        Changes(events=[Message(number, 1.0, "Ada", f"numero {number}".ljust(200, "x")) for number in range(count)])
    )
    return history


def make_pipe(path: Path) -> Path:
    if sys.platform != "win32":
        os.mkfifo(path)
    return path


def damage_none(file: Path) -> Path:
    return file


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


# --- the record -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (r"\\NAS\chat\chat.db", "file:%5C%5CNAS%5Cchat%5Cchat.db?mode=ro"),
        ("//NAS/chat/chat.db", "file:%2F%2FNAS%2Fchat%2Fchat.db?mode=ro"),
        (r"\\?\UNC\NAS\chat\chat.db", "file:%5C%5C%3F%5CUNC%5CNAS%5Cchat%5Cchat.db?mode=ro"),
        (r"C:\lezione 1\chat.db", "file:C%3A%5Clezione%201%5Cchat.db?mode=ro"),
        ("/home/è/100%?#&41.db", "file:%2Fhome%2F%C3%A8%2F100%25%3F%23%2641.db?mode=ro"),
    ],
)
def test_no_path_gives_sqlite_an_authority_or_an_option(path: str, uri: str) -> None:
    assert read_only_uri(path) == uri


def test_a_record_is_read_under_any_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "100%41 #1" if sys.platform == "win32" else "100%41 #1?mode=rw&x \\ "
    record = file.parent / f"{odd}.db" / f"{odd}.db"
    make_record(record).close()
    spellings = [record, record.parent / ".." / record.parent.name / record.name]
    if sys.platform == "win32":
        spellings += [Path(rf"\\?\{record}"), Path(rf"\\.\{record}")]  # as a share's, these have an authority
    for spelling in spellings:
        assert export_history(spelling, file.with_suffix(".csv"), False, IT) == 3
    monkeypatch.chdir(record.parent)
    assert export_history(Path(record.name), file.with_suffix(".csv"), False, IT) == 3


def export_as_anybody(record: Path, target: Path) -> tuple[int, str]:
    """Export without root's right to write everywhere."""
    drop = "os.setuid(65534)" if hasattr(os, "geteuid") and os.geteuid() == 0 else "pass"
    # Only then, for its own modules may be where root alone can read them.
    code = (
        "import encodings.utf_8_sig, os, sys, chat_server\nexport = chat_server.export\n"
        f"def export_as_anybody(*arguments):\n    {drop}\n    return export(*arguments)\n"
        "chat_server.export = export_as_anybody\nsys.exit(chat_server.main())"
    )
    with Program("-c", code, "--history", record, "--export", target, PYTHONPATH=str(TOP)) as program:
        return program.expect_end()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that every user may enter, which a test's own are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def leave_closed(record: Path) -> None:
    make_record(record).close()


def leave_killed(record: Path) -> None:
    """Leave a record as a killed server does, whose events are not in the main file yet."""
    living = record.with_name("altro.db")
    history = make_record(living)
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{living}{suffix}", f"{record}{suffix}")
    history.close()
    assert Path(f"{record}-wal").stat().st_size > 0


@POSIX_ONLY
@pytest.mark.parametrize("leave", [leave_closed, leave_killed])
def test_a_record_in_a_folder_that_may_only_be_read_is_exported_whole(
    shared: Path, leave: Callable[[Path], None]
) -> None:
    record = shared / "sola lettura" / "chat.db"
    record.parent.mkdir()
    leave(record)
    for path in record.parent.iterdir():
        path.chmod(0o444)
    record.parent.chmod(0o555)
    before = sorted(path.name for path in record.parent.iterdir())
    target = shared / "a.csv"
    assert export_as_anybody(record, target) == (0, IT.export_done.format(count=3, file=target) + "\n")
    assert sorted(path.name for path in record.parent.iterdir()) == before
    record.parent.chmod(0o777)


@POSIX_ONLY
def test_a_record_in_such_a_folder_is_read_while_a_server_writes_to_it(shared: Path) -> None:
    record = shared / "sola lettura" / "chat.db"
    with contextlib.closing(make_record(record)) as history:
        record.parent.chmod(0o555)
        for count in (3, 4, 5):
            assert export_as_anybody(record, shared / "a.csv")[1].startswith(f"{count} ")
            history.write(Changes(events=[Message(count, 1.0, "Ada", "ancora")]))
        record.parent.chmod(0o777)


def refuse_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have SQLite refuse the record itself, as in a folder that may only be read."""
    check = History.check_application
    calls: list[object] = []

    def check_application(file: sqlite3.Connection, words: object) -> None:
        calls.append(file)
        if len(calls) == 1:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        check(file, IT)

    monkeypatch.setattr(History, "check_application", check_application)


def test_a_record_that_changes_while_it_is_copied_is_copied_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copyfile = shutil.copyfile
    with contextlib.closing(make_record(file)) as history:

        def copy_and_write(source: Path, target: Path) -> None:
            copyfile(source, target)
            if writes:
                history.write(Changes(events=[Message(writes.pop(), 1.0, "Ada", "ancora")]))

        monkeypatch.setattr(shutil, "copyfile", copy_and_write)
        writes = [4, 3]
        refuse_first(monkeypatch)
        assert export_history(file, file.with_suffix(".csv"), False, IT) == 5
        monkeypatch.undo()
        monkeypatch.setattr(shutil, "copyfile", copy_and_write)
        writes = list(range(100, 5, -1))
        refuse_first(monkeypatch)
        with pytest.raises(ExportError, match="cambia"):
            export_history(file, file.with_suffix(".csv"), False, IT)


def test_a_record_that_is_none_is_a_sentence_of_its_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {file: IT.export_no_source, file.parent: IT.export_source_is_no_file}
    if sys.platform != "win32":
        wanted[make_pipe(file.with_name("tubo"))] = IT.export_source_is_no_file
    for source, sentence in wanted.items():
        target = file.with_name("a.txt")
        assert chat_server.main(["--history", str(source), "--export", str(target)]) == 2
        assert capsys.readouterr().err == IT.cannot_export.format(source=source, file=target, error=sentence) + "\n"


# --- the target -----------------------------------------------------------------------------------------------------


def names_of(part: Path) -> dict[str, Path]:
    """Other names for a file, which may be there or not."""
    names = {
        "itself": part,
        "around": part.parent / ".." / part.parent.name / part.name,
        "other case": part.with_name(part.name.upper()),
        "full stop": part.with_name(part.name + ". "),
    }
    links = part.parent / "link"
    links.mkdir(exist_ok=True)
    if sys.platform != "win32":
        names |= {"symbolic link": links / f"s{part.name}", "folder": links / "f" / part.name}
        names["symbolic link"].symlink_to(part)
        if not (links / "f").exists():
            (links / "f").symlink_to(part.parent)
        if part.exists():
            names["hard link"] = links / f"h{part.name}"
            os.link(part, names["hard link"])
    return names


@pytest.mark.parametrize("is_open", [False, True])
def test_a_record_is_not_exported_over_one_of_its_own_files(
    file: Path, is_open: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    history = make_record(file)
    if not is_open:
        history.close()
    sources = [file]
    if sys.platform != "win32":
        sources.append(file.with_name("altro nome.db"))
        sources[-1].symlink_to(file)
    for source in sources:
        for part in {Path(f"{name}{suffix}") for name in {file, source} for suffix in RECORD_SUFFIXES}:
            for how, target in names_of(part).items():
                before = content_of(file.parent)
                assert chat_server.main(["--history", str(source), "--export", str(target)]) == 2, (how, target)
                output = capsys.readouterr().err
                assert output == IT.cannot_export.format(source=source, file=target, error=IT.export_over_record) + "\n"
                assert content_of(file.parent) == before, (how, target)
        shutil.rmtree(file.parent / "link")
    history.close()
    assert export_history(file, file.with_name(f"{file.name}-wal.csv"), False, IT) == 3


def content_of(folder: Path) -> dict[str, int]:
    """The files of a folder with their sizes, but for what SQLite needs to read one that another program may write."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm"))}


def test_a_target_that_cannot_be_is_a_sentence_of_its_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_record(file).close()
    missing = file.parent / "non c'è"
    file.with_name("file").touch()
    wanted = {
        file.parent: IT.export_to_folder,
        Path(): IT.export_to_folder,
        missing / "x.csv": IT.export_no_folder.format(folder=missing),
        file.with_name("file") / "x.csv": IT.export_no_folder.format(folder=file.with_name("file")),
    }
    if sys.platform == "win32":
        wanted[file.with_name("aux.csv")] = wanted[Path("NUL")] = IT.export_to_device
    else:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
            listener.bind(str(file.with_name("presa")))
        wanted[file.with_name("presa")] = IT.export_to_device
    before = names_beside(file)
    for target, sentence in wanted.items():
        assert chat_server.main(["--history", str(file), "--export", str(target)]) == 2
        assert capsys.readouterr().err == IT.cannot_export.format(source=file, file=target, error=sentence) + "\n"
    for target in (file.with_name("x" * 300), file.with_name("x\0y")):
        assert chat_server.main(["--history", str(file), "--export", str(target)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert names_beside(file) == before


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has a device that is always full")
def test_what_a_device_says_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_record(file).close()
    assert chat_server.main(["--history", str(file), "--export", "/dev/full"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert chat_server.main(["--history", str(file), "--export", "/dev/null"]) == 0


@POSIX_ONLY
def test_a_disk_that_gets_full_leaves_the_last_export_whole(file: Path) -> None:
    make_record(file, 5000).close()
    target = file.with_suffix(".csv")
    target.write_text("di ieri")
    before = names_beside(file)
    code = "import resource, sys, chat_server\nresource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
    code += "sys.exit(chat_server.main())"
    with Program("-c", code, "--history", file, "--export", target, PYTHONPATH=str(TOP)) as program:
        status, output = program.expect_end()
    assert (status, output.count("\n"), str(target) in output, ".lan-chat" in output) == (2, 1, True, False)
    assert target.read_text() == "di ieri"
    assert names_beside(file) == before


@POSIX_ONLY
def test_a_target_stays_the_link_that_it_is_and_keeps_its_permissions(file: Path) -> None:
    make_record(file).close()
    link, target = file.with_name("link.csv"), file.with_name("a.csv")
    link.symlink_to(target.name)
    for mode in (None, 0o600, 0o664):
        if mode is not None:
            target.chmod(mode)
        assert export_history(file, link, False, IT) == 3
        assert link.is_symlink()
        assert len(target.read_text("utf-8-sig").splitlines()) == 4
        mask = os.umask(0)
        os.umask(mask)
        assert stat.S_IMODE(target.stat().st_mode) == (0o666 & ~mask if mode is None else mode)
    assert not [name for name in names_beside(file) if name.startswith(".")]


@POSIX_ONLY
def test_a_target_that_may_not_be_written_to_is_left_as_it_is(shared: Path) -> None:
    record, target = shared / "chat.db", shared / "a.csv"
    make_record(record).close()
    target.write_text("di ieri")
    target.chmod(0o444)
    folder = shared / "sola lettura"
    folder.mkdir(mode=0o555)
    for name in (target, folder / "a.csv"):
        expected = IT.cannot_export.format(source=record, file=name, error=IT.export_not_allowed)
        assert export_as_anybody(record, name) == (2, f"{expected}\n")
    assert target.read_text() == "di ieri"
    assert sorted(path.name for path in shared.glob(".*")) == []


@POSIX_ONLY
def test_an_export_into_a_pipe_reaches_its_reader(file: Path) -> None:
    make_record(file).close()
    pipe = make_pipe(file.with_name("tubo.csv"))
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert export_history(file, pipe, False, IT) == 3
    reader.join()
    assert export_history(file, file.with_suffix(".csv"), False, IT) == 3
    assert read == [file.with_suffix(".csv").read_bytes()]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@POSIX_ONLY
def test_waiting_for_the_reader_of_a_pipe_ends_with_ctrl_c(file: Path) -> None:
    make_record(file).close()
    pipe = make_pipe(file.with_name("tubo.csv"))
    code = "import signal, sys\nfrom pathlib import Path\nfrom lan_chat.server import export, words\n"
    code += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += "try:\n    print('pronto')\n"
    code += "    export.export_history(Path(sys.argv[1]), Path(sys.argv[2]), False, words.ITALIAN)\n"
    code += "except KeyboardInterrupt:\n    print('interrotto')"
    with Program("-c", code, file, pipe, PYTHONPATH=str(TOP)) as program:
        program.expect("pronto\n")
        program.process.send_signal(signal.SIGINT)
        assert program.expect_end() == (0, "interrotto\n")


def test_an_export_that_is_interrupted_leaves_the_last_one_and_nothing_beside(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_record(file).close()
    target = file.with_suffix(".txt")
    target.write_text("di ieri")
    before = names_beside(file)

    def interrupt(fd: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_history(file, target, False, IT)
    assert target.read_text() == "di ieri"
    assert names_beside(file) == before
