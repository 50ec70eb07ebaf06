"""What the controller asks a source of loss, and what it can be told: numbers, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lossgate.api.reasons import Reason
from lossgate.measure.access import Access

MAX_LOOKS = 300
"""Grid points in one request; more are asked for in portions, oldest first."""

MAX_REVISIONS = 50
"""Revisions in one request, so that the text of a query stays within what proxies let through."""


@dataclass(frozen=True, slots=True)
class SeriesNames:
    """Names of the five counters that a model server exports."""

    count: str
    sum: str
    sum_of_squares: str
    non_finite: str
    predictions: str


@dataclass(frozen=True, slots=True)
class Target:
    """One version of one rollout: its namespace, its revision and the rollout's own matchers, all exact."""

    namespace: str
    revision: str
    matchers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the series are and which labels tell versions apart; requests of one scope can share a query."""

    access: Access
    series: SeriesNames
    revision_label: str
    namespace_label: str = "namespace"


@dataclass(frozen=True, slots=True)
class LookRequest:
    """Asks for the looks that end at `first_end`, `first_end + interval_seconds`, ... `last_end` (Unix seconds).

    Raises:
        ValueError: The ends are off the grid of whole multiples of the interval, reversed, or more than `MAX_LOOKS`.
    """

    scope: Scope
    interval_seconds: int
    first_end: int
    last_end: int
    targets: tuple[Target, ...]

    def __post_init__(self) -> None:
        if self.interval_seconds < 1:
            raise ValueError(f"interval_seconds is {self.interval_seconds}: give whole seconds, at least 1")
        if self.first_end % self.interval_seconds or self.last_end % self.interval_seconds:
            raise ValueError(
                f"looks end on multiples of {self.interval_seconds} s, not {self.first_end}, {self.last_end}"
            )
        if not 1 <= len(self.ends) <= MAX_LOOKS:
            raise ValueError(f"{len(self.ends)} looks asked for: ask for 1 to {MAX_LOOKS} at once, oldest first")

    @property
    def ends(self) -> range:
        """The end of each look, oldest first."""
        return range(self.first_end, self.last_end + 1, self.interval_seconds)


@dataclass(frozen=True, slots=True)
class ArmLook:
    """What the counters of one version rose by within the look that ends at `end`, all from the same series.

    `n` labels have losses that add up to `total` and, squared, to `squares`. `non_finite` and `predictions` are None
    where no series tells them. `stood` and `stands` are the counts of labels where the look began and ended.
    """

    end: int
    n: float
    total: float
    squares: float
    non_finite: float | None
    predictions: float | None
    stood: float | None = field(default=None, compare=False)
    stands: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Missing:
    """No loss series of that version at that look: neither zero nor a failure.

    `predictions` within the look (per second, for a baseline; None where no series tells) tells versions that got no
    requests from versions whose labels have not arrived.
    """

    end: int
    predictions: float | None
    message: str


@dataclass(frozen=True, slots=True)
class NonFiniteSum:
    """`n` labels arrived within the look and the sum of the losses, or of their squares, is NaN or infinite."""

    end: int
    n: float
    message: str


@dataclass(frozen=True, slots=True)
class Flaw:
    """There are series, and their numbers must not be used for that look."""

    end: int
    reason: Reason
    message: str


ArmReading = ArmLook | Missing | NonFiniteSum | Flaw


@dataclass(frozen=True, slots=True)
class LookAnswer:
    """For every target of the request one reading per look, oldest first, without gaps."""

    arms: Mapping[Target, tuple[ArmReading, ...]]


@dataclass(frozen=True, slots=True)
class BaselineRequest:
    """Asks for one version's loss history up to `at` (Unix seconds) and how fast labels arrive at it now."""

    scope: Scope
    at: int
    target: Target


@dataclass(frozen=True, slots=True)
class Baseline:
    """Labels, their losses and squared losses over the history; rates of now, None where no series shows one."""

    n: float
    total: float
    squares: float
    labels_per_second: float | None
    predictions_per_second: float | None


BaselineAnswer = Baseline | Missing | NonFiniteSum | Flaw


class MetricSource(Protocol):
    """A place where losses are kept. Whatever cannot be trusted is raised as a `MeasurementError`."""

    async def looks(self, request: LookRequest) -> LookAnswer:
        """Return what the counters of every target rose by within each look."""

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        """Return the loss history of a version."""

    async def close(self) -> None:
        """Release connections and threads."""


@dataclass(frozen=True, slots=True)
class InstantRequest:
    """Asks for the one number that a query has at `at` (Unix seconds)."""

    access: Access
    query: str
    at: int


@dataclass(frozen=True, slots=True)
class Number:
    """The one finite number that the query has."""

    value: float


@dataclass(frozen=True, slots=True)
class NoNumber:
    """The query was answered, and there is nothing: no series, NaN or infinity. Neither zero nor a failure."""

    message: str


InstantAnswer = Number | NoNumber


class InstantSource(Protocol):
    """A place where single numbers can be asked for, apart from the looks."""

    async def instant(self, request: InstantRequest) -> InstantAnswer:
        """Return the number that a query has at a moment; what cannot be trusted is raised as a `MeasurementError`."""

    async def close(self) -> None:
        """Release connections and threads."""
