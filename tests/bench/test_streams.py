"""The streams are what the page says: means, variances, noise, ages, pods and classes."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest

from tests.bench.catalogue import BAD_NEWS_FIRST, LATE_IS_BAD
from tests.bench.groups import ClassStream, PodStream
from tests.bench.losses import CAP, MEAN, VARIANCE, Loss, cross_entropy, gamma, lognormal
from tests.bench.streams import Ages, Autoregressive, Bursts, Stream

TESTS = 400


def a_draw() -> np.random.Generator:
    return np.random.default_rng(90_417)


@pytest.mark.parametrize("loss", [cross_entropy(), gamma(), lognormal()])
def test_loss_has_the_mean_and_the_variance_of_the_page_and_stays_under_the_cap(loss: Loss) -> None:
    assert loss.probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    assert loss.moments(1.0) == pytest.approx((MEAN, VARIANCE), abs=1e-9)
    assert loss.values.max() <= CAP


def test_effect_multiplies_the_mean_by_just_as_much_even_where_losses_are_capped() -> None:
    loss = cross_entropy()
    for ratio in (0.15, 1.05, 1.5, 2.0, 3.0):
        assert loss.moments(loss.factor(ratio))[0] == pytest.approx(ratio * MEAN, rel=1e-9)


def test_sums_of_a_look_have_the_moments_of_independent_labels() -> None:
    looks = np.array([look.whole for look in Stream(looks=50, effect=(0.2,)).runs(a_draw(), TESTS)])
    n_c, s_c, q_c, n_s, s_s, q_s = looks.transpose(1, 0, 2).reshape(6, -1)
    error = 4 / math.sqrt(n_c.size)
    assert n_c.mean() == pytest.approx(200, abs=error * math.sqrt(200))
    assert n_s.mean() == pytest.approx(3800, abs=error * math.sqrt(3800))
    assert s_c.sum() / n_c.sum() == pytest.approx(1.2 * MEAN, rel=0.01)
    assert s_s.sum() / n_s.sum() == pytest.approx(MEAN, rel=0.002)
    second = VARIANCE + MEAN**2
    assert q_c.sum() / n_c.sum() == pytest.approx(1.44 * second, rel=0.02)
    assert q_s.sum() / n_s.sum() == pytest.approx(second, rel=0.005)
    # A Poisson number of labels: the variance of the sum is the expected sum of squares.
    assert s_s.var() == pytest.approx(3800 * second, rel=0.05)


def test_autoregressive_noise_is_stationary_and_fades_as_it_should() -> None:
    levels = np.log(list(islice(Autoregressive(0.7, 0.15).levels(a_draw(), 4000), 4)))
    assert levels[0].std() == pytest.approx(0.15, rel=0.05)
    assert levels[3].std() == pytest.approx(0.15, rel=0.05)
    assert np.corrcoef(levels[0, 0], levels[3, 0])[0, 1] == pytest.approx(0.7**3, abs=0.06)
    assert np.corrcoef(levels[0, 0], levels[0, 1])[0, 1] == pytest.approx(0.0, abs=0.06)


def test_shared_noise_is_the_same_in_both_arms() -> None:
    canary, stable = next(Autoregressive(0.9, 0.2, shared=True).levels(a_draw(), TESTS))
    np.testing.assert_array_equal(canary, stable)


def test_bursts_take_their_share_of_the_time_and_last_as_long_as_said() -> None:
    bursting = np.array(list(islice(Bursts(2.0, 0.03, 10.0).levels(a_draw(), 1000), 300))) == 2.0
    assert bursting.mean() == pytest.approx(0.03, rel=0.1)
    starts = np.count_nonzero(bursting[1:] & ~bursting[:-1])
    assert bursting.sum() / starts == pytest.approx(10, rel=0.15)


@pytest.mark.parametrize("ages", [LATE_IS_BAD, BAD_NEWS_FIRST])
def test_ages_do_not_change_the_mean_of_all(ages: Ages) -> None:
    assert sum(ages.shares) == pytest.approx(1.0)
    assert sum(share * level for share, level in zip(ages.shares, ages.levels, strict=True)) == pytest.approx(1.0)


def test_labels_come_late_and_none_is_lost() -> None:
    canary, stable = Stream(ages=LATE_IS_BAD).arrivals().transpose(1, 0, 2)
    np.testing.assert_allclose(canary[0], [200 * 0.5 / 5, 0, 0])
    np.testing.assert_allclose(canary[49], [100, 60, 0])
    np.testing.assert_allclose(canary[250], [100, 60, 40])
    np.testing.assert_allclose((canary + stable).sum(axis=1), 4000)


def test_share_steps_and_the_effect_begins_where_they_are_said_to() -> None:
    stream = Stream(looks=4, shares=((0, 0.05), (2, 0.5)), effect=(1.0,), effect_from=2)
    np.testing.assert_allclose(stream.arrivals()[:, 0, 0], [200, 200, 2000, 2000])
    means = [look.whole[1].sum() / look.whole[0].sum() for look in stream.runs(a_draw(), TESTS)]
    np.testing.assert_allclose(means, [MEAN, MEAN, 2 * MEAN, 2 * MEAN], rtol=0.05)


def test_pods_tell_how_they_differ_from_all() -> None:
    look = next(PodStream(sd=0.3).runs(a_draw(), TESTS))
    assert look.pods is not None
    np.testing.assert_allclose(look.pods.residual.sum(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(look.pods.df.sum(axis=0), look.whole[3] * (1 - 1 / 19), rtol=0.01)
    independent = VARIANCE * look.pods.df.sum()
    assert np.square(look.pods.residual).sum() > 2 * independent


def test_ruined_class_leaves_the_mean_of_all_as_it_is() -> None:
    looks = list(ClassStream.one_ruined(16, 2.0).runs(a_draw(), TESTS))[:50]
    labels, losses = (sum(look.by_class[row] for look in looks if look.by_class is not None) for row in (0, 1))
    means = np.asarray(losses).sum(axis=1) / np.asarray(labels).sum(axis=1)
    assert means[0] == pytest.approx(3 * MEAN, rel=0.03)
    assert np.asarray(losses).sum() / np.asarray(labels).sum() == pytest.approx(MEAN, rel=0.01)
