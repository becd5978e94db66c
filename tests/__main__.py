"""Run the tests, from nothing: `python3 tests`, or `python3 tests --fast`.

    python3 tests                         # everything
    python3 tests --fast                  # no screen, wine, root, browser, executables: less than a minute
    python3 tests -k resume -x            # what pytest is given
    python3 tests -n 2 --dist loadfile    # two files at a time (pytest-xdist), as in CI
    python3 tests --packages              # print the Debian packages that are missing here, and do nothing

Makes the virtual environment `.venv` in the top folder, installs the project and pytest into it, says which packages
of the system are missing, and runs pytest with all other arguments; its exit status is pytest's. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
ENVIRONMENT = TOP / ".venv"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
EXTRA = "test"
SLOW_MARKS = ("screen", "executable", "wine", "root", "slow", "browser")

COMMANDS = {
    "Xvfb": ("xvfb", "the window"),
    "xdotool": ("xdotool", "keys typed into the window"),
    "nc": ("netcat-openbsd", "netcat"),
    "telnet": ("inetutils-telnet", "telnet"),
    "plink": ("putty-tools", "PuTTY's telnet"),
    "ip": ("iproute2", "cables that are pulled"),
    "nft": ("nftables", "rooms behind a firewall"),
    "setsid": ("util-linux", "programs in a terminal of their own"),
    "soffice": ("libreoffice-calc-nogui", "exports in a spreadsheet"),
    "objdump": ("binutils", "building the executables"),
    "zbarimg": ("zbar-tools", "QR codes that are read"),
    "wine": ("wine wine64", "everything under Windows"),
    "chromium": ("chromium", "the page for browsers"),
    "chromedriver": ("chromium-driver", "the page for browsers"),
    "npm": ("npm", "what axe-core finds in the page"),
}
"""The commands that tests use: the Debian package of each, and what is skipped without it."""


def missing_packages() -> dict[str, str]:
    """Return the Debian packages that this system lacks, and what is skipped without each."""
    if sys.platform != "linux":
        return {}
    missing = {package: purpose for command, (package, purpose) in COMMANDS.items() if not shutil.which(command)}
    if not has_module("tkinter"):
        missing["python3-tk"] = "the window"
    library = Path(*map(str, sysconfig.get_config_vars("LIBDIR", "INSTSONAME")))
    if not library.exists():
        missing["libpython3-dev"] = "building the executables"
    fonts = subprocess.run(["fc-list"], capture_output=True, text=True).stdout if shutil.which("fc-list") else ""
    if "DejaVu" not in fonts:
        missing["fontconfig fonts-dejavu-core"] = "characters that the window shows"
    return missing


def has_module(name: str) -> bool:
    """Return whether this Python can import a module of the standard library that Debian packs apart."""
    return subprocess.run([sys.executable, "-c", f"import {name}"], stderr=subprocess.DEVNULL).returncode == 0


def make_environment() -> None:
    """Make the virtual environment and install the project with its tests' packages, unless that was done.

    Raises CalledProcessError where pip fails.
    """
    wanted = hashlib.sha256((TOP / "pyproject.toml").read_bytes()).hexdigest()
    done = ENVIRONMENT / "tests-installed"
    if PYTHON.exists() and done.exists() and done.read_text() == wanted:
        return
    if not PYTHON.exists():
        print(f"Making {ENVIRONMENT.name} ...", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    print("Installing the project, pytest, hypothesis, PyInstaller, segno and selenium ...", flush=True)
    subprocess.run([PYTHON, "-m", "pip", "install", "-q", "-e", f".[{EXTRA}]"], cwd=TOP, check=True)
    done.write_text(wanted)


def main() -> int:
    """Do what the command line asks for, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 tests", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fast", action="store_true", help="no screen, executables, wine, root, browser, nothing slow")
    parser.add_argument("--packages", action="store_true", help="print the Debian packages that are missing")
    options, arguments = parser.parse_known_args()
    lacks_venv = importlib.util.find_spec("ensurepip") is None
    missing = missing_packages() | ({"python3-venv": "everything"} if lacks_venv else {})
    if options.packages:
        print("\n".join(package for packages in missing for package in packages.split()))
        return 0
    if missing and (lacks_venv or not options.fast):
        print("Missing here, so that some tests cannot run:")
        for package, purpose in missing.items():
            print(f"  {package:30} {purpose}")
        print(f"They come with:\n  sudo apt install --no-install-recommends {' '.join(missing)}", flush=True)
    if lacks_venv:
        return 2
    try:
        make_environment()
    except subprocess.CalledProcessError as error:
        print(f"The packages for the tests could not be installed: {error}", file=sys.stderr)
        return 2
    if options.fast:
        arguments = ["-m", " and ".join(f"not {mark}" for mark in SLOW_MARKS), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([PYTHON, "-m", "pytest", *arguments], cwd=TOP, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
