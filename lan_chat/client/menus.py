"""The menu bar, the context menus and the keys of the chat window, all made from the table of actions.

Main thread only.
"""

from __future__ import annotations

import tkinter as tk
from collections.abc import Callable
from typing import Any

from lan_chat.client.actions import ACTIONS, BAR, NOWHERE, Action, Commands, Here, Kind, Menu
from lan_chat.client.desktop import is_aqua
from lan_chat.client.keyboard import bind_letters, prepare_editing
from lan_chat.client.palette import Palette, palette_of
from lan_chat.client.settings import Settings
from lan_chat.client.theme import style_menu
from lan_chat.client.words import LANGUAGES, ClientWords


class Menus:
    """The menus and keys of a window. What is chosen in a check or radio entry goes into the settings first."""

    def __init__(self, root: tk.Tk, commands: Commands, settings: Settings) -> None:
        self._root = root
        self._commands = commands
        self._settings = settings
        self._is_aqua = is_aqua(root)
        self._words = LANGUAGES[settings.language]
        self._palette = palette_of(settings.theme)
        self._choices: dict[str, tk.Variable] = {}
        """What the check and radio entries show, by setting."""
        for action in ACTIONS:
            if action.kind is Kind.CHECK:
                self._choices[action.setting] = tk.BooleanVar(root, getattr(settings, action.setting))
            elif action.kind is Kind.RADIO:
                self._choices[action.setting] = tk.StringVar(root, getattr(settings, action.setting))
        self._menus: list[tk.Menu] = []
        """The menu bar, and its menus."""
        self._popup: tk.Menu | None = None

    def set_language(self, words: ClientWords) -> None:
        """Build the menu bar in a language, in place of the one that there is."""
        self._words = words
        bar = tk.Menu(self._root, tearoff=False)
        before, self._menus = self._menus[:1], [bar]
        for place in BAR:
            menu = tk.Menu(bar, tearoff=False)
            bar.add_cascade(label=getattr(words, place.value), menu=menu, underline=0)
            self._fill(menu, place, NOWHERE)
            self._menus.append(menu)
        self.apply_theme(self._palette)
        self._root.configure(menu=bar)
        for menu in before:
            menu.destroy()

    def apply_theme(self, palette: Palette) -> None:
        """Apply the colours of a theme to the menus, which are no ttk widgets."""
        self._palette = palette
        for menu in (*self._menus, *([self._popup] if self._popup else [])):
            style_menu(menu, palette, is_bar=menu in self._menus[:1])

    def show_choices(self) -> None:
        """Have the check and radio entries show what the settings are, after something else has changed them."""
        for setting, variable in self._choices.items():
            variable.set(getattr(self._settings, setting))

    def bind_keys(self, message_input: tk.Text) -> None:
        """Bind every key of the table that no widget binds itself."""
        prepare_editing(self._root)
        letters: dict[str, Callable[[], object]] = {}
        for action in ACTIONS:
            if action.key is not None:
                widget = message_input if action.is_key_of_input else self._root
                press = self._pressed(action)
                for sequence in action.key.sequences(self._is_aqua):
                    widget.bind(sequence, press)
                if action.key.letter:
                    letters[action.key.letter] = press
        bind_letters(self._root, letters)

    def attach(self, text: tk.Text, place: Menu, look: Callable[[str], Here]) -> None:
        """Add the context menu to a text field, on a secondary click or the menu key, and the keys of the window.

        `look` says what there is at an index of the text.
        """
        text.configure(takefocus=True)  # also one that is disabled, which Tab would pass over
        text.bindtags((str(text), str(self._root), "Text", "all"))  # before Tk's own bindings of the window's keys
        system = str(self._root.tk.call("tk", "windowingsystem"))
        for click in ("<Button-2>", "<Control-Button-1>") if self._is_aqua else ("<Button-3>",):
            text.bind(click, lambda event: self._pop_up(place, look(f"@{event.x},{event.y}"), event))
        for key in ("<Shift-F10>", "<App>" if system == "win32" else "<Menu>"):
            text.bind(key, lambda event: self._pop_up(place, look("insert"), event, is_at_cursor=True))

    def _fill(self, menu: tk.Menu, place: Menu, here: Here) -> None:
        """Add the entries of a menu, as far as they make sense here."""
        for action in ACTIONS:
            if action.menu is not place or not action.is_shown(here):
                continue
            if action.begins_group:
                menu.add_separator()
            options: dict[str, Any] = {
                "label": getattr(self._words, action.name),
                "command": self._chosen(action, here),
                "state": "normal" if action.is_enabled(here) else "disabled",
            }
            if action.key is not None:
                options["accelerator"] = action.key.accelerator(self._is_aqua)
            if action.kind is not Kind.COMMAND:
                options["variable"] = self._choices[action.setting]
            if action.kind is Kind.RADIO:
                options["value"] = action.value
            menu.add(action.kind.value, options)  # type: ignore[no-untyped-call]

    def _chosen(self, action: Action, here: Here) -> Callable[[], None]:
        """Return what choosing an entry does."""

        def act() -> None:
            if action.kind is not Kind.COMMAND:
                setattr(self._settings, action.setting, self._choices[action.setting].get())  # type: ignore[no-untyped-call]
            if action.calls is not None:
                action.calls(self._commands, here)

        return act

    def _pressed(self, action: Action) -> Callable[..., str]:
        """Return what the key of an action does, as a binding or without an event."""
        choose = self._chosen(action, NOWHERE)

        def act(event: tk.Event[tk.Misc] | None = None) -> str:
            if action.key_calls is not None:
                action.key_calls(self._commands, NOWHERE)
            else:
                if action.kind is Kind.CHECK:  # a menu does so by itself
                    self._choices[action.setting].set(not getattr(self._settings, action.setting))
                choose()
            return "break"

        return act

    def _pop_up(self, place: Menu, here: Here, event: tk.Event[tk.Text], is_at_cursor: bool = False) -> str:
        event.widget.focus_set()
        if self._popup is not None:
            self._popup.destroy()
        # Kept: a menu without a reference is destroyed before it is seen.
        self._popup = tk.Menu(self._root, tearoff=False)
        self._fill(self._popup, place, here)
        self.apply_theme(self._palette)
        if is_at_cursor:
            left, top, _, height = event.widget.bbox("insert") or (0, 0, 0, 0)
            at = (event.widget.winfo_rootx() + left, event.widget.winfo_rooty() + top + height)
        else:
            at = (event.x_root, event.y_root)
        # Not followed by `grab_release`, as in many examples: on X11 a click elsewhere would no longer close the menu.
        self._popup.tk_popup(*at)
        return "break"
