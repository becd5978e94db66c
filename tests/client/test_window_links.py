"""The window while its link breaks and comes back: a real window and a real server, and a network to pull apart."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

import protocol
from lan_chat.client.desktop import is_aqua
from lan_chat.client.session import Session
from lan_chat.client.words import ITALIAN
from lan_chat.server.listening import open_listener
from lan_chat.server.server import ChatServer
from protocol import RECORDED, Notice
from tests.support.peers import EventPeer, LinePeer
from tests.support.proxy import Proxy
from tests.support.servers import limits
from tests.support.session_seats import LinkedSeat, LinkedSit, SessionSeat
from tests.support.waiting import DEADLINE_S

pytestmark = pytest.mark.screen

BROKEN = ITALIAN.link_broken
BACK = ITALIAN.link_restored


def make_server(port: int = 0, notice: Notice | None = None, grace_s: float = 60.0, backlog: int = 50) -> ChatServer:
    listener = open_listener("127.0.0.1", port)
    server = ChatServer(listener, limits(rate=0, grace_s=grace_s, backlog=backlog), notice=notice)
    server.start()
    return server


def stop_without_goodbye(server: ChatServer, proxy: Proxy) -> int:
    """End a server as a crash would, so that nobody hears of it; gives the port where it was."""
    port = server.port
    proxy.refuse()
    proxy.cut()
    server.stop()
    return port


@pytest.fixture
def kind_server() -> Iterator[ChatServer]:
    """A server as it is run: it waits for those whose link breaks, and shows newcomers what was said."""
    server = make_server()
    yield server
    server.stop()


@pytest.fixture
def proxy(kind_server: ChatServer) -> Iterator[Proxy]:
    """The network between the window and the server."""
    with Proxy(kind_server.port) as proxy:
        yield proxy


@pytest.fixture
def sit(display: None) -> Iterator[LinkedSit]:
    """Open windows; with `join`, somebody of that name has come in already."""
    seats: list[LinkedSeat] = []

    def sit(server: ChatServer | Proxy, join: str = "", **options: str) -> LinkedSeat:
        seat = LinkedSeat(server, **options)
        seats.append(seat)
        if join:
            seat.enter(join)
            seat.see(f"{join} si è unito alla chat!")
        return seat

    yield sit
    for seat in seats:
        if seat.is_open:
            seat.close_window()
        seat.session.close()


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that only the user can end within a test."""
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 1000.0)
    monkeypatch.setattr(random, "uniform", lambda *_: 1000.0)


def pull(ada: LinkedSeat, proxy: Proxy) -> None:
    """Break the link for longer than a moment."""
    proxy.refuse()
    proxy.cut()
    ada.expect_pause()


# --- the link breaks --------------------------------------------------------------------------------------------------


def test_a_broken_link_is_told_once_and_the_status_counts_down(sit: LinkedSit, proxy: Proxy, long_pauses: None) -> None:
    ada = sit(proxy, join="Ada")
    ada.expect_working_link(1)
    pull(ada, proxy)
    assert ada.window.retry_button["text"] == "Riprova ora"
    before = ada.status
    ada.wait(lambda: ada.status != before)  # a second less
    for _ in range(2):  # two more tries in vain
        links = proxy.links
        ada.window.retry_button.invoke()
        ada.expect_pause()
        assert proxy.links == links
    assert ada.said == [BROKEN]
    assert ada.people == ["Ada"]


def test_a_moments_break_is_mended_without_anybodys_help(sit: LinkedSit, proxy: Proxy, kind_server: ChatServer) -> None:
    ada = sit(proxy, join="Ada")
    with LinePeer(kind_server.port, "Bob") as bob:
        ada.see("Bob si è unito alla chat!")
        proxy.cut()
        ada.see(BACK)
        ada.enter("eccomi")
        assert bob.expect("Ada: eccomi\n") == "Ada: eccomi\n"  # and nobody has seen Ada go or come
        ada.see("Ada: eccomi")
        assert ada.said == ["Bob si è unito alla chat!", BROKEN, BACK, "Ada: eccomi"]


