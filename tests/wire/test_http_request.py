"""Requests as bytes: what is one, what is none, and that none of them can do harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat.server.http_request import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    MAX_TARGET_CHARACTERS,
    HttpError,
    Request,
    RequestReader,
)

HOST = b"Host: 192.168.1.20:53000\r\n"
SAY = b"POST /say?x=1 HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\nX-One: a b \xe8\r\n\r\nciao"


def read(data: bytes) -> Request | None:
    return RequestReader().feed(data)


def read_in_pieces(pieces: list[bytes]) -> Request | None:
    reader = RequestReader()
    for piece in pieces:
        if (request := reader.feed(piece)) is not None:
            return request
    return None


def check_say(request: Request | None) -> None:
    assert request is not None
    assert (request.method, request.path, request.body) == ("POST", "/say", b"ciao")
    assert (request.headers["host"], request.headers["x-one"]) == ("192.168.1.20:53000", "a b \xe8")


@pytest.mark.parametrize("before", [b"", b"\r\n", b"\n\r\n\r\n"])
def test_a_request_is_the_same_however_it_is_cut(before: bytes) -> None:
    data = before + SAY
    check_say(read(data))
    check_say(read_in_pieces([data[at : at + 1] for at in range(len(data))]))
    for cut in range(len(data)):
        check_say(read_in_pieces([data[:cut], data[cut:]]))


def test_lines_may_end_without_a_carriage_return() -> None:
    check_say(read(SAY.replace(b"\r\n", b"\n")))


@pytest.mark.parametrize("behind", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 100])
def test_what_comes_behind_a_request_is_no_part_of_it(behind: bytes) -> None:
    check_say(read(SAY + behind))


@pytest.mark.parametrize("length", range(len(SAY)))
def test_a_part_of_a_request_is_none_yet(length: int) -> None:
    assert read(SAY[:length]) is None


def test_a_target_with_its_host_means_that_host() -> None:
    request = read(b"GET http://10.0.0.9:53000?q HTTP/1.1\r\n" + HOST + b"\r\n")
    assert request is not None
    assert (request.path, request.headers["Host"]) == ("/", "10.0.0.9:53000")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /\r\n", 400),  # HTTP/0.9, answered without waiting for more
        (b"GET  / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1 x\r\n", 400),
        (b"get / http/1.1\r\n", 400),
        (b"GET /\t HTTP/1.1\r\n", 400),
        (b"GET /\xc3\xa8 HTTP/1.1\r\n", 400),
        (b"GET / HTTP/11\r\n", 400),
        (b"PRI * HTTP/2.0\r\n", 505),
        (b"GET / HTTP/0.9\r\n", 505),
        (b"M-SEARCH * HTTP/1.1\r\n", 501),
        (b"gET / HTTP/1.1\r\n", 501),
        (b"\xef\xbb\xbfGET / HTTP/1.1\r\n", 400),
        (b"GET /" + b"a" * MAX_TARGET_CHARACTERS + b" HTTP/1.1\r\n", 414),
        (b"GET /" + b"a" * MAX_HEAD_BYTES, 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * MAX_HEAD_BYTES, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no host
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"no colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b" folded: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\rC: d\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: \0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A\xe8: b\r\n\r\n", 400),
        (b"GET ftp://a/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET a HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3, 3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: \xb2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: \r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), 413),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413),
    ],
)
def test_what_is_no_request_of_ours_is_refused_as_http_has_it(data: bytes, status: int) -> None:
    with pytest.raises(HttpError) as whole:
        read(data)
    assert whole.value.status == status
    with pytest.raises(HttpError) as in_pieces:
        read_in_pieces([data[at : at + 1] for at in range(len(data))])
    assert in_pieces.value.status == status


PARTS = st.sampled_from(
    [
        *(
            b"GET ",
            b"POST ",
            b"/",
            b"/say",
            b" HTTP/1.1",
            b"\r\n",
            b"\n",
            b"\r",
            HOST,
            b"Content-Length: 3\r\n",
            b"abc",
        ),
        *(b":", b" ", b"\0", b"\xff", b"Transfer-Encoding: chunked\r\n", b"http://a", b"[", b"\r\n\r\n", b"A: b\r\n"),
    ]
)


@given(st.lists(PARTS, max_size=20))
def test_any_bytes_are_a_request_a_refusal_or_not_enough(parts: list[bytes]) -> None:
    results = []
    for pieces in (parts, [b"".join(parts)]):
        try:
            results.append(repr(read_in_pieces(pieces)))
        except HttpError as error:
            results.append(str(error.status.value))
    assert results[0] == results[1]
