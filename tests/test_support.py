"""What the tests rely on: a program's output is read whole, wherever a pipe cuts it; a played network does not end."""

from __future__ import annotations

import contextlib
import socket

from tests.support.peers import bind, reset
from tests.support.programs import Program
from tests.support.proxy import Proxy
from tests.support.waiting import DEADLINE_S

LINES = 200_000


def test_a_large_output_is_read_whole_to_its_end() -> None:
    with Program("-c", f"print('è la riga\\n' * {LINES}, end='')") as program:
        assert program.expect_end() == (0, "è la riga\n" * LINES)


def test_a_word_behind_a_large_output_is_found() -> None:
    with Program("-c", f"print('è la riga\\n' * {LINES}, end='fine'); print('e poi')") as program:
        assert program.expect("fine") == "è la riga\n" * LINES + "fine"
        assert program.expect_end() == (0, "e poi\n")


def test_a_network_outlives_a_link_that_breaks_while_both_ways_are_full() -> None:
    with contextlib.closing(bind()) as listener:
        listener.listen()
        with Proxy(listener.getsockname()[1]) as proxy:
            client = socket.create_connection(("127.0.0.1", proxy.port), DEADLINE_S)
            server, _ = listener.accept()
            for sock in (client, server):
                sock.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    while True:
                        sock.send(bytes(65536))
            proxy.freeze()
            reset(client)
            reset(server)
            proxy.thaw()
            proxy.allow()  # it answers
