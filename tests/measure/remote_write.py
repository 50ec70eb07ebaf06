"""Writes samples with times of their own into a real Prometheus, so that minutes of history are there at once."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
"""The NaN that Prometheus itself writes when a scrape fails or a target goes; functions over ranges skip it."""

Sample = tuple[float, float]
"""Unix seconds, value."""


def write_request(series: Sequence[tuple[Mapping[str, str], Sequence[Sample]]]) -> bytes:
    """Return the body of a remote-write 1.0 request: a protobuf `WriteRequest`, framed as uncompressed snappy."""
    message = b"".join(_field(1, _time_series(labels, samples)) for labels, samples in series)
    return _snappy(message)


def _time_series(labels: Mapping[str, str], samples: Sequence[Sample]) -> bytes:
    pairs = (_field(1, name.encode()) + _field(2, value.encode()) for name, value in sorted(labels.items()))
    points = (b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000)) for at, value in samples)
    return b"".join(_field(1, pair) for pair in pairs) + b"".join(_field(2, point) for point in points)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _snappy(data: bytes) -> bytes:
    """The block format allows literals only: a length, then pieces of up to 65536 bytes as they are."""
    pieces = (data[i : i + 65536] for i in range(0, len(data), 65536))
    return _varint(len(data)) + b"".join(b"\xf4" + struct.pack("<H", len(piece) - 1) + piece for piece in pieces)
