"""Take pictures of the window, as its users see it: themes, languages, sizes, scales, and what happens in it.

    python -m tests.screenshots FOLDER               # all of them; two stand in the README
    python -m tests.screenshots FOLDER broken 200    # those with one of these words in their names

A played server, a real session, a real window. Linux only: it starts an Xvfb of its own for each scale, and takes the
pictures with ImageMagick. Not collected as a test.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from lan_chat.client.connect_dialog import ConnectDialog
from lan_chat.client.desktop import open_root
from lan_chat.client.ledger import NotSent
from lan_chat.client.session import Disconnected, LinkBroken
from lan_chat.client.settings import Settings
from lan_chat.client.window import ChatWindow
from lan_chat.client.words import LANGUAGES
from lan_chat.rooms import Found, Remembered, Room
from protocol import EndConn, Greeting, Joined, Left, Message, Notice, Refused, Welcome
from tests.support.fake_search import FakeSearch
from tests.support.seats import FakeSession
from tests.support.waiting import DEADLINE_S
from tools.xvfb import virtual_screen

PEOPLE = (
    *("Ada", "Anna", "Bruno", "Carla", "Davide", "Elena", "Fabio", "Gaia", "Hamid", "Ines", "Jonas"),
    *("Katia", "Luca", "Marta", "Nadia", "Omar", "Paola", "Quentin", "Rosa", "Sara", "Zoë"),
)
TALK = (
    ("Anna", "Buongiorno a tutti!"),
    ("Bruno", "Ciao Anna. Qualcuno ha capito l'esercizio 3?"),
    ("Bruno", "Io mi sono fermato al punto b."),
    ("Davide", "C'è scritto tutto qui: https://docs.python.org/3/library/socketserver.html"),
    ("Hamid", "Grazie!"),
    ("Hamid", "Ada, hai la soluzione del 4?"),
    ("Ada", "Sì: il server tiene un thread per ogni client, e ognuno legge solo il suo."),
    ("Jonas", "Σωκράτης, Привет, שלום — funziona tutto"),
    ("Zoë", "Chi viene a pranzo? Siamo già in otto, e il tavolo è prenotato per l'una. Chi si aggiunge lo dica entro "
     "mezzogiorno, così avviso io."),
    ("Luca", "Io!"),
    ("Marta", "Anch'io!"),
)  # fmt: skip
SCALES = (100, 125, 150, 200)
"""In per cent."""
LONG_NAME = "una persona con un nome lungo"
ROOMS = (
    Found(Room("a", "Aula 3", 53000, 12), "192.168.1.20"),
    Found(Room("b", "Laboratorio di fisica, secondo piano", 53000, 4, True), "192.168.1.7"),
    Found(Room("c", "PC-SEGRETERIA", 53001, 0), "fe80::8c2a:41ff:fe0d:12b%eth0"),
)
HOUR = 1_764_144_000.0


class Played(FakeSession):
    """A session that says what the picture needs."""

    def __init__(self) -> None:
        super().__init__()
        self.host, self.port = "192.168.1.20", 53000
        self.press: Callable[[], object] = lambda: None
        """Takes the picture, for what does not return while it is to be seen."""


@dataclass
class Scene:
    """One picture: the window, and what happens before the picture is taken."""

    name: str
    act: Callable[[ChatWindow, Played], None]
    settings: Settings = field(default_factory=Settings)
    scale: int = 100
    """In per cent."""


# --- what happens -----------------------------------------------------------------------------------------------------


def name_asked(window: ChatWindow, session: Played) -> None:
    session.tell(Greeting())


def name_taken(window: ChatWindow, session: Played) -> None:
    session.tell(Greeting(), Refused("taken"))


def lively(window: ChatWindow, session: Played) -> None:
    session.tell(Greeting(), Welcome("Ada", "token", PEOPLE, 2, room="a", title="Aula 3"))
    session.tell(*(Joined(number, HOUR, name) for number, name in enumerate(PEOPLE[1:13], 3)))
    for number, (name, text) in enumerate(TALK):
        session.tell(Message(20 + number, HOUR + 60 * number, name, text, None))
    session.tell(*(Left(40 + number, HOUR + 660, name) for number, name in enumerate(("Leo", "Mia"))))
    window.message_input.draft = "Io no, ma buon appetito!"


def broken(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    window.message_input.draft = ""
    session.tell(LinkBroken(4.0))


def muted(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    session.tell(Notice("muted"))


def ended(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    session.tell(EndConn(), Disconnected(()))


def pending(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window.membership.pending[1] = "Ve la incollo subito"
    window._show_pending()


def failed(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    session.tell(NotSent(1, "Questo non è partito"))


def finding(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window.find_bar.open()
    window.find_bar.entry.insert(0, "io")
    window.find_bar.step(True)


def finding_nothing(window: ChatWindow, session: Played) -> None:
    finding(window, session)
    window.find_bar.entry.insert("end", "xyz")
    window.find_bar.step(True)


def unread(window: ChatWindow, session: Played) -> None:
    """Somebody has been away, has sent something since, and reads further up while the others go on."""
    lively(window, session)
    run(window, session.events.empty)
    window.conversation.mark_left_off()
    for number in range(3):
        session.tell(Message(50 + number, HOUR + 700, "Sara", f"Ancora una cosa, la numero {number + 1}", None))
    run(window, session.events.empty)
    window.people.set_away(["Gaia", "Fabio"])
    window.conversation.flush()
    run(window, session.events.empty)
    window.conversation.text.yview_scroll(-3, "units")
    window.conversation.text.update()
    window.conversation.note_place()
    session.tell(Message(60, HOUR + 720, "Sara", "E questa?", None))


def selected(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window.message_input.text.tag_add("sel", "1.3", "1.12")
    window.conversation.text.tag_add("sel", "6.4", "9.12")


def focus_on_list(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window.people.list.focus_force()


def focus_on_conversation(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window.conversation.text.focus_force()


def focus_on_button(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window.button.focus_force()


def list_unfolded(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window._toggle_people()


def help_open(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window._help.show_keys()


def about_open(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window._help.show_about()


def saving(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)

    def press_and_cancel() -> None:
        session.press()
        window._root.tk.call("set", "::tk::Priv(selectFilePath)", "")

    window._root.after(800, press_and_cancel)
    window.save()


def another_room(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    searches: list[FakeSearch] = []

    def begin_search(settings: Settings, ring: Callable[[], object]) -> FakeSearch:
        searches.append(FakeSearch(settings.rooms, ring))
        return searches[-1]

    def press_and_cancel() -> None:
        session.press()
        if window._connect_dialog is not None:
            window._connect_dialog.close()

    def find() -> None:
        searches[-1].end_look(*ROOMS)
        window._root.after(800, press_and_cancel)

    window._root.after(300, find)
    with patch("lan_chat.client.connect_dialog.begin_search", begin_search):
        window.connect()


def chat_menu_open(window: ChatWindow, session: Played) -> None:
    menu_open(window, session, 0)


def context_menu(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    text = window.conversation.text
    text.event_generate("<Button-3>", x=120, y=100, rootx=text.winfo_rootx() + 120, rooty=text.winfo_rooty() + 100)


def menu_open(window: ChatWindow, session: Played, place: int = 2) -> None:
    lively(window, session)
    run(window, session.events.empty)
    bar = window._root.nametowidget(window._root["menu"])
    menu = window._root.nametowidget(bar.entrycget(place, "menu"))
    menu.post(window._root.winfo_rootx() + 70 * place, window._root.winfo_rooty())
    menu.activate(1)


def name_menu(window: ChatWindow, session: Played) -> None:
    lively(window, session)
    run(window, session.events.empty)
    window.people._pop_up(3, window.people.list.winfo_rootx() + 30, window.people.list.winfo_rooty() + 110)


def long_names(window: ChatWindow, session: Played) -> None:
    names = (
        "Ada",
        "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "una persona con un nome lungo",
        "小明",
        "محمد",
        "🍕 pizza",
        "Élodie",
    )
    session.tell(Greeting(), Welcome("una persona con un nome lungo", "token", names, 2))
    window.people.set_away(["Élodie"])


def run(window: ChatWindow, condition: Callable[[], object]) -> None:
    """Let the window live until something has come true, and has been drawn."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        window._root.update()
        assert time.monotonic() < deadline, "the window never showed it"
        time.sleep(0.005)
    for _ in range(100):  # what lies on the text follows a flood a little later
        window._root.update()
        time.sleep(0.005)


