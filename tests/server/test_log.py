"""What the log says, and what it never says."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from lan_chat.server.commands import Operator
from lan_chat.server.server import ChatServer
from lan_chat.server.words import ITALIAN
from protocol import Error, Notice, Say
from tests.support.peers import EventPeer, LinePeer, Peer, reset
from tests.support.programs import TOP, Program, ServerProgram
from tests.support.servers import limits, start
from tests.support.waiting import wait_until


def test_the_log_file_has_the_time_and_the_level(tmp_path: Path) -> None:
    file = tmp_path / "chat.log"
    with ServerProgram("--log-file", str(file), "--log-level", "warning", "--max-clients", "1") as program:
        with Peer(program.port) as first, Peer(program.port) as second:
            assert second.expect_end() == ITALIAN.full + "{end_conn}"
            del first
        program.interrupt()
        _, output = program.expect_end()
        assert "has connected" not in output
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:,]+ WARNING 127.0.0.1:\d+ respinto: .*\n", file.read_text())


def test_a_log_file_that_cannot_be_written_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    with Program(TOP / "chat_server.py", "--port", "0", "--log-file", str(tmp_path)) as program:
        status, output = program.expect_end()
        assert (status, output.count("\n")) == (2, 1)
        assert "--log-file" in output


def test_the_log_says_once_for_each_reason_that_something_was_refused(
    server: ChatServer, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with EventPeer(server.port, "Eva") as eva:
        operator.answer("mute Eva")
        assert eva.expect_event(Notice) == Notice("muted")
        for nonce in (1, 2):
            eva.tell(Say("riservato", nonce))
            assert eva.expect_event(Error) == Error("muted", nonce=nonce)
            eva.send('{"riservato"\n')
            assert eva.expect_event(Error) == Error("malformed")
        host, port = eva.sock.getsockname()
    refusals = [record.getMessage() for record in caplog.records if "rifiutato" in record.getMessage()]
    assert refusals == [
        f"{host}:{port}: messaggio rifiutato, {reason}." for reason in ("senza permesso di scrivere", "incomprensibile")
    ]
    assert "riservato" not in caplog.text


def test_the_log_says_who_did_not_come_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server = start(limits(grace_s=0.05))
    with LinePeer(server.port, "Ada") as ada:
        reset(EventPeer(server.port, "Eva").sock)
        ada.expect("Eva ha abbandonato la Chat.\n")
        assert "Eva può tornare." in caplog.text
        wait_until(lambda: "Eva esce: non è tornato in tempo." in caplog.text)
    server.stop()


def test_the_log_says_who_comes_and_goes_and_nothing_of_what_people_say(
    server: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with LinePeer(server.port, "Ada") as ada:
        host, port = ada.sock.getsockname()
        ada.say("riservato")
        ada.say("{quit}")
        ada.expect_end()
        wait_until(lambda: "left" in caplog.text)
    assert [record.getMessage() for record in caplog.records] == [
        f"{host}:{port} has connected to the server.",
        f"{host}:{port} entra come Ada.",
        f"{host}:{port} esce: ha chiesto di uscire.",
        f"{host}:{port} has left the server.",
    ]
