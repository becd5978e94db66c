"""What is said: the same for all, in one order, as text and nothing else."""

from __future__ import annotations

import pytest

from lan_chat.client.session import Session
from lan_chat.server.commands import Operator
from lan_chat.server.words import ITALIAN
from protocol import Greeting, Message, Welcome
from tests.browser.conftest import Serve
from tests.browser.tabs import Browser
from tests.support.peers import EventPeer, LinePeer
from tests.support.programs import OriginalClient
from tests.support.sessions import events_until

pytestmark = pytest.mark.browser

MARKUP = '<img src=x onerror="document.title=1"><b>&amp;</b><script>document.title=2</script>'


def test_two_tabs_netcat_an_original_client_and_a_session_see_the_same_in_the_same_order(
    serve: Serve, browser: Browser
) -> None:
    server = serve()
    ada, bob = browser.join(server.port, "Ada"), browser.join(server.port, "Bob")
    with LinePeer(server.port, "Carla") as carla, OriginalClient(server.port) as davide:
        davide.type_row("Davide")
        davide.expect("Davide si \\u00e8 unito alla chat!")
        session = Session("127.0.0.1", server.port)
        session.connect()
        session.start()
        events_until(session, Greeting)
        session.join("Elena")
        events_until(session, Welcome)
        rows = ""
        for number in range(5):
            ada.say(f"ada {number}")
            bob.say(f"bob {number}")
            carla.say(f"carla {number}")
            davide.type_row(f"davide {number}")
            rows += davide.expect(f"davide {number}")  # or his next one may come in the same `recv`
            session.say(f"elena {number}")
        for tab in (ada, bob):
            tab.until("document.querySelectorAll('#rows .row').length === 25")
        carla.say("fine")
        said = [row.replace(" (tu)", "") for row in ada.rows()][:25]
        assert said == [row.replace(" (tu)", "") for row in bob.rows()][:25]
        heard = carla.expect("Carla: fine\n").splitlines()
        assert [line for line in heard if line[-1].isdigit() and ": " in line] == said
        rows += davide.expect("Carla: fine")  # several may have come in one `recv`
        assert sorted(said, key=rows.index) == said
        events = [event for _ in range(26) for event in events_until(session, Message) if isinstance(event, Message)]
        assert [f"{event.name}: {event.text}" for event in events[:-1]] == said
        session.close()


def test_enter_that_ends_composing_sends_nothing(serve: Serve, browser: Browser) -> None:
    tab = browser.join(serve().port, "Ada")
    tab.until("document.activeElement.id === 'text'")
    tab.type("にほん")
    # Safari says that composing is over by then; the number is what it has in common with the others.
    enter = "{key: 'Enter', keyCode: 229, isComposing: arguments[0], bubbles: true, cancelable: true}"
    for is_composing in (True, False):
        tab.run(f"ui.text.dispatchEvent(new KeyboardEvent('keydown', {enter}))", is_composing)
        assert tab.run("return ui.text.value") == "にほん"
    tab.type("\n")
    tab.until("document.querySelector('.own.message .text')?.textContent === 'にほん'")


def test_markup_is_shown_as_text(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "<b>Bob</b>") as bob:
        bob.say(MARKUP)
        tab.see(MARKUP)
        assert tab.rows() == [f"<b>Bob</b>: {MARKUP}"]
        tab.say(MARKUP)
        tab.until("document.querySelectorAll('#rows .row').length === 2")
        assert tab.run("return document.querySelectorAll('img, #log b, #log script').length") == 0
        assert tab.run("return document.title") == "Aula 3"


@pytest.mark.parametrize("name", ["constructor", "__proto__", "{count}", "$&", "\u00e1b", "ب‌ب", "[.*", "🙂", "-"])
def test_a_strange_name_is_a_name(serve: Serve, browser: Browser, name: str) -> None:
    server = serve()
    tab = browser.join(server.port, name)
    with LinePeer(server.port, "Bob") as bob:
        bob.say(f"ciao {name}, come va")
        tab.until("document.querySelector('.mention')")
        tab.until("document.querySelector('#count').textContent === '2'")
        tab.say("bene")
        tab.until("document.querySelector('.row.own.message')")


