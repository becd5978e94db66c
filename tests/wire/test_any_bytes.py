"""Whatever bytes come, nothing raises and nothing harmful gets through."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import protocol
from protocol import (
    Bare,
    Event,
    Events,
    Fault,
    Lines,
    is_stranger,
    is_too_long,
    recognise_client,
    recognise_server,
    settle_s,
)
from tests.support.wire import FRAMED, NEW_DIALECT, SAY, WHOLE, anything_goes, is_harmless, raw_texts, read, some_sizes

FRAGMENTS = [
    *(b"\n", b"\r\n", b" ", "è😀".encode(), b"\xf0\x9f", b"\x1b[", b"\xe2\x80\xae", b"{quit}", b"<end_conn>"),
    *(SAY, b'{"type":"say","text":"', rb"\u001b\ud800", b'","nonce":9}\n'),
]
json_leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800") | raw_texts
json_values: st.SearchStrategy[object] = st.deferred(
    lambda: (
        json_leaves | st.lists(json_values, max_size=3) | st.dictionaries(st.text(max_size=3), json_values, max_size=3)
    )
)
FIELD_NAMES = sorted({field.name for kind in protocol.EVENT_TYPES.values() for field in dataclasses.fields(kind)})
objects = st.dictionaries(st.sampled_from(FIELD_NAMES), json_values)


def check(events: list[Event]) -> None:
    for event in events:
        assert isinstance(event, Event)
        text = getattr(event, "text", "x")
        assert text.strip()
        assert is_harmless(text)
        assert not is_too_long(text)


@pytest.mark.parametrize("kind", NEW_DIALECT)
@settings(anything_goes, max_examples=300)
@given(chunks=st.lists(st.tuples(st.binary(min_size=1) | st.sampled_from(FRAGMENTS), st.booleans())))
def test_no_bytes_raise_or_let_anything_harmful_through(kind: str, chunks: list[tuple[bytes, bool]]) -> None:
    dialect = NEW_DIALECT[kind]()
    for chunk, is_followed_by_silence in chunks:
        check(dialect.feed(chunk))
        if is_followed_by_silence and dialect.is_waiting:
            check(dialect.flush())
            assert not dialect.is_waiting
    check(dialect.finish())


@pytest.mark.parametrize("kind", FRAMED)
@anything_goes
@given(pieces=st.lists(st.binary() | st.sampled_from(FRAGMENTS)), sizes=some_sizes)
def test_no_cut_of_any_bytes_matters(kind: str, pieces: list[bytes], sizes: list[int]) -> None:
    wire = b"".join(pieces)
    assert read(NEW_DIALECT[kind](), wire, sizes) == read(NEW_DIALECT[kind](), wire, WHOLE)


@anything_goes
@given(st.sampled_from([*protocol.EVENT_TYPES, "unknown"]), objects)
def test_an_object_with_any_fields_is_its_event_or_a_fault(kind: str, fields: dict[str, Any]) -> None:
    events = Events().feed(json.dumps({**fields, "type": kind}).encode() + b"\n")
    check(events)
    assert [type(event) for event in events] in ([], [Fault], [protocol.EVENT_TYPES.get(kind)])
    assert bool(events) == (kind in protocol.EVENT_TYPES)


@anything_goes
@given(st.binary(), st.booleans(), st.booleans())
def test_no_first_bytes_raise(received: bytes, is_over: bool, has_ended: bool) -> None:
    assert recognise_client(received, is_over, has_ended) in {Events, Lines, Bare, None}
    assert recognise_server(received, is_over) in {Events, Bare, None}
    assert settle_s(received) > 0
    assert is_stranger(received) in {True, False}