def scenes() -> Iterator[Scene]:
    usual = Settings(geometry="960x640+0+0")
    for theme in ("light", "dark"):
        for language in LANGUAGES:
            here = replace(usual, theme=theme, language=language)
            end = f"{theme}-{language}"
            yield Scene(f"lively-{end}", lively, here)
            yield Scene(f"naming-{end}", name_asked, replace(here, geometry="720x480+0+0"))
            yield Scene(f"small-{end}", lively, replace(here, geometry="400x300+0+0"))
            yield Scene(f"broken-{end}", broken, here)
            yield Scene(f"ended-{end}", ended, here)
        here = replace(usual, theme=theme)
        yield Scene(f"taken-{theme}", name_taken, replace(here, geometry="720x480+0+0"))
        yield Scene(f"small-broken-{theme}", broken, replace(here, geometry="400x300+0+0"))
        yield Scene(f"small-naming-{theme}", name_asked, replace(here, geometry="400x300+0+0"))
        yield Scene(f"large-{theme}", lively, replace(here, geometry="1920x1000+0+0"))
        yield Scene(f"125-{theme}", lively, replace(here, geometry="1200x800+0+0"), 125)
        yield Scene(f"150-{theme}", lively, replace(here, geometry="1440x960+0+0"), 150)
        yield Scene(f"200-{theme}", lively, replace(here, geometry="1920x1000+0+0"), 200)
        yield Scene(f"find-{theme}", finding, here)
        yield Scene(f"menu-{theme}", menu_open, here)
        yield Scene(f"name-menu-{theme}", name_menu, here)
        yield Scene(f"long-names-{theme}", long_names, here)
        yield Scene(f"muted-{theme}", muted, here)
        yield Scene(f"failed-{theme}", failed, here)
        yield Scene(f"pending-{theme}", pending, here)
        yield Scene(f"unread-{theme}", unread, here)
        yield Scene(f"selected-{theme}", selected, here)
        yield Scene(f"focus-list-{theme}", focus_on_list, here)
        yield Scene(f"focus-conversation-{theme}", focus_on_conversation, here)
        yield Scene(f"focus-button-{theme}", focus_on_button, here)
        yield Scene(f"small-list-{theme}", list_unfolded, replace(here, geometry="400x300+0+0"))
        yield Scene(f"find-nothing-{theme}", finding_nothing, replace(here, geometry="400x300+0+0"))
        yield Scene(f"help-{theme}", help_open, here)
        yield Scene(f"about-{theme}", about_open, here)
        yield Scene(f"save-{theme}", saving, here)
        yield Scene(f"another-room-{theme}", another_room, here)
        yield Scene(f"menu-chat-{theme}", chat_menu_open, here)
        yield Scene(f"menu-context-{theme}", context_menu, here)
        yield Scene(f"200-menu-{theme}", menu_open, replace(here, geometry="1920x1000+0+0"), 200)
        yield Scene(f"200-find-{theme}", finding, replace(here, geometry="1920x1000+0+0"), 200)
        yield Scene(f"200-help-{theme}", help_open, replace(here, geometry="1920x1000+0+0"), 200)
        yield Scene(f"200-naming-{theme}", name_asked, replace(here, geometry="1440x960+0+0"), 200)
        yield Scene(f"200-broken-{theme}", broken, replace(here, geometry="1920x1000+0+0"), 200)
        yield Scene(f"letters-{theme}", lively, replace(here, font_size=18))
    for theme, language in (("light", "it"), ("dark", "en")):  # for docs/
        here = replace(usual, theme=theme, language=language, geometry="960x740+0+0")
        yield Scene(f"window-{theme}", lively, here)
    for size in (8, 24, 40):
        yield Scene(f"letters-{size}", lively, replace(usual, font_size=size))
    yield Scene("letters-40-naming", name_asked, replace(usual, font_size=40))
    yield Scene("letters-40-broken", broken, replace(usual, font_size=40))
    yield Scene("letters-40-find", finding, replace(usual, font_size=40))
    yield Scene("letters-40-ended", ended, replace(usual, font_size=40))
    yield Scene("letters-40-menu", menu_open, replace(usual, font_size=40))
    yield Scene("letters-40-large", lively, replace(usual, font_size=40, geometry="1920x1000+0+0"))


