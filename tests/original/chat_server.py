"""A stand-in for the original's `chat_server.py`, to be used as a real peer in tests.

Written from the original's report, not copied from it. The faults are there on purpose: no framing
(what one `recv` gave is one message), a blocking `send` to everybody in turn, a dead peer that
stays in `addresses` and ends the thread of whoever writes to it, a name that stays taken.
Do not repair it. What differs from the original is marked "Testability".

Threads: main waits for Ctrl+C; one accepts; one for each client reads it and writes to all.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import socket
import threading
from types import FrameType

DEFAULT_PORT = 53000
BUFFER_SIZE = 1024
QUIT = "{quit}"
END_CONNECTION = "{end_conn}"


def say(line: str) -> None:
    """Print a line on the terminal at once (Testability: flushed, so that a pipe sees it)."""
    print(line, flush=True)


def shut(sock: socket.socket) -> None:
    """Close a socket, and wake the thread that waits on it."""
    # Testability: as `close` alone does on the original's Windows, but not on Linux.
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()


class ChatServer:
    """The original's room: its two registries, without a lock, as there."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.addresses: dict[socket.socket, tuple[str, int]] = {}
        self.names: list[str] = []

    def accept_connections(self) -> None:
        """Accept until the listener is closed; a client is in the room before it has a name."""
        while True:
            try:
                client, address = self.listener.accept()
            except OSError:
                return
            say(f"{address[0]}:{address[1]} has connected to the server.")
            self.addresses[client] = address
            threading.Thread(target=self.handle_client, args=(client,)).start()

    def handle_client(self, client: socket.socket) -> None:
        """Serve one client. Any `OSError`, its own or another client's, ends it without a word."""
        with contextlib.suppress(OSError):
            name = self.choose_name(client)
            # Fault: after a {quit} the flow goes on to here. The name is taken, the send fails.
            self.names.append(name)
            welcome = f"Benvenuto {name}! Se vuoi lasciare la Chat, scrivi {QUIT} per uscire."
            client.send(welcome.encode())
            self.broadcast(f"{name} si è unito alla chat!".encode())
            # Fault: the b"" of a client that is gone is a message like any other.
            while (message := client.recv(BUFFER_SIZE)) != QUIT.encode():
                self.broadcast(message, prefix=f"{name}: ")
            self.disconnect(client)
            self.broadcast(f"{name} ha abbandonato la Chat.".encode())
            self.names.remove(name)

    def choose_name(self, client: socket.socket) -> str:
        """Ask until the answer is in nobody's use; every other answer will do, {quit} included."""
        client.send(b"Salve! Digita il tuo Nome seguito dal tasto Invio!")
        while (name := client.recv(BUFFER_SIZE).decode()) in self.names:
            client.send("Il nome scelto è già assegnato, inserire un nome diverso:".encode())
        if name == QUIT:
            self.disconnect(client)
        return name

    def broadcast(self, message: bytes, prefix: str = "") -> None:
        """Send to everybody in turn; the first who cannot be written to ends the round."""
        for client in self.addresses:
            client.send(prefix.encode() + message)

    def disconnect(self, client: socket.socket) -> None:
        """Close the connection of a client that said {quit}."""
        client.close()
        host, port = self.addresses[client]
        say(f"{host}:{port} has left the server.")
        del self.addresses[client]

    def close(self, _signal: int, _frame: FrameType | None) -> None:
        """Answer Ctrl+C: tell everybody, then close every socket, the listener last."""
        say("CTRL+C pressed. Closing the server...")
        # Testability: a dead peer keeps the rest from being told, as in the original, but here
        # the server closes nonetheless.
        with contextlib.suppress(OSError, RuntimeError):
            self.broadcast(END_CONNECTION.encode())
        self.close_clients()
        shut(self.listener)

    def close_clients(self) -> None:
        """Close every client's socket."""
        # In this order, a reader that it wakes meets a closed socket first, and ends.
        for client in list(self.addresses):
            shut(client)


def main() -> None:
    """Serve until Ctrl+C."""
    # Testability: the original has no options, and listens on every address at port 53000.
    parser = argparse.ArgumentParser(description="Stand-in for the original's server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for any free one")
    options = parser.parse_args()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # Testability: the port can be bound again right after a run.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((options.host, options.port))
    listener.listen(5)
    server = ChatServer(listener)
    signal.signal(signal.SIGINT, server.close)
    if options.port == 0:
        say(f"Port: {listener.getsockname()[1]}")  # Testability.
    say("Waiting for connections...")
    accept_thread = threading.Thread(target=server.accept_connections)
    accept_thread.start()
    while accept_thread.is_alive():
        accept_thread.join(timeout=1)  # A bounded wait: Ctrl+C must get through on Windows.
    server.close_clients()  # Testability: whoever was accepted while the server was closing.
    say("Server successfully closed.")


if __name__ == "__main__":
    main()
