"""Evidence as sufficient statistics: what one version's losses added up to within one look."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Increment:
    """One version, one look: `n` labels whose losses add up to `total` and whose squared losses to `squares`.

    Fractions of labels are allowed, since counters may be extrapolated. `squares` is 0 where it is not known.

    Raises:
        ValueError: A number is negative or not finite.
    """

    n: float
    total: float
    squares: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.n) and math.isfinite(self.total) and math.isfinite(self.squares)):
            raise ValueError(f"{self}: every number must be finite; what is not known must not become evidence")
        if self.n < 0 or self.total < 0 or self.squares < 0:
            raise ValueError(f"{self}: no number can be negative; counters that went back are no evidence")

    @classmethod
    def of_histogram(
        cls, counts: Sequence[float], upper_bounds: Sequence[float], total: float, clip: float
    ) -> Increment:
        """Return the labels of a histogram of losses, with the squares estimated from the middles of its buckets.

        Losses are skewed and lie low in their bucket, so the variance comes out too large, never too small: by 10 to
        30 % with Prometheus' default buckets or bounds that double.

        Args:
            counts: Labels in each bucket, not cumulated; the last one is beyond all bounds.
            upper_bounds: Upper bounds of all buckets but the last, rising, above 0.
            total: Sum of the losses, which no bucket tells.
            clip: Largest loss of one label: upper bound of the last bucket.

        Raises:
            ValueError: There is not one bound for each bucket but the last, or they do not rise.
        """
        bounds = [0.0, *upper_bounds, max(clip, *upper_bounds)]
        if len(counts) != len(bounds) - 1 or any(low >= high for low, high in pairwise(bounds[:-1])):
            raise ValueError(
                f"{len(counts)} buckets with upper bounds {list(upper_bounds)}: bounds must rise from above 0, "
                "one for each bucket but the last"
            )
        squares = sum(n * (0.5 * (low + high)) ** 2 for n, (low, high) in zip(counts, pairwise(bounds), strict=True))
        return cls(sum(counts), total, squares)


class Cell(NamedTuple):
    """What a row of evidence is labelled with; empty where it was not told."""

    age: str = ""
    label_class: str = ""
    pod: str = ""


class PodIncrement(NamedTuple):
    """How one stable pod differs from all stable pods in a look, at equal label age.

    `residual` is its loss beyond the mean of all, summed over its labels; `df` the labels that this is worth:
    sum of n_pb (1 - n_pb / n_b) over the ages b.
    """

    residual: float
    df: float


@dataclass(frozen=True, slots=True)
class Arm:
    """One version's evidence in one look, as totals by label age, by class and by pod.

    Attributes:
        ages: By label age; the key is empty if ages are not told.
        classes: By true class, over all ages; only the listed classes are tested.
        pods: By pod. Of the canary only the number of pods counts.
    """

    ages: Mapping[str, Increment]
    classes: Mapping[str, Increment] = field(default_factory=dict)
    pods: Mapping[str, PodIncrement] = field(default_factory=dict)

    @classmethod
    def of(cls, increment: Increment) -> Arm:
        """Return the evidence of a version whose labels tell neither age nor class nor pod."""
        return cls({"": increment})

    @classmethod
    def from_cells(cls, cells: Iterable[tuple[Cell, Increment]]) -> Arm:
        """Return the totals of labelled rows; their order does not matter, to the last bit."""
        rows = list(cells)
        ages = _sums((cell.age, row) for cell, row in rows)
        classes = _sums((cell.label_class, row) for cell, row in rows if cell.label_class)
        by_pod_and_age = _sums(((cell.pod, cell.age), row) for cell, row in rows if cell.pod)
        return cls(ages, classes, _compare_pods(by_pod_and_age))

    @property
    def total(self) -> Increment:
        """All labels together."""
        rows = list(self.ages.values())
        return rows[0] if len(rows) == 1 else _sum(rows)


class Look(NamedTuple):
    """Both versions over the same stretch of time, which ends at `end` (Unix seconds): the key of the look."""

    end: float
    stable: Arm
    canary: Arm


@dataclass(frozen=True, slots=True)
class Baseline:
    """The stable version's loss before the step, frozen: mean and variance of one label's loss, from `labels` labels.

    A class of its own history is in `classes`; one without uses the whole's.

    Raises:
        ValueError: Mean or variance is not positive and finite.
    """

    mean: float
    variance: float
    labels: float
    classes: Mapping[str, Baseline] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in (("mean", self.mean), ("variance", self.variance)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"baseline {name} is {value}: it must be positive and finite")

    def of_class(self, name: str) -> Baseline:
        """Return what a class is compared on."""
        return self.classes.get(name, self)


def _sums(rows: Iterable[tuple[Key, Increment]]) -> dict[Key, Increment]:
    groups: dict[Key, list[Increment]] = {}
    for key, row in rows:
        groups.setdefault(key, []).append(row)
    return {key: group[0] if len(group) == 1 else _sum(group) for key, group in groups.items()}


def _sum(rows: list[Increment]) -> Increment:
    return Increment(
        math.fsum(row.n for row in rows), math.fsum(row.total for row in rows), math.fsum(row.squares for row in rows)
    )


def _compare_pods(cells: Mapping[tuple[str, str], Increment]) -> dict[str, PodIncrement]:
    ages = _sums((age, row) for (_, age), row in cells.items())
    residuals: dict[str, list[float]] = {}
    dfs: dict[str, list[float]] = {}
    for (pod, age), row in cells.items():
        if row.n > 0:
            everyone = ages[age]
            residuals.setdefault(pod, []).append(row.total - row.n * everyone.total / everyone.n)
            dfs.setdefault(pod, []).append(row.n * (1.0 - row.n / everyone.n))
    return {pod: PodIncrement(math.fsum(residuals[pod]), math.fsum(dfs[pod])) for pod in residuals}
