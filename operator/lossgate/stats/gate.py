"""The gate: takes looks one by one, keeps a small state, and says at any time what may be concluded."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lossgate.stats.arrays import Array
from lossgate.stats.bank import ROWS, Bank, Pods
from lossgate.stats.config import MAX_AGES, MAX_EMPTY_LOOKS, MAX_POD_GROUPS, GateConfig
from lossgate.stats.evidence import Baseline, Increment, Look, PodIncrement
from lossgate.stats.judgement import Cause, Hold, Judgement, Verdict, judge
from lossgate.stats.rules import Rules

_NOTHING = Increment(0.0, 0.0, 0.0)
_GROUPS = tuple(f"group {index}" for index in range(MAX_POD_GROUPS))
"""Stands for the names of more than 32 pods; no pod's name has a space."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The evidence of one traffic step; immutable, `observe` returns the next state.

    Harm, once found, is final; NonInferior, once found, stays unless harm is found. The first crossing counts: evidence
    may fall below its bound again at the next look.
    """

    config: GateConfig
    baseline: Baseline
    bank: Bank
    """The test of the whole, then one of each listed class."""
    ages: tuple[str, ...]
    """Label ages seen, in the order of the strata."""
    pods: tuple[str, ...] = ()
    """Stable pods seen, in the order of the bank's; groups of them once there are more than 32."""
    empty_looks: int = 0
    """Looks in a row without labels in one of the versions."""
    empty: Hold = Hold.NO_LABELS
    """Which version the last of them was empty for."""
    ages_missing: bool = False
    """Whether the last look was left out because its labels tell no age."""
    last_end: float | None = None
    """End of the last look taken or skipped (Unix seconds)."""

    @classmethod
    def start(cls, config: GateConfig, baseline: Baseline) -> Gate:
        """Return a gate without evidence."""
        ages = () if config.by_age else ("",)
        return cls(config, baseline, Bank.start(Rules.of(config, baseline), len(ages)), ages)

    @property
    def looks(self) -> int:
        """Looks that entered the evidence."""
        return int(self.bank.looks[0])

    def observe(self, look: Look) -> Gate:
        """Return the gate after a look; one that ends no later than the last one changes nothing.

        A look with no label in one of the versions is no evidence: it only counts towards Hold. Neither is one whose
        labels tell no age though they should.

        Raises:
            ValueError: More than 8 label ages have come.
        """
        if self.last_end is not None and look.end <= self.last_end:
            return self
        if self.config.by_age and any(arm.ages.get("", _NOTHING).n > 0 for arm in (look.stable, look.canary)):
            return replace(self, last_end=look.end, ages_missing=True)
        gate = self._with_ages(look)._with_pods(look.stable.pods)
        bank = gate.bank.advance(gate._numbers(look), gate._pods(look))
        if self.bank.harm.any():
            # What was found first is the reason, whatever else turns out while the rollback is under way.
            bank = replace(bank, by_guard=self.bank.by_guard, by_main_rule=self.bank.by_main_rule)
        hold = None if bank.looks[0] > self.bank.looks[0] else _empty(look)
        return replace(
            gate,
            bank=bank,
            last_end=look.end,
            ages_missing=self.ages_missing and hold is Hold.NO_LABELS and not _has_labels(look.stable.ages.values()),
            empty_looks=self.empty_looks + 1 if hold else 0,
            empty=hold or self.empty,
        )

    def skip(self, end: float) -> Gate:
        """Return the gate with the look that ends at `end` left out: its numbers cannot be used."""
        if self.last_end is not None and end <= self.last_end:
            return self
        return replace(self, last_end=end)

    @property
    def hold(self) -> Hold | None:
        """Why nothing can be concluded at present."""
        if self.ages_missing:
            return Hold.AGES_MISSING
        return self.empty if self.empty_looks >= MAX_EMPTY_LOOKS else None

    @property
    def cause(self) -> Cause:
        """Which rule found harm."""
        if self.bank.by_guard.any():
            return Cause.GUARD
        return Cause.MAIN_RULE if self.bank.by_main_rule.any() else Cause.NONE

    def verdict(self) -> Verdict:
        """Return what may be concluded now."""
        if self.bank.harm.any():
            return Verdict.HARM
        if self.hold is not None:
            return Verdict.HOLD
        return Verdict.NON_INFERIOR if self.bank.safe.all() else Verdict.CONTINUE

    def judge(self) -> Judgement:
        """Return the verdict with the numbers behind it."""
        return judge(self.config, self.bank, self.verdict(), self.cause, self.hold)

    def _with_ages(self, look: Look) -> Gate:
        if not self.config.by_age:
            return self
        new = sorted({*look.stable.ages, *look.canary.ages} - {*self.ages, ""})
        if not new:
            return self
        ages = (*self.ages, *new)
        if len(ages) > MAX_AGES:
            raise ValueError(f"label ages are {list(ages)}: at most {MAX_AGES} can be told apart; use fewer buckets")
        more = np.zeros((ROWS, len(new), len(self.bank.looks)))
        return replace(
            self, ages=ages, bank=replace(self.bank, strata=np.concatenate([self.bank.strata, more], axis=1))
        )

    def _with_pods(self, seen: Mapping[str, PodIncrement]) -> Gate:
        names = sorted({*seen} - {*self.pods})
        if not names or self.pods == _GROUPS:
            return self
        if len(self.pods) + len(names) > MAX_POD_GROUPS:
            return self._grouped()
        more = np.zeros((2, len(names), len(self.bank.looks)))
        bank = replace(self.bank, pods=np.concatenate([self.bank.pods, more], axis=1))
        return replace(self, pods=(*self.pods, *names), bank=bank)

    def _grouped(self) -> Gate:
        """Return the gate with its pods in groups by their names' checksum, which no restart changes."""
        pods = np.zeros((2, MAX_POD_GROUPS, len(self.bank.looks)))
        for index, name in enumerate(self.pods):
            pods[:, _group(name)] += self.bank.pods[:, index]
        return replace(self, pods=_GROUPS, bank=replace(self.bank, pods=pods))

    def _numbers(self, look: Look) -> Array:
        """Return the look as the bank takes it: ages of the whole, and each class in the first stratum."""
        numbers = np.zeros((6, len(self.ages), len(self.bank.looks)))
        canary, stable = look.canary, look.stable
        if not self.config.by_age:
            numbers[:, 0, 0] = _six(canary.total, stable.total)
        elif self.ages:
            numbers[:, :, 0] = np.transpose(
                [_six(canary.ages.get(age, _NOTHING), stable.ages.get(age, _NOTHING)) for age in self.ages]
            )
        if self.config.per_class is not None and self.ages:
            numbers[:, 0, 1:] = np.transpose(
                [
                    _six(canary.classes.get(name, _NOTHING), stable.classes.get(name, _NOTHING))
                    for name in self.config.per_class.names
                ]
            )
        return numbers

    def _pods(self, look: Look) -> Pods | None:
        if not self.pods:
            return None
        tests = len(self.bank.looks)
        values = np.zeros((2, len(self.pods), tests))
        places = {name: index for index, name in enumerate(self.pods)}
        for name, pod in look.stable.pods.items():
            values[:, _group(name) if self.pods == _GROUPS else places[name], 0] += pod
        return Pods(
            values[0], values[1], np.full(tests, float(len(look.stable.pods))), np.full(tests, len(look.canary.pods))
        )


def _six(canary: Increment, stable: Increment) -> tuple[float, ...]:
    return (canary.n, canary.total, canary.squares, stable.n, stable.total, stable.squares)


def _group(pod: str) -> int:
    return zlib.crc32(pod.encode()) % MAX_POD_GROUPS


def _empty(look: Look) -> Hold:
    stable, canary = (_has_labels(arm.ages.values()) for arm in (look.stable, look.canary))
    if stable == canary:
        return Hold.NO_LABELS
    return Hold.NO_LABELS_CANARY if stable else Hold.NO_LABELS_STABLE


def _has_labels(increments: Iterable[Increment]) -> bool:
    return any(increment.n > 0 for increment in increments)
