"""Streams whose labels tell more than their age: which pod served the prediction, or which class is true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lossgate.stats.arrays import Array
from lossgate.stats.bank import Pods
from tests.bench.losses import cross_entropy
from tests.bench.streams import Observation, sums


@dataclass(frozen=True, slots=True)
class PodStream:
    """Pods that differ: each has a log-normal level of its own for the whole run, as on a worse host.

    Attributes:
        looks: Length of the run.
        rate: Labels a look in both arms together, spread evenly over all pods.
        stable_pods: Pods of the stable version.
        canary_pods: Pods of the canary; the shares of the traffic are as the numbers of pods.
        sd: Standard deviation of the logarithm of a pod's level.
        effect: How much the canary's mean loss is above the stable version's.
    """

    looks: int = 500
    rate: float = 4000.0
    stable_pods: int = 19
    canary_pods: int = 1
    sd: float = 0.05
    effect: float = 0.0

    @property
    def strata(self) -> int:
        """Number of label ages."""
        return 1

    @property
    def pods(self) -> int:
        """Number of stable pods that are told apart."""
        return self.stable_pods

    def runs(self, draw: np.random.Generator, tests: int) -> Iterator[Observation]:
        """Yield the looks of `tests` repetitions."""
        pods = self.canary_pods + self.stable_pods
        levels = np.exp(self.sd * draw.standard_normal((1, pods, tests)))
        levels[:, : self.canary_pods] *= 1.0 + self.effect
        expected = np.full((1, pods), self.rate / pods)
        counts = np.full(tests, float(self.stable_pods)), np.full(tests, float(self.canary_pods))
        for _ in range(self.looks):
            by_pod = sums(draw, cross_entropy(), expected, levels)
            canary, stable = by_pod[:, : self.canary_pods], by_pod[:, self.canary_pods :]
            n, total, _ = whole = stable.sum(axis=1)
            residual = stable[1] - stable[0] * (total / n)
            df = stable[0] * (1.0 - stable[0] / n)
            yield Observation(np.concatenate([canary.sum(axis=1), whole])[:, None], Pods(residual, df, *counts))


@dataclass(frozen=True, slots=True)
class ClassStream:
    """Equally frequent true classes with equal losses, but for the canary's effect on each.

    Attributes:
        looks: Length of the run.
        rate: Labels a look in both arms together.
        share: The canary's share.
        effects: How much the canary's mean loss is above the stable version's, class by class.
    """

    effects: tuple[float, ...]
    looks: int = 500
    rate: float = 4000.0
    share: float = 0.05

    @classmethod
    def one_ruined(cls, classes: int, effect: float) -> ClassStream:
        """Return a canary that is worse in the first class and better in the others, at equal mean loss."""
        return cls((effect, *[-effect / (classes - 1)] * (classes - 1)))

    @property
    def strata(self) -> int:
        """Number of label ages."""
        return 1

    @property
    def pods(self) -> int:
        """Number of stable pods that are told apart."""
        return 0

    def runs(self, draw: np.random.Generator, tests: int) -> Iterator[Observation]:
        """Yield the looks of `tests` repetitions."""
        loss, classes = cross_entropy(), len(self.effects)
        canary = np.array([loss.factor(1.0 + effect) for effect in self.effects])
        levels = np.broadcast_to(np.stack([canary, np.ones(classes)])[..., None], (2, classes, tests))
        expected = self.rate / classes * np.array([[self.share] * classes, [1.0 - self.share] * classes])
        for _ in range(self.looks):
            by_class: Array = sums(draw, loss, expected, levels)
            yield Observation(by_class.sum(axis=1, keepdims=True), by_class=by_class)


def per_class(observation: Observation) -> Array:
    """Return the whole and then every class of an observation, shape (6, 1 + classes, tests).

    Raises:
        ValueError: The stream tells no classes.
    """
    if observation.by_class is None:
        raise ValueError("this stream tells no classes: test only the whole on it")
    return np.concatenate([observation.by_age.sum(axis=1, keepdims=True), observation.by_class], axis=1)