@pytest.mark.parametrize("way", ["button", "key", "menu"])
def test_what_was_missed_comes_in_order_and_what_was_typed_once(
    sit: LinkedSit, proxy: Proxy, kind_server: ChatServer, long_pauses: None, way: str
) -> None:
    ada = sit(proxy, join="Ada")
    with EventPeer(kind_server.port, "Bob") as bob:
        ada.see("Bob si è unito alla chat!")
        pull(ada, proxy)
        for text in ("uno", "due"):
            ada.enter(text)
        ada.wait(lambda: ada.tail == "Ada: uno …\nAda: due …")
        for number in range(3):
            bob.say(f"riga {number}")
        bob.events_until("riga 2")
        with LinePeer(kind_server.port, "Carla"):
            proxy.allow()
            if way == "button":
                ada.click(ada.window.retry_button)
            elif way == "key":
                ada.press("Command-t" if is_aqua(ada.root) else "Control-t")
            else:
                ada.choose(0, ITALIAN.retry)
            ada.see("Ada: due")
            ada.wait(lambda: ada.tail == "")
            assert ada.said == [
                "Bob si è unito alla chat!",
                BROKEN,
                BACK,
                *(f"Bob: riga {number}" for number in range(3)),
                "Carla si è unito alla chat!",
                "Ada: uno",
                "Ada: due",
            ]
            assert [getattr(event, "text", "") for event in bob.events_until("due")] == ["", "uno", "due"]
            ada.expect_working_link(3)
            assert ada.people == ["Ada", "Bob", "Carla"]
            ada.enter("tre")
            bob.events_until("tre")


def test_what_was_confirmed_on_the_way_to_a_broken_link_is_not_said_twice(
    sit: LinkedSit, proxy: Proxy, kind_server: ChatServer
) -> None:
    """The cable is pulled behind what one said, and before the answer to it."""
    ada = sit(proxy, join="Ada")
    with EventPeer(kind_server.port, "Bob") as bob:
        ada.see("Bob si è unito alla chat!")
        proxy.freeze(from_clients=False)
        ada.enter("una volta")
        bob.events_until("una volta")
        ada.wait(lambda: ada.tail == "Ada: una volta …")
        proxy.cut()
        proxy.thaw()
        ada.see(BACK)
        ada.wait(lambda: ada.tail == "")
        bob.say("fine")
        ada.see("Bob: fine")
        assert ada.said == ["Bob si è unito alla chat!", BROKEN, BACK, "Ada: una volta", "Bob: fine"]
        assert [getattr(event, "text", "") for event in bob.events_until("fine")] == ["fine"]


def test_what_was_lost_on_the_way_is_said_again(sit: LinkedSit, proxy: Proxy, kind_server: ChatServer) -> None:
    """The cable is pulled before what one said gets through."""
    ada = sit(proxy, join="Ada")
    with EventPeer(kind_server.port, "Bob") as bob:
        ada.see("Bob si è unito alla chat!")
        proxy.freeze()
        ada.enter("una volta")
        proxy.cut()
        proxy.thaw()
        ada.see("Ada: una volta")
        assert ada.tail == ""
        bob.say("fine")
        assert [getattr(event, "text", "") for event in bob.events_until("fine")] == ["una volta", "fine"]


def test_a_name_that_is_chosen_while_the_link_is_broken_is_asked_for_later(
    sit: LinkedSit, proxy: Proxy, long_pauses: None
) -> None:
    ada = sit(proxy)
    ada.see(ITALIAN.greeting)
    pull(ada, proxy)
    ada.enter("Ada")
    proxy.allow()
    ada.window.retry_button.invoke()
    ada.see("Ada si è unito alla chat!")
    ada.expect_working_link(1)


