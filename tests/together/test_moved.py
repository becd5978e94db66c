"""A server that gets another address, and a window that finds its room again: on two machines, with the real search."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from lan_chat import rooms
from lan_chat.client.search import search_after_break
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.words import ITALIAN
from lan_chat.process import UDP_PORT_VARIABLE
from lan_chat.rooms import Room
from tests.support.namespaces import Machine, machines
from tests.support.peers import EventPeer, texts_of
from tests.support.programs import TOP, Program
from tests.support.responder import Responder
from tests.support.seats import Seat

pytestmark = [pytest.mark.root, pytest.mark.screen, pytest.mark.slow]

OLD, NEW, LIAR = "192.168.77.1", "192.168.77.30", "10.66.0.1"


@dataclass
class Place:
    """A room on one machine, a window on another, and a third one."""

    near: Machine
    third: Machine
    port: int
    ada: Seat
    bob: EventPeer

    def move(self, old: str, new: str) -> None:
        """Change the address of the server's machine."""
        self.near.ip("address", "del", f"{old}/24", "dev", "lan0")
        self.near.add_address("lan0", f"{new}/24")

    def see_question(self, host: str, port: int = 0) -> None:
        question = ITALIAN.room_elsewhere.format(name="Aula 3", host=host, port=port or self.port)
        line = self.ada.window._status_line
        patiently(self.ada, lambda: line.offer_label.winfo_ismapped() and line.offer_label["text"] == question)


def patiently(ada: Seat, condition: Callable[[], object]) -> None:
    """Wait for longer than one attempt to connect to nobody takes, and a look around."""
    with contextlib.suppress(AssertionError):
        ada.wait(condition)
    ada.wait(condition)


@pytest.fixture
def place(display: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Ada, in front of a window on one machine, in the room of a server on another, where Bob is, too."""
    monkeypatch.setenv(UDP_PORT_VARIABLE, str(rooms.PORT))
    with contextlib.ExitStack() as stack:
        near, far, third = stack.enter_context(machines("near", "far", "third"))
        third.plug_in("lan0", far, "eth8")
        third.add_address("lan0", f"{LIAR}/24")
        far.add_address("eth8", "10.66.0.2/24")
        near.plug_in("lan0", far, "eth7")
        near.add_address("lan0", f"{OLD}/24")
        far.add_address("eth7", "192.168.77.2/24")
        with near.at():
            options = ("--port", "0", "--greeting-wait", "0", "--room", "Aula 3")
            server = stack.enter_context(Program(TOP / "chat_server.py", *options, stdin=subprocess.DEVNULL))
            server.expect("  porta ")
            port = int(server.expect("\n"))
            bob = stack.enter_context(EventPeer(port, "Bob"))
        session = Session(OLD, port, new_search=search_after_break)
        stack.callback(session.close)
        with far.at():
            session.connect()
        ada = Seat(session, Settings())
        stack.callback(ada.window.close)
        with far.at():
            session.start()
        ada.see(ITALIAN.greeting)
        ada.enter("Ada")
        ada.see(ITALIAN.joined.format(name="Ada"))
        yield Place(near, third, port, ada, bob)


@contextlib.contextmanager
def lying(machine: Machine, room: Room) -> Iterator[None]:
    """Have a machine answer every question with a claim to be this room."""
    with machine.at():
        liar = Responder("", rooms.PORT)
    liar.sock.settimeout(0.1)
    is_over = threading.Event()

    def lie() -> None:
        while not is_over.is_set():
            with contextlib.suppress(TimeoutError):  # nobody asks
                liar.answer(room)

    thread = threading.Thread(target=lie)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        liar.close()


def said(ada: Seat) -> list[str]:
    return [line.rpartition(": ")[2] for line in ada.shown.splitlines() if "Ada: " in line or "Bob: " in line]


def test_after_the_servers_address_has_changed_the_window_goes_there_and_nothing_is_missing(place: Place) -> None:
    ada, bob = place.ada, place.bob
    bob.say("prima")
    ada.see("prima")
    place.move(OLD, NEW)
    changed_at = time.monotonic()
    bob.say("intanto")
    ada.enter("si sente")
    patiently(ada, ada.window.retry_button.winfo_ismapped)
    broken_at = time.monotonic()
    ada.enter("da qui")
    bob.say("ancora")
    place.see_question(NEW)
    asked_at = time.monotonic()
    assert ITALIAN.link_restored not in ada.shown  # nobody goes there unasked
    ada.window._status_line.follow_button.invoke()
    ada.see(ITALIAN.link_restored)
    back_at = time.monotonic()
    bob.say("dopo")
    ada.see("dopo")
    ada.enter("fine")
    everything = texts_of(bob.events_until("fine"))
    ada.wait(lambda: said(ada) == everything)
    assert sorted(everything) == sorted(["prima", "intanto", "si sente", "da qui", "ancora", "dopo", "fine"])
    assert ada.window._layout.header.address["text"] == ITALIAN.address.format(host=NEW, port=place.port)
    assert (ada.window.settings.host, ada.window.settings.port) == (NEW, place.port)
    print(f"broken after {broken_at - changed_at:.1f} s, asked after {asked_at - broken_at:.1f} s more,")
    print(f"back {back_at - asked_at:.1f} s after the yes")


def test_a_server_that_gets_its_address_back_is_joined_there_without_a_question(place: Place) -> None:
    ada, bob = place.ada, place.bob
    place.move(OLD, NEW)
    bob.say("intanto")
    place.see_question(NEW)
    place.move(NEW, OLD)
    patiently(ada, lambda: ITALIAN.link_restored in ada.shown)
    ada.see("intanto")
    assert not ada.window._status_line.frame.winfo_ismapped()
    assert ada.window.settings.host != NEW


def test_who_claims_to_be_the_room_is_refused_and_then_the_room_itself_is_found(place: Place) -> None:
    ada, bob = place.ada, place.bob
    line = ada.window._status_line
    claimed = Room(ada.window.membership.room.id, "Aula 3, qui!", 50000, 99, needs_code=True)
    with lying(place.third, claimed):
        place.near.ip("address", "del", f"{OLD}/24", "dev", "lan0")
        bob.say("intanto")
        place.see_question(LIAR, claimed.port)
        line.refuse_button.invoke()
        assert not line.offer_label.winfo_ismapped()
        place.near.add_address("lan0", f"{NEW}/24")
        place.see_question(NEW)
        line.follow_button.invoke()
        ada.see(ITALIAN.link_restored)
        ada.see("intanto")
