"""What is expensive to lay out, and for how long each of it holds the window up.

Called by `python -m tests.benchmarks.window --nasty`. Each input comes as messages of the room to a window of its own
conversation; the worst pause is the longest time in which the window could not have answered a key, while it is drawn,
scrolled through, shown whole, searched and copied. Not collected as a test.
"""

from __future__ import annotations

import time
import tkinter as tk
from collections.abc import Callable
from typing import cast

import protocol
from lan_chat.client.inbox import Inbox
from lan_chat.client.session import Session
from lan_chat.client.settings import Settings
from lan_chat.client.window import ChatWindow
from protocol import Message, Welcome

DONT_WAIT = 2
"""TCL_DONT_WAIT: handle one event if there is any."""
INPUTS: dict[str, list[str]] = {
    "links": ["http://a. " * 1638],
    "links, ten": ["http://a. " * 1638] * 10,
    "links without blanks": ["http://a.it,http://b.it," * 680] * 10,
    "mail addresses": ["a@b.it " * 2340] * 10,
    "one link of 16 KiB": ["http://a.it/" + "x" * 16_000] * 10,
    "letter and emoji": ["a😀" * 3276] * 10,
    "emoji": ["😀" * 4096] * 10,
    "many emoji": ["".join(chr(0x1F300 + number % 700) for number in range(4096))] * 10,
    "emoji with joiners": ["👩‍💻🏳️‍🌈🇮🇹" * 300] * 10,
    "one word of 16 KiB": ["x" * 16_384] * 10,
    "words": ["parola " * 2340] * 10,
    "500 lines": ["riga\n" * 499 + "fine"] * 10,
    "500 empty lines": ["." + "\n" * 498 + "."] * 10,
    "tabs": ["a" + "\t" * 16_000 + "b"] * 10,
    "letters and tabs": ["a\t" * 8_192] * 10,
    "combining marks": ["a" + "\u0301\u0323" * 4_000] * 10,
    "a mark on each letter": ["a\u0301" * 5_000] * 10,
    "Arabic": ["مرحبا " * 1_400] * 10,
    "Hebrew, one word": ["ש" * 8_000] * 10,
    "Chinese": ["".join(chr(0x4E00 + number) for number in range(5_400))] * 10,
    "rare letters": ["".join(chr(0x1000 + number) for number in range(5_400))] * 10,
    "invisible": ["a\u200b" * 4_000] * 10,
    "blanks": ["a" + " " * 16_000 + "b"] * 10,
    "one hundred of 16 KiB": ["parola " * 2340] * 100,
}


class SilentSession:
    """A session that only brings what the benchmark puts into its queue."""

    def __init__(self) -> None:
        self.host, self.port, self.is_bare = "nasty", 53000, False
        self.events = Inbox()

    def retry(self) -> None:
        """Do nothing."""

    def quit(self) -> None:
        """Do nothing."""


def worst_pause(root: tk.Tk, until: Callable[[], bool]) -> float:
    """Run the window until something has come true and nothing is left to do; return the longest event in seconds."""
    worst, idle = 0.0, 0
    while idle < 20:
        begun = time.perf_counter()
        has_done = root.tk.dooneevent(DONT_WAIT)
        worst = max(worst, time.perf_counter() - begun)
        if not has_done:
            idle = idle + 1 if until() else 0
            time.sleep(0.002)
    return worst


def measure_input(texts: list[str], geometry: str) -> dict[str, float]:
    """Return the worst pause for each thing that is done with these messages."""
    root = tk.Tk()
    session = SilentSession()
    window = ChatWindow(root, cast(Session, session), Settings(geometry=geometry))
    session.events.put(Welcome("Ada", "token", ("Ada", "Bob"), 0))
    text = window.conversation.text
    worst_pause(root, lambda: session.events.empty() and bool(text.winfo_viewable()))
    pauses = {}
    for number, said in enumerate(texts, 1):
        session.events.put(Message(number, time.time(), "Bob", protocol.clean_text(said)))
    pauses["drawn"] = worst_pause(root, session.events.empty)
    for step in range(20):
        begun = time.perf_counter()
        text.yview_scroll(-1, "pages")
        root.update()
        pauses["scrolled"] = max(pauses.get("scrolled", 0.0), time.perf_counter() - begun)
        if step == 0:
            worst_pause(root, lambda: True)

    def timed(name: str, step: Callable[[], object], until: Callable[[], bool] = lambda: True) -> None:
        begun = time.perf_counter()
        step()
        pauses[name] = max(pauses.get(name, 0.0), time.perf_counter() - begun, worst_pause(root, until))

    whole = list(map(str, text.tag_ranges("expand")))[:1]
    if whole:
        text.see(whole[0])
        root.update()
        box = text.bbox(whole[0])
        assert box is not None
        for event in ("<Enter>", "<Motion>", "<ButtonPress-1>"):
            text.event_generate(event, x=box[0] + 3, y=box[1] + 5)
        cut = len(text.tag_ranges("expand"))
        timed(
            "whole",
            lambda: text.event_generate("<ButtonRelease-1>", x=box[0] + 3, y=box[1] + 5),
            lambda: len(text.tag_ranges("expand")) < cut,
        )
    timed("searched", lambda: window.conversation.find("a", None))
    timed("resized", lambda: root.geometry("500x400"))
    window.conversation.select_all()
    timed("copied", window.conversation.copy)
    window.close()
    return pauses


def main() -> None:
    """Print the worst pauses of each input."""
    print("| input | drawn ms | scrolled | shown whole | searched | resized | copied |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, texts in INPUTS.items():
        pauses = measure_input(texts, "960x640")
        steps = ("drawn", "scrolled", "whole", "searched", "resized", "copied")
        cells = [f"{1e3 * pauses[step]:.0f}" if step in pauses else "–" for step in steps]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