# --- the pictures -----------------------------------------------------------------------------------------------------


def press(name: str, folder: Path) -> str:
    """Take a picture of the screen, without what is empty around the window."""
    # The screen is black where no window is; without the border even what is of one colour would be cut off.
    cut, path = ["-bordercolor", "black", "-border", "1", "-trim", "+repage"], str(folder / f"{name}.png")
    subprocess.run(["import", "-window", "root", path], check=True)
    subprocess.run(["convert", path, *cut, path], check=True)
    print(f"{name}.png", flush=True)
    return name


def take(scene: Scene, folder: Path) -> None:
    """Open a window, let it happen, and take the picture."""
    root = open_root(LANGUAGES[scene.settings.language])
    assert root is not None
    session = Played()
    pressed: list[str] = []
    session.press = lambda: pressed.append(press(scene.name, folder))
    settings = replace(scene.settings)  # a copy, since the window changes it
    window = ChatWindow(root, session, settings)  # type: ignore[arg-type]
    root.update()
    window.message_input.text.focus_force()
    scene.act(window, session)
    if not pressed:
        run(window, session.events.empty)
        press(scene.name, folder)
    window.close()


def dialog_refused(dialog: ConnectDialog, search: FakeSearch) -> None:
    """An answer that could not work, while nothing is found."""
    search.end_look()
    dialog.host.insert(0, "127.0.0.1")
    dialog.port.insert(0, "1")
    dialog.host.focus_force()
    dialog.submit()


