"""HTTP/1.1 as far as a guest by browser needs it: bytes in, a request out; an answer in, bytes out. Pure.

A connection has one request: each answer says `Connection: close`. What comes behind a request is not read as another
one (pipelining), so nothing can be smuggled in there (RFC 9112, sections 9.3 and 11.2).
"""

from __future__ import annotations

import http.client
import io
import re
from dataclasses import dataclass, field
from email.message import Message
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import urlsplit

import protocol

MAX_HEAD_BYTES = 16 * 1024
"""What the request line and the headers may have: a browser also sends the cookies of other programs on this host."""
MAX_TARGET_CHARACTERS = 2048
MAX_BODY_BYTES = protocol.MAX_LINE_BYTES
"""No message that is short enough has more bytes in JSON."""
MAX_LENGTH_DIGITS = 18
"""Of a `Content-Length`: `int` takes no number with thousands of digits."""
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))
"""The methods that are known; which of them a target takes is decided with the target."""

_LINE_END = re.compile(rb"\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_VERSION = re.compile(r"HTTP/(\d)\.(\d)")
_HEADER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*")
"""A header's line (RFC 9112, section 5): no blank before the colon, not folded, no control character."""
_ALWAYS = {
    "Connection": "close",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOTHING_ALLOWED = "default-src 'none'; frame-ancestors 'none'"
"""The content security policy of what is no page."""


class HttpError(Exception):
    """A request that is not carried out, and the status that says why."""

    def __init__(self, status: HTTPStatus, allowed: str = "") -> None:
        super().__init__(status.phrase)
        self.status = status
        self.allowed = allowed
        """The methods that the target takes, where that is what is wrong."""


@dataclass(frozen=True)
class Request:
    """What a browser asks for."""

    method: str
    path: str
    """The target's path, without the query, as it came: nothing is decoded."""
    headers: Message = field(repr=False)
    """By name, whatever its case; what is not ASCII is read as Latin-1."""
    body: bytes = field(default=b"", repr=False)

    @property
    def is_head(self) -> bool:
        """Whether the answer has no body."""
        return self.method == "HEAD"


class RequestReader:
    """Takes the bytes of one request as they come."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._searched = 0
        """How far the end of the head was looked for: bytes that come one by one are looked through once."""
        self._has_line = False
        """Whether the request line was looked at, ahead of the headers."""
        self._request: Request | None = None
        self._length = 0

    def feed(self, data: bytes) -> Request | None:
        """Take bytes, and return the request once it is whole. Raises HttpError where it is not one of ours."""
        self._received += data
        if self._request is None:
            self._read_head()
        if self._request is None or len(self._received) < self._length:
            return None
        request = self._request
        return Request(request.method, request.path, request.headers, bytes(self._received[: self._length]))

    def _read_head(self) -> None:
        if not self._searched:  # empty lines before a request are passed over (RFC 9112, section 2.2)
            del self._received[: len(self._received) - len(self._received.lstrip(b"\r\n"))]
        end = _HEAD_END.search(self._received, max(0, self._searched - 3))
        if (end.start() if end else len(self._received)) > MAX_HEAD_BYTES:
            line_end = _LINE_END.search(self._received, 0, MAX_HEAD_BYTES)
            raise HttpError(
                HTTPStatus.REQUEST_URI_TOO_LONG if line_end is None else HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            )
        searched = max(0, self._searched - 1)
        if end is None and not self._has_line and (line := _LINE_END.search(self._received, searched)):
            parse_line(bytes(self._received[: line.start()]))  # a client may wait for the answer before it sends more
            self._has_line = True
        self._searched = len(self._received)
        if end is None:
            return
        head = bytes(self._received[: end.start()])
        del self._received[: end.end()]
        self._request = parse_head(head)
        self._length = body_length(self._request.headers)


def parse_line(line: bytes) -> tuple[str, str]:
    """Return the method and the target of a request line. Raises HttpError."""
    parts = line.split(b" ")
    if len(parts) != 3 or not all(parts) or any(not 0x20 < byte < 0x7F for byte in b"".join(parts)):
        raise HttpError(HTTPStatus.BAD_REQUEST)
    method, target, version = (part.decode("ascii") for part in parts)
    numbers = _VERSION.fullmatch(version)
    if numbers is None:
        raise HttpError(HTTPStatus.BAD_REQUEST)
    if numbers[1] != "1":
        raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    if method not in METHODS:
        raise HttpError(HTTPStatus.NOT_IMPLEMENTED)
    if len(target) > MAX_TARGET_CHARACTERS:
        raise HttpError(HTTPStatus.REQUEST_URI_TOO_LONG)
    return method, target


def parse_head(head: bytes) -> Request:
    """Return the request that a request line and headers ask for. Raises HttpError."""
    first, *lines = _LINE_END.split(head)
    method, target = parse_line(first)
    if not all(map(_HEADER.fullmatch, lines)):
        raise HttpError(HTTPStatus.BAD_REQUEST)
    try:
        headers = http.client.parse_headers(io.BytesIO(b"\r\n".join([*lines, b"", b""])))
    except http.client.HTTPException:
        raise HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE) from None
    hosts = headers.get_all("Host", [])
    if len(hosts) != 1:
        raise HttpError(HTTPStatus.BAD_REQUEST)
    if not target.startswith("/") and target != "*":
        target = _absolute(target, headers)
    return Request(method, target.partition("?")[0], headers)


def _absolute(target: str, headers: Message) -> str:
    """Return the path of a target that names the host, too, which then counts (RFC 9112, section 3.2.2)."""
    try:
        url = urlsplit(target)
    except ValueError:
        raise HttpError(HTTPStatus.BAD_REQUEST) from None
    if url.scheme.lower() != "http" or not url.netloc:
        raise HttpError(HTTPStatus.BAD_REQUEST)
    headers.replace_header("Host", url.netloc)
    return url.path or "/"


def body_length(headers: Message) -> int:
    """Return how many bytes a request's body has. Raises HttpError where that is not said, or too many."""
    if "Transfer-Encoding" in headers:
        raise HttpError(HTTPStatus.NOT_IMPLEMENTED)
    if "Expect" in headers:
        raise HttpError(HTTPStatus.EXPECTATION_FAILED)
    lengths = set(headers.get_all("Content-Length", ["0"]))
    length = lengths.pop().strip()
    if lengths or not (length.isascii() and length.isdecimal()):
        raise HttpError(HTTPStatus.BAD_REQUEST)
    if len(length) > MAX_LENGTH_DIGITS or int(length) > MAX_BODY_BYTES:
        raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return int(length)


def write_head(status: HTTPStatus, content_type: str, length: int | None, **more: str) -> bytes:
    """Return the head of an answer; `more`: headers, with `_` for `-`. Without a length its end is the connection's."""
    headers = {"Date": formatdate(usegmt=True), "Content-Security-Policy": NOTHING_ALLOWED, **_ALWAYS}
    if content_type:
        headers["Content-Type"] = content_type
    if length is not None:
        headers["Content-Length"] = str(length)
    headers.update((name.replace("_", "-"), value) for name, value in more.items())
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
