"""What somebody at the cable reads of a whole conversation: all of it, and nothing where the room has a code."""

from __future__ import annotations

import contextlib
import json
import subprocess

import pytest

from lan_chat.client.session import LinkBroken, Session
from lan_chat.code import key_of, make_code, parse_code
from protocol import ITALIAN, Left, Message, Welcome
from tests.support.capture import Capture, tls_records
from tests.support.namespaces import machines
from tests.support.programs import TOP, Program
from tests.support.sessions import events_until

pytestmark = [pytest.mark.root, pytest.mark.psk, pytest.mark.slow]

HOST = "192.168.77.1"
NAMES = ("Zanzibar", "Quirinale")
TEXTS = ("pomodoro e basilico", "è già così tardi?", "mentre il cavo era staccato", "ci vediamo domani")
WORDS = [*NAMES, *TEXTS, *(word for text in TEXTS for word in text.split() if len(word) > 4), "Scuola"]
SIGNS = ['"type"', '"hello"', '"welcome"', "{quit}", "{end_conn}", ITALIAN.greeting.split()[0]]
"""What shows that a chat is spoken here, if not which."""
HANDSHAKE, ENCRYPTED, CHANGE_CIPHER_SPEC = 22, 23, 20


def converse(code: str) -> tuple[Capture, set[str]]:
    """Have two people talk, one of them over a link that breaks; return what the cable carried, and their tokens."""
    options = ["--port", "0", "--room", "Scuola", *(["--code", code] if code else [])]
    key = key_of(parse_code(code) or "") if code else None
    with machines("near", "far") as (near, far), contextlib.ExitStack() as stack:
        near.plug_in("lan0", far, "lan0")
        near.add_address("lan0", f"{HOST}/24")
        far.add_address("lan0", "192.168.77.2/24")
        with near.at():
            server = stack.enter_context(Program(TOP / "chat_server.py", *options, stdin=subprocess.DEVNULL))
            server.expect("  porta ")
            port = int(server.expect("\n"))
        with far.at():
            capture = stack.enter_context(Capture("lan0"))
            sessions = [Session(HOST, port, code_key=key) for _ in NAMES]
            for session, name in zip(sessions, NAMES, strict=True):
                stack.callback(session.close)
                session.connect()
                session.start()
                session.join(name)
                events_until(session, Welcome)
        one, other = sessions
        tokens = {session._token for session in sessions}
        for text in TEXTS[:2]:
            one.say(text)
            events_until(other, Message)
        link = other._link
        assert link is not None
        link.cut()
        events_until(other, LinkBroken)
        one.say(TEXTS[2])
        while events_until(other, Message)[-1].text != TEXTS[2]:  # type: ignore[attr-defined]
            pass
        other.say(TEXTS[3])
        while events_until(one, Message)[-1].text != TEXTS[3]:  # type: ignore[attr-defined]
            pass
        one.close()
        events_until(other, Left)
        server.interrupt()
        assert server.expect_end()[0] == 0
        other.close()
        capture.stop()
    return capture, tokens


def spellings(word: str) -> set[bytes]:
    return {word.encode(), word.encode("utf-16-le"), json.dumps(word)[1:-1].encode()}


def test_a_room_without_a_code_is_read_at_the_cable() -> None:
    """Or the next test would prove nothing."""
    capture, tokens = converse("")
    for heard in (b"".join(capture.frames), b"".join(capture.streams().values())):
        unheard = [
            word for word in (*WORDS, *SIGNS, *tokens) if not any(written in heard for written in spellings(word))
        ]
        assert unheard == []


def test_a_room_with_a_code_shows_no_word_and_no_name_at_the_cable() -> None:
    code = make_code()
    capture, tokens = converse(code)
    streams = capture.streams()
    assert len(streams) >= 2 * 3  # one connection of the one, two of the other
    heard = [b"".join(capture.frames), *streams.values()]
    for word in (*WORDS, *SIGNS, *tokens, code, parse_code(code) or ""):
        for written in spellings(word):
            assert not any(written.lower() in said.lower() for said in heard), word
    for said in streams.values():
        kinds = [kind for kind, _ in tls_records(said)]
        assert kinds[0] == HANDSHAKE  # the one hello that each side says before there is a key
        assert kinds.count(HANDSHAKE) == 1
        assert set(kinds) <= {HANDSHAKE, CHANGE_CIPHER_SPEC, ENCRYPTED}
