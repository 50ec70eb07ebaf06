"""The promises that every build is held to, on few repetitions: a build fails where chance cannot explain the count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binom

from tests.bench import catalogue, cells
from tests.bench.catalogue import promote_cell, rollback_cell
from tests.bench.cells import Cell
from tests.bench.measures import Outcomes
from tests.bench.running import Results

CHANCE = 1e-7
"""Probability that a promise just kept fails the build."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The rate of something in a cell is at most, or at least, `rate`.

    Attributes:
        text: What is promised.
        cell: Where.
        count: Counts the repetitions in which it happened.
        rate: The rate.
        is_floor: Whether it is at least that.
    """

    text: str
    cell: Cell
    count: Callable[[Outcomes], int]
    rate: float
    is_floor: bool = False

    def limit(self, repetitions: int) -> int:
        """Return the largest count that is allowed, or the smallest."""
        if self.is_floor:
            return int(binom.ppf(CHANCE, repetitions, self.rate))
        return int(binom.isf(CHANCE, repetitions, self.rate))

    def is_kept(self, results: Results) -> bool:
        """Return whether the count can be told from a kept promise by no more than chance."""
        outcomes = self._outcomes(results)
        found, limit = self.count(outcomes), self.limit(outcomes.repetitions)
        return found >= limit if self.is_floor else found <= limit

    def bound(self, results: Results) -> str:
        """Return the promise and what it allows here, in words."""
        sign = "≥" if self.is_floor else "≤"
        return f"rate {sign} {self.rate:g}: count {sign} {self.limit(self._outcomes(results).repetitions)}"

    def found(self, results: Results) -> str:
        """Return what happened, in words."""
        outcomes = self._outcomes(results)
        return f"{self.count(outcomes)} of {outcomes.repetitions}"

    def _outcomes(self, results: Results) -> Outcomes:
        return results[self.cell.name][cells.GATE]


def quick_cells() -> tuple[Cell, ...]:
    """Return the cells of all promises, once each, with the gate as the only rule."""
    return tuple({promise.cell.name: promise.cell for promise in PROMISES}.values())


def _quick(cell: Cell, repetitions: int = 250) -> Cell:
    return replace(cell, rules=(cells.GATE,), repetitions=repetitions)


def _rolled_back(outcomes: Outcomes) -> int:
    return outcomes.rolled_back.count


def _promoted(outcomes: Outcomes) -> int:
    return outcomes.promoted.count


def _rolled_back_by(look: int) -> Callable[[Outcomes], int]:
    return lambda outcomes: int(np.count_nonzero((outcomes.harm_look > 0) & (outcomes.harm_look <= look)))


_FIFTY, _THRICE = _quick(catalogue.HALF_AS_MUCH_AGAIN.cell), _quick(catalogue.THREE_TIMES.cell)
_LASTING, _LASTING_AT_MARGIN = _quick(catalogue.LASTING_PODS), _quick(catalogue.LASTING_PODS_AT_MARGIN)
_CLASSES_AT_MARGIN, _ONE_RUINED = _quick(catalogue.CLASSES_AT_MARGIN), _quick(catalogue.ONE_RUINED)

PROMISES = (
    Promise("false rollback, independent labels", _quick(rollback_cell("iid")), _rolled_back, 0.015),
    Promise("false rollback, slow noise of each arm", _quick(rollback_cell("perarm90"), 500), _rolled_back, 0.055),
    Promise("false rollback, bad news first", _quick(rollback_cell("bad news first")), _rolled_back, 0.02),
    Promise("false promotion, independent labels", _quick(promote_cell("iid")), _promoted, 0.02),
    Promise("false promotion, harm in late labels only", _quick(promote_cell("lag_late")), _promoted, 0.02),
    Promise("+50 % is rolled back by look 60", _FIFTY, _rolled_back_by(60), 0.9, is_floor=True),
    Promise("x3 is rolled back by look 4", _THRICE, _rolled_back_by(4), 0.8, is_floor=True),
    Promise("false rollback, lasting pod effects", _LASTING, _rolled_back, 0.02),
    Promise("false promotion, lasting pod effects", _LASTING_AT_MARGIN, _promoted, 0.02),
    Promise("false rollback, 16 classes at the margin", _CLASSES_AT_MARGIN, _rolled_back, 0.05),
    Promise("false promotion, 16 classes at the margin", _CLASSES_AT_MARGIN, _promoted, 0.05),
    Promise("one class ruined at equal mean is rolled back", _ONE_RUINED, _rolled_back, 0.95, is_floor=True),
)
