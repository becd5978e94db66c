"""The room's page for browsers: which request may be made, which answer it gets, and what a guest says by one.

Every public method is for any thread.
"""

from __future__ import annotations

import contextlib
import html
import ipaddress
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

import protocol
from lan_chat.server.http_request import HttpError, Request, write_head
from lan_chat.server.options import Options
from lan_chat.server.spares import Spares
from lan_chat.server.streams import Streams
from lan_chat.server.words import ServerWords
from protocol import Event, Events, Fault, Join, Quit, Resume, Say

PAGE = Path(__file__).with_name("page.html")
CLIENT_NAME = "chat_client.exe"
TOKEN, NAME, LAST, ROOM = "Lan-Chat-Token", "Lan-Chat-Name", "Lan-Chat-Last", "Lan-Chat-Room"
"""Headers of our own, which the page of another server cannot set: a browser would ask us first, and we refuse."""
SUFFIXES = ("", ".local", ".lan", ".home")
"""What may stand behind this host's name: a name of which nobody elsewhere can say to which address it leads."""
FILE_PIECE_BYTES = 64 * 1024
STREAM_HEAD = write_head(HTTPStatus.OK, "text/event-stream; charset=utf-8", None)
_NONCE = "{{nonce}}"
_SPLIT_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(:\d{1,5})?")


@dataclass(frozen=True)
class Answer:
    """What a request gets: a head, and pieces of a body."""

    status: HTTPStatus
    pieces: Iterator[bytes]


class WebRoom:
    """The page: who may ask for what, and what is answered."""

    def __init__(self, options: Options, words: ServerWords) -> None:
        self._words = words
        self._client_file = options.client_file
        host = socket.gethostname().lower().partition(".")[0]
        self._hosts = {"localhost", *(f"{host}{suffix}" for suffix in SUFFIXES)}
        if options.web_name:
            self._hosts.add(options.web_name.lower())
        page = PAGE.read_text("utf-8")
        size = ""
        if options.client_file is not None:
            with contextlib.suppress(OSError):  # then it is not offered
                size = f"{options.client_file.stat().st_size / 1e6:.1f}"
        for field, value in (("{{room}}", options.room), ("{{client}}", size)):
            page = page.replace(field, html.escape(value))
        self._page = page
        self.streams = Streams()
        self.spares = Spares()

    def check(self, request: Request) -> None:
        """Raise HttpError for a request that a page of another server may have made, or that has no target here.

        A name that leads here may be another's who has us pose as his server (DNS rebinding); an address cannot.
        """
        host = request.headers["Host"].strip()
        if not self._is_ours(host):
            raise HttpError(HTTPStatus.MISDIRECTED_REQUEST)
        methods = _TARGETS.get(request.path, ())
        if not methods:
            raise HttpError(HTTPStatus.NOT_FOUND)
        if request.method not in methods:
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, ", ".join(methods))
        origin = request.headers.get("Origin")
        is_said = request.method == "POST"
        if (origin is None and is_said) or (origin is not None and origin.lower() != f"http://{host.lower()}"):
            raise HttpError(HTTPStatus.FORBIDDEN)

    def note_load(self, host: str, request: Request) -> None:
        """Note that a browser at an address loads a page, if that is what it asks for."""
        if request.method == "GET" and request.path != "/events":
            self.spares.note_load(host, time.monotonic())

    def get(self, request: Request) -> Answer:
        """Return what a target holds that anybody may read. Raises HttpError."""
        if request.path == f"/{CLIENT_NAME}":
            return self._download(request)
        nonce = secrets.token_urlsafe(16)
        body = self._page.replace(_NONCE, nonce).encode()
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        head = write_head(HTTPStatus.OK, "text/html; charset=utf-8", len(body), Content_Security_Policy=policy)
        return Answer(HTTPStatus.OK, iter([head] if request.is_head else [head, body]))

    def refuse(self, error: HttpError, is_head: bool = False) -> Answer:
        """Return the answer to a request that is not carried out: a sentence."""
        words = self._words
        sentence = {
            HTTPStatus.MISDIRECTED_REQUEST: words.web_wrong_host,
            HTTPStatus.FORBIDDEN: words.web_foreign,
            HTTPStatus.NOT_FOUND: words.web_not_found,
            HTTPStatus.CONFLICT: words.web_no_stream,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE: words.web_too_long,
            HTTPStatus.REQUEST_TIMEOUT: words.web_too_slow,
            HTTPStatus.SERVICE_UNAVAILABLE: words.full,
        }.get(error.status, words.web_bad_request)
        body = f"{sentence}\n".encode()
        more = {"Allow": error.allowed} if error.allowed else {}
        head = write_head(error.status, "text/plain; charset=utf-8", len(body), **more)
        return Answer(error.status, iter([head] if is_head else [head, body]))

    def _is_ours(self, host: str) -> bool:
        """Return whether a `Host` is an address, or a name that is this machine's."""
        found = _SPLIT_HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower()
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _download(self, request: Request) -> Answer:
        """Return the client's program for Windows, the one file that is given away. Raises HttpError."""
        if self._client_file is None:
            raise HttpError(HTTPStatus.NOT_FOUND)
        try:
            file = self._client_file.open("rb")
            size = os.fstat(file.fileno()).st_size
        except OSError:
            raise HttpError(HTTPStatus.NOT_FOUND) from None
        disposition = f'attachment; filename="{CLIENT_NAME}"'
        head = write_head(HTTPStatus.OK, "application/octet-stream", size, Content_Disposition=disposition)

        def pieces() -> Iterator[bytes]:
            with file:
                yield head
                while not request.is_head and (piece := file.read(FILE_PIECE_BYTES)):
                    yield piece

        return Answer(HTTPStatus.OK, pieces())


