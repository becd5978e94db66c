"""TLS 1.3 with the key of a room's code, bytes in and bytes out: no socket, no thread, no certificate.

Both sides prove to each other that they have the key, and a fresh Diffie-Hellman exchange keeps what was recorded
closed if the code is known later. A certificate is never loaded and never accepted; there are no tickets, no early
data and no other version. Python's `ssl` can do this from 3.13 on.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator

try:
    import ssl
except ImportError:  # a Python that was built without it runs rooms without a code
    IS_AVAILABLE = False
else:
    IS_AVAILABLE = sys.version_info >= (3, 13) and ssl.HAS_PSK and ssl.HAS_TLSv1_3

IDENTITY = "lan-chat"
RECORD_BYTES = 16 * 1024
"""The most that one record holds."""
FIRST_RECORD_BYTES, SPLITS = 1024, 32
"""What one holds that we make, until so many times something larger had to be split. A MemoryBIO keeps the largest size
that it ever had, and large records are made in half the time: who is sent much gets them, and a welcome is split."""


MAX_OWED_BYTES = 16 * 1024
"""What the other side may have us owe it, by asking for updates of keys; a few dozen bytes are usual."""
GROUP = "X25519"
"""The group of the exchange (RFC 8446, section 4.2.7): some that OpenSSL has as well take a tenth of a second."""


class SecureError(ConnectionError):
    """There is no secure channel to the other side, or no longer: nothing more may be sent to it or taken from it."""


class WrongCodeError(SecureError):
    """The two sides have not the same code."""


class PlainError(SecureError):
    """The other side speaks without TLS, or has no code."""


class TurnedAwayError(SecureError):
    """The other side lets nobody in from here, whatever the code."""


KINDS: dict[str, type[SecureError]] = {
    "BINDER_DOES_NOT_VERIFY": WrongCodeError,
    "SSLV3_ALERT_ILLEGAL_PARAMETER": WrongCodeError,  # what the other side sends for it
    "TLSV1_ALERT_DECRYPT_ERROR": WrongCodeError,
    "TLSV1_ALERT_ACCESS_DENIED": TurnedAwayError,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": PlainError,  # what a room without a code sends
    "WRONG_VERSION_NUMBER": PlainError,  # what is said to be wrong with bytes that are no TLS
    "PACKET_LENGTH_TOO_LONG": PlainError,
    "HTTP_REQUEST": PlainError,
}
"""What OpenSSL's reasons mean before the channel is open."""


class Channel:
    """One connection's TLS. One thread at a time: its owner's lock, under which nothing is sent.

    What one method returns goes out before what the next one returns.
    """

    def __init__(self, key: bytes, is_server: bool) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _context(key, is_server).wrap_bio(self._incoming, self._outgoing, server_side=is_server)
        self._failure: tuple[type[SecureError], str] | None = None
        """What has gone wrong; no exception, whose traceback would keep this object for longer than it is used."""
        self.is_open = False
        """Whether the other side has proved that it has the key."""
        self.has_ended = False
        """Whether the other side has said that nothing more comes; without that, an end may be forged."""
        self._record_bytes, self._splits = FIRST_RECORD_BYTES, 0
        """How much goes into one record, and how many times something had to be split."""
        if not is_server:
            self.receive(b"")  # a client speaks first

    def receive(self, data: bytes) -> bytes:
        """Take in what came, and return what it says; what it makes us send is then in `take_outgoing`.

        What was said before an error is returned first, and the next call raises.

        Raises:
            WrongCodeError: The other side has another code.
            PlainError: The other side does not speak TLS, or has no code.
            TurnedAwayError: The other side lets nobody in from here.
            SecureError: Anything else is wrong.
        """
        said = b"" if self._failure else b"".join(self._said_in(data))
        if self._failure and not said:
            raise self._error()
        return said

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """Return what has to be sent to say this, after what reading made us send.

        Raises SecureError where the channel is not open.
        """
        if not self.is_open or self._failure:
            raise self._error()
        try:
            if len(data) > self._record_bytes:
                return b"".join(self._split(memoryview(data)))
            self._tls.write(data)
            return self._outgoing.read()
        except ssl.SSLError as error:
            self._fail(error)
            raise self._error() from None

    def take_outgoing(self) -> bytes:
        """Return what the handshake, an alert or an update of keys has to send."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """Say that nothing more comes, and return what has to be sent for it."""
        if self.is_open and not self._failure:
            with contextlib.suppress(ssl.SSLError):  # the other side has not said the same yet
                self._tls.unwrap()
        return self._outgoing.read()

    def _split(self, data: memoryview) -> Iterator[bytes]:
        """Yield what has to be sent to say this, record by record."""
        size = self._record_bytes
        for at in range(0, len(data), size):
            self._tls.write(data[at : at + size])
            yield self._outgoing.read()
        self._splits += 1
        if self._splits == SPLITS:
            self._record_bytes = RECORD_BYTES

    def _said_in(self, data: bytes) -> Iterator[bytes]:
        if self.has_ended:
            return
        self._incoming.write(data)
        try:
            if not self.is_open:
                self._tls.do_handshake()
                self._check()
            while not self.has_ended and (self._incoming.pending or self._tls.pending()):  # an error is slow
                said = self._tls.read(RECORD_BYTES)
                self.has_ended = not said
                if said:
                    yield said
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_ended = True
        except ssl.SSLError as error:
            self._fail(error)
        if self.is_open and self._outgoing.pending > MAX_OWED_BYTES:
            self._failure = (SecureError, "too many updates of keys")

    def _check(self) -> None:
        """Hold the channel open only if it stands on the key: to OpenSSL, that is a session that was known before."""
        if self._tls.session_reused and self._tls.version() == "TLSv1.3":
            self.is_open = True
        else:
            raise ssl.SSLError(1, "not by the key of a code")

    def _fail(self, error: ssl.SSLError) -> None:
        """Note what has gone wrong, which ends the channel."""
        reason = error.reason or str(error)
        kind = SecureError
        if not self.is_open:
            kind = KINDS.get(reason, SecureError)
        self._failure = (kind, reason.lower().replace("_", " "))

    def _error(self) -> SecureError:
        kind, words = self._failure or (SecureError, "the handshake is not over")
        return kind(words)


@functools.lru_cache(maxsize=16)
def _context(key: bytes, is_server: bool) -> ssl.SSLContext:
    """Return what all connections with a key share."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET
    context.set_ecdh_curve(GROUP)
    if sys.version_info >= (3, 13):
        if is_server:
            context.num_tickets = 0
            context.set_psk_server_callback(lambda identity: key if identity == IDENTITY else b"")
        else:
            context.check_hostname = False  # there is no certificate, so no name in it
            context.verify_mode = ssl.CERT_REQUIRED  # and no authority is loaded, so none is accepted
            context.set_psk_client_callback(lambda _hint: (IDENTITY, key))
    return context