def test_a_link_that_breaks_before_a_name_was_chosen_is_mended_as_well(sit: LinkedSit, proxy: Proxy) -> None:
    ada = sit(proxy)
    ada.see(ITALIAN.greeting)
    proxy.cut()
    ada.see(f"{BROKEN}\n{BACK}")
    ada.expect_status(ITALIAN.status_connected)
    ada.enter("Ada")
    ada.see("Ada si è unito alla chat!")


@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_window_whose_link_is_broken_closes_at_once(
    sit: LinkedSit, proxy: Proxy, long_pauses: None, monkeypatch: pytest.MonkeyPatch, is_frozen: bool
) -> None:
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.05)
    monkeypatch.setattr("lan_chat.client.link.CONNECT_S", DEADLINE_S)  # its thread ends when the proxy is closed
    ada = sit(proxy, join="Ada")
    if is_frozen:
        proxy.freeze()
        proxy.cut()
        ada.expect_status(ITALIAN.status_retrying)
    else:
        pull(ada, proxy)
    ada.enter("mai arrivato")
    ada.enter("{quit}")
    assert not ada.is_open
    ada.session.close()


def test_the_end_of_the_server_is_no_broken_link(sit: LinkedSit, proxy: Proxy, kind_server: ChatServer) -> None:
    ada = sit(proxy, join="Ada")
    kind_server.stop()
    ada.see(ITALIAN.closing_soon)
    ada.wait(lambda: not any(thread_is_alive(ada.session)))
    ada.root.update()
    assert BROKEN not in ada.shown
    assert not ada.has_retry_button
    ada.expect_status(ITALIAN.status_not_connected)


def thread_is_alive(session: Session) -> list[bool]:
    return [session._thread.is_alive()]


# --- the server is another one ----------------------------------------------------------------------------------------


def test_a_server_that_was_restarted_is_joined_again_and_what_is_in_doubt_can_be_sent_again(
    sit: LinkedSit, kind_server: ChatServer, proxy: Proxy, long_pauses: None
) -> None:
    ada = sit(proxy, join="Ada")
    proxy.freeze(from_clients=False)  # whether it was taken, nobody will ever know
    ada.enter("dubbio")
    ada.wait(lambda: ada.tail == "Ada: dubbio …")
    port = stop_without_goodbye(kind_server, proxy)
    proxy.thaw()
    ada.expect_pause()
    ada.enter("nuovo")
    server = make_server(port)
    try:
        with EventPeer(server.port, "Bob") as bob:
            proxy.allow()
            ada.window.retry_button.invoke()
            ada.wait(lambda: ada.tail == "Ada: dubbio  (non inviato)  Invia di nuovo  Scarta")
            ada.see("Ada: nuovo")
            assert ada.shown.count("Benvenuto Ada!") == 2
            assert ada.people == ["Ada", "Bob"]
            ada.expect_working_link(2)
            click_on_tail(ada, ITALIAN.send_again)
            ada.see("Ada: dubbio")
            assert ada.tail == ""
            texts = [getattr(event, "text", "") for event in bob.events_until("dubbio")]
            assert texts == ["", "nuovo", "dubbio"]
    finally:
        server.stop()


def click_on_tail(seat: SessionSeat, label: str) -> None:
    """Click on what stands below the conversation."""
    seat.window.conversation.show_latest()
    seat.root.update()
    index = seat.text.search(label, "pending")
    left, top, width, height = seat.text.bbox(index) or (0, 0, 0, 0)
    x, y = left + width // 2, top + height // 2
    seat.text.event_generate("<Motion>", x=x, y=y)  # by which Tk knows what the click is on
    seat.text.event_generate("<ButtonPress-1>", x=x, y=y)
    seat.text.event_generate("<ButtonRelease-1>", x=x, y=y)
    seat.root.update()


