"""What the user is in the room, without a window."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import pytest

from lan_chat.client.membership import Membership, Screen
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.rooms import Remembered
from protocol import Greeting, Welcome
from tests.support.seats import FakeSession


def member(settings: Settings) -> Membership:
    """Somebody at `lan-host`, whose screen shows nothing."""
    nothing: Any = lambda *_: ""  # noqa: E731
    screen = Screen(*[nothing for _ in dataclasses.fields(Screen)])
    return Membership(cast(Session, FakeSession()), settings, screen)


@pytest.mark.parametrize(
    ("room", "title", "remembered"),
    [
        ("a1", "Aula 3", Remembered("a1", "Aula 3", "lan-host", 53000)),
        ("a1", None, Remembered("a1", "", "lan-host", 53000)),
        (None, None, Remembered("", "", "lan-host", 53000)),
        ("no id of ours!", "\u202e\n", Remembered("", "", "lan-host", 53000)),
        ("x" * 99, "A" * 99, Remembered("", "A" * 39 + "…", "lan-host", 53000)),
    ],
)
def test_the_room_is_remembered_when_its_user_is_welcomed(
    room: str | None, title: str | None, remembered: Remembered
) -> None:
    settings = Settings(rooms=(Remembered("b2", "Lab", "10.0.0.2", 53000),))
    ada = member(settings)
    ada.hear(Greeting())
    assert settings.host == ""
    ada.hear(Welcome("Ada", "token", ("Ada",), 0, room=room, title=title))
    assert settings.rooms == (remembered, Remembered("b2", "Lab", "10.0.0.2", 53000))
    assert (settings.host, settings.port) == ("lan-host", 53000)
