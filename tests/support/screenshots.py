"""Take pictures of the window, as its users see it: both themes and languages, large and small, twenty people.

    python -m tests.support.screenshots FOLDER       # two of the pictures stand in the README

A real server, twenty members over real sockets, a real window. Linux only: it starts an Xvfb of its own and takes the
pictures with ImageMagick's `import`. Not collected as a test.
"""

from __future__ import annotations

import argparse
import subprocess
import time
import tkinter as tk
from collections.abc import Callable
from pathlib import Path

from lan_chat.client.composing import whole_letters
from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.desktop import open_root
from lan_chat.client.palette import PALETTES
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.window import ChatWindow
from lan_chat.client.words import LANGUAGES
from tests.support.peers import LinePeer
from tests.support.programs import ServerProgram
from tests.support.waiting import DEADLINE_S
from tools.xvfb import virtual_screen

SCREEN = "1280x900x24"
PEOPLE = (
    *("Anna", "Bruno", "Carla", "Davide", "Elena", "Fabio", "Gaia", "Hamid", "Ines", "Jonas"),
    *("Katia", "Luca", "Marta", "Nadia", "Omar", "Paola", "Quentin", "Rosa", "Sara", "Zoë"),
)
TALK = (
    ("Anna", "Buongiorno a tutti!"),
    ("Bruno", "Ciao Anna. Qualcuno ha capito l'esercizio 3?"),
    ("Carla", "Sì: il server tiene un thread per ogni client, e ognuno legge solo il suo."),
    ("Davide", "C'è scritto anche qui: https://docs.python.org/3/library/socketserver.html"),
    ("Elena", "Grazie 👍"),
    ("Hamid", "Ada, hai la soluzione del 4?"),
    ("Ines", "Anch'io la vorrei"),
    ("Jonas", "Σωκράτης, Привет, שלום — funziona tutto"),
    ("Zoë", "Chi viene a pranzo? Siamo già in otto, e il tavolo è prenotato per l'una. Chi si aggiunge lo dica entro "
     "mezzogiorno, così avviso io."),
    ("Luca", "Io!"),
    ("Marta", "Anch'io 🍕"),
)  # fmt: skip


def press(name: str, folder: Path) -> None:
    """Take a picture of the screen, without what is empty around the window."""
    command = ["import", "-window", "root", "-trim", "+repage", str(folder / f"{name}.png")]
    subprocess.run(command, check=True)
    print(f"{name}.png", flush=True)


def pump(root: tk.Tk, condition: Callable[[], bool]) -> None:
    """Let the window live until something has come true, and has been drawn."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        root.update()
        assert time.monotonic() < deadline, "the window never showed it"
        time.sleep(0.005)
    root.update()


def picture_of_window(name: str, folder: Path, settings: Settings) -> None:
    """Let twenty people talk, and take a picture of the window of one more."""
    with ServerProgram("--lang", "it", "--rate", "0") as server:
        members = {person: LinePeer(server.port, person) for person in PEOPLE}
        session = Session("127.0.0.1", server.port, settings.language)
        session.connect()
        root = open_root(LANGUAGES[settings.language])
        assert root is not None
        window = ChatWindow(root, session, settings, "Ada")
        session.start()
        text = window.conversation.text
        pump(root, lambda: "Ada" in window.people.names)
        root.focus_force()
        for person, said in TALK:
            members[person].say(said)
            pump(root, lambda said=said: said in whole_letters(text.get("1.0", "end")))  # type: ignore[misc]
        window.message_input.draft = (
            "Io no, ma buon appetito!" if settings.language == "it" else "Not me, but enjoy your meal!"
        )
        pump(root, lambda: bool(text.winfo_viewable()))
        press(name, folder)
        for member in members.values():
            member.close()
        window.close()
        session.close()


def picture_of_dialog(name: str, folder: Path, settings: Settings) -> None:
    """Take a picture of the questions, after an answer that could not work."""
    root = open_root(LANGUAGES[settings.language])
    assert root is not None
    dialog = ConnectDialog(root, settings, "127.0.0.1", "1")
    dialog.submit()
    pump(root, lambda: "127.0.0.1" in str(dialog.problem["text"]) and not dialog.button.instate(["disabled"]))
    press(name, folder)
    dialog.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with virtual_screen(SCREEN):
        for language in LANGUAGES:
            for theme in PALETTES:
                for size, geometry in (("large", "960x600+0+0"), ("small", "400x320+0+0")):
                    settings = Settings(language=language, theme=theme, geometry=geometry)
                    picture_of_window(f"window-{theme}-{language}-{size}", folder, settings)
            settings = Settings(language=language, geometry="960x600+0+0", font_size=18)
            picture_of_window(f"window-letters-{language}", folder, settings)
            picture_of_dialog(f"dialog-{language}", folder, Settings(language=language))


if __name__ == "__main__":
    main()
