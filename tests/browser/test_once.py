"""What is said is said once, and what is shown of it is true, whichever tab says it and however a page is left."""

from __future__ import annotations

import pytest

from lan_chat.server.words import ITALIAN
from tests.browser.conftest import Serve
from tests.browser.tabs import Browser, Tab
from tests.support.peers import LinePeer
from tests.support.proxy import Proxy

pytestmark = pytest.mark.browser


def say_in_the_dark(proxy: Proxy, tab: Tab, text: str) -> None:
    """Say something while there is no link, which then comes back when the proxy allows it."""
    proxy.refuse()
    proxy.cut()
    tab.see("Interrotto")
    tab.say(text)
    tab.see("in invio")


def test_what_another_tab_has_said_for_this_one_is_not_said_again(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        say_in_the_dark(proxy, tab, "ciao")
        tab.load("about:blank")  # as when a phone needs the memory of a tab
        proxy.allow()
        other = browser.open(proxy.port)
        bob.expect("Ada: ciao\n")
        other.until("!me.unsent.length")
        other.close()
        tab.back()
        tab.until("link === 'open'")
        tab.say("eccomi")
        assert bob.expect("Ada: eccomi\n") == "Ada: eccomi\n"
        tab.until("document.querySelectorAll('#rows .row').length === 2")
        assert tab.rows() == ["Ada (tu): ciao", "Ada (tu): eccomi"]


def test_nor_is_it_by_a_page_that_was_frozen_meanwhile(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        tab = browser.join(proxy.port, "Ada")
        say_in_the_dark(proxy, tab, "ciao")
        tab.run("clearTimeout(timer); window.answer = channel.onmessage; channel.onmessage = null")  # it does nothing
        proxy.allow()
        other = browser.open(proxy.port)
        bob.expect("Ada: ciao\n")
        other.until("!me.unsent.length")
        other.close()
        tab.run("channel.onmessage = answer; ui.retry.click()")
        tab.until("link === 'open'")
        tab.say("eccomi")
        assert bob.expect("Ada: eccomi\n") == "Ada: eccomi\n"
        tab.until("document.querySelectorAll('#rows .row').length === 2")
        assert tab.run("return me.unsent.length") == 0


def test_a_message_right_before_one_leaves_is_not_called_unsent(serve: Serve, browser: Browser) -> None:
    server = serve()
    with LinePeer(server.port, "Bob") as bob:
        tab = browser.join(server.port, "Ada")
        tab.run("hear = () => {}")  # its confirmation comes later than one leaves
        tab.say("ultime parole")
        bob.expect("Ada: ultime parole\n")
        tab.say("{quit}")
        tab.see("Hai lasciato «Aula 3».")
        assert tab.run("return ui.unsent.innerText.includes('Invia di nuovo')") is False
        bob.expect("Ada ha abbandonato la Chat.\n")
        tab.reload()
        tab.choose("Ada")
        tab.see("Benvenuto Ada!")
        tab.until("ui.rows.innerText.includes('ultime parole')")
        tab.until("!me.unsent.length")
        tab.miss("non inviato")


def test_a_message_that_was_taken_before_the_member_went_elsewhere_is_cleared_when_it_is_back(
    serve: Serve, browser: Browser
) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    with LinePeer(server.port, "Bob") as bob:
        tab.run("window.heard = HEAR.message; HEAR.message = () => {}")
        tab.say("detto una volta")
        bob.expect("Ada: detto una volta\n")
        tab.run("HEAR.message = heard; HEAR.error({reason: 'superseded'})")
        tab.see("Sei in questa chat da un'altra scheda")
        tab.click("Continua qui")
        tab.until("link === 'open' && !me.unsent.length")
        tab.miss("(non inviato)")
        bob.say("altro")
        assert bob.expect("Bob: altro\n") == "Bob: altro\n"


def test_a_message_that_was_not_taken_before_one_left_stays_until_one_says_it_again(
    serve: Serve, browser: Browser
) -> None:
    server = serve()
    with LinePeer(server.port, "Bob") as bob:
        tab = browser.join(server.port, "Ada")
        tab.run(
            "window.real = fetch;"
            "fetch = (path, how) => path === '/say' ? new Promise(() => {}) : real(path, how)"  # it never arrives
        )
        tab.say("nel vuoto")
        tab.until("me.unsent[0].nonce")
        tab.run("fetch = real; leave()")
        tab.see("Hai lasciato «Aula 3».")
        tab.miss("(non inviato)")  # nobody knows
        tab.click("Entra di nuovo")
        tab.choose("Ada")
        tab.see("(non inviato)")
        tab.say("dopo")
        assert "nel vuoto" not in bob.expect("Ada: dopo\n")
        tab.run("broken()")
        tab.until("link === 'open' && !settleAt")
        tab.click("Invia di nuovo")
        bob.expect("Ada: nel vuoto\n")
        tab.until("!me.unsent.length")


def test_a_tab_that_one_has_left_forgets_nothing_of_the_one_that_goes_on(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob") as bob:
        left = browser.join(proxy.port, "Ada")
        left.say("{quit}")
        left.see("Hai lasciato «Aula 3».")
        tab = browser.open(proxy.port)
        assert tab.run("return me.token") == left.run("return me.token")
        tab.choose("Ada")
        tab.see("Benvenuto Ada!")
        say_in_the_dark(proxy, tab, "nel buio")
        left.hide()
        left.hide(False)
        left.close()
        proxy.allow()
        bob.expect("Ada: nel buio\n")
        tab.until("!me.unsent.length")


def test_who_has_left_while_a_word_was_on_its_way_does_not_come_back_by_himself(serve: Serve, browser: Browser) -> None:
    server = serve()
    tab = browser.join(server.port, "Ada")
    tab.run(
        "const real = fetch; window.says = 0;"
        "fetch = async (path, how) => {"
        "  if (path === '/events') return real(path, how);"
        "  if (path === '/say') says++;"
        "  await sleep(path === '/say' ? 200 : 900); throw new TypeError() }"  # the server's machine is away
    )
    tab.say("ultima parola")
    tab.until("says")
    tab.say("{quit}")
    tab.see("Hai lasciato «Aula 3».")
    assert tab.run_async("setTimeout(arguments[0], 1600, '')") == ""
    assert tab.run("return [view, link]") == ["over", "idle"]


def test_who_enters_again_is_not_taken_out_by_a_goodbye_that_was_late(serve: Serve, browser: Browser) -> None:
    server = serve()
    with LinePeer(server.port, "Bob") as bob:
        tab = browser.join(server.port, "Ada")
        bob.expect("Ada si è unito alla chat!\n")
        tab.run(
            "const real = fetch, gate = new Promise((open) => window.letGo = open), bye = leave;"
            "fetch = async (path, how) => { if (path === '/leave') await gate; return real(path, how) };"
            "leave = () => bye().then(() => window.hasSaidGoodbye = true)"
        )
        tab.say("{quit}")
        tab.click("Entra di nuovo")
        tab.choose("Ada")
        tab.until("link === 'open'")
        tab.run("letGo()")
        tab.until("window.hasSaidGoodbye")
        tab.say("sono rimasta")
        assert bob.expect("Ada: sono rimasta\n").count("ha abbandonato") == 0
        bob.say("bene")
        assert bob.expect("Bob: bene\n") == "Bob: bene\n"


@pytest.mark.parametrize("word", ["{quit}\n", "\n<quit>", "{quit}"])
def test_the_word_to_leave_is_one_with_the_line_break_of_a_phone_too(serve: Serve, browser: Browser, word: str) -> None:
    server = serve()
    with LinePeer(server.port, "Bob") as bob:
        tab = browser.join(server.port, "Ada")
        tab.say("{quit} è la parola")
        tab.say(word)
        tab.see("Hai lasciato «Aula 3».")
        assert bob.expect("Ada ha abbandonato la Chat.\n").count("quit") == 1


def test_what_was_said_of_one_name_is_not_said_of_the_next(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy, LinePeer(server.port, "Bob"):
        tab = browser.open(proxy.port)
        tab.choose("Bob")
        tab.see(ITALIAN.taken)
        proxy.refuse()
        proxy.cut()
        tab.choose("Carla")
        tab.see("Nuovo tentativo tra ")
        assert tab.run("return [ui.hint.textContent, ui.name.ariaInvalid]") == ["", "false"]
        tab.miss("Quello che scrivi parte appena torna.")
        proxy.allow()
        tab.see("Benvenuto Carla!")


def test_why_a_page_was_not_let_in_is_said_no_longer_than_it_is_so(serve: Serve, browser: Browser) -> None:
    server = serve()
    with Proxy(server.port) as proxy:
        tab = browser.join(proxy.port, "Ada")
        tab.run(
            "const real = fetch; window.isFull = true;"
            "fetch = async (path, how) => isFull ? new Response('Pieno.', {status: 503}) : real(path, how)"
        )
        proxy.refuse()
        proxy.cut()
        tab.see("Pieno. Nuovo tentativo tra ")
        tab.run("isFull = false; ui.retry.click()")
        tab.see("Il collegamento si è interrotto. Nuovo tentativo tra ")
        proxy.allow()
        tab.see("Connesso")
