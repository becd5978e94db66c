"""The executables, as their users have them: built by one command, started by their files, ended with all they left.

A kind of executables is one system that they are for. `.exe` files run under wine, in a terminal as any program does:
it is wine that makes a Windows console of it. Linux only, as is the look into /proc.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.support.programs import TOP, Program
from tests.support.waiting import wait_until
from tools import windows

if sys.platform == "win32":
    raise ImportError("There are no processes to be found in /proc here.")

DIST = TOP / "dist"
SOURCES = [
    *("build.spec", "protocol.py", "chat_server.py", "chat_client.py", "tools/icon.py", "tools/windows.py"),
    "lan_chat/server/page.html",
    *map(str, sorted(TOP.glob("lan_chat/**/*.py"))),
]
"""What an executable is made of: one that is older than any of these is built anew."""
TERMINAL_SIZE = (50, 400)
"""Rows and columns: wide enough for wine's console not to break a sentence."""
CONTROL_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\r")
MARK = "LAN_CHAT_TEST"
"""The variable by which the processes of one start are known, whoever started them."""


@dataclass(frozen=True)
class Kind:
    """A system that executables are for, and how they are built and run on this one."""

    name: str
    suffix: str
    """What their names end in."""
    build: tuple[str, ...]
    launcher: tuple[str, ...]
    """What stands before a file on the command line, and does nothing but run it."""
    missing: Callable[[], str]
    """Says what this machine lacks to build or to run them, if anything."""
    unpacking_folders: Callable[[Path], list[Path]]
    """Return where they unpack themselves, if they were given a folder for it."""
    settings: Callable[[], list[Path]]
    """Return what they remember in spite of the environment of a test, to be forgotten before the next one."""
    double_click: tuple[str, ...] = ()
    """What stands before a file to open it as a double-click does, where that is a console of its own."""
    console_tool: tuple[str, ...] = ()
    """What stands before a file to do something with that console: `read`, or `close`."""
    keeper: tuple[str, ...] = ()
    """What keeps the system under them up until its input ends, and prints a line once it is up."""
    pipe_encoding: str = "utf-8"
    """How they write where there is no console; on Windows as the system's older programs do."""

    def file(self, name: str) -> Path:
        return DIST / f"{name}{self.suffix}"

    def use_console(self, name: str, what: str) -> str:
        """Read the console that belongs to a program started by a double-click, or close it."""
        command = [*self.console_tool, str(self.file(name)), what]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=60)
        return done.stdout.decode()


def missing_for_linux() -> str:
    if not find_spec("PyInstaller"):
        return "there is no PyInstaller to build with (pip install pyinstaller)"
    if not Path(*map(str, sysconfig.get_config_vars("LIBDIR", "INSTSONAME"))).exists():
        return "this Python has no library to build with (Debian: apt install libpython3-dev)"
    return "" if shutil.which("objdump") else "there is no objdump to build with (Debian: apt install binutils)"


def missing_for_wine() -> str:
    packages = windows.packages_missing()
    return f"there is no wine (Debian: apt install --no-install-recommends {' '.join(packages)})" if packages else ""


WINDOWS = (sys.executable, str(TOP / "tools" / "windows.py"))
KINDS = [
    Kind(
        "linux",
        "",
        (sys.executable, "-m", "PyInstaller", "--noconfirm", "build.spec"),
        (),
        missing_for_linux,
        lambda folder: [folder],
        list,
    ),
    Kind(
        "wine",
        ".exe",
        (*WINDOWS, "build"),
        (*WINDOWS, "run"),
        missing_for_wine,
        lambda folder: list(windows.PREFIX.glob("drive_c/users/*/AppData/Local/Temp")),
        lambda: list(windows.PREFIX.glob("drive_c/users/*/AppData/Roaming/lan-chat")),
        (*WINDOWS, "run", "start", "/wait", "/unix"),
        (*WINDOWS, "python", str(TOP / "tools" / "windows_console.py")),
        (*WINDOWS, "python", "-c", "print('up', flush=True); import sys; sys.stdin.read()"),
        "cp1252",
    ),
]


