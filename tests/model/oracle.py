"""Evidence by decree: in place of the statistics, each look says itself what it shows, and of which weight.

The order of writes is explored, not the statistics: what a look may bring is `harm`, `safe` or `nothing`, and every
one of them is tried. All else of how a measurement enters the status is the real code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from lossgate.rollout import evidence, looks
from lossgate.rollout.snapshot import ArmSample, HistorySeen, LookSeen, LooksSeen
from lossgate.stats import Baseline, Cause, GateConfig, Judgement, Look, Noise, Verdict

NOTHING, SAFE, HARM = "nothing", "safe", "harm"
_SHOWN_BY_SQUARES = {1.0: Verdict.CONTINUE, 2.0: Verdict.NON_INFERIOR, 3.0: Verdict.HARM}
_SQUARES = {NOTHING: 1.0, SAFE: 2.0, HARM: 3.0}
MANY_LOOKS = 2
"""Looks are counted up to here: more of them lead to nothing new."""

_configs: list[GateConfig] = []


@dataclass(frozen=True, slots=True)
class Oracle:
    """Stands for a `Gate`: keeps the last verdict that was decreed, and at which weight."""

    config: GateConfig
    last_end: float | None = None
    looks: int = 0
    shown: Verdict = Verdict.CONTINUE
    weight: int = 0
    empty_looks: int = 0

    @classmethod
    def start(cls, config: GateConfig, baseline: Baseline) -> Oracle:
        del baseline
        return cls(config)

    def observe(self, look: Look) -> Oracle:
        if self.last_end is not None and look.end <= self.last_end:
            return self
        shown = _SHOWN_BY_SQUARES[look.canary.total.squares]
        is_news = self.shown is Verdict.CONTINUE or shown is Verdict.HARM
        return replace(
            self,
            last_end=look.end,
            looks=min(self.looks + 1, MANY_LOOKS),
            shown=shown if is_news else self.shown,
            weight=int(look.canary.total.n) if is_news and shown is not Verdict.CONTINUE else self.weight,
        )

    def skip(self, end: float) -> Oracle:
        return replace(self, last_end=end)

    def verdict(self) -> Verdict:
        return self.shown

    def judge(self) -> Judgement:
        cause = Cause.MAIN_RULE if self.shown is Verdict.HARM else Cause.NONE
        return Judgement(self.shown, cause, None, Noise.WITHIN_LOOK, self.looks, 0.0, 0.0)


def pack(gate: Oracle) -> str:
    """Return an oracle as the status keeps it."""
    if gate.config not in _configs:
        _configs.append(gate.config)
    return json.dumps([_configs.index(gate.config), gate.last_end, gate.looks, gate.shown, gate.weight])


def unpack(state: str) -> Oracle:
    """Return the oracle that the status keeps."""
    config, last_end, taken, shown, weight = json.loads(state)
    return Oracle(_configs[config], last_end, taken, Verdict(shown), weight)


def moved(gate: Oracle, last_end: float | None) -> Oracle:
    """Return an oracle whose last look ended then."""
    return replace(gate, last_end=last_end)


def looks_that_show(shown: str, wanted: looks.LooksWanted, weight: int, interval: float) -> LooksSeen:
    """Return the looks that were wanted; each shows the same."""
    count = round((wanted.last_end - wanted.first_end) / interval) + 1
    canary = ArmSample(float(weight), 0.3 * weight, _SQUARES[shown])
    stable = ArmSample(100.0, 30.0, 79.0)
    return LooksSeen(tuple(LookSeen(wanted.first_end + index * interval, stable, canary) for index in range(count)))


BASELINE = HistorySeen(10_000.0, 3_000.0, 7_900.0, 100.0)


@contextmanager
def evidence_by_decree() -> Iterator[None]:
    """Let looks say themselves what they show."""
    with (
        patch.object(evidence, "Gate", Oracle),
        patch.object(evidence, "pack", pack),
        patch.object(evidence, "unpack", unpack),
        patch.object(evidence, "forecast", _no_forecast),
        patch.object(looks, "unpack", unpack),
    ):
        yield


def _no_forecast(*_: Any) -> Any:
    return _Forecast()


@dataclass(frozen=True, slots=True)
class _Looks:
    looks: float = 80.0


@dataclass(frozen=True, slots=True)
class _Forecast:
    non_inferior_if_equal: _Looks = _Looks()
