"""What the engine's speed is measured on: looks, states after any number of them, and the plain update beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from lossgate.stats import Arm, Baseline, Cell, ClassTests, Gate, GateConfig, Increment, Look
from lossgate.stats.arrays import Array
from lossgate.stats.bank import Bank
from lossgate.stats.rules import Rules

MEAN, VARIANCE = 0.3, 0.7
LABELS = {"stable": 2_280.0, "canary": 120.0}
_BASELINE = Baseline(MEAN, VARIANCE, 100_000.0)


@dataclass(frozen=True, slots=True)
class Feed:
    """Looks that all say the same: both versions are equally good, in every class, age and pod."""

    classes: int = 0
    ages: int = 1
    pods: int = 0

    @property
    def config(self) -> GateConfig:
        """The test that goes with it."""
        names = tuple(f"class {index}" for index in range(self.classes))
        per_class = ClassTests(names, 0.05, 0.05) if names else None
        return GateConfig(0.05, 0.05, by_age=self.ages > 1, per_class=per_class)

    def look(self, end: float) -> Look:
        """Return the look that ends at `end`."""
        return Look(end, self._arm("stable"), self._arm("canary"))

    def _arm(self, version: str) -> Arm:
        keys = [
            Cell(
                f"{age}m" if self.ages > 1 else "",
                f"class {index}" if self.classes else "",
                f"pod {pod}" if pod else "",
            )
            for age in range(self.ages)
            for index in range(max(self.classes, 1))
            for pod in (range(1, self.pods + 1) if self.pods else (0,))
        ]
        return Arm.from_cells((key, _increment(LABELS[version] / len(keys))) for key in keys)


PLAIN = Feed()
CLASSES_AND_AGES = Feed(classes=10, ages=5)
EVERYTHING = Feed(classes=16, ages=8, pods=40)


def after(feed: Feed, looks: int) -> Gate:
    """Return the gate after so many looks."""
    gate = Gate.start(feed.config, _BASELINE)
    for end in range(1, looks + 1):
        gate = gate.observe(feed.look(float(end)))
    return gate


def leapt(feed: Feed, looks: int) -> Gate:
    """Return a gate as large as after so many looks, though it took only those at which the state grows, and the last.

    The state grows whenever the number of looks doubles. What the sums say is not what so many looks would have said.
    """
    gate = Gate.start(feed.config, _BASELINE)
    for taken in sorted({1 << power for power in range(looks.bit_length())} | {looks}):
        bank = replace(gate.bank, looks=np.full_like(gate.bank.looks, taken - 1))
        gate = replace(gate, bank=bank).observe(feed.look(float(taken)))
    return gate


def many_tests(tests: int, looks: int = 100) -> tuple[Bank, Array]:
    """Return the tests of as many plain rollouts after some looks, and the next look, shape (6, 1, tests)."""
    random = np.random.default_rng(7)
    bank = Bank.start(Rules.side_by_side(PLAIN.config, _BASELINE, tests), strata=1)
    for _ in range(looks):
        bank = bank.advance(_random_look(random, tests))
    return bank, _random_look(random, tests)


def many_gates(bank: Bank, look: Array) -> list[tuple[Gate, Look]]:
    """Return the same rollouts as gates, each with its look."""
    return [
        (
            replace(Gate.start(PLAIN.config, _BASELINE), bank=_only(bank, test), last_end=1.0),
            Look(2.0, Arm.of(Increment(*look[3:, 0, test].tolist())), Arm.of(Increment(*look[:3, 0, test].tolist()))),
        )
        for test in range(len(bank.looks))
    ]


def look_as_array(feed: Feed) -> Array:
    """Return a look as labels, sums and sums of squares of canary and stable version, shape (6, cells).

    The cells are the ages, then the classes: all that a gate sums up.
    """
    look = feed.look(1.0)
    rows = [[*arm.ages.values(), *(arm.classes.values() if feed.classes else ())] for arm in (look.canary, look.stable)]
    return np.concatenate([np.array([[x.n, x.total, x.squares] for x in row]).T for row in rows])


def merged(look: Array) -> Callable[[], tuple[Array, Array, Array]]:
    """Return the plain update by a look: count, mean and sum of squared deviations of both versions.

    Chan, Golub, LeVeque (Am. Stat. 37, 1983); the state before it is that of one equal look.
    """
    n, total, squares = look.reshape(2, 3, *look.shape[1:]).swapaxes(0, 1).copy()
    state_n, state_mean, state_deviations = n, total / n, squares - total * (total / n)

    def update() -> tuple[Array, Array, Array]:
        mean = total / n
        whole = state_n + n
        difference = mean - state_mean
        deviations = squares - total * mean + difference * difference * (state_n * n / whole)
        return whole, state_mean + difference * (n / whole), state_deviations + deviations

    return update


def _increment(n: float) -> Increment:
    return Increment(n, n * MEAN, n * (VARIANCE + MEAN * MEAN))


def _random_look(random: np.random.Generator, tests: int) -> Array:
    n = np.array([[[LABELS["canary"]]], [[LABELS["stable"]]]]) * random.uniform(0.5, 1.5, (2, 1, tests))
    mean = MEAN + np.sqrt(VARIANCE / n) * random.standard_normal(n.shape)
    moments = np.stack([n, n * mean, n * (VARIANCE + mean * mean)], axis=1)
    return moments.reshape(6, 1, tests)


def _only(bank: Bank, test: int) -> Bank:
    """Return one test of a bank of equal ones."""
    here = slice(test, test + 1)
    return replace(
        bank,
        rules=Rules.of(PLAIN.config, _BASELINE),
        strata=bank.strata[..., here].copy(),
        levels=bank.levels[..., here].copy(),
        guard=bank.guard[..., here].copy(),
        looks=bank.looks[here].copy(),
        pods=bank.pods[..., here].copy(),
        pod_looks=bank.pod_looks[..., here].copy(),
        by_guard=bank.by_guard[here].copy(),
        by_main_rule=bank.by_main_rule[here].copy(),
        safe=bank.safe[here].copy(),
    )