def test_many_lines_and_blanks_are_kept(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with EventPeer(server.port, "Bob") as bob:
        tab.say("uno\n  due\n\ntre")
        bob.events_until("uno\n  due\n\ntre")
        tab.until("document.querySelector('.own.message .text')?.textContent === 'uno\\n  due\\n\\ntre'")
        assert tab.run("return document.querySelector('.own.message .text').clientHeight") >= 80


def test_a_message_that_is_too_long_is_told_before_it_is_sent_and_not_cut(serve: Serve, browser: Browser) -> None:
    tab = browser.join(serve().port, "Ada")
    for text, sentence in (("è" * 9000, "18000 byte su 16384"), ("\n".join("x" * 501), "righe 501 su 500")):
        tab.say(text)
        tab.see(sentence)
        assert tab.run("return document.querySelector('#text').value") == text
    tab.say("x" * 16384)
    tab.until("document.querySelector('.own.message .text')?.textContent.length === 16384")
    tab.say("\n".join("y" * 500))
    tab.until("document.querySelectorAll('.own.message .text')[1]?.textContent.length === 999")
    assert tab.run("return document.querySelector('#hint').textContent") == ""


@pytest.mark.parametrize(
    ("text", "links"),
    [
        (
            "vedi https://a.example/x_(y), e (http://b.example/?q=1#z).",
            ["https://a.example/x_(y)", "http://b.example/?q=1#z"],
        ),
        ("javascript:alert(1) file:///etc data:text/html,x http:// https://.", []),
        ('"http://a.example/">ciao', ["http://a.example/"]),
        ("http://è.example/ä ok", ["http://è.example/ä"]),
    ],
)
def test_links_are_links_and_nothing_else_is(serve: Serve, browser: Browser, text: str, links: list[str]) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        bob.say(text)
        tab.until("document.querySelector('.message')")
        assert tab.rows() == [f"Bob: {text}"]
        found = tab.run(
            "return [...document.querySelectorAll('.message a')].map((a) => [a.textContent, a.rel, a.target])"
        )
        assert found == [[link, "noopener noreferrer", "_blank"] for link in links]


def test_arrivals_are_folded_and_who_is_here_is_listed(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Zoe")
    peers = [LinePeer(server.port, name) for name in ("Anna", "Bruno", "Carla", "Davide", "Elena")]
    tab.see("Zoe, Anna, Bruno e altre 3 persone sono entrate")
    tab.until("document.querySelector('#count').textContent === '6'")
    tab.until("document.querySelectorAll('#names li').length === 6 || !document.querySelector('#people').open")
    peers[0].send("{quit}\n")
    peers[1].expect("Anna ha abbandonato la Chat.\n")
    peers[1].send("{quit}\n")
    tab.see("Anna e Bruno sono usciti")
    tab.until("document.querySelector('#toggle').ariaLabel === 'Nella chat: 4'")
    for peer in peers:
        peer.close()


def test_the_list_of_people_is_a_panel_where_there_is_room_for_it(serve: Serve, browser: Browser) -> None:
    tab = browser.join(serve().port, "Ada")
    size = {"height": 740, "deviceScaleFactor": 1, "mobile": False}
    tab.command("Emulation.setDeviceMetricsOverride", width=1280, **size)
    tab.until("document.querySelector('#names').checkVisibility()")
    tab.see("Ada (tu)")
    assert not tab.run("return document.querySelector('#toggle').checkVisibility()")


def test_the_list_of_people_on_a_phone_is_closed_by_escape_and_gives_the_focus_back(
    serve: Serve, browser: Browser
) -> None:
    tab = browser.join(serve().port, "Ada")
    tab.command("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=False)
    tab.until("!document.querySelector('#names').checkVisibility()")
    tab.run("document.querySelector('#toggle').focus()")
    tab.type("\n")
    tab.until("document.querySelector('#people').contains(document.activeElement)")
    tab.until("document.querySelector('#names').innerText.includes('Ada (tu)')")
    tab.type("\ue00c")  # Escape
    tab.until("!document.querySelector('#people').open")
    assert tab.focused() == "toggle"
    tab.run("document.querySelector('#toggle').click()")
    tab.click("Chiudi")
    tab.until("!document.querySelector('#people').open")


def test_what_came_while_the_page_was_hidden_is_in_the_title_and_marked(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        bob.say("prima")
        tab.see("prima")
        tab.hide()
        bob.say("dopo")
        bob.say("e ancora")
        tab.until("document.title === '(2) Aula 3'")
        order = tab.run("return [...document.querySelectorAll('#rows > .message, .mark')].map((row) => row.className)")
        assert [name.split()[-1] for name in order] == ["message", "mark", "message", "message"]
        tab.hide(False)
        tab.until("document.title === 'Aula 3'")
        tab.see("nuovi messaggi")
        tab.say("letto")
        tab.miss("nuovi messaggi")


def test_a_reader_is_not_pulled_down(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    at = "document.querySelector('#log')"
    with LinePeer(server.port, "Bob") as bob:
        for number in range(100):
            bob.say(f"riga {number}")
        tab.see("riga 99")
        tab.until(f"{at}.scrollHeight - {at}.scrollTop - {at}.clientHeight < 2")
        tab.run(f"{at}.scrollTop = 500")
        tab.until("!isAtEnd")
        bob.say("nuova")
        bob.say("e un'altra")
        tab.see("2 nuovi messaggi ↓")
        assert tab.run(f"return {at}.scrollTop") == 500
        tab.click("2 nuovi messaggi ↓")
        tab.until(f"{at}.scrollHeight - {at}.scrollTop - {at}.clientHeight < 2")
        tab.miss("2 nuovi messaggi ↓")


def test_a_flood_leaves_the_newest_rows_and_says_so(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        for start in range(0, 6000, 500):
            bob.send("".join(f"riga {number}\n" for number in range(start, start + 500)))
        tab.see("riga 5999")
        assert 1500 < int(tab.run("return document.querySelectorAll('#rows > *').length")) <= 2000
        tab.see("I messaggi più vecchi non sono più qui.")
        tab.say("si può ancora scrivere")
        bob.expect("Ada: si può ancora scrivere\n")


def test_who_is_muted_reads_why_and_keeps_the_text(serve: Serve, browser: Browser) -> None:
    server = serve()
    operator = Operator(server, ITALIAN)
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        operator.answer("mute Ada")
        tab.see(ITALIAN.now_muted)
        tab.say("mi sentite?")
        tab.see(ITALIAN.muted)
        operator.answer("unmute Ada")
        tab.see(ITALIAN.may_write)
        tab.click("Modifica")
        tab.until("document.querySelector('#text').value === 'mi sentite?'")
        tab.miss("(non inviato)")
        operator.answer("mute *")
        tab.say("mi sentite?")
        tab.see(ITALIAN.muted)
        operator.answer("unmute *")
        tab.click("Invia di nuovo")
        bob.expect("Ada: mi sentite?\n")
        tab.until("document.querySelectorAll('.own.message').length === 1")
