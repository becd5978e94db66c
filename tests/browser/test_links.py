"""Links that break, tabs that are loaded anew, servers that start again: nothing is lost, nothing comes twice."""

from __future__ import annotations

from pathlib import Path

import pytest

import chat_server
from lan_chat.server.commands import Operator
from lan_chat.server.words import ITALIAN
from tests.browser.conftest import Serve
from tests.browser.tabs import Browser, Tab
from tests.support.peers import LinePeer
from tests.support.proxy import Proxy
from tests.support.servers import is_away
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser


def rows_until(tab: Tab, text: str) -> list[str]:
    """Wait until a text was said, and is not only on its way; gives all that was said until then."""
    tab.until("ui.rows.innerText.includes(arguments[0])", text)
    return tab.rows()


def test_a_page_that_is_loaded_anew_is_the_same_member_and_shows_nothing_twice(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        tab.say("uno")
        bob.expect("Ada: uno\n")
        bob.say("due")
        tab.see("due")
        tab.reload()
        assert rows_until(tab, "due") == ["Ada (tu): uno", "Bob: due"]
        tab.say("tre")
        assert bob.expect("Ada: tre\n") == "Bob: due\nAda: tre\n"  # it has neither left nor joined
        tab.close()
        tab = browser.open(server.port)  # a new tab comes back as that member
        assert rows_until(tab, "tre") == ["Ada (tu): uno", "Bob: due", "Ada (tu): tre"]
        tab.say("quattro")
        assert bob.expect("Ada: quattro\n") == "Ada: quattro\n"


def test_what_is_being_written_outlives_a_reload_and_is_no_other_tabs(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    tab.write("a metà\nfrase")
    tab.reload()
    tab.reload()  # before the page knows whether it is that member's
    tab.until("document.querySelector('#text').value === 'a metà\\nfrase'")
    other = browser.open(server.port)
    other.until("document.querySelector('#naming').checkVisibility()")
    assert other.run("return document.querySelector('#text').value") == ""
    tab.run("document.querySelector('#composer').requestSubmit()")
    assert rows_until(tab, "a metà\nfrase")[-1] == "Ada (tu): a metà\nfrase"
    tab.reload()
    assert rows_until(tab, "a metà\nfrase")
    assert tab.run("return document.querySelector('#text').value") == ""


def test_another_tab_is_another_guest(serve: Serve, browser: Browser) -> None:
    server = serve()
    ada = browser.join(server.port, "Ada")
    other = browser.open(server.port)
    other.until("document.querySelector('#name').value === 'Ada'")
    other.choose("Bob")
    other.see("Benvenuto Bob!")
    ada.see("Ada e Bob sono entrati")
    ada.reload()
    ada.until("document.querySelector('#me').textContent === 'Ada'")
    other.reload()
    other.until("document.querySelector('#me').textContent === 'Bob'")


def test_a_link_that_is_cut_comes_back_with_all_that_was_said_meanwhile(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        proxy.refuse()
        proxy.cut()
        tab.see("Interrotto")
        tab.see("Il collegamento si è interrotto. Nuovo tentativo tra ")
        tab.see("Quello che scrivi parte appena torna.")
        tab.say("detto nel buio")
        tab.say("anche questo")
        tab.see("in invio")
        bob.say("intanto")
        bob.expect("Bob: intanto\n")
        tab.see("Riprova ora")
        proxy.allow()
        tab.run("ui.retry.click()")  # also where the page has tried just before by itself
        tab.see("Connesso")
        assert bob.expect("Ada: anche questo\n") == "Ada: detto nel buio\nAda: anche questo\n"
        tab.until("document.querySelectorAll('#rows .row').length === 3")
        tab.miss("Riprova ora")
        assert tab.rows() == ["Bob: intanto", "Ada (tu): detto nel buio", "Ada (tu): anche questo"]


def test_whatever_is_cut_while_one_talks_all_is_said_once_and_in_order(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        for number in range(40):
            tab.say(f"numero {number}")
            if number % 4 == 0:
                proxy.cut(resets=number % 8 == 0)
        heard = bob.expect("Ada: numero 39\n")
        assert heard == "Ada si è unito alla chat!\n" + "".join(f"Ada: numero {number}\n" for number in range(40))
        tab.until("document.querySelectorAll('#rows .row').length === 40")
        assert tab.rows() == [f"Ada (tu): numero {number}" for number in range(40)]


def test_twenty_messages_beside_a_browsers_spare_connections(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        for number in range(20):
            tab.say(f"numero {number}")
        assert bob.expect("Ada: numero 19\n") == "".join(f"Ada: numero {number}\n" for number in range(20))
        tab.until("document.querySelectorAll('#rows .row').length === 20")
        assert tab.rows() == [f"Ada (tu): numero {number}" for number in range(20)]


def test_what_was_not_confirmed_survives_loading_anew(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        proxy.freeze(from_clients=False)  # what it says arrives, and nothing comes back
        tab.say("detto una volta")
        bob.expect("Ada: detto una volta\n")
        proxy.thaw()
        proxy.freeze(from_server=False)
        tab.say("mai arrivato")
        tab.see("in invio")
        proxy.thaw()
        tab.reload()
        tab.until("document.querySelectorAll('.own.message').length === 2")
        tab.say("fine")
        assert bob.expect("Ada: fine\n") == "Ada: mai arrivato\nAda: fine\n"
        tab.until("document.querySelectorAll('.own.message').length === 3")
        assert tab.rows() == ["Ada (tu): detto una volta", "Ada (tu): mai arrivato", "Ada (tu): fine"]


def test_a_stream_that_has_been_silent_for_too_long_is_opened_anew(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        proxy.freeze()
        bob.say("sei lì?")
        bob.expect("sei lì?")
        tab.run("heardAt = 0")  # as if 40 s had passed
        tab.see("Interrotto")
        proxy.thaw()
        tab.see("sei lì?")
        assert tab.rows() == ["Bob: sei lì?"]


def test_a_phone_that_has_slept_opens_its_stream_anew(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        tab.until("link === 'open'")
        proxy.freeze(from_clients=False)
        bob.say("mentre dormivi")
        bob.expect("mentre dormivi")
        tab.run("hiddenAt = 0; document.onvisibilitychange()")
        tab.until("link === 'opening'")  # perhaps over a spare connection, which the proxy knows already
        proxy.thaw()
        tab.see("mentre dormivi")
        assert tab.rows() == ["Bob: mentre dormivi"]


def test_a_server_that_starts_again_with_its_history_loses_nothing(
    serve: Serve, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "history.db"
    first = serve(chat_server.open_history(file, ITALIAN)[0])
    with Proxy(first.port) as proxy:
        tab = browser.join(proxy.port, "Ada")
        tab.say("prima")
        tab.until("document.querySelector('.own.message')")
        proxy.refuse()
        first.stop()
        tab.see("Il server si è disconnesso.")
        tab.say("durante")
        second = serve(chat_server.open_history(file, ITALIAN)[0])
        proxy.lead_to(second.port)
        proxy.allow()
        tab.until("document.querySelectorAll('.own.message').length === 2")
        tab.say("dopo")
        tab.until("document.querySelectorAll('.own.message').length === 3")
        assert tab.rows() == ["Ada (tu): prima", "Ada (tu): durante", "Ada (tu): dopo"]


def test_a_server_that_has_forgotten_everything_lets_the_page_in_again(serve: Serve, browser: Browser) -> None:
    first = serve()
    with Proxy(first.port) as proxy:
        tab = browser.join(proxy.port, "Ada")
        tab.say("prima")
        tab.until("document.querySelector('.own.message')")
        proxy.refuse()
        first.stop()
        tab.say("durante")
        second = serve()
        proxy.lead_to(second.port)
        proxy.allow()
        tab.until("document.querySelectorAll('.own.message').length === 2")
        with LinePeer(second.port, "Bob") as bob:
            tab.say("dopo")
            bob.expect("Ada: dopo\n")
            tab.until("document.querySelectorAll('.own.message').length === 3")
        assert tab.rows() == ["Ada (tu): prima", "Ada (tu): durante", "Ada (tu): dopo"]


def test_a_page_whose_member_is_elsewhere_says_so_and_comes_back_when_one_wants(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    token = tab.run("return me.token")
    elsewhere = browser.open(server.port)
    elsewhere.until("view === 'naming'")
    elsewhere.run("Object.assign(me, {token: arguments[0], name: 'Ada', isMember: true}); connect()", token)
    tab.see("Sei in questa chat da un'altra scheda o finestra.")
    elsewhere.until("link === 'open'")
    tab.click("Continua qui")
    elsewhere.see("Sei in questa chat da un'altra scheda o finestra.")
    tab.say("di nuovo qui")
    tab.until("document.querySelector('.own.message')")


def test_a_sixth_tab_says_why_it_waits_and_comes_in_when_another_closes(serve: Serve, browser: Browser) -> None:
    server = serve()
    tabs = [browser.join(server.port, f"Ospite {number}") for number in range(5)]
    waiting = [browser.open(server.port) for _ in range(2)]
    for number, tab in enumerate(waiting):
        tab.expect_answers(len(tabs) + 1)
        tab.choose(f"In attesa {number}")
        tab.see("Ci sono già cinque schede in chat")
    tabs[0].say("si può ancora parlare")
    tabs[1].see("si può ancora parlare")
    tabs[2].close()
    for tab in waiting:
        tab.expect_answers(len(tabs))
    tabs[1].see("In attesa")
    tabs[3].say("{quit}")
    for number, tab in enumerate(waiting):
        tab.until("link === 'open'")
        tab.say(f"eccomi {number}")
        tabs[1].see(f"eccomi {number}")


def test_one_who_leaves_says_goodbye_and_may_come_back(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        tab.run("document.querySelector('#leave').click()")
        tab.see("Hai lasciato «Aula 3».")
        bob.expect("Ada ha abbandonato la Chat.\n")
        bob.say("peccato")
        bob.expect("peccato")
        tab.click("Entra di nuovo")
        tab.choose("Ada")
        tab.see("Benvenuto Ada!")
        tab.see("peccato")  # what it has missed
        tab.say("{quit}")
        bob.expect("Ada ha abbandonato la Chat.\n")


def test_who_leaves_while_the_link_is_broken_comes_back_under_another_name_and_stays_that(
    serve: Serve, browser: Browser
) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        proxy.refuse()
        proxy.cut()
        tab.see("Riprova ora")
        tab.say("{quit}")
        tab.see("Hai lasciato «Aula 3».")
        proxy.allow()
        tab.click("Entra di nuovo")
        tab.choose("Bea")
        tab.see("Benvenuto Bea!")
        bob.expect("Ada ha abbandonato la Chat.\nBea si è unito alla chat!\n")
        tab.until("link === 'open'")
        links = proxy.links
        proxy.cut()
        wait_until(lambda: proxy.links > links)
        tab.until("link === 'open'")
        tab.say("sono sempre io")
        bob.expect("Bea: sono sempre io\n")


def test_a_page_that_one_goes_back_to_goes_on(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        tab.load("about:blank")
        bob.say("intanto")
        bob.expect("intanto")
        tab.back()
        tab.see("intanto")
        tab.say("di nuovo qui")
        bob.expect("Ada: di nuovo qui\n")
        tab.until("document.querySelectorAll('#rows .row').length === 2")
        assert tab.rows() == ["Bob: intanto", "Ada (tu): di nuovo qui"]


def test_a_name_that_somebody_took_meanwhile_is_asked_for_anew_and_nothing_that_waits_is_lost(
    serve: Serve, browser: Browser
) -> None:
    server = serve(grace_web_s=0.1)
    with Proxy(server.port) as proxy:
        tab = browser.join(proxy.port, "Ada")
        proxy.refuse()
        proxy.cut()
        tab.say("nel buio")
        wait_until(lambda: not server.room.members())
        with LinePeer(server.port, "Ada") as other:
            proxy.allow()
            tab.see(ITALIAN.taken)
            tab.reload()
            tab.choose("Bea")
            tab.see("Benvenuto Bea!")
            other.expect("Bea: nel buio\n")


def test_who_is_kicked_reads_why_and_comes_in_only_by_a_button(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        Operator(server, ITALIAN).answer("kick Ada basta così")
        tab.see("L'operatore ti ha allontanato dalla chat. basta così")
        bob.expect("Ada ha abbandonato la Chat.")
        tab.click("Entra di nuovo")
        tab.choose("Ada")
        tab.see("Benvenuto Ada!")
        tab.say("eccomi")
        bob.expect("Ada: eccomi\n")


def test_who_is_banned_reads_why_and_does_not_try_again(serve: Serve, browser: Browser) -> None:
    server = serve()
    operator = Operator(server, ITALIAN)
    tab = browser.join(server.port, "Ada")
    operator.answer("ban 127.0.0.1 basta")
    tab.see("L'operatore non ti permette di entrare in questa chat.")
    assert not tab.run("return document.querySelector('#retry').checkVisibility()")
    assert tab.run("return link") == "idle"


def test_a_full_room_says_so_and_lets_the_page_in_when_there_is_room(serve: Serve, browser: Browser) -> None:
    server = serve(max_clients=1)
    bob = LinePeer(server.port, "Bob")
    tab = browser.open(server.port)
    tab.choose("Ada")
    tab.see("La chat è al completo, riprova più tardi.")
    bob.send("{quit}\n")
    bob.expect_end()
    tab.see("Benvenuto Ada!")
    tab.miss("La chat è al completo")
    bob.close()


def test_a_member_whose_page_is_closed_is_away(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    tab.close()
    wait_until(lambda: is_away(server, "Ada"))


CRUMBS = """
    const fetched = window.fetch
    window.fetch = async (path, options) => {
        const answer = await fetched(path, options)
        if (path !== "/events") return answer
        const transform = (part, to) => part.forEach((byte) => to.enqueue(Uint8Array.of(byte)))
        return new Response(answer.body.pipeThrough(new TransformStream({transform})), answer)
    }
    me.last = 1
    connect()
"""


def test_a_stream_that_comes_byte_by_byte_is_read_the_same(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        tab.run(CRUMBS)
        bob.say("perché no? 😀 ж 中文")
        tab.see("perché no? 😀 ж 中文")
        tab.say("più di un byte: è")
        bob.expect("Ada: più di un byte: è\n")
        tab.until("document.querySelectorAll('#rows .row').length === 2")
        assert tab.rows() == ["Bob: perché no? 😀 ж 中文", "Ada (tu): più di un byte: è"]


def test_what_the_room_no_longer_has_is_told(serve: Serve, browser: Browser) -> None:
    tab = browser.join(serve().port, "Ada")
    tab.until("me.last === 1")
    tab.run("hear({type: 'welcome', name: 'Ada', names: ['Ada'], last: 4, room: me.room, missing: 3})")
    tab.see("Messaggi e avvisi che mancano qui, di quando non eri collegato: 3.")
    tab.say("eppure si parla")
    tab.until("document.querySelector('.own.message, .pending')")
