"""A bound on what one address can have written into the log. Any thread."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import Counter

from lan_chat.server.rate import Allowance
from lan_chat.server.words import ServerWords

LINES_RATE, LINES_BURST = 10.0, 300.0
"""How many lines about one address the log takes: so many a second sustained, and at once."""
MAX_ADDRESSES = 10_000
"""How many addresses are counted; then it begins anew."""
ABOUT = re.compile(r"(\[[^]]+\]|[0-9A-Fa-f.:]+):\d+\b")
"""How a line about an address begins: with that and its port, as in the original."""


class LogLimit(logging.Filter):
    """Leaves out lines about an address of which there are too many, and says in its next line how many."""

    def __init__(self, words: ServerWords) -> None:
        super().__init__()
        self._words = words
        self._lock = threading.Lock()
        """Guards the two that follow."""
        self._allowances: dict[str, Allowance] = {}
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        passes = getattr(record, "passes", None)  # decided once, for the terminal and the file
        if passes is None:
            passes = record.passes = self._decide(record)
        return bool(passes)

    def _decide(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            return True
        message = record.getMessage()
        about = ABOUT.match(message)
        if about is None:
            return True
        with self._lock:
            return self._may_pass(about[1], record, message)

    def _may_pass(self, address: str, record: logging.LogRecord, message: str) -> bool:
        if len(self._allowances) >= MAX_ADDRESSES:
            self._allowances.clear()
            self._left_out.clear()
        allowance = self._allowances.setdefault(address, Allowance(LINES_RATE, LINES_BURST))
        if not allowance.take_now(1.0, time.monotonic()):
            self._left_out[address] += 1
            return False
        if count := self._left_out.pop(address, 0):
            record.msg, record.args = f"{message} {self._words.log_left_out.format(count=count)}", ()
        return True