def build(kind: Kind) -> None:
    """Build both files into dist/, unless they are there and newer than what they are made of."""
    files = [kind.file(name) for name in ("chat_server", "chat_client")]
    newest = max((TOP / source).stat().st_mtime for source in SOURCES)
    if all(file.exists() and file.stat().st_mtime > newest for file in files):
        return
    built = subprocess.run(
        kind.build, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert built.returncode == 0, built.stdout.decode(errors="replace")


@contextlib.contextmanager
def system_kept_up(kind: Kind) -> Iterator[None]:
    """Keep the system under the executables running meanwhile.

    Wine ends some seconds after its last program and starts with its first one. A program that comes in between can
    meet half of it: once the executable could not ask what its parent's file was, and did not run.
    """
    if not kind.keeper:
        yield
        return
    with subprocess.Popen(kind.keeper, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        assert keeper.stdout.readline().strip() == b"up"
        try:
            yield
        finally:
            keeper.stdin.close()


class Executable(Program):
    """One of the executables, started by its file: in a terminal of its own or, where `stdin` is given, without one.

    `through` is what stands before the command, and becomes it. By a double-click it is in neither: its console is a
    window, see `Kind.use_console`. However the test ends, so do all its processes.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        *arguments: str,
        folder: Path,
        stdin: int | None = None,
        through: tuple[str, ...] = (),
        by_double_click: bool = False,
        **environment: str,
    ) -> None:
        self._mark = f"{MARK}={uuid.uuid4().hex}"
        self.file_name = kind.file(name).name
        self._pipe_encoding = kind.pipe_encoding
        self._unpacking_folders = kind.unpacking_folders(folder)
        self._unpacked_before = self._unpacked()
        self._terminal: int | None = None
        """Our end of it."""
        for settings in kind.settings():
            shutil.rmtree(settings)
        launcher = kind.launcher
        if by_double_click:
            launcher, stdin = kind.double_click, subprocess.DEVNULL
        command = [*through, *launcher, str(kind.file(name)), *arguments]
        variables = {**os.environ, **dict([self._mark.split("=")]), **environment}
        if not kind.launcher:
            variables["TMPDIR"] = str(folder)
        self.started_at = time.monotonic()
        if stdin is None:
            self._terminal, end = os.openpty()
            fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", *TERMINAL_SIZE, 0, 0))
            if kind.launcher:  # or wine would be given Ctrl+J for Enter
                attributes = termios.tcgetattr(end)
                attributes[0] &= ~termios.ICRNL
                termios.tcsetattr(end, termios.TCSANOW, attributes)
            # `setsid` becomes the program, in a session whose terminal this is: Ctrl+C and closing it are signals.
            command = ["setsid", "--ctty", *command]
            self.process = subprocess.Popen(command, stdin=end, stdout=end, stderr=end, env=variables)
            os.close(end)
        else:
            self.process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables
            )
        output = self._terminal if self.process.stdout is None else self.process.stdout.fileno()
        assert output is not None
        self._source = output
        self._bell_end, self._bell = os.pipe()
        self._start_reading()

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.close_terminal()
        os.close(self._bell)
        os.close(self._bell_end)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def kill(self) -> None:
        """End all its processes at once, and clear away what they unpacked: there is no process left that would."""
        while pids := self.pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()
        self.process.wait()
        for path in self._unpacked() - self._unpacked_before:
            shutil.rmtree(path, ignore_errors=True)

    def _read(self) -> None:
        encoding = self._pipe_encoding if self._terminal is None else "utf-8"
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        text = ""
        # Not in a blocking `read`, which would hold a terminal open that is to be closed.
        while self._bell_end not in select.select([self._source, self._bell_end], [], [])[0]:
            try:
                data = os.read(self._source, 65536)
            except OSError:  # which is how a terminal says that nobody is left at its other end
                break
            if not data:
                break
            text += decoder.decode(data)
            whole, escape, rest = text.rpartition("\x1b")
            if not escape or CONTROL_SEQUENCE.match(escape + rest):
                whole, escape, rest = text, "", ""
            text = escape + rest
            if shown := CONTROL_SEQUENCE.sub("", whole):
                self._chunks.put(shown.encode())
        self._chunks.put(b"")

    def expect_question(self, question: str) -> None:
        """Read up to a question; wine's console keeps the blank after it to itself."""
        self.expect(question.rstrip())

    def type(self, text: str) -> None:
        if self._terminal is None:
            super().type(text)
        else:
            os.write(self._terminal, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl+C in its terminal."""
        self.type("\x03")

    def close_terminal(self) -> None:
        """Close its terminal, as a person closes the window with it, and hear no more. May be called twice."""
        os.write(self._bell, b"!")
        self._reader.join()
        if self._terminal is not None:
            os.close(self._terminal)
            self._terminal = None

    def pids(self) -> list[int]:
        """Return its processes, the one that unpacked it first; those of the system under it are not its own."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if (
                    entry.name.isdecimal()
                    and self._mark.encode() in (entry / "environ").read_bytes()
                    and self.file_name.encode() in (entry / "cmdline").read_bytes()
                ):
                    found.append(int(entry.name))
        return sorted(found)

    def left_behind(self) -> list[object]:
        """Return what is still there of it: processes, and what it unpacked."""
        return [*self.pids(), *sorted(self._unpacked() - self._unpacked_before)]

    def expect_nothing_left(self) -> None:
        """Wait until nothing is left of it; whatever ends a program, its last process clears away."""
        wait_until(lambda: not self.left_behind(), self.left_behind)

    def _unpacked(self) -> set[Path]:
        return {path for folder in self._unpacking_folders for path in folder.glob("_MEI*")}
