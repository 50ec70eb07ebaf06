"""The gate as one line of text that goes on bit for bit after a restart.

`v2:` and base64 of a checksum, the length of a JSON header (names, settings), the header, and all sums as doubles.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from lossgate.stats import guard as early_guard
from lossgate.stats import ladder
from lossgate.stats.arrays import Array
from lossgate.stats.bank import ROWS, Bank
from lossgate.stats.config import ClassTests, GateConfig, Noise
from lossgate.stats.evidence import Baseline
from lossgate.stats.gate import Gate
from lossgate.stats.judgement import Hold
from lossgate.stats.rules import Rules

VERSION = 2
_AFRESH = "start the step's evidence afresh"
_WORD = struct.Struct("<I")


class StateFromTheFuture(ValueError):
    """The state was written by a later version of this program."""


def pack(gate: Gate) -> str:
    """Return the whole state of a gate as text."""
    bank = gate.bank
    header = {
        "config": asdict(gate.config),
        "baseline": asdict(gate.baseline),
        "ages": gate.ages,
        "pods": gate.pods,
        "empty_looks": gate.empty_looks,
        "empty": gate.empty,
        "ages_missing": gate.ages_missing,
        "last_end": gate.last_end,
        "levels": len(bank.levels),
        "looks": bank.looks.tolist(),
        "by_guard": bank.by_guard.tolist(),
        "by_main_rule": bank.by_main_rule.tolist(),
        "safe": bank.safe.tolist(),
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    # Classes have one stratum, and pods stand behind the whole alone: the rest of those arrays is always 0.
    parts = [bank.strata[:, :, 0], bank.strata[:, :1, 1:], bank.levels, bank.guard, bank.pods[:, :, 0], bank.pod_looks]
    sums = b"".join(np.ascontiguousarray(part, dtype="<f8").tobytes() for part in parts)
    payload = _WORD.pack(len(text)) + text + sums
    return f"v{VERSION}:" + base64.b64encode(_WORD.pack(zlib.crc32(payload)) + payload).decode()


@lru_cache(maxsize=32)
def unpack(text: str) -> Gate:
    """Return the gate that was packed; the same one for the same text, as the parts of one decision all ask for it.

    Raises:
        StateFromTheFuture: A later version wrote it; run that version or a later one.
        ValueError: It is damaged, or older than this program reads; start the step's evidence afresh.
    """
    version, colon, encoded = text.partition(":")
    if not (colon and version[:1] == "v" and version[1:].isdigit()):
        raise ValueError(f"the evidence is damaged (no format in front): {_AFRESH}")
    if int(version[1:]) > VERSION:
        raise StateFromTheFuture(
            f"the evidence has format {version}, this program reads v{VERSION}: run a later version"
        )
    if version != f"v{VERSION}":
        raise ValueError(f"the evidence has format {version}, this program reads v{VERSION}: {_AFRESH}")
    try:
        raw = base64.b64decode(encoded, validate=True)
        (checksum,), (length,) = _WORD.unpack_from(raw), _WORD.unpack_from(raw, _WORD.size)
        if checksum != zlib.crc32(raw[_WORD.size :]) or base64.b64encode(raw).decode() != encoded:
            raise ValueError(f"the evidence is damaged (wrong checksum): {_AFRESH}")
        header = raw[2 * _WORD.size :][:length]
        return _read(json.loads(header), np.frombuffer(raw, "<f8", offset=2 * _WORD.size + length))
    except (binascii.Error, struct.error, KeyError, TypeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"the evidence is damaged ({error!r}): {_AFRESH}") from error


def _read(header: dict[str, Any], numbers: Array) -> Gate:
    per_class = header["config"].pop("per_class")
    classes = None if per_class is None else ClassTests(**{**per_class, "names": tuple(per_class["names"])})
    noise = Noise(header["config"].pop("noise"))
    config = GateConfig(**header["config"], noise=noise, per_class=classes)
    baseline = _baseline(header["baseline"])
    looks = np.array(header["looks"], np.int64)
    ages, pods, tests = len(header["ages"]), len(header["pods"]), len(looks)
    shapes = [(ROWS, ages), (ROWS, min(ages, 1), tests - 1), (header["levels"], ladder.ROWS, tests)]
    shapes += [early_guard.start(tests).shape, (2, pods), (3, tests)]
    parts = _split(numbers, shapes)
    strata, pod_sums = np.zeros((ROWS, ages, tests)), np.zeros((2, pods, tests))
    strata[:, :, 0], strata[:, :1, 1:], pod_sums[:, :, 0] = parts[0], parts[1], parts[4]
    bank = Bank(
        rules=Rules.of(config, baseline),
        strata=strata,
        levels=parts[2],
        guard=parts[3],
        looks=looks,
        pods=pod_sums,
        pod_looks=parts[5],
        by_guard=np.array(header["by_guard"], bool),
        by_main_rule=np.array(header["by_main_rule"], bool),
        safe=np.array(header["safe"], bool),
    )
    return Gate(
        config=config,
        baseline=baseline,
        bank=bank,
        ages=tuple(header["ages"]),
        pods=tuple(header["pods"]),
        empty_looks=header["empty_looks"],
        empty=Hold(header["empty"]),
        ages_missing=header["ages_missing"],
        last_end=header["last_end"],
    )


def _baseline(numbers: Mapping[str, Any]) -> Baseline:
    classes = {name: _baseline(of_class) for name, of_class in numbers["classes"].items()}
    return Baseline(numbers["mean"], numbers["variance"], numbers["labels"], classes)


def _split(numbers: Array, shapes: list[tuple[int, ...]]) -> list[Array]:
    sizes = [int(np.prod(shape)) for shape in shapes]
    if sum(sizes) != len(numbers):
        raise ValueError(f"the evidence is damaged ({len(numbers)} numbers, not {sum(sizes)}): {_AFRESH}")
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return [part.reshape(shape).copy() for part, shape in zip(parts, shapes, strict=True)]
