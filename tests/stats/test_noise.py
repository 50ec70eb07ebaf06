"""Data that tell less: counts and sums without squares, or gauges of the mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from lossgate.stats import Arm, Gate, Increment, Look, Noise, Verdict
from lossgate.stats.arrays import Array
from lossgate.stats.bank import Bank
from lossgate.stats.rules import Rules
from tests.stats.evidence_builders import A_BASELINE, a_config, observed


def looks(noise: Noise, canary: float, count: int, seed: int = 3) -> list[Look]:
    draw = np.random.default_rng(seed)

    def arm(labels: float, mean: float) -> Arm:
        seen = mean + draw.normal(0, (0.7 / labels) ** 0.5)
        n = 1.0 if noise is Noise.MEANS_ONLY else labels
        return Arm.of(Increment(n, max(n * seen, 0.0), 0.0))

    return [Look(float(k), arm(3800, 0.3), arm(200, canary)) for k in range(count)]


def first_verdict(noise: Noise, canary: float, margin: float = 0.05) -> tuple[int, Verdict] | None:
    gate = Gate.start(a_config(noise=noise, margin=margin, step_margin=margin), A_BASELINE)
    for number, look in enumerate(looks(noise, canary, 400), start=1):
        gate = gate.observe(look)
        if gate.verdict() is not Verdict.CONTINUE:
            return number, gate.verdict()
    return None


@pytest.mark.parametrize(("noise", "looks"), [(Noise.BETWEEN_LOOKS, 40), (Noise.MEANS_ONLY, 80)])
def test_without_squares_even_a_catastrophe_waits_for_the_main_rule(noise: Noise, looks: int) -> None:
    assert first_verdict(noise, canary=1.5) == (looks, Verdict.HARM)


@pytest.mark.parametrize("noise", [Noise.BETWEEN_LOOKS, Noise.MEANS_ONLY])
def test_an_equal_canary_passes(noise: Noise) -> None:
    verdict = first_verdict(noise, canary=0.3, margin=0.15)
    assert verdict is not None
    assert verdict[1] is Verdict.NON_INFERIOR
    assert verdict[0] >= 80


def test_every_kind_says_what_its_promise_is() -> None:
    assert len({noise.promise for noise in Noise}) == len(Noise)
    gate = observed(Gate.start(a_config(noise=Noise.BETWEEN_LOOKS), A_BASELINE), looks(Noise.BETWEEN_LOOKS, 0.3, 50))
    assert gate.judge().noise is Noise.BETWEEN_LOOKS


def test_few_means_are_not_counted_as_labels() -> None:
    """A gauge does not tell how many labels stand behind it, so no number of them is asked for."""
    gate = Gate.start(a_config(noise=Noise.MEANS_ONLY, min_labels=5000), A_BASELINE)
    assert observed(gate, looks(Noise.MEANS_ONLY, 1.5, 100)).verdict() is Verdict.HARM


@pytest.mark.slow
@pytest.mark.parametrize("noise", [Noise.BETWEEN_LOOKS, Noise.MEANS_ONLY])
def test_false_verdicts_at_the_margin_stay_within_the_risk(noise: Noise) -> None:
    """Normal means: no squares are needed for them, and at 4000 labels a look sums of losses are near enough."""
    repetitions, draw = 1000, np.random.default_rng(20)
    bank = Bank.start(Rules.side_by_side(a_config(noise=noise), A_BASELINE, repetitions), strata=1)
    for _ in range(300):
        numbers = np.zeros((6, 1, repetitions))
        for row, labels, mean in ((0, 200.0, 0.315), (3, 3800.0, 0.3)):
            n = 1.0 if noise is Noise.MEANS_ONLY else labels
            numbers[row] = n
            numbers[row + 1] = n * np.maximum(mean + draw.normal(0, (0.7 / labels) ** 0.5, repetitions), 0)
        bank = bank.advance(numbers)
    at_most = binom.ppf(0.9999, repetitions, 0.02)
    assert bank.harm.sum() <= at_most
    assert bank.safe.sum() <= at_most


def bucketed(losses: Array, bounds: list[float]) -> Increment:
    counts = np.bincount(np.searchsorted(bounds, losses), minlength=len(bounds) + 1)
    return Increment.of_histogram(counts.tolist(), bounds, float(losses.sum()), clip=13.8155)


@pytest.mark.parametrize(
    "bounds",
    [
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
        [2.0**power for power in range(-8, 4)],
    ],
    ids=["Prometheus' default", "doubling"],
)
def test_variance_from_a_histogram_errs_to_the_safe_side(bounds: list[float]) -> None:
    losses = np.minimum(np.random.default_rng(9).gamma(0.1286, 2.333, 200_000), 13.8155)
    seen = bucketed(losses, bounds)
    assert seen.n == 200_000
    found = seen.squares / seen.n - (seen.total / seen.n) ** 2
    assert 1.0 < found / losses.var() < 1.3


@pytest.mark.parametrize(("counts", "bounds"), [([1, 2], [1.0, 2.0]), ([1, 2, 3], [2.0, 1.0]), ([1, 2], [0.0])])
def test_histogram_that_is_none_is_refused(counts: list[float], bounds: list[float]) -> None:
    with pytest.raises(ValueError, match="bounds must rise"):
        Increment.of_histogram(counts, bounds, 1.0, 13.8)