def test_a_name_that_was_taken_meanwhile_is_asked_for_anew(
    sit: LinkedSit, kind_server: ChatServer, proxy: Proxy, long_pauses: None
) -> None:
    ada = sit(proxy, join="Ada")
    port = stop_without_goodbye(kind_server, proxy)
    ada.expect_pause()
    ada.enter("in attesa")
    server = make_server(port)
    try:
        with LinePeer(server.port, "Ada"):
            proxy.allow()
            ada.window.retry_button.invoke()
            ada.see(ITALIAN.taken)
            assert ada.draft == "Ada"
            ada.expect_status(ITALIAN.status_connected)
            ada.wait(lambda: not ada.has_retry_button)
            assert ada.people == []
            ada.enter("Bea")
            ada.see("Bea: in attesa")
            assert ada.tail == ""
            assert ada.people == ["Ada", "Bea"]
    finally:
        server.stop()


def test_whose_grace_is_over_comes_back_to_what_was_missed(sit: LinkedSit) -> None:
    server = make_server(grace_s=0.0)
    try:
        with Proxy(server.port) as proxy, EventPeer(server.port, "Bob") as bob:
            ada = sit(proxy, join="Ada")
            bob.expect_event(protocol.Joined)
            proxy.refuse()
            proxy.cut()
            bob.expect_event(protocol.Left)
            bob.say("mentre non c'eri")
            bob.events_until("mentre non c'eri")
            proxy.allow()
            ada.see("\nBob: mentre non c'eri\n")
            ada.wait(lambda: ada.shown.count("Ada si è unito alla chat!") == 2)
            assert ada.shown.count("Benvenuto Ada!") == 1
            assert ada.shown.count("Ada ha abbandonato la Chat.") == 1
            ada.expect_working_link(2)
            ada.close_window()
            ada.session.close()
    finally:
        server.stop()


# --- on arrival -------------------------------------------------------------------------------------------------------


def test_a_newcomer_sees_what_was_said_before_and_where_that_ends(sit: LinkedSit, kind_server: ChatServer) -> None:
    with EventPeer(kind_server.port, "Bob") as bob:
        for text in ("uno", "ciao ada"):
            bob.say(text)
        bob.events_until("ciao ada")
        ada = sit(kind_server, join="Ada")
        bob.say("tre")
        ada.see("Bob: tre")
        copied = ada.window.conversation.read("1.0", "pending")
        lines = [line for line in copied.splitlines() if not line.startswith("—  —")]
        texts = [line.split("  ", 1)[-1] for line in lines]
        assert texts[1:] == [
            "Benvenuto Ada! Se vuoi lasciare la Chat, scrivi {quit} per uscire.",
            "Bob: uno",
            "Bob: ciao ada",
            "— detto prima del tuo arrivo —",
            "Ada si è unito alla chat!",
            "Bob: tre",
        ]
        assert ada.window.conversation.text.tag_nextrange("mention", "1.0") == ()


def test_where_nothing_was_said_before_there_is_no_line(sit: LinkedSit, kind_server: ChatServer) -> None:
    with EventPeer(kind_server.port, "Bob"):
        ada = sit(kind_server, join="Ada")
        assert ITALIAN.said_before not in ada.text.get("1.0", "end")


def test_the_line_is_not_drawn_again_when_a_link_is_back(sit: LinkedSit, proxy: Proxy, kind_server: ChatServer) -> None:
    with EventPeer(kind_server.port, "Bob") as bob:
        bob.say("uno")
        bob.events_until("uno")
        ada = sit(proxy, join="Ada")
        proxy.cut()
        ada.see(BACK)
        bob.say("due")
        ada.see("Bob: due")
        assert ada.text.get("1.0", "end").count(ITALIAN.said_before) == 1


@pytest.mark.parametrize(
    ("about", "sentence"), [(RECORDED, ITALIAN.recorded), (protocol.NOT_RECORDED, ITALIAN.not_recorded)]
)
def test_whether_the_chat_is_recorded_is_told_on_arrival(sit: LinkedSit, about: str, sentence: str) -> None:
    server = make_server(notice=Notice(about))
    try:
        ada = sit(server, join="Ada")
        assert ada.shown.count(sentence) == 1
        assert ada.shown.index("Benvenuto Ada!") < ada.shown.index(sentence)
        ada.close_window()
        ada.session.close()
    finally:
        server.stop()
