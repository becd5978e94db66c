"""TLS with the key of a code: what comes through however it is cut, and who does not get through."""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lan_chat import secure
from lan_chat.secure import (
    FIRST_RECORD_BYTES,
    IDENTITY,
    RECORD_BYTES,
    SPLITS,
    Channel,
    PlainError,
    SecureError,
    WrongCodeError,
)
from tests.support.wire import BYTE_BY_BYTE, WHOLE, anything_goes, cut

pytestmark = pytest.mark.psk

KEY, OTHER_KEY = bytes(range(32)), bytes(32)
IMPOSTOR = Path(__file__).parent / "impostor.pem"
"""A certificate that signed itself, with its key."""
LONG = bytes(range(256)) * 1000

EARLY_DATA = b"\x00\x2a"


class RawSide:
    """One side of TLS as Python has it, with whatever context a test gives it."""

    def __init__(self, context: ssl.SSLContext, is_server: bool) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side=is_server)
        self.error: ssl.SSLError | None = None
        if not is_server:
            self.receive(b"")

    def receive(self, data: bytes) -> bytes:
        self._incoming.write(data)
        try:
            self.tls.do_handshake()
            return self.tls.read(1 << 20)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            self.error = error
            return b""

    def take_outgoing(self) -> bytes:
        return self._outgoing.read()


def converse(client: Channel | RawSide, server: Channel | RawSide, sizes: list[int] = WHOLE) -> None:
    """Carry what each side sends to the other one, until neither has anything to send."""
    while (to_server := client.take_outgoing()) or (to_client := server.take_outgoing()):
        for chunk in cut(to_server, sizes):
            server.receive(chunk)
        to_client = server.take_outgoing()
        for chunk in cut(to_client, sizes):
            client.receive(chunk)


def open_pair(sizes: list[int] = WHOLE) -> tuple[Channel, Channel]:
    client, server = Channel(KEY, is_server=False), Channel(KEY, is_server=True)
    converse(client, server, sizes)
    assert client.is_open
    assert server.is_open
    return client, server


def context_with_key(is_server: bool, key: bytes = KEY, identity: str = IDENTITY) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    if sys.version_info >= (3, 13):
        if is_server:
            context.set_psk_server_callback(lambda _identity: key)
        else:
            context.check_hostname = False
            context.set_psk_client_callback(lambda _hint: (identity, key))
    return context


@pytest.mark.parametrize("sizes", [WHOLE, BYTE_BY_BYTE, [3, 100, 7]])
def test_what_one_side_says_the_other_reads_however_it_is_cut(sizes: list[int]) -> None:
    client, server = open_pair(sizes)
    for speaker, listener in ((client, server), (server, client)):
        for said in (b"x", "perché\n".encode(), LONG):
            assert b"".join(listener.receive(chunk) for chunk in cut(speaker.encrypt(said), sizes)) == said


def test_end_of_the_handshake_and_first_words_may_come_together() -> None:
    client, server = Channel(KEY, is_server=False), Channel(KEY, is_server=True)
    server.receive(client.take_outgoing())
    client.receive(server.take_outgoing())
    assert client.is_open
    assert server.receive(client.encrypt(b"hello\n") + client.encrypt(LONG)) == b"hello\n" + LONG


def record_sizes(sealed: bytes) -> list[int]:
    """Return how many bytes each record holds, with what TLS adds."""
    sizes = []
    while sealed:
        sizes.append(int.from_bytes(sealed[3:5], "big"))
        sealed = sealed[5 + sizes[-1] :]
    return sizes


def test_who_is_sent_little_keeps_no_large_buffer_and_who_is_sent_much_gets_large_records() -> None:
    client, server = open_pair()
    for _ in range(SPLITS):
        sealed = server.encrypt(LONG)
        assert max(record_sizes(sealed)) < FIRST_RECORD_BYTES + 100
        assert client.receive(sealed) == LONG
    sealed = server.encrypt(LONG)
    assert max(record_sizes(sealed)) > RECORD_BYTES
    assert client.receive(sealed + server.encrypt(b"x")) == LONG + b"x"


def test_nothing_that_is_said_can_be_read_on_the_way() -> None:
    client, server = open_pair()
    for said in (b"A secret that nobody reads", b"\x00" * 1000):
        assert said not in client.encrypt(said)
        assert said not in server.encrypt(said)


