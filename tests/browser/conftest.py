"""A real browser, Chromium without a screen, whose tabs talk to servers of this process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest

from lan_chat.server.history import History
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from tests.browser.tabs import Browser
from tests.support.servers import limits

REBOUND = "rebound.example"
"""A name of somebody else that leads to this machine."""
CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"

Serve = Callable[..., ChatServer]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser that all tests use, one after the other."""
    for program in (CHROMIUM, DRIVER):
        if not shutil.which(program):
            pytest.skip(f"there is no {program} (Debian Linux: apt install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing (pip install selenium)")
    os.environ["SE_OFFLINE"] = "true"  # selenium would look for a driver of its own
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    usual = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--accept-lang=it-IT", "--disable-gpu")
    for argument in (*usual, "--no-first-run", "--disable-background-networking", "--disable-component-update"):
        options.add_argument(argument)
    options.add_argument(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=DRIVER))
    driver.set_script_timeout(30)
    yield Browser(driver)
    driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser, with no tab open and nothing kept; the tabs that a test opens are closed after it."""
    yield chromium
    chromium.close_tabs()
    chromium.forget()
    assert not (wrong := chromium.complaints()), f"the browser complains: {wrong}"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers with a room for browsers, which end with the test."""
    servers: list[ChatServer] = []

    def start(history: History | None = None, **options: object) -> ChatServer:
        given = {"web": True, "greeting_wait_s": 0.25, "rate": 0.0, "room": "Aula 3", "backlog": 50, **options}
        server = ChatServer(open_listener("127.0.0.1", 0), limits(**given), ITALIAN, history)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
