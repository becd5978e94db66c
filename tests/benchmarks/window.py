"""How fast the window is: to start, to show a long history, to answer a key in a flood; and what it uses when idle.

    python -m tests.benchmarks.window                               # the figures of docs/MEASUREMENTS.md
    python -m tests.benchmarks.window --rate 10000 --seconds 5      # another flood
    python -m tests.benchmarks.window --nasty                       # the worst pause for what is expensive to draw

The window runs in a process of its own and talks to a server that this script plays in another, over a real socket.
Keys are typed into it with xdotool; a key counts as answered when the letter has been drawn, and its time includes
xdotool's own start. Beside it, in the same run, a window that calls `Text.insert` for each message, as the original's
does. Needs xdotool and Xvfb. Not collected as a test.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import socket
import statistics
import subprocess
import sys
import time

from tools.xvfb import virtual_screen

if sys.platform == "win32":
    raise SystemExit("The benchmark types with xdotool, which Windows does not have.")

STARTED = time.perf_counter()

HISTORY = 10_000
KEYS_A_SECOND = 10
TIMEOUT_S = 120.0
SETTLE_S, IDLE_S = 12.0, 20.0
"""How long a new window is left alone, until its cursor stands still, and then measured."""
SPEAKERS = ("Anna", "Bruno", "Carla", "Davide", "Elena", "Fabio", "Gaia", "Ada")


# --- the server, in a process of its own ----------------------------------------------------------------------------


def serve(rate: float, seconds: float) -> None:
    """Let one client in, and say what it asks for: `history` at once, `flood` at a rate; then `fine`."""
    from protocol import ITALIAN, MARK, Events, Message, Welcome

    def messages(first: int, count: int) -> bytes:
        now = time.time()
        numbered = ((number, SPEAKERS[number % len(SPEAKERS)]) for number in range(first, first + count))
        text = "il messaggio numero {}, lungo come quelli che si scrivono in una chat"
        return b"".join(Events().encode(Message(number, now, name, text.format(number))) for number, name in numbered)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        listener.settimeout(TIMEOUT_S)
        sock, _ = listener.accept()
    with sock, sock.makefile("r", encoding="utf-8") as lines:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall((ITALIAN.greeting + MARK).encode())
        last = 0
        for line in lines:
            if '"join"' in line:
                sock.sendall(Events().encode(Welcome("me", "token", SPEAKERS, 0)))
            elif '"history"' in line:
                sock.sendall(messages(last + 1, HISTORY))
                last += HISTORY
                sock.sendall(Events().encode(Message(last + 1, time.time(), "Ada", "fine")))
                last += 1
            elif '"flood"' in line:
                start, sent, total = time.perf_counter(), 0, int(rate * seconds)
                while sent < total:
                    due = min(total, int((time.perf_counter() - start) * rate)) - sent
                    if due > 0:
                        sock.sendall(messages(last + 1, due))
                        sent, last = sent + due, last + due
                    time.sleep(0.01)
                sock.sendall(Events().encode(Message(last + 1, time.time(), "Ada", "fine")))
                last += 1


# --- the window, in a process of its own ----------------------------------------------------------------------------


def show(port: int, is_plain: bool) -> None:
    """Open a window, tell what happens to it on standard output, and do what comes on standard input."""
    import queue
    import tkinter as tk

    import protocol
    from lan_chat.client.desktop import open_root
    from lan_chat.client.session import Session
    from lan_chat.client.settings import Settings
    from lan_chat.client.window import ChatWindow
    from lan_chat.client.words import ITALIAN
    from protocol import Message

    def tell(*what: object) -> None:
        print(*what, flush=True)

    session = Session("127.0.0.1", port)
    connecting = time.perf_counter()
    session.connect()
    connecting = time.perf_counter() - connecting
    root = open_root(ITALIAN)
    assert root is not None
    seen = 0

    def note(event: protocol.Event) -> None:
        nonlocal seen
        if isinstance(event, Message):
            seen += 1
            if event.text == "fine":
                count, seen = seen, 0
                root.after_idle(lambda: root.after_idle(lambda: tell("fine", count, time.monotonic())))

    if is_plain:
        text = tk.Text(root, wrap="word")
        text.pack(fill="both", expand=True)
        box = tk.Text(root, height=1)
        box.pack(fill="x")
        box.focus_set()
        session.join("me")

        def drain() -> None:
            with contextlib.suppress(queue.Empty):
                while True:
                    event = session.events.get_nowait()
                    if isinstance(event, Message):
                        text.insert("end", f"{event.name}: {event.text}\n")
                        text.see("end")
                    note(event)
            root.after(30, drain)

        drain()
    else:
        window = ChatWindow(root, session, Settings(), "me")
        box = window.message_input.text
        handle = window.membership.hear

        def handle_and_note(event: protocol.Event) -> None:
            handle(event)
            note(event)

        vars(window.membership)["hear"] = handle_and_note
    session.start()
    box.bind("<Key-x>", lambda event: root.after_idle(lambda: tell("key", time.monotonic())), add="+")
    root.update()
    while not box.winfo_viewable():
        root.update()
    box.focus_force()
    tell("usable", time.perf_counter() - STARTED - connecting)

    def obey(file: object, mask: object) -> None:
        order = sys.stdin.readline().strip()
        if not order:
            root.destroy()
        elif order == "lines":
            shown = text.get("1.0", "end") if is_plain else window.conversation.as_text()
            tell("lines", shown.count("il messaggio"))
        elif order == "usage":
            tell("usage", time.process_time())
        else:
            session.say(order)

    root.createfilehandler(sys.stdin, tk.READABLE, obey)
    root.mainloop()
    session.close()


# --- the measuring --------------------------------------------------------------------------------------------------


class Watched:
    """A process of this script, and the lines that it writes."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.window", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._unread = b""

    def line(self, timeout_s: float = TIMEOUT_S) -> list[str]:
        """Return the next line, in words; none where it takes too long."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._unread:
            if not select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return []
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise SystemExit("a process of the benchmark ended too early")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode().split()

    def wait_for(self, word: str) -> list[str]:
        while (words := self.line()) and words[0] != word:
            pass
        if not words:
            raise SystemExit(f"no `{word}` came in {TIMEOUT_S} s")
        return words[1:]

    def order(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n".encode())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(TIMEOUT_S)


def type_keys(window: Watched) -> tuple[list[float], int, float]:
    """Type until the flood is over; gives how long each key took, what was seen of the flood, and when it ended."""
    took: list[float] = []
    while True:
        pressed = time.monotonic()
        subprocess.run(["xdotool", "key", "x"], check=True)
        answered = False
        while not answered:
            words = window.line()
            if not words:
                raise SystemExit("a key was never answered")
            if words[0] == "key":
                took.append(float(words[1]) - pressed)
                answered = True
            elif words[0] == "fine":
                return took, int(words[1]), float(words[2])
        while time.monotonic() < pressed + 1 / KEYS_A_SECOND:
            words = window.line(max(0.0, pressed + 1 / KEYS_A_SECOND - time.monotonic()))
            if words and words[0] == "fine":
                return took, int(words[1]), float(words[2])


def idle_use(window: Watched) -> float:
    """Measure what an idle window uses, in per cent of a processor."""
    used = []
    for pause_s in (SETTLE_S, IDLE_S):
        time.sleep(pause_s)
        window.order("usage")
        used.append(float(window.wait_for("usage")[0]))
    return (used[1] - used[0]) / IDLE_S * 100


def measure(kind: str, rate: float, seconds: float) -> None:
    """Measure one kind of window, and print a row."""
    server = Watched("--serve", "--rate", str(rate), "--seconds", str(seconds))
    port = server.line()[0]
    window = Watched("--show", port, *(["--plain"] if kind == "plain" else []))
    usable_s = float(window.wait_for("usable")[0])
    idle = idle_use(window)
    started = time.monotonic()
    window.order("history")
    history_s = float(window.wait_for("fine")[1]) - started
    started = time.monotonic()
    window.order("flood")
    took, seen, ended = type_keys(window)
    window.order("lines")
    kept = window.wait_for("lines")[0]
    window.close()
    server.close()
    cuts = statistics.quantiles(took, n=100) if len(took) > 1 else [0.0] * 99
    lost = int(rate * seconds) + 1 - seen
    print(
        f"| {kind} | {usable_s:.2f} | {idle:.3f} | {history_s:.2f} "
        f"| {len(took)} | {cuts[49] * 1e3:.0f} | {cuts[98] * 1e3:.0f} | {max(took) * 1e3:.0f} "
        f"| {ended - started - seconds:.1f} | {lost} | {kept} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=5000.0, help="messages/s of the flood (default: %(default)g)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of the flood (default: %(default)g)")
    parser.add_argument("--kinds", default="ours,plain", help="which windows (default: %(default)s)")
    parser.add_argument("--nasty", action="store_true", help="measure the worst pause for nasty inputs instead")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--show", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.nasty:
        from tests.benchmarks import nasty_inputs

        with virtual_screen():
            nasty_inputs.main()
    elif arguments.serve:
        serve(arguments.rate, arguments.seconds)
    elif arguments.show:
        show(arguments.show, arguments.plain)
    else:
        print(f"{arguments.rate:g} messages/s for {arguments.seconds:g} s; a history of {HISTORY:,} messages")
        print("| window | start s | idle % | history s | keys | p50 ms | p99 ms | max ms | behind s | lost | kept |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        with virtual_screen():
            for kind in arguments.kinds.split(","):
                measure(kind, arguments.rate, arguments.seconds)


if __name__ == "__main__":
    main()
