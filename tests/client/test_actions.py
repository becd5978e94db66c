"""The table of actions: every key and every label, without a window."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lan_chat.client.actions import ACTIONS, BAR, NOWHERE, Action, Here, Kind, Menu
from lan_chat.client.settings import Settings
from lan_chat.client.words import LANGUAGES

README = Path(__file__).resolve().parent.parent.parent / "README.md"
CLIPBOARD = {"Ctrl+X", "Ctrl+C", "Ctrl+V"}
"""Keys that everybody knows; the README leaves them out."""
WITH_KEYS = [action for action in ACTIONS if action.key is not None]


def keys(is_aqua: bool = False) -> list[str]:
    return [action.key.accelerator(is_aqua) for action in ACTIONS if action.key is not None]


def keys_in_readme() -> set[str]:
    """The keys of the README's table, each by itself."""
    table = README.read_text("utf-8").partition("| keys | action |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    found: set[str] = set()
    for cell in cells:
        modifier, _, rest = cell.partition(" and ")
        found |= {f"{modifier}+{key}" for key in rest.split(", ")} if rest else set(cell.split(", "))
    return found


def test_the_table_has_every_key_of_the_readme_and_no_other_but_the_clipboards() -> None:
    assert "Ctrl++" in keys_in_readme()
    assert set(keys()) - CLIPBOARD == keys_in_readme()


def test_no_key_stands_twice() -> None:
    sequences = [
        (sequence, action.is_key_of_input)
        for action in ACTIONS
        if action.key is not None
        for sequence in action.key.sequences(is_aqua=False)
    ]
    assert [key for key, count in Counter(keys()).items() if count > 1] == []
    assert [sequence for sequence, count in Counter(sequences).items() if count > 1] == []


@pytest.mark.parametrize(
    ("name", "accelerators", "sequences"),
    [
        ("menu_save", ("Ctrl+S", "⌘S"), (["<Control-s>", "<Control-S>"], ["<Command-s>", "<Command-S>"])),
        ("menu_people", ("F9", "F9"), (["<F9>"], ["<F9>"])),
        ("menu_cut", ("Ctrl+X", "⌘X"), ([], [])),
    ],
)
def test_a_key_is_control_or_on_macos_command(
    name: str, accelerators: tuple[str, str], sequences: tuple[list[str], list[str]]
) -> None:
    (key,) = (action.key for action in WITH_KEYS if action.name == name)
    assert key is not None
    assert (key.accelerator(is_aqua=False), key.accelerator(is_aqua=True)) == accelerators
    assert (key.sequences(is_aqua=False), key.sequences(is_aqua=True)) == sequences


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_action_and_each_menu_has_a_label(language: str) -> None:
    words = LANGUAGES[language]
    for name in [*(action.name for action in ACTIONS), *(menu.value for menu in BAR)]:
        assert getattr(words, name), name


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("menu", Menu)
def test_each_entry_of_a_menu_has_a_label_of_its_own(language: str, menu: Menu) -> None:
    labels = [getattr(LANGUAGES[language], action.name) for action in ACTIONS if action.menu is menu]
    assert labels
    assert len(set(labels)) == len(labels)


def test_what_is_in_a_menu_or_bound_to_a_key_calls_something() -> None:
    idle = [action for action in ACTIONS if action.calls is None]
    assert all(action.menu is None and action.key is not None and not action.key.keysyms for action in idle)


def test_the_menu_bar_has_all_its_entries_at_all_times() -> None:
    for action in ACTIONS:
        if action.menu in BAR:
            assert action.is_shown(NOWHERE)
            assert action.is_enabled(NOWHERE)


def by_name(menu: Menu, name: str) -> Action:
    (action,) = (action for action in ACTIONS if (action.menu, action.name) == (menu, name))
    return action


def test_a_context_menu_offers_what_there_is() -> None:
    there = Here(is_selected=True, link="http://example.org", has_failed=True)
    for menu, name in [
        (Menu.ON_CONVERSATION, "menu_copy"),
        (Menu.ON_CONVERSATION, "menu_open_link"),
        (Menu.ON_INPUT, "menu_cut"),
        (Menu.ON_INPUT, "menu_copy"),
    ]:
        assert by_name(menu, name).is_enabled(there)
        assert not by_name(menu, name).is_enabled(NOWHERE)
    for name in ("send_again", "discard"):
        assert by_name(Menu.ON_CONVERSATION, name).is_shown(there)
        assert not by_name(Menu.ON_CONVERSATION, name).is_shown(NOWHERE)


def test_check_and_radio_entries_change_settings_that_there_are() -> None:
    for action in ACTIONS:
        if action.kind is Kind.COMMAND:
            assert not action.setting
        else:
            usual = getattr(Settings(), action.setting)
            assert isinstance(usual, bool if action.kind is Kind.CHECK else str)
    assert {action.value for action in ACTIONS if action.setting == "language"} == set(LANGUAGES)
