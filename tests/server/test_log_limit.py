"""What one address can have written into the log."""

from __future__ import annotations

import logging

from lan_chat.server.log_limit import LINES_BURST, LogLimit
from lan_chat.server.words import ENGLISH


def record(message: str, *arguments: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("lan_chat", level, __file__, 1, message, arguments, None)


def test_an_address_fills_no_log_and_the_others_are_heard() -> None:
    limit = LogLimit(ENGLISH)
    passed = [limit.filter(record("%s:%s has connected to the server.", "10.0.0.1", port)) for port in range(2000)]
    assert passed.count(True) <= LINES_BURST + 20
    assert limit.filter(record("10.0.0.2:5 joins as Ada."))
    assert limit.filter(record("Ada leaves: it did not come back in time."))
    assert limit.filter(record("10.0.0.1:7 A failure in the thread", level=logging.ERROR))


def test_an_ipv6_address_is_counted_without_its_port() -> None:
    limit = LogLimit(ENGLISH)
    lines = [record("%s:%s has connected to the server.", "[fe80::1%7]", port) for port in range(2000)]
    assert [limit.filter(line) for line in lines].count(True) <= LINES_BURST + 20
    assert limit.filter(record("[fe80::1%8]:5 joins as Ada."))


def test_what_was_left_out_is_counted_in_the_next_line() -> None:
    limit = LogLimit(ENGLISH)
    while limit.filter(record("fe80::1:53000 has left the server.")):
        pass
    limit._allowances.clear()
    line = record("fe80::1:53000 joins as Ada.")
    assert limit.filter(line)
    assert line.getMessage() == "fe80::1:53000 joins as Ada. (and 1 more lines about this address)"


def test_the_terminal_and_the_file_have_the_same_lines() -> None:
    limit = LogLimit(ENGLISH)
    lines = [record("10.0.0.1:1 has left the server.") for _ in range(1000)]
    assert [limit.filter(line) for line in lines] == [limit.filter(line) for line in lines]
