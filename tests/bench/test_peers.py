"""The peers do what the tools do that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from lossgate.stats.arrays import Array
from tests.bench.measures import Outcomes, Rate
from tests.bench.peers import AsymptoticSequence, MixtureSprt, Rule, ThresholdCounter, Welch
from tests.bench.peers_by_rank import Kayenta, RankTest
from tests.bench.streams import Observation, Stream


def a_look(ratio: float, labels: float = 200.0) -> Observation:
    """A look in which the canary's mean loss is `ratio` times the stable version's, .3."""
    rows = (labels, labels * 0.3 * ratio, labels * 0.8, 3800.0, 1140.0, 3000.0)
    return Observation(np.array(rows)[:, None, None])


def first_harm(rule: Rule, ratios: list[float]) -> int | None:
    for look, ratio in enumerate(ratios, 1):
        rule.advance(a_look(ratio))
        if rule.harm[0]:
            return look
    return None


@pytest.mark.parametrize(
    ("failures", "in_a_row", "windows", "look"),
    [
        (1, False, [1.0, 1.2], 20),
        (2, False, [1.2, 1.0, 1.2], 30),
        (2, True, [1.2, 1.0, 1.2, 1.2], 40),
        (2, True, [1.2, 1.0, 1.2, 1.0], None),
        (1, False, [1.05, 1.09], None),
    ],
)
def test_threshold_counts_windows_above_the_limit(
    failures: int, in_a_row: bool, windows: list[float], look: int | None
) -> None:
    ratios = [ratio for ratio in windows for _ in range(10)]
    assert first_harm(ThresholdCounter(1, failures, in_a_row), ratios) == look


def test_threshold_passes_what_has_not_failed() -> None:
    rule = ThresholdCounter(1, failures=3, passes_after=50)
    safe = []
    for _ in range(50):
        rule.advance(a_look(1.0))
        safe.append(bool(rule.safe[0]))
    assert safe == [False] * 49 + [True]


def test_welch_agrees_with_scipy() -> None:
    looks = list(Stream(looks=40, effect=(0.1,)).runs(np.random.default_rng(5), tests=50))
    rule = Welch(50, margin=0.0, step_margin=0.05, only_at=40)
    for look in looks:
        rule.advance(look)
    n_c, s_c, q_c, n_s, s_s, q_s = np.array([look.whole for look in looks]).sum(axis=0)
    sd_c, sd_s = (np.sqrt((q - s * s / n) / (n - 1)) for n, s, q in ((n_c, s_c, q_c), (n_s, s_s, q_s)))
    reference = stats.ttest_ind_from_stats(
        s_c / n_c, sd_c, n_c, s_s / n_s, sd_s, n_s, equal_var=False, alternative="greater"
    )
    assert 0 < np.count_nonzero(rule.harm) < 50
    np.testing.assert_array_equal(rule.harm, reference.pvalue < 0.05)


def _means(looks: list[Observation], test: int) -> tuple[Array, Array]:
    n_c, s_c, _, n_s, s_s, _ = np.array([look.whole[:, test] for look in looks]).T
    return s_c / n_c, s_s / n_s


def test_rank_test_agrees_with_scipy() -> None:
    looks = list(Stream(looks=40, effect=(0.08,)).runs(np.random.default_rng(6), tests=50))
    rule = RankTest(50, looks=40, margin=0.0, step_margin=0.05)
    for look in looks:
        rule.advance(look)
    p = [
        stats.mannwhitneyu(*_means(looks, i), alternative="greater", method="asymptotic", use_continuity=False).pvalue
        for i in range(50)
    ]
    assert 0 < np.count_nonzero(rule.harm) < 50
    np.testing.assert_array_equal(rule.harm, np.array(p) < 0.05)


def test_kayenta_fails_a_canary_whose_shift_is_surely_above_a_quarter_of_itself() -> None:
    looks = list(Stream(looks=40, effect=(0.12,)).runs(np.random.default_rng(7), tests=50))
    rule = Kayenta(50, looks=40)
    for look in looks[:39]:
        rule.advance(look)
    before = rule.harm.copy()
    rule.advance(looks[39])
    expected = before.copy()
    for i in range(50):
        canary, stable = _means(looks, i)
        shift = float(np.median(np.subtract.outer(canary, stable)))
        shifted = stats.mannwhitneyu(
            canary - 0.25 * shift, stable, alternative="greater", method="asymptotic", use_continuity=False
        )
        expected[i] |= shift > 0 and shifted.pvalue < 0.01
    assert np.count_nonzero(before) < np.count_nonzero(expected) < 50
    np.testing.assert_array_equal(rule.harm, expected)


@pytest.mark.parametrize("start", [MixtureSprt, AsymptoticSequence])
def test_sequential_peers_find_a_clear_effect_of_either_sign(start: type[MixtureSprt | AsymptoticSequence]) -> None:
    for effect, harm, safe in ((1.0, 1.0, 0.0), (-0.5, 0.0, 1.0)):
        rule = start(20, margin=0.0, step_margin=0.0)
        for look in Stream(looks=60, effect=(effect,)).runs(np.random.default_rng(8), tests=20):
            rule.advance(look)
        assert (rule.harm.mean(), rule.safe.mean()) == (harm, safe)


def test_figures_say_their_error() -> None:
    never = np.zeros(4, np.int64)
    found = Outcomes(np.array([3, 1, 0, 2]), never, np.full(4, 10.0))
    assert str(Rate(100, 1000)) == ".100 ± .009"
    assert str(Rate(0, 1000)) == "0 (≤ .003)"
    assert found.looks_to_rollback().value == 2
    assert found.looks_to_rollback(0.8).value == np.inf
    assert str(found.looks_to_promotion()) == "never"
