"""Programs that a signal meets at a moment that the test chooses, and not at some time or other."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.programs import TOP, Program

HOOK = """
import os, signal, sys
moment, number = os.environ["INTERRUPT_AT"], os.environ["INTERRUPT_WITH"]
count = 0

def note(event, arguments):
    global count
    if signal.getsignal(signal.SIGINT) in (signal.default_int_handler, signal.SIG_DFL, signal.SIG_IGN):
        return
    count += 1
    if moment in (str(count), event, " ".join(map(str, (event, *arguments[:1])))):
        if number:
            signal.raise_signal(getattr(signal, number))
        else:
            os.write(1, b"It is that moment.\\n")

sys.addaudithook(note)
"""
"""Counts what Python does (its audit events) from the moment that the program has its signals."""
NOW = "It is that moment.\n"


class InterruptedProgram(Program):
    """A program in whose Python a signal is raised, or else NOW is printed, at a moment.

    That is the so many-th audit event, or one with this name, or with this name and first argument: `open /dev/null`.
    """

    def __init__(self, folder: Path, moment: int | str, signal_name: str, *command: str | Path) -> None:
        (folder / "sitecustomize.py").write_text(HOOK, "utf-8")
        path = f"{folder}{os.pathsep}{TOP}"
        super().__init__(*command, PYTHONPATH=path, INTERRUPT_AT=str(moment), INTERRUPT_WITH=signal_name)
