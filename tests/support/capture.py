"""What somebody at a cable reads of what others say through it. Needs root and Linux."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
from types import TracebackType

import pytest

if sys.platform != "linux":
    pytest.skip("a raw socket at a network card needs Linux", allow_module_level=True)

ALL_PROTOCOLS = 0x0003
SOL_PACKET, PACKET_STATISTICS = 263, 6
BUFFER_BYTES = 2**26
"""What the system may keep until it is read: more than any test sends."""
FRAME_BYTES = 2**17
ETHERNET_BYTES, IPV4, TCP = 14, 0x0800, 6

Stream = tuple[str, int, str, int]
"""Where what somebody sent came from, and where it went: two addresses with their ports."""


class Capture:
    """All that goes through a network card of this machine, in both directions, kept by the system until `stop`."""

    def __init__(self, card: str) -> None:
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        self._sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER_BYTES)  # SO_RCVBUFFORCE
        self._sock.bind((card, 0))
        self._sock.setblocking(False)
        self.frames: list[bytes] = []

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def stop(self) -> None:
        """Read what has been kept; nothing may be missing."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.frames.append(self._sock.recv(FRAME_BYTES))
        _, dropped = struct.unpack("II", self._sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        assert not dropped

    def streams(self) -> dict[Stream, bytes]:
        """Return what was said over TCP and IPv4, put together for each direction of each connection."""
        pieces: dict[Stream, dict[int, bytes]] = {}
        for frame in self.frames:
            packet = frame[ETHERNET_BYTES:]
            if int.from_bytes(frame[12:14], "big") != IPV4 or packet[9] != TCP:
                continue
            packet = packet[: int.from_bytes(packet[2:4], "big")]  # a short one is filled up
            segment = packet[(packet[0] & 0x0F) * 4 :]
            port, other_port, sequence = struct.unpack(">HHI", segment[:8])
            stream = (socket.inet_ntoa(packet[12:16]), port, socket.inet_ntoa(packet[16:20]), other_port)
            if said := segment[(segment[12] >> 4) * 4 :]:
                pieces.setdefault(stream, {})[sequence] = said  # the last one, where it was sent again
        return {stream: b"".join(said for _, said in sorted(of.items())) for stream, of in pieces.items()}


def tls_records(said: bytes) -> list[tuple[int, bytes]]:
    """Return the type and the content of each TLS record that a stream is made of, and of nothing else."""
    records = []
    while said:
        kind, version, size = struct.unpack(">BHH", said[:5])
        assert version in (0x0301, 0x0303), said[:100]
        assert len(said) >= 5 + size, said[:100]
        records.append((kind, said[5 : 5 + size]))
        said = said[5 + size :]
    return records
