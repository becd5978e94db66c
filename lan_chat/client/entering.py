"""Before a room is entered: what the user is asked, whether a code is needed, and which key is known. Pure."""

from __future__ import annotations

from lan_chat.client.settings import Settings
from lan_chat.client.words import LANGUAGES
from lan_chat.rooms import Found, had_code, needs_question, room_at

Place = tuple[str, int]
"""A host and a port, as they were typed."""
Target = Found | Place
"""Where the user wants to go: to a room that was found, or to an address."""


def place_of(target: Target) -> Place:
    """Return the host and the port of a target."""
    return (target.host, target.room.port) if isinstance(target, Found) else target


def question_before(target: Target, settings: Settings) -> str:
    """Return what the user is asked before going there, since another server may pose as the room; empty for nothing.

    Of an address that had a code nothing is asked: it is tried with a code, and a server without one refuses that. Nor
    is anything asked where nothing is entered without a code.
    """
    if settings.code_keys.is_required:
        return ""
    known = {one.id: one for one in settings.rooms if one.id}
    if not isinstance(target, Found) or not needs_question(target, known):
        return ""
    words, before = LANGUAGES[settings.language], known.get(target.room.id)
    if before is None or before.had_code:
        return question_open(target, settings)
    old = words.address.format(host=before.host, port=before.port)
    return words.room_moved.format(room=target.room.name, host=target.host, port=target.room.port, old=old)


def question_open(target: Target, settings: Settings) -> str:
    """Return what the user is asked where a room had a code, and is open now."""
    before = room_at(*place_of(target), settings.rooms)
    name = target.room.name if isinstance(target, Found) else before and before.name
    return LANGUAGES[settings.language].room_open.format(room=name or place_of(target)[0])


def key_for(target: Target, settings: Settings) -> bytes | None:
    """Return the key with which a room is tried; None for none, or for one that is not known."""
    keys = settings.code_keys
    if not isinstance(target, Found):
        return keys.find("", *target)
    if not target.room.needs_code:  # where it had one, there was a question
        return keys.given
    return keys.find(target.room.id, *place_of(target))


def lacks_code(target: Target, settings: Settings) -> bool:
    """Return whether the user has to enter a code to go there, as far as that is known before."""
    needs_code = target.room.needs_code if isinstance(target, Found) else had_code(*target, settings.rooms)
    return (needs_code or settings.code_keys.is_required) and key_for(target, settings) is None


def may_be_open(target: Target, settings: Settings) -> bool:
    """Return whether the user may enter without a code, after a question, where a server has none that had one.

    Not with the code of the command line, nor where the server itself says that it has one.
    """
    return not settings.code_keys.is_required and not (isinstance(target, Found) and target.room.needs_code)