def dialog_rooms(dialog: ConnectDialog, search: FakeSearch) -> None:
    """The last room and others, with the focus in the list."""
    search.end_look(*ROOMS[:3])
    dialog.host.focus_force()


def dialog_many(dialog: ConnectDialog, search: FakeSearch) -> None:
    """More rooms than there are rows, the last one selected, and the focus in the list."""
    search.end_look(*ROOMS, *(Found(Room(f"id-{number}", f"PC-{number}", 53000, 0), "10.0.0.5") for number in range(9)))
    dialog._show_rooms()
    dialog.rooms.step(10**6)
    dialog.rooms.step(-9)
    dialog.rooms.list.focus_force()


def dialog_question(dialog: ConnectDialog, search: FakeSearch) -> None:
    """The last room, at another address."""
    search.end_look(replace(ROOMS[0], host="192.168.1.30"), *ROOMS[1:])
    dialog._show_rooms()
    dialog.submit()


def take_dialog(name: str, folder: Path, settings: Settings, act: Callable[[ConnectDialog, FakeSearch], None]) -> None:
    """Take a picture of the dialog."""
    root = open_root(LANGUAGES[settings.language])
    assert root is not None
    searches: list[FakeSearch] = []

    def begin_search(settings: Settings, ring: Callable[[], object]) -> FakeSearch:
        searches.append(FakeSearch(settings.rooms, ring))
        return searches[-1]

    with patch("lan_chat.client.connect_dialog.begin_search", begin_search):
        dialog = ConnectDialog(root, settings)
    root.update()
    act(dialog, searches[-1])
    deadline = time.monotonic() + DEADLINE_S
    while (dialog._has_news.is_set() or dialog._attempt is not None) and time.monotonic() < deadline:
        root.update()
        time.sleep(0.005)
    root.update()
    press(name, folder)
    dialog.close()


def dialogs() -> Iterator[tuple[str, Settings, int, Callable[[ConnectDialog, FakeSearch], None]]]:
    """The pictures of the dialog: name, settings, scale, and what happens."""
    known = Settings(host="192.168.1.20", name="Ada", rooms=(Remembered("a", "Aula 3", "192.168.1.20", 53000),))
    for theme in ("light", "dark"):
        for language in LANGUAGES:
            end = f"{theme}-{language}"
            yield f"dialog-{end}", Settings(theme=theme, language=language), 100, dialog_refused
            here = replace(known, theme=theme, language=language)
            yield f"dialog-rooms-{end}", here, 100, dialog_rooms
            yield f"dialog-question-{end}", here, 100, dialog_question
        here = replace(known, theme=theme)
        yield f"dialog-many-{theme}", here, 100, dialog_many
        for scale in SCALES[1:]:
            yield f"{scale}-dialog-{theme}", Settings(theme=theme), scale, dialog_refused
            yield f"{scale}-dialog-rooms-{theme}", here, scale, dialog_rooms
        for size in (8, 24, 40):
            yield f"letters-{size}-dialog-{theme}", Settings(theme=theme, font_size=size), 100, dialog_refused
            yield f"letters-{size}-dialog-rooms-{theme}", replace(here, font_size=size), 100, dialog_rooms
            yield f"letters-{size}-dialog-question-{theme}", replace(here, font_size=size), 100, dialog_question


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("words", nargs="*", help="only pictures with one of these in their names")
    parser.add_argument("--scale", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder, words, scale = arguments.folder, arguments.words, arguments.scale
    if scale is None:
        folder.mkdir(parents=True, exist_ok=True)
        for each in SCALES:  # Tk never lets go of a screen, so each one has a process of its own
            with virtual_screen("1920x1080x24", dpi=96 * each // 100):
                command = [sys.executable, "-m", "tests.screenshots", "--scale", str(each), str(folder), *words]
                subprocess.run(command, check=True)
        return

    def is_wanted(name: str) -> bool:
        return not words or any(word in name for word in words)

    for scene in scenes():
        if scene.scale == scale and is_wanted(scene.name):
            take(scene, folder)
    for name, settings, wanted_scale, act in dialogs():
        if wanted_scale == scale and is_wanted(name):
            take_dialog(name, folder, settings, act)


if __name__ == "__main__":
    main()