def test_wrong_code_is_told_to_both_sides() -> None:
    client, server = Channel(OTHER_KEY, is_server=False), Channel(KEY, is_server=True)
    with pytest.raises(WrongCodeError):
        server.receive(client.take_outgoing())
    with pytest.raises(WrongCodeError):
        client.receive(server.take_outgoing())
    for side in (client, server):
        assert not side.is_open
        with pytest.raises(WrongCodeError):  # and it stays so
            side.receive(b"anything")
        with pytest.raises(SecureError):
            side.encrypt(b"anything")
        assert side.close() == b""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01" + b"\xff" * 1000,
        b"\x16\x03\x01\x00\x05hello" * 10,
        b"\x16\x03\x01\x00\x00" * 100,
        b"\x16\x03\x03\x00\x04\x01\xff\xff\xff" + b"\x16\x03\x03\x40\x00" + bytes(1 << 14),
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(100),
    ],
)
@pytest.mark.parametrize("sizes", [WHOLE, BYTE_BY_BYTE])
def test_garbage_is_refused(garbage: bytes, sizes: list[int]) -> None:
    server = Channel(KEY, is_server=True)

    def feed() -> None:
        for chunk in cut(garbage, sizes):
            assert server.receive(chunk) == b""

    with pytest.raises(SecureError) as raised:
        feed()
    assert not isinstance(raised.value, WrongCodeError)
    assert not server.is_open


