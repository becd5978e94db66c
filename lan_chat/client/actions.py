"""The actions of the chat window: one table, from which its menus, its keys and their accelerators are made.

Pure data. `menus` makes widgets and bindings of it; what an action calls is given by the window, as `Commands`. The
labels are texts of `ClientWords`. Keys that a widget binds itself have a row, too, so that the table lists every key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Menu(Enum):
    """The menus of the window. The values of those in the menu bar are the names of their labels."""

    CHAT = "menu_chat"
    EDIT = "menu_edit"
    VIEW = "menu_view"
    LANGUAGE = "menu_language"
    HELP = "menu_help"
    ON_CONVERSATION = "on conversation"
    """The context menu of the conversation."""
    ON_INPUT = "on input"
    """The context menu of the message input."""


BAR = (Menu.CHAT, Menu.EDIT, Menu.VIEW, Menu.LANGUAGE, Menu.HELP)
"""The menus of the menu bar, in order."""


class Kind(Enum):
    """The kinds of menu entries; the values are Tk's names."""

    COMMAND = "command"
    CHECK = "checkbutton"
    """Turns a setting on and off."""
    RADIO = "radiobutton"
    """Sets a setting to one of its values."""


@dataclass(frozen=True)
class Key:
    """A key, or several that do the same, perhaps with a modifier."""

    label: str
    """The key's name, without Control or Command."""
    keysyms: tuple[str, ...] = ()
    """Tk's names, all of which the window binds; none where a widget binds the key itself."""
    has_command: bool = False
    """Whether it is pressed together with Control, on macOS with Command."""

    def accelerator(self, is_aqua: bool) -> str:
        """Return the key as a menu shows it."""
        return f"{'⌘' if is_aqua else 'Ctrl+'}{self.label}" if self.has_command else self.label

    def sequences(self, is_aqua: bool) -> list[str]:
        """Return Tk's event sequences of the key."""
        modifier = ("Command-" if is_aqua else "Control-") if self.has_command else ""
        return [f"<{modifier}{keysym}>" for keysym in self.keysyms]

    @property
    def letter(self) -> str:
        """The letter that the window binds with Control or Command; empty for other keys."""
        return self.keysyms[0] if self.has_command and self.keysyms and self.label.isalpha() else ""


@dataclass(frozen=True)
class Here:
    """What a context menu was opened on."""

    is_selected: bool = False
    link: str = ""
    has_failed: bool = False
    """Whether messages were not accepted."""
    failed: int | None = None
    """The number of the one that it was opened on; None for all of them."""


NOWHERE = Here()
"""For the menu bar and for keys."""


@dataclass(frozen=True)
class Commands:
    """What the actions call, filled in by the window."""

    save: Callable[[], object]
    send_again: Callable[[int | None], object]
    discard: Callable[[int | None], object]
    retry: Callable[[], object]
    connect: Callable[[], object]
    """Ask for a room, and go on in it."""
    show_phones: Callable[[], object]
    """Show how a phone comes into the room."""
    close: Callable[[], object]
    edit: Callable[[str], object]
    """Send a virtual event, such as `<<Cut>>`, to the widget that has the focus."""
    edit_input: Callable[[str], object]
    """Send a virtual event to the message input."""
    select_input: Callable[[], object]
    copy: Callable[[], object]
    select_all: Callable[[], object]
    """Select all of the field that has the focus, or of the conversation."""
    select_conversation: Callable[[], object]
    open_find_bar: Callable[[], object]
    find_next: Callable[[bool], object]
    """Go to the next match, backwards or not."""
    open_link: Callable[[str], object]
    open_last_link: Callable[[], object]
    show_latest: Callable[[], object]
    escape: Callable[[], object]
    scroll: Callable[[int], object]
    """Scroll the conversation by this many pages."""
    focus_next: Callable[[], object]
    change_font_size: Callable[[int], object]
    """Change the size of all text by this many points; 0 for the normal size."""
    apply_settings: Callable[[], object]
    show_keys: Callable[[], object]
    show_about: Callable[[], object]


