"""What a gate is fed: looks of a stable version and a canary, many repetitions side by side.

A stream yields one observation a look: labels, summed and summed squared losses of the canary, then of the stable
version, as `Bank.advance` takes them. Labels arrive as Poisson numbers; `losses` says how their sums are drawn. The
mean loss of a label is

    .30 x level of its age x drift x noise of its arm in this look x (1 + effect, if it is the canary's).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from lossgate.stats.arrays import Array
from lossgate.stats.bank import Pods
from tests.bench.losses import CAP, Loss, cross_entropy


class Observation(NamedTuple):
    """One look of many repetitions: all labels by age, shape (6, ages, tests); pods and classes where they are told.

    `by_class` is shaped alike, with classes in place of ages.
    """

    by_age: Array
    pods: Pods | None = None
    by_class: Array | None = None

    @property
    def whole(self) -> Array:
        """All labels, shape (6, tests)."""
        whole: Array = np.add.reduce(self.by_age, axis=1)
        return whole


class Noise(Protocol):
    """Levels of both arms, look by look."""

    def levels(self, draw: np.random.Generator, tests: int) -> Iterator[Array]:
        """Yield the factors of canary and stable version, shape (2, tests), for ever."""


@dataclass(frozen=True, slots=True)
class Steady:
    """No noise but that of the labels: they are independent."""

    def levels(self, draw: np.random.Generator, tests: int) -> Iterator[Array]:
        """Yield ones."""
        while True:
            yield np.ones((2, tests))


@dataclass(frozen=True, slots=True)
class Autoregressive:
    """The logarithm of the level is AR(1), stationary from the start, with standard deviation `sd`.

    `shared`: both arms have the same level (the traffic becomes harder for both), else each has its own.
    """

    phi: float
    sd: float
    shared: bool = False

    def levels(self, draw: np.random.Generator, tests: int) -> Iterator[Array]:
        """Yield the factors."""
        shape = (1 if self.shared else 2, tests)
        level = draw.standard_normal(shape)
        while True:
            yield np.broadcast_to(np.exp(self.sd * level), (2, tests))
            level = self.phi * level + math.sqrt(1.0 - self.phi**2) * draw.standard_normal(shape)


@dataclass(frozen=True, slots=True)
class Bursts:
    """Each arm for itself is `factor` times as bad for a share of the time, in bursts of geometric length."""

    factor: float
    share_of_time: float
    mean_looks: float

    def levels(self, draw: np.random.Generator, tests: int) -> Iterator[Array]:
        """Yield the factors: a two-state Markov chain, stationary from the start."""
        leave = 1.0 / self.mean_looks
        enter = leave * self.share_of_time / (1.0 - self.share_of_time)
        bursting = draw.random((2, tests)) < self.share_of_time
        while True:
            yield np.where(bursting, self.factor, 1.0)
            bursting = draw.random((2, tests)) < np.where(bursting, 1.0 - leave, enter)


@dataclass(frozen=True, slots=True)
class Ages:
    """Label ages, youngest first.

    Attributes:
        shares: Share of all predictions whose label comes at this age.
        levels: Mean loss of these labels as a multiple of the mean of all.
        delays: Looks from the prediction to the label, first and last; every delay between is as frequent.
    """

    shares: tuple[float, ...] = (1.0,)
    levels: tuple[float, ...] = (1.0,)
    delays: tuple[tuple[int, int], ...] = ((0, 0),)


@dataclass(frozen=True, slots=True)
class Stream:
    """A run of a canary beside a stable version.

    Attributes:
        looks: Length of the run.
        rate: Predictions a look in both arms together; each gets a label, later or sooner.
        shares: First look and canary's share of the predictions from then on. Before the first look it is 0, so that
            the canary's labels are young at first and those of the stable version of all ages.
        effect: How much the canary's mean loss is above the stable version's; one number for all ages or one for each.
        effect_from: Look from which on it is.
        loss: Distribution of one label's loss.
        ages: Ages of the labels.
        noise: Noise of the arms.
        drift: Relative change of both arms' losses from the first look to the last, linear.
    """

    looks: int = 500
    rate: float = 4000.0
    shares: tuple[tuple[int, float], ...] = ((0, 0.05),)
    effect: tuple[float, ...] = (0.0,)
    effect_from: int = 0
    loss: Loss = field(default_factory=cross_entropy)
    ages: Ages = Ages()
    noise: Noise = Steady()
    drift: float = 0.0

    @property
    def strata(self) -> int:
        """Number of label ages."""
        return len(self.ages.shares)

    @property
    def pods(self) -> int:
        """Number of stable pods that are told apart."""
        return 0

    def runs(self, draw: np.random.Generator, tests: int) -> Iterator[Observation]:
        """Yield the looks of `tests` repetitions."""
        arrivals, equal, apart = self.arrivals(), self._levels((0.0,)), self._levels(self.effect)
        for look, noise in zip(range(self.looks), self.noise.levels(draw, tests), strict=False):
            drift = 1.0 + self.drift * (look + 0.5) / self.looks
            levels = apart if look >= self.effect_from else equal
            yield Observation(sums(draw, self.loss, arrivals[look], levels[..., None] * drift * noise[:, None]))

    def arrivals(self) -> Array:
        """Return the labels expected of canary and stable version, shape (looks, 2, strata)."""
        history = np.zeros(self.looks)
        for first_look, share in self.shares:
            history[first_look:] = share
        canary = np.empty((self.looks, self.strata))
        for stratum, (first, last) in enumerate(self.ages.delays):
            before = np.concatenate([np.zeros(last), history])
            delayed = np.lib.stride_tricks.sliding_window_view(before, last - first + 1)
            canary[:, stratum] = delayed[: self.looks].mean(axis=1)
        expected: Array = self.rate * np.stack([canary, 1.0 - canary], axis=1) * np.array(self.ages.shares)
        return expected

    def _levels(self, effect: tuple[float, ...]) -> Array:
        """Return the factors of canary and stable version by age, shape (2, strata), at no noise and no drift."""
        effects = effect * self.strata if len(effect) == 1 else effect
        ages = list(zip(self.ages.levels, effects, strict=True))
        return np.array(
            [[self.loss.factor(level * (1.0 + e)) for level, e in ages], [self.loss.factor(level) for level, _ in ages]]
        )


def sums(draw: np.random.Generator, loss: Loss, expected: Array, factors: Array) -> Array:
    """Draw labels, sums and sums of squares of one look, shape (3 x arms, strata, tests).

    Args:
        draw: Source of randomness.
        loss: Distribution of a loss.
        expected: Expected labels, shape (arms, strata).
        factors: What every loss is multiplied by before it is capped, shape (arms, strata, tests).
    """
    moments = np.zeros((factors.shape[0], 3, *factors.shape[1:]))
    for value, probability in zip(loss.values, loss.probabilities, strict=True):
        labels = draw.poisson(np.broadcast_to((expected * probability)[..., None], factors.shape))
        losses = np.minimum(value * factors, CAP)
        total = labels * losses
        moments[:, 0] += labels
        moments[:, 1] += total
        moments[:, 2] += total * losses
    return moments.reshape(-1, *factors.shape[1:])
