"""A stand-in for the original's `chat_client.py`, to be used as a real peer in tests.

Written from the original's report, not copied from it. The faults are there on purpose: no framing
(what one `recv` gave is one row), a letter cut in half ends the receive thread, which touches Tk,
sleeps, and destroys the window; a server that is gone without a word gives empty rows for ever.
Do not repair it. What differs from the original is marked "Testability".

Threads: main has the window (or, headless, standard input) and sends; one receives.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import time

BUFFER_SIZE = 1024
QUIT = "{quit}"
END_CONNECTION = "{end_conn}"


class ChatClient:
    """Testability: the client without its window; standard input types, rows go to output."""

    def __init__(self, sock: socket.socket, close_after: float) -> None:
        self.sock, self.close_after, self.closed = sock, close_after, False

    def run(self) -> None:
        """Send each line of standard input, a JSON string; its end closes the window."""
        for line in sys.stdin:
            self.send(json.loads(line))
        self.send(QUIT)

    def receive(self) -> None:
        """Show what comes, one row for each `recv`, until the socket is closed."""
        while True:
            try:
                message = self.sock.recv(BUFFER_SIZE).decode()
                if message == END_CONNECTION:
                    self.show("Il server si è disconnesso.")
                    self.show("La finestra si chiuderà tra 5 secondi.")
                    time.sleep(self.close_after)
                    self.close()
                if self.closed:
                    return  # Testability: on Windows `recv` would have raised OSError.
                self.show(message)
            except OSError:
                return

    def send(self, message: str) -> None:
        """Send a text as it is, with nothing to tell where it ends."""
        try:
            self.sock.send(message.encode())
        except OSError:
            self.show("ERRORE: Si è verificato un errore di connessione con il server.")
            self.show("Riavviare l'applicazione per connettersi di nuovo.")
        if message == QUIT:
            self.close()

    def close(self) -> None:
        """Close the socket, then the window."""
        self.closed = True
        # Testability: on Linux `close` alone neither wakes `recv` nor tells the server.
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.destroy()

    def show(self, row: str) -> None:
        """Print a row as a JSON string; in one write, because both threads come here."""
        print(json.dumps(row) + "\n", end="", flush=True)

    def destroy(self) -> None:
        """End the process, from either thread, though standard input be still open."""
        os._exit(0)


class WindowChatClient(ChatClient):
    """The client as the original has it."""

    def __init__(self, sock: socket.socket, close_after: float) -> None:
        super().__init__(sock, close_after)
        import tkinter as tkt  # Testability: headless runs where there is no Tk.

        self.window = tkt.Tk()
        self.window.title("Chat")
        self.text = tkt.StringVar(self.window, "Scrivi qui i tuoi messaggi.")
        frame = tkt.Frame(self.window)
        scrollbar = tkt.Scrollbar(frame)
        self.rows = tkt.Listbox(frame, height=30, width=100, yscrollcommand=scrollbar.set)
        scrollbar.pack(side=tkt.RIGHT, fill=tkt.Y)
        self.rows.pack(side=tkt.LEFT, fill=tkt.BOTH)
        frame.pack()
        entry = tkt.Entry(self.window, textvariable=self.text, width=50)
        entry.bind("<Return>", lambda _event: self.send_typed())
        entry.pack()
        tkt.Button(self.window, text="Invio", command=self.send_typed).pack()
        self.window.protocol("WM_DELETE_WINDOW", lambda: self.send(QUIT))

    def run(self) -> None:
        self.window.mainloop()

    def send_typed(self) -> None:
        message = self.text.get()
        self.text.set("")
        self.send(message)

    def show(self, row: str) -> None:
        self.rows.insert("end", row)  # Fault: Tk, from the receive thread.
        super().show(row)  # Testability.

    def destroy(self) -> None:
        self.window.destroy()


def main() -> None:
    """Ask for the server, connect, and chat."""
    # Testability: the original has no options, and closes 5 seconds after the server.
    parser = argparse.ArgumentParser(description="Stand-in for the original's client.")
    parser.add_argument("--headless", action="store_true", help="no window: JSON strings, by line")
    parser.add_argument("--close-after", type=float, default=5.0, metavar="SECONDS")
    options = parser.parse_args()
    host = input("Inserire il Server host: ")
    port = input("Inserire la porta del server host: ")
    print(flush=True)  # Testability: in a pipe nobody's Enter ends the line of the prompts.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.connect((host, int(port or 53000)))
    client = (ChatClient if options.headless else WindowChatClient)(sock, options.close_after)
    # Testability: a daemon, so that an error in this thread ends the process.
    threading.Thread(target=client.receive, daemon=True).start()
    client.run()
    # Testability: a receive thread that waits for the destroyed window would stay for ever.
    os._exit(0)


if __name__ == "__main__":
    main()