@pytest.mark.parametrize(
    "answer",
    [
        bytes.fromhex("15030300020228"),  # a room without a code
        "Salve! Digita il tuo Nome seguito dal tasto Invio!\u00a0".encode(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
def test_client_knows_a_server_without_a_code(answer: bytes) -> None:
    client = Channel(KEY, is_server=False)
    with pytest.raises(PlainError):
        client.receive(answer)


def changed(sent: bytes) -> bytes:
    return sent[:-1] + bytes([sent[-1] ^ 1])


@pytest.mark.parametrize(
    "spoil", [changed, lambda sent: sent[:-30] + sent[-20:], lambda sent: b"plain\n", lambda sent: bytes(40)]
)
def test_what_is_changed_on_the_way_ends_the_channel(spoil: Callable[[bytes], bytes]) -> None:
    client, server = open_pair()
    first, second = client.encrypt(b"first\n"), client.encrypt(LONG)
    assert server.receive(first + spoil(second)[: len(second)] + bytes(40)).startswith(b"first\n")
    with pytest.raises(SecureError):
        server.receive(b"")


def test_what_is_sent_again_ends_the_channel() -> None:
    client, server = open_pair()
    once = client.encrypt(b"once\n")
    assert server.receive(once) == b"once\n"
    with pytest.raises(SecureError):
        server.receive(once)


def test_replayed_handshake_opens_nothing() -> None:
    client, server = Channel(KEY, is_server=False), Channel(KEY, is_server=True)
    hello = client.take_outgoing()
    server.receive(hello)
    client.receive(server.take_outgoing())
    rest = client.take_outgoing() + client.encrypt(b"a secret\n")
    assert server.receive(rest) == b"a secret\n"
    again = Channel(KEY, is_server=True)
    again.receive(hello)
    with pytest.raises(SecureError):
        again.receive(rest)
    assert not again.is_open


def test_end_that_was_said_is_told_from_one_that_was_not() -> None:
    client, server = open_pair()
    last = client.encrypt(b"bye\n")
    assert server.receive(last) == b"bye\n"
    assert not server.has_ended
    server.receive(client.close())
    assert server.has_ended
    assert server.receive(b"") == b""
    assert client.receive(server.encrypt(b"one more word") + server.close()) == b"one more word"
    assert client.has_ended
    with pytest.raises(SecureError):
        server.encrypt(b"after the end")


def test_what_comes_after_the_end_is_not_kept() -> None:
    client, server = open_pair()
    client.receive(server.close())
    for _ in range(10):
        assert client.receive(b"x" * 10_000) == b""
    assert client._incoming.pending == 0


def test_who_has_us_owe_too_much_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    client, server = open_pair()
    server._tls.write(b"x" * 200)  # stands for the answers to updates of keys, which Python cannot ask for
    monkeypatch.setattr(secure, "MAX_OWED_BYTES", 300)
    assert server.receive(client.encrypt(b"ciao")) == b"ciao"
    monkeypatch.setattr(secure, "MAX_OWED_BYTES", 100)
    assert server.receive(client.encrypt(b"ciao")) == b"ciao"  # what was said before counts
    with pytest.raises(SecureError, match="too many updates of keys"):
        server.receive(client.encrypt(b"ciao"))


def test_only_one_group_is_spoken() -> None:
    context = context_with_key(is_server=False)
    context.set_ecdh_curve("prime256v1")
    client, server = RawSide(context, is_server=False), Channel(KEY, is_server=True)
    with pytest.raises(SecureError):
        server.receive(client.take_outgoing())
    assert not server.is_open


def test_older_version_is_refused_by_both() -> None:
    for is_server in (False, True):
        context = context_with_key(is_server)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        old, ours = RawSide(context, is_server), Channel(KEY, is_server=not is_server)
        with pytest.raises(SecureError):
            converse(*((ours, old) if is_server else (old, ours)))
        assert not ours.is_open


def test_answer_of_an_older_version_is_refused_by_the_client() -> None:
    """A man in the middle answers our client's hello as TLS 1.2 would."""
    client = Channel(KEY, is_server=False)
    hello = b"\x02\x00\x00\x26\x03\x03" + bytes(32) + b"\x00\x00\xa8\x00"
    with pytest.raises(SecureError):
        client.receive(b"\x16\x03\x03" + len(hello).to_bytes(2, "big") + hello)


@pytest.mark.parametrize("knows_code", [False, True])
def test_client_refuses_every_certificate(knows_code: bool) -> None:
    context = context_with_key(True) if knows_code else ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if knows_code and sys.version_info >= (3, 13):
        context.set_psk_server_callback(lambda _identity: b"")  # it shows the certificate although it knows the code
    context.load_cert_chain(IMPOSTOR)
    client, impostor = Channel(KEY, is_server=False), RawSide(context, is_server=True)
    with pytest.raises(SecureError):
        converse(client, impostor)
    assert not client.is_open


def test_client_refuses_a_certificate_also_where_the_machine_trusts_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(IMPOSTOR))
    test_client_refuses_every_certificate(False)


@pytest.mark.parametrize("has_certificate", [False, True])
def test_server_refuses_a_client_without_the_code(has_certificate: bool) -> None:
    """It checks no certificate of ours, as an impostor would, and shows one of its own if it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if has_certificate:
        context.load_cert_chain(IMPOSTOR)
    impostor, server = RawSide(context, is_server=False), Channel(KEY, is_server=True)
    with pytest.raises(SecureError) as raised:
        converse(impostor, server)
    assert not isinstance(raised.value, WrongCodeError)
    assert not server.is_open


@pytest.mark.parametrize("identity", ["", "somebody", "lan-chat\u00e9", "l" * 200])
def test_server_refuses_the_key_under_another_identity(identity: str) -> None:
    client, server = RawSide(context_with_key(False, identity=identity), is_server=False), Channel(KEY, is_server=True)
    with pytest.raises(SecureError):
        converse(client, server)


def test_identity_of_any_bytes_is_refused_without_noise(capfd: pytest.CaptureFixture[str]) -> None:
    hello = Channel(KEY, is_server=False).take_outgoing()
    assert IDENTITY.encode() in hello
    for bad in (b"\xff\xfe\xfd\xfc\xff\xff\xff\xff", bytes(8), b"lan-chat"[::-1]):
        with pytest.raises(SecureError):
            Channel(KEY, is_server=True).receive(hello.replace(IDENTITY.encode(), bad))
    assert capfd.readouterr() == ("", "")


def test_server_gives_no_tickets_and_takes_no_early_data() -> None:
    client = RawSide(context_with_key(False), is_server=False)
    server = Channel(KEY, is_server=True)
    hello = client.take_outgoing()
    assert EARLY_DATA + b"\x00\x00" not in hello
    server.receive(hello)
    client.receive(server.take_outgoing())
    server.receive(client.take_outgoing())
    assert server.is_open
    assert server.take_outgoing() == b""  # a ticket would go out here
    client.receive(server.encrypt(b"x"))
    assert client.tls.session is None or not client.tls.session.has_ticket


def test_channel_does_not_show_its_key() -> None:
    channel = Channel(KEY, is_server=True)
    assert KEY.hex() not in repr(channel)
    assert repr(KEY) not in repr(vars(channel))


@anything_goes
@given(st.integers(0, 2), st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1))
def test_handshake_that_was_changed_anywhere_raises_nothing_else(stage: int, changes: list[tuple[float, int]]) -> None:
    client, server = Channel(KEY, is_server=False), Channel(KEY, is_server=True)
    with contextlib.suppress(SecureError):
        for number, (speaker, listener) in enumerate(((client, server), (server, client), (client, server))):
            sent = bytearray(speaker.take_outgoing())
            for where, byte in changes if number == stage else ():
                sent[int(where * len(sent))] = byte
            listener.receive(bytes(sent))
