"""What the page of another server can do to a room that its reader's browser reaches: nothing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from lan_chat.server.words import ITALIAN
from tests.browser.conftest import Serve
from tests.browser.tabs import Browser, Tab
from tests.support.peers import LinePeer

pytestmark = pytest.mark.browser

ATTEMPT = """
    const [port, path, options, done] = arguments;
    fetch(`http://127.0.0.1:${port}${path}`, options).then((answer) => done(answer.type), (error) => done(error.name));
"""


class ForeignPage(http.server.BaseHTTPRequestHandler):
    """A page of another server."""

    timeout = 1.0
    """How long a browser's spare connection is waited for, in seconds: it says nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>foreign</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def foreign(browser: Browser) -> Iterator[Tab]:
    """A tab with a page of another server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ForeignPage)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield browser.open(server.server_port)
    assert browser.complaints(), "the browser lets it do what it wants"
    server.shutdown()
    server.server_close()
    thread.join()


def attempt(tab: Tab, port: int, path: str, **options: object) -> str:
    """Have a page ask for something, and return what it learns: the kind of answer, or of error."""
    tab.run("")
    return str(tab.driver.execute_async_script(ATTEMPT, port, path, options))


def test_a_foreign_page_cannot_read_the_stream(serve: Serve, browser: Browser, foreign: Tab) -> None:
    server = serve()
    headers = {"Lan-Chat-Token": "a" * 32, "Lan-Chat-Name": "Eva"}
    assert attempt(foreign, server.port, "/events", headers=headers) == "TypeError"
    assert attempt(foreign, server.port, "/events", headers=headers, mode="no-cors") in ("TypeError", "opaque")
    assert attempt(foreign, server.port, "/") == "TypeError"
    with LinePeer(server.port, "Bob") as bob:
        bob.say("chi c'è?")
        assert "Eva" not in bob.expect("chi c'è?")
    assert server.room.find("Eva") is None


def test_a_foreign_page_cannot_say_anything(serve: Serve, browser: Browser, foreign: Tab) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    token = str(tab.run("return me.token"))
    body = '{"type":"say","text":"falso","nonce":99}'
    with LinePeer(server.port, "Bob") as bob:
        headers = {"Lan-Chat-Token": token}
        assert attempt(foreign, server.port, "/say", method="POST", body=body, headers=headers) == "TypeError"
        for path in ("/say", "/leave"):  # a request that no browser asks about first: the server refuses it
            attempt(foreign, server.port, path, method="POST", body=body, mode="no-cors", headers=headers)
        tab.say("vero")
        assert "falso" not in bob.expect("Ada: vero\n")


def test_a_foreign_page_cannot_frame_the_room(serve: Serve, browser: Browser, foreign: Tab) -> None:
    server = serve()
    foreign.run(
        "const frame = document.createElement('iframe'); frame.src = arguments[0];"
        "frame.onload = () => document.title = 'loaded'; document.body.append(frame)",
        f"http://127.0.0.1:{server.port}/",
    )
    foreign.until("document.title === 'loaded'")
    foreign.driver.switch_to.frame(0)
    assert "Salve" not in str(foreign.driver.execute_script("return document.body?.innerText ?? ''"))
    foreign.driver.switch_to.default_content()


def test_a_name_that_somebody_leads_here_gets_no_page(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.open(server.port)
    tab.load(f"http://rebound.example:{server.port}/")
    tab.see(ITALIAN.web_wrong_host)
    tab.load(f"http://rebound.example:{server.port}/events")
    tab.see(ITALIAN.web_wrong_host)
    tab.load(f"http://localhost:{server.port}/")
    tab.see(ITALIAN.greeting)
