"""Seeded random streams of labelled rows that visit every corner: empty cells, single labels, pods that come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossgate.stats import Cell, Increment
from tests.stats.reference_cells import CellLook


@dataclass(frozen=True)
class Arm:
    pods: int
    labels_per_cell: float
    """Mean labels of one pod and age, over all classes, in one look."""
    effect: float = 1.0
    empty_cells: float = 0.0
    """Chance that a pod has no row of an age in a look."""
    empty_looks: float = 0.0
    """Chance that the arm has no labels at all in a look."""


@dataclass(frozen=True)
class Stream:
    """What a stream is drawn from.

    Attributes:
        ages: How many; 0 if labels tell none.
        pods_told: Whether labels tell their pod.
        pod_sd: Relative standard deviation of what lasts of a pod.
        replaced: Chance that a pod is another one, under a new name, in the next look.
        harmful_class: A class whose loss is three times as high in the canary.
        slow: Relative standard deviation of an autocorrelated level of each arm.
        spread: Variance of one label's loss.
        whole_labels: Whether labels are whole; extrapolated counters make fractions of them.
    """

    seed: int
    looks: int
    stable: Arm
    canary: Arm
    ages: int = 0
    classes: Sequence[str] = ()
    pods_told: bool = False
    pod_sd: float = 0.0
    replaced: float = 0.0
    harmful_class: str = ""
    slow: float = 0.03
    spread: float = 0.7
    whole_labels: bool = True

    def draw(self) -> list[CellLook]:
        return _Drawing(self).looks()


class _Drawing:
    def __init__(self, stream: Stream) -> None:
        self.stream, self.random = stream, np.random.default_rng(stream.seed)
        self.born = 0
        self.pods = {"stable": self._pods(stream.stable), "canary": self._pods(stream.canary)}
        self.levels = {"stable": 0.0, "canary": 0.0}
        self.common = 0.3

    def _new_pod(self) -> tuple[str, float]:
        self.born += 1
        return f"pod-{self.born}", float(np.exp(self.stream.pod_sd * self.random.standard_normal()))

    def _pods(self, arm: Arm) -> list[tuple[str, float]]:
        return [self._new_pod() for _ in range(arm.pods)]

    def looks(self) -> list[CellLook]:
        found = []
        for k in range(self.stream.looks):
            self.common = min(max(self.common * float(np.exp(0.05 * self.random.standard_normal())), 0.1), 0.9)
            arms = {
                name: self._arm(name, arm)
                for name, arm in (("stable", self.stream.stable), ("canary", self.stream.canary))
            }
            found.append(CellLook(float(k + 1), arms["stable"], arms["canary"]))
        return found

    def _arm(self, name: str, arm: Arm) -> list[tuple[Cell, Increment]]:
        stream, random = self.stream, self.random
        self.levels[name] = 0.8 * self.levels[name] + 0.6 * stream.slow * float(random.standard_normal())
        self.pods[name] = [self._new_pod() if random.random() < stream.replaced else pod for pod in self.pods[name]]
        if random.random() < arm.empty_looks:
            return [] if random.random() < 0.5 else [(Cell(age=self._ages()[0]), Increment(0, 0, 0))]
        cells = []
        for pod, quality in self.pods[name]:
            for number, age in enumerate(self._ages()):
                if random.random() < arm.empty_cells:
                    continue
                mean = self.common * (1 + 0.4 * number) * quality * (1 + self.levels[name]) * arm.effect
                # The later the label, the fewer of them.
                labels = arm.labels_per_cell / (1 + 2 * number)
                cells += self._cells(name, pod if stream.pods_told else "", age, labels, mean)
        order = random.permutation(len(cells))
        return [cells[i] for i in order]

    def _ages(self) -> list[str]:
        return [f"age-{number}" for number in range(self.stream.ages)] or [""]

    def _cells(self, name: str, pod: str, age: str, labels: float, mean: float) -> list[tuple[Cell, Increment]]:
        classes = list(self.stream.classes) or [""]
        found = []
        for number, label in enumerate(classes):
            factor = 3.0 if name == "canary" and label and label == self.stream.harmful_class else 1.0
            # The first class is the most frequent one.
            part = labels * (len(classes) - number) / (len(classes) * (len(classes) + 1) / 2)
            found.append((Cell(age, label, pod), self._increment(part, mean * factor)))
        return found

    def _increment(self, labels: float, mean: float) -> Increment:
        n = float(self.random.poisson(labels))
        if not self.stream.whole_labels:
            n *= 1.0625
        if n == 0:
            return Increment(0, 0, 0)
        sd = float(np.sqrt(self.stream.spread))
        total = max(n * mean + sd * np.sqrt(n) * float(self.random.standard_normal()), 0.01 * n)
        within = self.stream.spread * max(n - 1, 0) * float(self.random.uniform(0.6, 1.4))
        return Increment(n, float(total), float(total**2 / n + within))
