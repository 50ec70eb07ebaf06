"""One cell of the benchmark: a stream, and the rules that see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lossgate.stats import ClassTests, GateConfig
from lossgate.stats.arrays import Array
from tests.bench.measures import Outcomes
from tests.bench.ours import LastStep, TheGate, TheGatePerClass
from tests.bench.peers import AsymptoticSequence, MixtureSprt, Rule, ThresholdCounter, Welch
from tests.bench.peers_by_rank import Kayenta, RankTest
from tests.bench.streams import Observation

GATE, UNAGED, PODLESS, CLASSLESS, CONTINUED = (
    "gate",
    "gate without ages",
    "gate without pods",
    "gate without classes",
    "continued process",
)
FIVE_FAILURES, TWO_IN_A_ROW, ARGO, FLAGGER = (
    "threshold, 5 failures",
    "threshold, 2 in a row",
    "threshold, 1 failure",
    "threshold, 3 of 5",
)
RANKS, KAYENTA = "Mann-Whitney, every look", "Kayenta"
WELCH_ONCE, WELCH, MSPRT = "Welch, once at the end", "Welch, every look", "mSPRT"
ASYMPCS, ASYMPCS_PLAIN = "asympcs", "asympcs, plain"

SINGLE_STEP_PEERS = (
    FIVE_FAILURES,
    TWO_IN_A_ROW,
    ARGO,
    KAYENTA,
    RANKS,
    WELCH_ONCE,
    WELCH,
    MSPRT,
    ASYMPCS_PLAIN,
    ASYMPCS,
)


class Evidence(Protocol):
    """A stream of any kind."""

    @property
    def looks(self) -> int:
        """Length of the run."""

    @property
    def strata(self) -> int:
        """Number of label ages."""

    @property
    def pods(self) -> int:
        """Number of stable pods that are told apart."""

    def runs(self, draw: np.random.Generator, tests: int) -> Iterator[Observation]:
        """Yield the looks of `tests` repetitions."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One traffic step.

    Attributes:
        name: Names it in results and seeds it.
        stream: What the rules see.
        rules: Their names.
        margin: Relative loss that counts as harm.
        step_margin: Relative loss that must be ruled out to promote.
        steps: Steps among which the rollback risk is split.
        judged_from: Look from which on the rules are asked: the first one of the last step.
        class_margin: Margin of the per-class tests; None: there are none.
        repetitions: Of a full run.
    """

    name: str
    stream: Evidence
    rules: tuple[str, ...] = (GATE,)
    margin: float = 0.05
    step_margin: float = 0.05
    steps: int = 1
    judged_from: int = 0
    class_margin: float | None = None
    repetitions: int = 1000

    def config(self, per_class: ClassTests | None = None) -> GateConfig:
        """Return the gate's configuration."""
        return GateConfig(margin=self.margin, step_margin=self.step_margin, steps=self.steps, per_class=per_class)

    def run(self, draw: np.random.Generator, tests: int) -> dict[str, Outcomes]:
        """Return what each rule came to in `tests` repetitions, all on the same looks."""
        rules = {name: _RULES[name](self, tests) for name in self.rules}
        found = {name: _Record(tests) for name in self.rules}
        labels = np.zeros(tests)
        for look, observation in enumerate(self.stream.runs(draw, tests), 1):
            if look > self.judged_from:
                labels += observation.whole[0]
            for name, rule in rules.items():
                rule.advance(observation)
                found[name].note(look - self.judged_from, rule, labels)
        return {name: record.outcomes(labels) for name, record in found.items()}


@dataclass(frozen=True, slots=True)
class Rollout:
    """Traffic steps one after the other, each tested on its own data and left at the first verdict.

    Attributes:
        name: Names it in results.
        steps: The steps; all have the same rules.
        repetitions: Of a full run.
    """

    name: str
    steps: tuple[Cell, ...]
    repetitions: int = 1000

    @property
    def rules(self) -> tuple[str, ...]:
        """Names of the rules."""
        return self.steps[0].rules

    def run(self, draw: np.random.Generator, tests: int) -> dict[str, Outcomes]:
        """Return what each rule came to: rollback at any step, or promotion past the last one."""
        steps = [step.run(draw, tests) for step in self.steps]
        return {name: self._whole([step[name] for step in steps]) for name in self.rules}

    def _whole(self, steps: list[Outcomes]) -> Outcomes:
        tests = steps[0].repetitions
        goes_on, looks, labels = np.ones(tests, bool), np.zeros(tests, np.int64), np.zeros(tests)
        harm_look, safe_look = np.zeros(tests, np.int64), np.zeros(tests, np.int64)
        for cell, step in zip(self.steps, steps, strict=True):
            harm = (step.harm_look > 0) & ((step.safe_look == 0) | (step.harm_look <= step.safe_look))
            safe = (step.safe_look > 0) & ~harm
            spent = np.where(harm, step.harm_look, np.where(safe, step.safe_look, cell.stream.looks))
            looks += np.where(goes_on, spent, 0)
            labels += np.where(goes_on, step.labels, 0.0)
            harm_look = np.where(goes_on & harm, looks, harm_look)
            goes_on &= safe
        safe_look = np.where(goes_on, looks, safe_look)
        return Outcomes(harm_look, safe_look, labels)


