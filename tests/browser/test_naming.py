"""How a guest chooses a name, and what it reads when it is not taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lan_chat.server.words import ITALIAN
from tests.browser.conftest import Serve
from tests.browser.tabs import Browser
from tests.support.peers import LinePeer

pytestmark = pytest.mark.browser


def test_the_page_asks_for_a_name_in_the_originals_words(serve: Serve, browser: Browser) -> None:
    tab = browser.open(serve().port)
    tab.see(ITALIAN.greeting)
    assert tab.run("return document.title") == "Aula 3"
    tab.until("document.activeElement.id === 'name'")
    tab.type("Ada", "\n")
    tab.see("Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire.")
    tab.see("Ada si è unito alla chat!")
    assert tab.focused() == "text"


@pytest.mark.parametrize(
    ("name", "sentence"), [("BOB", ITALIAN.taken), ("a:b", ITALIAN.invalid), ("x" * 40, ITALIAN.invalid), (" ", "")]
)
def test_a_name_that_is_refused_stays_in_the_field(serve: Serve, browser: Browser, name: str, sentence: str) -> None:
    server = serve()
    with LinePeer(server.port, "Bob"):
        tab = browser.open(server.port)
        tab.choose(name)
        tab.see(sentence or ITALIAN.invalid)
        assert tab.run("return document.querySelector('#name').value") == name
        assert tab.run("return document.querySelector('#name').ariaInvalid") == "true"
        tab.choose("Ada")
        tab.see("Benvenuto Ada!")
        tab.miss(sentence or ITALIAN.invalid)


def test_half_a_character_is_no_name(serve: Serve, browser: Browser) -> None:
    tab = browser.open(serve().port)
    tab.until("view === 'naming'")
    tab.run("ui.name.value = '\\ud83d'; ui.naming.requestSubmit()")
    tab.see(ITALIAN.invalid)
    tab.choose("Ada")
    tab.see("Benvenuto Ada!")


KEPT = {"token": "t" * 32, "name": "Ada", "isMember": True, "last": 1, "room": "r", "nonce": 0, "rev": 9, "unsent": []}


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "no token"},
        {"token": None},
        {"name": None},
        {"last": "x"},
        {"last": 1e300},
        {"room": "\u4e2d"},
        {"nonce": None},
        {"rev": None},
        {"unsent": None},
        {"unsent": [None]},
        {"unsent": [{"text": 5}]},
    ],
    ids=str,
)
def test_what_no_page_of_ours_has_kept_makes_a_newcomer(
    serve: Serve, browser: Browser, wrong: dict[str, object]
) -> None:
    tab = browser.open(serve().port)
    tab.until("view === 'naming'")
    keep = "onpagehide = document.onvisibilitychange = null; for (const one of STORES) window[one][KEY] = arguments[0]"
    tab.run(keep, json.dumps(KEPT | wrong))
    tab.reload()
    tab.choose("Zoe")
    tab.see("Benvenuto Zoe!")
    tab.say("eccomi")
    tab.until("document.querySelector('.own.message')")


def test_the_last_name_is_offered_again(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    tab.say("{quit}")
    tab.see("Hai lasciato «Aula 3».")
    tab.click("Entra di nuovo")
    tab.until("document.querySelector('#name').value === 'Ada'")
    tab.reload()
    tab.until("document.querySelector('#name').value === 'Ada'")


def test_an_english_browser_reads_english(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.open(server.port)
    agent = tab.run("return navigator.userAgent")
    tab.command("Network.setUserAgentOverride", userAgent=agent, acceptLanguage="en-GB")
    tab.reload()
    tab.see("Welcome! Type your name and press Enter!")
    assert tab.run("return document.documentElement.lang") == "en-GB"
    tab.choose("Ada")
    tab.see("Ada has joined the chat!")


def test_a_name_that_is_no_ascii_comes_in_as_it_is(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Zoë 🙂 中文")
    with LinePeer(server.port, "Bob") as bob:
        tab.say("ciao")
        bob.expect("Zoë 🙂 中文: ciao\n")


@pytest.mark.parametrize("is_there", [True, False])
def test_the_client_for_windows_is_offered_where_it_is_there(
    serve: Serve, browser: Browser, tmp_path: Path, is_there: bool
) -> None:
    file = tmp_path / "chat_client.exe"
    file.write_bytes(b"MZ" + bytes(1_234_000))
    tab = browser.open(serve(client_file=file if is_there else None).port)
    tab.until("view === 'naming'")
    shown = "return [...document.querySelectorAll('.download')].filter((one) => one.checkVisibility()).length"
    assert tab.run(shown) == is_there
    if is_there:
        tab.see("chat_client.exe per Windows (1.2 MB)")
    tab.choose("Ada")
    tab.see("Benvenuto Ada!")
    tab.command("Emulation.setDeviceMetricsOverride", width=1280, height=740, deviceScaleFactor=1, mobile=False)
    tab.until("document.querySelector('#names').checkVisibility()")
    assert tab.run(shown) == is_there
