"""The session while its link breaks: what is said again, and who one is afterwards."""

from __future__ import annotations

import threading

import pytest

from lan_chat.client.ledger import Gap, LinkRestored, NotSent, Taken
from lan_chat.client.session import FORGIVEN_LINKS, MAX_PAUSE_S, WAITING_CHARACTERS, Disconnected, LinkBroken, Session
from lan_chat.client.words import ITALIAN
from protocol import EndConn, Event, Greeting, Hello, Join, Joined, Message, Quit, Refused, Resume, Say, Welcome
from tests.support.peers import GREETING
from tests.support.played_server import Play, PlayedServer, ServerPeer, message
from tests.support.sessions import Meet, come_in, events_until, next_event
from tests.support.waiting import DEADLINE_S, wait_until

ORIGINAL_GREETING = ITALIAN.greeting

NOTHING_SAID = Disconnected(())

HELLO = '{"type":"hello","version":1,"language":"it"}\n'
"""All that a client says before it knows that a chat server answers; it need not wait for the greeting."""


def pull(server: PlayedServer, session: Session) -> None:
    """Break the link, and let no other one be made, until `put_back`."""
    server.stop_listening()
    server.peer.break_off()
    events_until(session, LinkBroken)


def put_back(server: PlayedServer, session: Session) -> ServerPeer:
    """Let the session come back, and give the server's end of its new link."""
    server.listen()
    session.retry()
    return server.next_peer()


def without_breaks(events: list[Event]) -> list[Event]:
    """Leave out how often a link was tried."""
    return [event for event in events if not isinstance(event, LinkBroken)]


def back_in(last: int, nonce: int | None = None, room: str | None = None) -> Welcome:
    return Welcome("Ada", "token", ("Ada", "Bob"), last, nonce, room)


def test_the_second_link_begins_with_the_proposed_token_and_the_last_event_seen(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    server.peer.tell(message(2, "uno"), message(3, "due"))
    events_until(session, Message), events_until(session, Message)
    server.peer.break_off()
    link = server.next_peer()
    assert link.expect("\n") == '{"type":"hello","version":1,"language":"it"}\n'
    assert link.expect("\n") == f'{{"type":"resume","token":"{server.peer.token}","last":3}}\n'
    link.tell(back_in(4), message(4, "tre"))
    assert events_until(session, Message) == [LinkBroken(0.0), LinkRestored(("Ada", "Bob")), message(4, "tre")]


def test_only_what_the_server_has_not_taken_is_said_again_under_the_same_nonce(
    play: Play, meet: Meet, long_pauses: None
) -> None:
    server, session = come_in(play, meet)
    for text in ("uno", "due", "tre"):
        session.say(text)
    server.peer.expect("tre")
    pull(server, session)
    assert session.say("quattro") == 4
    link = put_back(server, session)
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(3, nonce=2), message(2, "uno", "Ada", 1), message(3, "due", "Ada", 2))
    assert [link.next_event(), link.next_event()] == [Say("tre", 3), Say("quattro", 4)]
    session.say("cinque")
    assert link.next_event() == Say("cinque", 5)
    link.tell(*(message(1 + nonce, "x", "Ada", nonce) for nonce in (3, 4, 5)))
    link.end()
    events = without_breaks(events_until(session, Disconnected))
    assert [type(event) for event in events] == [LinkRestored, *[Message] * 5, EndConn, Disconnected]
    assert events[-1] == NOTHING_SAID


def test_where_the_server_took_nothing_all_is_said_again(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    server.peer.expect("uno")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1))
    assert link.next_event() == Say("uno", 1)


def test_what_the_server_dealt_with_and_did_not_bring_was_not_sent(play: Play, meet: Meet) -> None:
    """It had answered with an `Error`, which was lost with the link."""
    server, session = come_in(play, meet)
    session.say("uno")
    session.say("due")
    server.peer.expect("due")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(2, nonce=2), message(2, "due", "Ada", 2))
    assert events_until(session, NotSent)[-2:] == [message(2, "due", "Ada", 2), NotSent(1, "uno")]


def test_what_the_server_dealt_with_and_was_all_that_happened_was_not_sent(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    server.peer.expect("uno")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1, nonce=1))
    assert events_until(session, NotSent)[-1] == NotSent(1, "uno")