_TARGETS = {
    "/": ("GET", "HEAD"),
    "/events": ("GET",),
    f"/{CLIENT_NAME}": ("GET", "HEAD"),
    "/say": ("POST",),
    "/leave": ("POST",),
}
"""What there is, and the methods that it takes."""


def no_content() -> Answer:
    """Return the answer to what was done and has nothing to tell."""
    return Answer(HTTPStatus.NO_CONTENT, iter([write_head(HTTPStatus.NO_CONTENT, "", None)]))


def token_of(request: Request) -> str:
    """Return the token of the guest that asks. Raises HttpError where there is none: another's page cannot set it."""
    token = str(request.headers.get(TOKEN, ""))
    if not protocol.TOKEN.fullmatch(token):
        raise HttpError(HTTPStatus.FORBIDDEN)
    return token


def entry_of(request: Request) -> Join | Resume:
    """Return the `join` or `resume` with which a guest opens a stream. Raises HttpError."""
    token, headers = token_of(request), request.headers
    last, room, name = headers.get(LAST), headers.get(ROOM), headers.get(NAME)
    number = None
    if last is not None:
        if not (last.isascii() and last.isdecimal() and len(last) <= len(str(protocol.MAX_NUMBER))):
            raise HttpError(HTTPStatus.BAD_REQUEST)
        number = int(last)
    said: dict[str, object] = {"token": token, "last": number, "room": room}
    if name is None:
        said |= {"type": "resume", "last": number or 0}
    else:
        said |= {"type": "join", "name": unquote(name, errors="replace")}
    events = Events().feed(json.dumps(said).encode() + b"\n")
    if len(events) != 1 or not isinstance(events[0], Join | Resume):
        raise HttpError(HTTPStatus.BAD_REQUEST)
    return events[0]


def said_in(request: Request) -> list[Event]:
    """Return what a guest says, in the events dialect, or what is wrong with that. Raises HttpError."""
    if request.path == "/leave":
        return [Quit()]
    body = request.body.strip()
    if b"\n" in body:  # it is one thing that is said: more would be parsed for nothing
        raise HttpError(HTTPStatus.BAD_REQUEST)
    events = Events().feed(body + b"\n")
    if len(events) == 1 and isinstance(events[0], Say | Fault) and events[0].nonce is not None:
        return events
    raise HttpError(HTTPStatus.BAD_REQUEST)  # without a nonce, what is tried again would be said twice
