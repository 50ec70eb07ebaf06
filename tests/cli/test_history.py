"""The baseline that a stable version's looks amount to."""

from __future__ import annotations

import random
import statistics

import pytest

from lossgate.cli.history import History
from lossgate.stats import Arm, Cell, Increment

RNG = random.Random(4)
LOSSES = [[RNG.expovariate(3) for _ in range(RNG.randint(3, 6))] for _ in range(5)]


def increment(losses: list[float]) -> Increment:
    return Increment(len(losses), sum(losses), sum(loss * loss for loss in losses))


def test_mean_and_variance_are_those_of_all_labels_together() -> None:
    history = History(has_squares=True)
    for losses in LOSSES:
        history.add(Arm.of(increment(losses)))
    every = [loss for losses in LOSSES for loss in losses]
    baseline = history.baseline()
    assert baseline is not None
    assert baseline.mean == pytest.approx(statistics.mean(every))
    assert baseline.variance == pytest.approx(statistics.variance(every))
    assert baseline.labels == len(every)


def test_variance_without_squares_is_that_between_looks_of_equal_size() -> None:
    history = History(has_squares=False)
    means = [0.2, 0.3, 0.5]
    for mean in means:
        history.add(Arm.of(Increment(10, 10 * mean, 0)))
    baseline = history.baseline()
    assert baseline is not None
    assert baseline.variance == pytest.approx(10 * statistics.variance(means))


def test_looks_without_labels_add_nothing() -> None:
    history = History(has_squares=False)
    for n in (10, 0, 0):
        history.add(Arm.of(Increment(n, n * 0.3, 0)))
    assert (history.whole.looks, history.baseline()) == (1, None)


@pytest.mark.parametrize("losses", [[], [0.3], [0.3, 0.3, 0.3], [0.0, 0.0]])
def test_baseline_that_cannot_be_told_is_none(losses: list[float]) -> None:
    history = History(has_squares=True)
    history.add(Arm.of(increment(losses)))
    assert history.baseline() is None


def test_class_has_a_baseline_of_its_own_from_a_hundred_labels_on() -> None:
    history = History(has_squares=True)
    cells = [(Cell(label_class=name), Increment(n, n * mean, n)) for name, n, mean in (("a", 100, 0.1), ("b", 99, 0.5))]
    history.add(Arm.from_cells(cells))
    baseline = history.baseline()
    assert baseline is not None
    assert {name: own.mean for name, own in baseline.classes.items()} == {"a": pytest.approx(0.1)}