def test_a_gap_is_counted_and_what_may_be_in_it_counts_as_taken(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    session.say("due")
    server.peer.expect("due")
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(10, nonce=2), message(8, "otto"), message(9, "due", "Ada", 2), message(10, "dieci"))
    events = events_until(session, Taken)
    assert events[2:] == [
        Gap(6),
        message(8, "otto"),
        message(9, "due", "Ada", 2),
        message(10, "dieci"),
        Taken(1),
    ]


def test_what_was_seen_before_is_not_told_again(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    server.peer.tell(message(2, "due"), message(2, "due"), message(3, "tre"))
    assert events_until(session, Message) + events_until(session, Message) == [message(2, "due"), message(3, "tre")]
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 3)
    link.tell(back_in(4), *(message(number, "di nuovo") for number in (1, 2, 3, 4)))
    assert events_until(session, Message)[-1] == message(4, "di nuovo")


def test_what_a_newcomer_is_not_shown_is_no_gap(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect("Ada")
    said_before = (message(3, "tre"), message(7, "sette"), Joined(11, 0.0, "Ada"))
    server.peer.tell(back_in(10), *said_before)
    assert events_until(session, Joined) == [Greeting(), back_in(10), *said_before]


def test_a_server_that_does_not_know_the_token_is_joined_under_the_same_name(
    play: Play, meet: Meet, long_pauses: None
) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    session.say("due")
    server.peer.expect("due")
    pull(server, session)
    session.say("tre")
    link = put_back(server, session)
    link.expect_resume(server.peer.token, 1)
    link.tell(Refused("unknown token"))
    assert link.next_event() == Join("Ada", server.peer.token)
    link.tell(back_in(0, room="another"))
    assert link.next_event() == Say("tre", 3)  # it never went out before: there is no doubt about it
    link.tell(Joined(1, 0.0, "Ada"), message(2, "tre", "Ada", 3))
    assert without_breaks(events_until(session, Message)) == [
        back_in(0, room="another"),
        Joined(1, 0.0, "Ada"),
        NotSent(1, "uno"),
        NotSent(2, "due"),
        message(2, "tre", "Ada", 3),
    ]
    link.end()
    assert events_until(session, Disconnected)[-1] == NOTHING_SAID


def come_in_and_say(play: Play, meet: Meet, *texts: str) -> tuple[PlayedServer, Session, str]:
    """A member of a room with a name for itself, who has said this, and whose link is broken; and its token."""
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect('"token":"')
    token = server.peer.expect('"}\n').removesuffix('"}\n')
    server.peer.tell(back_in(0, room="the same"), Joined(1, 0.0, "Ada"))
    events_until(session, Joined)
    for text in texts:
        session.say(text)
    server.peer.expect(texts[-1])
    server.peer.break_off()
    return server, session, token


def test_what_the_backlog_of_the_same_room_shows_was_sent(play: Play, meet: Meet) -> None:
    """The grace was over, but the room is the same, so that its numbers go on."""
    server, session, token = come_in_and_say(play, meet, "uno", "due")
    link = server.next_peer()
    link.expect_resume(token, 1, "the same")
    link.tell(Refused("unknown token"), back_in(3, room="the same"))
    link.tell(message(2, "uno", "Ada", 1), Joined(4, 0.0, "Ada"))
    assert events_until(session, NotSent)[-3:] == [
        message(2, "uno", "Ada", 1),
        Joined(4, 0.0, "Ada"),
        NotSent(2, "due"),
    ]


def test_who_returns_after_the_grace_is_told_what_was_taken_and_what_is_missing(play: Play, meet: Meet) -> None:
    server, session, token = come_in_and_say(play, meet, "uno", "due")
    link = server.next_peer()
    link.expect_resume(token, 1, "the same")
    link.tell(Refused("unknown token"))
    assert link.next_event() == Join("Ada", token, 1, "the same")
    link.tell(Welcome("Ada", token, ("Ada", "Bob"), 9, 1, "the same", 4))
    session.say("tre")
    assert link.next_event() == Say("tre", 3)
    missed = (message(2, "uno", "Ada", 1), message(7, "x", "Ada", 2), Joined(9, 0.0, "Ada"))
    link.tell(*missed, message(10, "tre", "Ada", 3))
    link.end()
    assert without_breaks(events_until(session, Disconnected)) == [
        LinkRestored(("Ada", "Bob")),
        missed[0],
        Gap(4),
        message(7, "x", "Ada"),  # said by who had that name meanwhile
        missed[2],
        NotSent(2, "due"),  # it may be among what is missing, if the server has lost that and whose it was
        message(10, "tre", "Ada", 3),
        EndConn(),
        NOTHING_SAID,
    ]


def test_a_return_whose_welcome_was_lost_is_a_return_and_so_is_one_under_another_name(play: Play, meet: Meet) -> None:
    server, session, token = come_in_and_say(play, meet, "uno", "due")
    link = server.next_peer()
    link.expect_resume(token, 1, "the same")
    link.tell(Refused("unknown token"))
    assert link.next_event() == Join("Ada", token, 1, "the same")
    link.tell(Refused("taken"))
    assert events_until(session, Refused) == [LinkBroken(0.0), Refused("taken")]
    session.join("Ada Due")
    assert link.next_event() == Join("Ada Due", token, 1, "the same")
    link.break_off()
    link = server.next_peer()
    link.expect_resume(token, 1, "the same")
    welcome = Welcome("Ada Due", token, ("Ada", "Ada Due"), 4, 1, "the same", 0)
    link.tell(welcome, message(2, "uno", "Ada", 1), Joined(4, 0.0, "Ada Due"))
    assert link.next_event() == Say("due", 2)
    events = without_breaks(events_until(session, Joined))
    assert events == [welcome, message(2, "uno", "Ada", 1), Taken(1), Joined(4, 0.0, "Ada Due")]


@pytest.mark.parametrize("reason", ["taken", "a new reason"])
@pytest.mark.parametrize("is_known", [False, True])
def test_who_is_not_let_in_again_may_choose_another_name(play: Play, meet: Meet, reason: str, is_known: bool) -> None:
    server, session = come_in(play, meet)
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    if not is_known:
        link.tell(Refused("unknown token"))
        assert link.next_event() == Join("Ada", server.peer.token)
    link.tell(Refused(reason))
    assert events_until(session, Refused) == [LinkBroken(0.0), Refused(reason)]
    session.say("ciao")
    session.join("Bea")
    assert link.next_event() == Join("Bea", server.peer.token)
    link.tell(Welcome("Bea", "token", ("Bea",), 1))
    assert link.next_event() == Say("ciao", 1)


def test_a_link_that_breaks_before_a_name_was_chosen_is_just_another_one(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    server.peer.break_off()
    link = server.next_peer()
    assert events_until(session, LinkRestored) == [Greeting(), LinkBroken(0.0), LinkRestored(())]
    session.join("Ada")
    assert isinstance(link.next_event(), Hello)
    assert isinstance(link.next_event(), Join)


def test_a_name_that_is_chosen_while_the_link_is_broken_is_asked_for_when_it_is_back(
    play: Play, meet: Meet, long_pauses: None
) -> None:
    server = play()
    session = meet(server)
    pull(server, session)
    session.join("Ada")
    link = put_back(server, session)
    assert isinstance(link.next_event(), Hello)
    resume = link.next_event()
    assert isinstance(resume, Resume)
    link.tell(Refused("unknown token"))
    assert link.next_event() == Join("Ada", resume.token)
    link.tell(back_in(0))
    assert without_breaks(events_until(session, Welcome)) == [back_in(0)]


@pytest.mark.parametrize("has_come_in", [False, True])
def test_a_link_that_breaks_before_the_welcome_leads_to_it_all_the_same(
    play: Play, meet: Meet, has_come_in: bool
) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    server.peer.expect('"token":"')
    token = server.peer.expect('"}\n').removesuffix('"}\n')
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(token, 0)
    if not has_come_in:
        link.tell(Refused("unknown token"))
        assert link.next_event() == Join("Ada", token)
    link.tell(back_in(1), Joined(1, 0.0, "Ada"))
    assert events_until(session, Joined) == [Greeting(), LinkBroken(0.0), back_in(1), Joined(1, 0.0, "Ada")]


def test_who_leaves_before_it_is_known_again_has_said_all_before(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.say("uno")
    assert server.peer.next_event() == Say("uno", 1)  # and nobody confirms it
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    session.say("due")
    session.quit()
    assert [link.next_event() for _ in range(3)] == [Say("uno", 1), Say("due", 2), Quit()]


def test_who_is_in_under_a_second_name_comes_back_under_that_one(play: Play, meet: Meet) -> None:
    server = play()
    session = meet(server)
    session.join("Ada")
    session.join("Bea")  # before the answer to the first
    server.peer.expect('"token":"')
    token = server.peer.expect('"}\n').removesuffix('"}\n')
    server.peer.tell(Refused("taken"), Welcome("Bea", token, ("Bea",), 0), Joined(1, 0.0, "Bea"))
    events_until(session, Joined)
    server.peer.break_off()
    server.next_peer().expect_resume(token, 1)


def test_pauses_grow_up_to_a_limit_and_no_two_sessions_make_the_same(nobody_port: int) -> None:
    class CountedPauses(threading.Event):
        def __init__(self, session: Session) -> None:
            super().__init__()
            self.session = session
            self.pauses: list[float] = []

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            self.pauses.append(timeout)
            if len(self.pauses) == 12:
                self.session.quit()
            return True

    both = []
    for _ in range(2):
        session = Session("127.0.0.1", nobody_port)
        session._wake = wake = CountedPauses(session)
        assert session._mend() is None
        told = [session.events.get_nowait() for _ in range(12)]
        assert told == [LinkBroken(pause_s) for pause_s in wake.pauses]
        assert wake.pauses[0] == 0
        for number, pause_s in enumerate(wake.pauses[1:]):
            longest_s = min(MAX_PAUSE_S, 0.5 * 2**number)
            assert longest_s / 2 <= pause_s <= longest_s
        both.append(wake.pauses)
    assert both[0] != both[1]


def test_a_link_that_breaks_again_before_one_is_let_in_is_tried_after_a_pause(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    server.peer.break_off()
    server.next_peer().break_off()
    first, second = events_until(session, LinkBroken)[-1], events_until(session, LinkBroken)[-1]
    assert isinstance(second, LinkBroken)
    assert first == LinkBroken(0.0)
    assert second.wait_s > 0
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1))
    events_until(session, LinkRestored)
    link.break_off()
    assert next_event(session) == LinkBroken(0.0)


def test_a_server_that_lets_in_and_closes_is_tried_after_pauses_that_grow(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 0.02)
    server, session = come_in(play, meet)
    pauses = []
    link = server.peer
    for _ in range(6):
        link.break_off()
        broken = events_until(session, LinkBroken)[-1]
        assert isinstance(broken, LinkBroken)
        pauses.append(broken.wait_s)
        link = server.next_peer()
        link.expect_resume(server.peer.token, 1)
        link.tell(back_in(1))
        events_until(session, LinkRestored)
    assert pauses[:FORGIVEN_LINKS] == [0.0] * FORGIVEN_LINKS
    assert all(pauses[FORGIVEN_LINKS:])


def test_the_pauses_begin_anew_when_a_link_has_held_for_a_while(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.session.HELD_S", 0.0)
    server, session = come_in(play, meet)
    link = server.peer
    for _ in range(FORGIVEN_LINKS + 2):
        link.break_off()
        assert events_until(session, LinkBroken)[-1] == LinkBroken(0.0)
        link = server.next_peer()
        link.expect_resume(server.peer.token, 1)
        link.tell(back_in(1))
        events_until(session, LinkRestored)


@pytest.mark.parametrize("greeting", ["", GREETING, ITALIAN.greeting, ITALIAN.full, "S", "SSH-2.0-x\r\n"])
def test_no_server_that_closes_at_once_is_tried_without_a_pause(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, greeting: str
) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_PAUSE_S", 0.02)
    server, session = come_in(play, meet)
    server.greeting = greeting.encode()
    server.peer.break_off()
    for number in range(4):
        broken = events_until(session, LinkBroken)[-1]
        assert isinstance(broken, LinkBroken)
        assert bool(broken.wait_s) == bool(number)
        server.next_peer().close()


def test_much_that_waits_for_the_window_takes_no_memory_without_bound(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lan_chat.client.session.MAX_WAITING_EVENTS", 1000)
    server, session = come_in(play, meet)
    text = "x" * 16_000
    server.peer.tell(*(message(number, text) for number in range(2, 102)))
    most = 1000 // (1 + len(text) // WAITING_CHARACTERS) + 1
    wait_until(lambda: session.events.qsize() == most)
    for number in range(2, 102):
        assert session.events.qsize() <= most
        assert next_event(session) == message(number, text)


def test_retry_ends_a_pause(play: Play, meet: Meet, long_pauses: None) -> None:
    server, session = come_in(play, meet)
    pull(server, session)
    for _ in range(3):
        pause = next_event(session)
        assert isinstance(pause, LinkBroken)
        assert pause.wait_s > DEADLINE_S
        session.retry()
    next_event(session)
    link = put_back(server, session)
    link.expect_resume(server.peer.token, 1)
    link.tell(back_in(1))
    events_until(session, LinkRestored)


def test_a_link_that_is_whole_is_not_tried_again(play: Play, meet: Meet) -> None:
    server, session = come_in(play, meet)
    session.retry()
    session.say("ciao")
    assert server.peer.next_event() == Say("ciao", 1)
    server.peer.end()
    assert events_until(session, Disconnected) == [EndConn(), Disconnected(("ciao",))]


@pytest.mark.parametrize("leave", ["quit", "close"])
def test_who_leaves_in_a_pause_waits_for_nothing(play: Play, meet: Meet, long_pauses: None, leave: str) -> None:
    server, session = come_in(play, meet)
    pull(server, session)
    events_until(session, LinkBroken)
    session.say("ciao")
    getattr(session, leave)()
    assert events_until(session, Disconnected) == [Disconnected(("ciao",))]


@pytest.mark.parametrize("leave", ["quit", "close"])
def test_a_link_that_is_found_after_one_has_left_is_closed_without_a_word(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", 0.05)
    server, session = come_in(play, meet)
    server.greeting = b""
    server.peer.break_off()
    link = server.next_peer()  # which the session waits to be greeted on
    getattr(session, leave)()
    link.send(GREETING)
    assert link.expect_end() == HELLO
    assert events_until(session, Disconnected) == [LinkBroken(0.0), NOTHING_SAID]


@pytest.mark.parametrize("leave", ["quit", "close"])
def test_who_leaves_while_it_asks_to_be_let_in_again_says_goodbye(
    play: Play, meet: Meet, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    monkeypatch.setattr("lan_chat.client.session.QUIT_S", DEADLINE_S)
    server, session = come_in(play, meet)
    server.peer.break_off()
    link = server.next_peer()
    link.expect_resume(server.peer.token, 1)
    leaving = threading.Thread(target=getattr(session, leave))
    leaving.start()
    assert link.expect_end() == "{quit}\n"
    link.close()
    leaving.join()
    assert events_until(session, Disconnected) == [LinkBroken(0.0), NOTHING_SAID]


@pytest.mark.parametrize("is_second", [False, True])
def test_after_end_conn_no_other_link_is_made(play: Play, meet: Meet, is_second: bool) -> None:
    server, session = come_in(play, meet)
    link = server.peer
    if is_second:
        link.break_off()
        link = server.next_peer()
        link.expect_resume(server.peer.token, 1)
        link.tell(back_in(1))
        events_until(session, LinkRestored)
    link.end()
    assert events_until(session, Disconnected) == [EndConn(), NOTHING_SAID]


def test_an_original_servers_end_is_the_end(play: Play, meet: Meet) -> None:
    server = play(ORIGINAL_GREETING)
    session = meet(server)
    server.peer.break_off()
    assert events_until(session, Disconnected) == [Say(ORIGINAL_GREETING), NOTHING_SAID]


@pytest.mark.parametrize("greeting", [ORIGINAL_GREETING, ITALIAN.full, "SSH-2.0-OpenSSH_9.2\r\n"])
def test_what_else_answers_at_the_port_is_not_talked_to(
    play: Play, meet: Meet, long_pauses: None, greeting: str
) -> None:
    server, session = come_in(play, meet)
    session.say("segreto")
    server.peer.expect("segreto")
    server.greeting = greeting.encode()
    server.peer.break_off()
    assert server.next_peer().expect_end() == HELLO  # no token, and no name
    assert events_until(session, LinkBroken) == [LinkBroken(0.0)]
    server.greeting = GREETING.encode()
    session.retry()
    server.next_peer().expect_resume(server.peer.token, 1)
