"""The counters that lossgate reads, as Prometheus metrics."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Metric
from prometheus_client.core import CounterMetricFamily, SummaryMetricFamily
from prometheus_client.registry import Collector

from lossgate.instrument.loss import Losses

_LOSS = "model_loss"
_LOSS_HELP = "Cross-entropy loss per label in nats, clipped."
_SQUARES = "model_loss_squared_sum"
_SQUARES_HELP = "Sum of squared losses (nats squared), of the same labels as model_loss."
_NON_FINITE = "model_loss_nonfinite"
_NON_FINITE_HELP = "Labels whose loss was NaN or infinite; they entered model_loss at the clip."
_PREDICTIONS = "model_predictions"
_PREDICTIONS_HELP = "Predictions served."


@dataclass(frozen=True, slots=True)
class _Totals:
    """Sums over every label seen; replaced as a whole, so that a reader never sees half a batch."""

    labels: int = 0
    loss: float = 0.0
    squares: float = 0.0
    non_finite: int = 0


class LossMetrics(Collector):
    """Exports loss count, sum, sum of squares and non-finite count such that one scrape never splits a batch.

    Series: `model_loss_count`, `model_loss_sum`, `model_loss_squared_sum_total`, `model_loss_nonfinite_total`. They
    exist at 0 before the first label: without a revision label from the start, with one from the revision's first
    mention. A counter born later than its first increment would hide that increment from Prometheus.
    """

    def __init__(self, registry: CollectorRegistry | None = REGISTRY, *, revision_label: bool = False) -> None:
        """Create the counters and register them.

        Args:
            registry: Where they are registered; None leaves that to the caller.
            revision_label: Label the series by `revision`. For a process that measures several revisions (a label
                joiner); a model server leaves it off, its pod's label reaches Prometheus by relabelling.
        """
        self._lock = threading.Lock()
        self._label_names = ["revision"] if revision_label else []
        self._totals: dict[str | None, _Totals] = {} if revision_label else {None: _Totals()}
        if registry is not None:
            registry.register(self)

    def declare(self, revision: str) -> None:
        """Make the revision's series exist, at 0 unless it was seen before.

        Raises:
            ValueError: These metrics carry no revision label, or the revision is empty.
        """
        with self._lock:
            self._totals.setdefault(self._key(revision), _Totals())

    def observe(self, losses: Losses, revision: str | None = None) -> None:
        """Add a batch of losses, all of it visible to the next scrape or none.

        Raises:
            ValueError: A revision is given without `revision_label`, or missing with it.
        """
        key = self._key(revision)
        values = losses.values
        labels, loss, squares = len(values), float(values.sum()), float(values @ values)
        non_finite = int(losses.non_finite.sum())
        with self._lock:
            old = self._totals.get(key, _Totals())
            self._totals[key] = _Totals(
                old.labels + labels, old.loss + loss, old.squares + squares, old.non_finite + non_finite
            )

    def collect(self) -> Iterable[Metric]:
        """Return every series of one moment."""
        with self._lock:
            snapshot = dict(self._totals)
        loss = SummaryMetricFamily(_LOSS, _LOSS_HELP, labels=self._label_names)
        squares = CounterMetricFamily(_SQUARES, _SQUARES_HELP, labels=self._label_names)
        non_finite = CounterMetricFamily(_NON_FINITE, _NON_FINITE_HELP, labels=self._label_names)
        for revision, totals in snapshot.items():
            values = [] if revision is None else [revision]
            loss.add_metric(values, count_value=totals.labels, sum_value=totals.loss)
            squares.add_metric(values, totals.squares)
            non_finite.add_metric(values, totals.non_finite)
        return [loss, squares, non_finite]

    def _key(self, revision: str | None) -> str | None:
        """Return the revision if it fits how these metrics are labelled, else raise ValueError."""
        if revision is not None and not self._label_names:
            raise ValueError(f"revision {revision!r} given, but these metrics carry none: use revision_label=True")
        if self._label_names and not revision:
            raise ValueError("revision missing: metrics made with revision_label=True need it with every batch")
        return revision


class PredictionMetrics:
    """Exports `model_predictions_total`, at 0 from the start.

    It belongs in the process that serves: counted again where labels are joined, every prediction would count twice.
    """

    def __init__(self, registry: CollectorRegistry | None = REGISTRY) -> None:
        """Create the counter and register it; with None that is left to the caller."""
        self._served = Counter(_PREDICTIONS, _PREDICTIONS_HELP, registry=registry)

    def served(self, predictions: int = 1) -> None:
        """Count predictions that were answered."""
        self._served.inc(predictions)
