"""What a page of another server can do to the room, in a browser that a member uses: nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.browser.conftest import REBOUND, Serve
from tests.browser.tabs import Browser, Tab
from tests.support.peers import LinePeer
from tests.support.waiting import DEADLINE_S
from tests.support.web_guests import token_for

pytestmark = pytest.mark.browser

TOKEN = token_for("Mallory")
PAGE = b"<!doctype html><title>Foreign</title><body>A page of another server."
TRY = """
    const done = arguments[arguments.length - 1], [url, options] = arguments
    fetch(url, options).then((answer) => done(`${answer.type} ${answer.status}`), (error) => done(String(error)))
"""
"""Make a request from a page, and return what the page gets to see of the answer."""


UNSEEN = "TypeError: Failed to fetch"
"""What a page gets to see of an answer that is none of its business."""


class Foreign(BaseHTTPRequestHandler):
    """Serves a page that means no good."""

    timeout = 0.5  # a browser opens connections in advance

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def foreign(browser: Browser) -> Iterator[Tab]:
    """A tab that shows a page of another server, which calls itself `localhost`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield browser.visit(f"http://localhost:{server.server_address[1]}/")
    assert browser.complaints(), "the browser lets it do what it wants"
    server.shutdown()
    thread.join()
    server.server_close()


def tried(tab: Tab, url: str, **options: object) -> str:
    return str(tab.run_async(TRY, url, options))


def answered(tab: Tab, url: str, **options: object) -> str:
    """Make a request until it is answered: on a connection that was opened in advance it is not."""
    deadline = time.monotonic() + DEADLINE_S
    while (answer := tried(tab, url, **options)) == UNSEEN and time.monotonic() < deadline:
        pass
    return answer


def test_a_foreign_page_says_nothing_in_the_room(foreign: Tab, serve: Serve) -> None:
    server = serve()
    say = f"http://127.0.0.1:{server.port}/say"
    body = '{"type":"say","text":"io non l\'ho detto","nonce":0}'
    with LinePeer(server.port, "Ada") as ada:
        assert tried(foreign, say, method="POST", mode="no-cors", body=body) == UNSEEN  # it was sent, and refused
        headers = {"Lan-Chat-Token": TOKEN}
        assert tried(foreign, say, method="POST", headers=headers, body=body) == UNSEEN  # the browser has asked first
        foreign.run(
            "const form = document.createElement('form'); form.method = 'POST'; form.action = arguments[0];"
            "form.enctype = 'text/plain'; const field = document.createElement('input');"
            "field.name = arguments[1]; form.append(field); document.body.append(form); form.submit()",
            say,
            body,
        )
        foreign.until("document.title !== 'Foreign'")  # whatever the browser shows of the refusal
        ada.say("fine")
        assert ada.expect("fine\n") == "Ada: fine\n"
        assert len(server.room.members()) == 1


def test_a_foreign_page_hears_nothing_of_the_room(foreign: Tab, serve: Serve) -> None:
    server = serve()
    events = f"http://127.0.0.1:{server.port}/events"
    with LinePeer(server.port, "Ada"):
        assert tried(foreign, events) == UNSEEN
        assert tried(foreign, events, mode="no-cors") == UNSEEN
        headers = {"Lan-Chat-Token": TOKEN, "Lan-Chat-Name": "Mallory"}
        assert tried(foreign, events, headers=headers) == UNSEEN
        foreign.run(
            "window.heard = []; const source = new EventSource(arguments[0]);"
            "source.onmessage = (event) => heard.push(event.data); source.onerror = () => heard.push('refused')",
            events,
        )
        foreign.until("heard.length > 0")
        assert foreign.run("return heard[0]") == "refused"
        assert len(server.room.members()) == 1


def test_the_page_is_shown_in_no_frame(foreign: Tab, serve: Serve) -> None:
    server = serve()
    foreign.run(
        "const frame = document.createElement('iframe'); frame.onload = () => { window.has_loaded = true };"
        "frame.src = arguments[0]; document.body.append(frame)",
        f"http://127.0.0.1:{server.port}/",
    )
    foreign.until("window.has_loaded")
    foreign.driver.switch_to.frame(0)
    try:
        assert foreign.driver.execute_script("return document.querySelector('form, textarea, input')") is None
    finally:
        foreign.driver.switch_to.default_content()


def test_a_name_that_was_made_to_lead_here_opens_nothing(browser: Browser, serve: Serve) -> None:
    server = serve()
    origin = f"http://{REBOUND}:{server.port}"
    with LinePeer(server.port, "Ada") as ada:
        tab = browser.visit(f"{origin}/")
        tab.see("Questo server non risponde a questo nome")
        headers = {"Lan-Chat-Token": TOKEN, "Lan-Chat-Name": "Mallory"}
        # Its own page would be of this very origin, and without the policy of our answers: it may ask for everything.
        tab.command("Page.setBypassCSP", enabled=True)
        tab.load_again()
        assert answered(tab, f"{origin}/events", headers=headers) == "basic 421"
        assert answered(tab, f"{origin}/say", method="POST", headers=headers, body="{}") == "basic 421"
        assert answered(tab, f"{origin}/") == "basic 421"
        ada.say("fine")
        assert ada.expect("fine\n") == "Ada: fine\n"