Call = Callable[[Commands, Here], object]


def _always(here: Here) -> bool:
    return True


@dataclass(frozen=True)
class Action:
    """One action of the window: an entry of a menu, a key, or both."""

    name: str
    """The name of its label in `ClientWords`."""
    menu: Menu | None = None
    calls: Call | None = None
    """None where it only describes a key that a widget binds."""
    key: Key | None = None
    key_calls: Call | None = None
    """What the key calls, where that is not what the menu entry calls."""
    is_key_of_input: bool = False
    """Whether the key is bound in the message input alone, not in the whole window."""
    kind: Kind = Kind.COMMAND
    setting: str = ""
    """The setting that a CHECK or RADIO changes, before it calls anything."""
    value: str = ""
    """The value that a RADIO gives to it."""
    begins_group: bool = False
    """Whether a separator stands before the entry."""
    is_shown: Callable[[Here], object] = _always
    is_enabled: Callable[[Here], object] = _always


def _letter(letter: str) -> Key:
    """Return the key of a letter with Control or Command, with and without Caps Lock."""
    return Key(letter, (letter.lower(), letter), has_command=True)


def _editing(letter: str) -> Key:
    """Return a key that Tk binds itself in each text field, as `keyboard` has it."""
    return Key(letter, has_command=True)


def _apply(window: Commands, here: Here) -> None:
    window.apply_settings()