AnyCell = Cell | Rollout


class _Record:
    """First verdicts of a rule."""

    def __init__(self, tests: int) -> None:
        self._harm, self._safe = np.zeros(tests, np.int64), np.zeros(tests, np.int64)
        self._harm_labels, self._safe_labels = np.zeros(tests), np.zeros(tests)

    def note(self, look: int, rule: Rule, labels: Array) -> None:
        for says, looks, at in (
            (rule.harm, self._harm, self._harm_labels),
            (rule.safe, self._safe, self._safe_labels),
        ):
            new = says & (looks == 0)
            looks[new] = look
            at[new] = labels[new]

    def outcomes(self, labels: Array) -> Outcomes:
        harm_first = (self._harm > 0) & ((self._safe == 0) | (self._harm <= self._safe))
        served = np.where(harm_first, self._harm_labels, np.where(self._safe > 0, self._safe_labels, labels))
        return Outcomes(self._harm, self._safe, served)


def _gate(cell: Cell, tests: int) -> Rule:
    if cell.class_margin is not None:
        names = tuple(str(i) for i in range(16))
        return TheGatePerClass(cell.config(ClassTests(names, cell.class_margin, cell.class_margin)), tests)
    return TheGate(cell.config(), tests, cell.stream.strata, cell.stream.pods)


def _in_last_step(is_fed_before: bool) -> Callable[[Cell, int], Rule]:
    def start(cell: Cell, tests: int) -> Rule:
        if cell.judged_from == 0:
            return _gate(cell, tests)
        return LastStep(lambda: _gate(cell, tests), cell.judged_from, is_fed_before)

    return start


def _checks_of_a_step(cell: Cell) -> int | None:
    """Looks after which a threshold leaves a step of a rollout: five checks."""
    return 50 if cell.steps > 1 else None


_RULES: Mapping[str, Callable[[Cell, int], Rule]] = {
    GATE: _in_last_step(is_fed_before=False),
    CONTINUED: _in_last_step(is_fed_before=True),
    UNAGED: lambda cell, tests: TheGate(cell.config(), tests),
    PODLESS: lambda cell, tests: TheGate(cell.config(), tests, cell.stream.strata),
    CLASSLESS: lambda cell, tests: TheGate(cell.config(), tests, cell.stream.strata),
    FIVE_FAILURES: lambda cell, tests: ThresholdCounter(tests, failures=5),
    TWO_IN_A_ROW: lambda cell, tests: ThresholdCounter(tests, failures=2, in_a_row=True),
    ARGO: lambda cell, tests: ThresholdCounter(tests, failures=1, passes_after=_checks_of_a_step(cell)),
    FLAGGER: lambda cell, tests: ThresholdCounter(tests, failures=3, passes_after=_checks_of_a_step(cell)),
    RANKS: lambda cell, tests: RankTest(tests, cell.stream.looks, cell.margin, cell.step_margin),
    KAYENTA: lambda cell, tests: Kayenta(tests, cell.stream.looks),
    WELCH_ONCE: lambda cell, tests: Welch(tests, cell.margin, cell.step_margin, only_at=cell.stream.looks),
    WELCH: lambda cell, tests: Welch(tests, cell.margin, cell.step_margin),
    MSPRT: lambda cell, tests: MixtureSprt(tests, cell.margin, cell.step_margin),
    ASYMPCS: lambda cell, tests: AsymptoticSequence(tests, cell.margin, cell.step_margin),
    ASYMPCS_PLAIN: lambda cell, tests: AsymptoticSequence(tests, cell.margin, cell.step_margin, longest_block=1),
}
