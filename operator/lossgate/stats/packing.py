"""The gate as one line of text that goes on bit for bit after a restart: `v1:` and base64 of a checksum and doubles."""

from __future__ import annotations

import base64
import binascii
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import astuple

from lossgate.stats.config import GUARD_EFFECTS, GateConfig
from lossgate.stats.evidence import Baseline
from lossgate.stats.gate import Cause, Gate
from lossgate.stats.ladder import Ladder, Level
from lossgate.stats.side import Moments, Side

PREFIX = "v1:"
_CAUSES = tuple(Cause)


class StateFromTheFuture(ValueError):
    """The state was written by a later version of this program."""


def pack(gate: Gate) -> str:
    """Return the whole state of a gate as text."""
    numbers = [
        *(float(value) for value in astuple(gate.config)),
        *astuple(gate.baseline),
        float(gate.looks),
        float(gate.empty_looks),
        math.nan if gate.last_end is None else gate.last_end,
        float(_CAUSES.index(gate.harm_cause)),
        float(gate.is_safe),
        *astuple(gate.moments),
        *gate.guard,
        *_side(gate.harm_side),
        *_side(gate.safety_side),
    ]
    payload = struct.pack(f"<{len(numbers)}d", *numbers)
    return PREFIX + base64.b64encode(_checksum(payload) + payload).decode()


def unpack(text: str) -> Gate:
    """Return the gate that was packed.

    Raises:
        StateFromTheFuture: A later version wrote it; run that version or a later one.
        ValueError: It is damaged; start the step's evidence afresh.
    """
    version, colon, payload = text.partition(":")
    if version + colon != PREFIX:
        if version[:1] == "v" and version[1:].isdigit() and colon:
            raise StateFromTheFuture(f"the evidence has format {version}, this program reads v1: run a later version")
        raise ValueError("the evidence is damaged (no format in front): start the step's evidence afresh")
    try:
        raw = base64.b64decode(payload, validate=True)
        if raw[:4] != _checksum(raw[4:]) or base64.b64encode(raw).decode() != payload:
            raise ValueError("the evidence is damaged (wrong checksum): start the step's evidence afresh")
        return _read(iter(struct.unpack(f"<{len(raw) // 8}d", raw[4:])))
    except (binascii.Error, struct.error, StopIteration, RuntimeError, IndexError) as error:
        raise ValueError(f"the evidence is damaged ({error!r}): start the step's evidence afresh") from error


def _checksum(payload: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(payload))


def _side(side: Side) -> Iterator[float]:
    yield side.total
    yield float(len(side.ladder.levels))
    for level in side.ladder.levels:
        yield from level


def _read(numbers: Iterator[float]) -> Gate:
    def take(count: int) -> list[float]:
        return [next(numbers) for _ in range(count)]

    margin, step_margin, absolute, rollback, promotion, steps, excess, min_labels, clip = take(9)
    config = GateConfig(margin, step_margin, bool(absolute), rollback, promotion, int(steps), excess, min_labels, clip)
    baseline = Baseline(*take(3))
    looks, empty_looks, last_end, cause, is_safe = take(5)
    gate = Gate(
        config=config,
        baseline=baseline,
        looks=int(looks),
        empty_looks=int(empty_looks),
        last_end=None if math.isnan(last_end) else last_end,
        harm_cause=_CAUSES[int(cause)],
        is_safe=bool(is_safe),
        moments=Moments(*take(12)),
        guard=tuple(take(len(GUARD_EFFECTS))),
        harm_side=_read_side(numbers),
        safety_side=_read_side(numbers),
    )
    if next(numbers, None) is not None:
        raise ValueError("the evidence is damaged (too long): start the step's evidence afresh")
    return gate


def _read_side(numbers: Iterator[float]) -> Side:
    total, count = next(numbers), int(next(numbers))
    levels = tuple(Level(*(next(numbers) for _ in Level._fields)) for _ in range(count))
    return Side(total, Ladder(levels))