ACTIONS: tuple[Action, ...] = (
    # The menu bar.
    Action("menu_save", Menu.CHAT, lambda window, here: window.save(), key=_letter("S")),
    Action("menu_send_again", Menu.CHAT, lambda window, here: window.send_again(None), key=_letter("R")),
    Action("retry", Menu.CHAT, lambda window, here: window.retry(), key=_letter("T")),
    Action("menu_rooms", Menu.CHAT, lambda window, here: window.connect(), key=_letter("N"), begins_group=True),
    Action("menu_phones", Menu.CHAT, lambda window, here: window.show_phones()),
    Action("menu_quit", Menu.CHAT, lambda window, here: window.close(), key=_letter("Q")),
    Action("menu_undo", Menu.EDIT, lambda window, here: window.edit("<<Undo>>"), key=_editing("Z")),
    Action("menu_redo", Menu.EDIT, lambda window, here: window.edit("<<Redo>>"), key=_editing("Y")),
    Action("menu_cut", Menu.EDIT, lambda window, here: window.edit("<<Cut>>"), key=_editing("X"), begins_group=True),
    Action("menu_copy", Menu.EDIT, lambda window, here: window.edit("<<Copy>>"), key=_editing("C")),
    Action("menu_paste", Menu.EDIT, lambda window, here: window.edit("<<Paste>>"), key=_editing("V")),
    Action("menu_select_all", Menu.EDIT, lambda window, here: window.select_all(), key=_letter("A")),
    Action("menu_find", Menu.EDIT, lambda window, here: window.open_find_bar(), key=_letter("F"), begins_group=True),
    Action("menu_last_link", Menu.EDIT, lambda window, here: window.open_last_link(), key=_letter("L")),
    Action(
        "menu_latest",
        Menu.EDIT,
        lambda window, here: window.show_latest(),
        key=Key("Esc", ("Escape",)),
        key_calls=lambda window, here: window.escape(),
    ),
    Action("menu_focus", Menu.EDIT, lambda window, here: window.focus_next(), key=Key("F6", ("F6",))),
    Action("menu_people", Menu.VIEW, _apply, key=Key("F9", ("F9",)), kind=Kind.CHECK, setting="shows_people"),
    Action("menu_sound", Menu.VIEW, _apply, kind=Kind.CHECK, setting="has_sound"),
    Action("menu_light", Menu.VIEW, _apply, kind=Kind.RADIO, setting="theme", value="light", begins_group=True),
    Action("menu_dark", Menu.VIEW, _apply, kind=Kind.RADIO, setting="theme", value="dark"),
    Action("menu_system", Menu.VIEW, _apply, kind=Kind.RADIO, setting="theme", value="system"),
    Action(
        "menu_larger",
        Menu.VIEW,
        lambda window, here: window.change_font_size(+1),
        key=Key("+", ("plus", "equal", "KP_Add"), has_command=True),
        begins_group=True,
    ),
    Action(
        "menu_smaller",
        Menu.VIEW,
        lambda window, here: window.change_font_size(-1),
        key=Key("−", ("minus", "KP_Subtract"), has_command=True),
    ),
    Action(
        "menu_normal_size",
        Menu.VIEW,
        lambda window, here: window.change_font_size(0),
        key=Key("0", ("Key-0", "Key-KP_0"), has_command=True),
    ),
    Action("menu_italian", Menu.LANGUAGE, _apply, kind=Kind.RADIO, setting="language", value="it"),
    Action("menu_english", Menu.LANGUAGE, _apply, kind=Kind.RADIO, setting="language", value="en"),
    Action("menu_keys", Menu.HELP, lambda window, here: window.show_keys(), key=Key("F1", ("F1",))),
    Action("menu_about", Menu.HELP, lambda window, here: window.show_about()),
    # The context menus.
    Action(
        "menu_copy",
        Menu.ON_CONVERSATION,
        lambda window, here: window.copy(),
        is_enabled=lambda here: here.is_selected,
    ),
    Action("menu_select_all", Menu.ON_CONVERSATION, lambda window, here: window.select_conversation()),
    Action(
        "menu_open_link",
        Menu.ON_CONVERSATION,
        lambda window, here: window.open_link(here.link),
        is_enabled=lambda here: here.link,
    ),
    Action("menu_find", Menu.ON_CONVERSATION, lambda window, here: window.open_find_bar(), begins_group=True),
    Action("menu_save", Menu.ON_CONVERSATION, lambda window, here: window.save()),
    Action(
        "send_again",
        Menu.ON_CONVERSATION,
        lambda window, here: window.send_again(here.failed),
        begins_group=True,
        is_shown=lambda here: here.has_failed,
    ),
    Action(
        "discard",
        Menu.ON_CONVERSATION,
        lambda window, here: window.discard(here.failed),
        is_shown=lambda here: here.has_failed,
    ),
    Action(
        "menu_cut",
        Menu.ON_INPUT,
        lambda window, here: window.edit_input("<<Cut>>"),
        is_enabled=lambda here: here.is_selected,
    ),
    Action(
        "menu_copy",
        Menu.ON_INPUT,
        lambda window, here: window.edit_input("<<Copy>>"),
        is_enabled=lambda here: here.is_selected,
    ),
    Action("menu_paste", Menu.ON_INPUT, lambda window, here: window.edit_input("<<Paste>>")),
    Action("menu_select_all", Menu.ON_INPUT, lambda window, here: window.select_input()),
    # Keys without an entry in a menu.
    Action("key_find_back", calls=lambda window, here: window.find_next(True), key=Key("F3", ("F3",))),
    Action("key_find_on", calls=lambda window, here: window.find_next(False), key=Key("Shift+F3", ("Shift-F3",))),
    Action(
        "key_page_up",
        calls=lambda window, here: window.scroll(-1),
        key=Key("Page Up", ("Prior",)),
        is_key_of_input=True,
    ),
    Action(
        "key_page_down",
        calls=lambda window, here: window.scroll(+1),
        key=Key("Page Down", ("Next",)),
        is_key_of_input=True,
    ),
    # Keys that the message input, the conversation and their context menus bind themselves.
    Action("key_send", key=Key("Enter")),
    Action("key_new_line", key=Key("Shift+Enter")),
    Action("key_complete", key=Key("Tab")),
    Action("key_older", key=Key("Up")),
    Action("key_newer", key=Key("Down")),
    Action("key_context_menu", key=Key("Shift+F10")),
    Action("key_menu_bar", key=Key("F10")),
)
"""Every action, in the order in which the menus show them."""
