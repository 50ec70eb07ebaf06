"""Joins predictions with the labels that arrive for them later, in memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from lossgate.instrument.loss import cross_entropy
from lossgate.instrument.metrics import LossMetrics

_OUTCOMES = "model_label_join"
_OUTCOMES_HELP = "What became of predictions and labels that were to be joined."

_Item = TypeVar("_Item")


class Outcome(StrEnum):
    """What became of a prediction or a label; the metric label `outcome` of `model_label_join_total`."""

    JOINED = "joined"
    DUPLICATE = "duplicate"
    UNMATCHED_PREDICTION = "unmatched_prediction"
    UNMATCHED_LABEL = "unmatched_label"
    EVICTED = "evicted"
    INVALID_LABEL = "invalid_label"


@dataclass(frozen=True, slots=True)
class Joined:
    """A prediction with its label: what a loss is computed from."""

    revision: str
    logits: Sequence[float]
    label: int


@dataclass(frozen=True, slots=True)
class _Prediction:
    logits: Sequence[float]
    revision: str


class _Waiting(Generic[_Item]):
    """Items by id in order of arrival, bounded in number and age."""

    def __init__(self, capacity: int, ttl_seconds: float) -> None:
        self._capacity = capacity
        self._ttl_seconds = ttl_seconds
        self._items: OrderedDict[str, tuple[float, _Item]] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._items

    def put(self, key: str, item: _Item, now: float) -> int:
        """Keep the item and return how many older ones had to go for it."""
        self._items[key] = (now, item)
        if len(self._items) <= self._capacity:
            return 0
        self._items.popitem(last=False)
        return 1

    def take(self, key: str) -> _Item | None:
        """Remove and return the item, or None if there is none."""
        entry = self._items.pop(key, None)
        return None if entry is None else entry[1]

    def expire(self, now: float) -> int:
        """Drop what is as old as the time to live and return how many that were."""
        dropped = 0
        while self._items and now - next(iter(self._items.values()))[0] >= self._ttl_seconds:
            self._items.popitem(last=False)
            dropped += 1
        return dropped


class LabelJoiner(Collector):
    """Pairs every prediction with the first label of its id, in whichever order they arrive, and counts the rest.

    A second prediction or label of an id changes nothing within the time to live, so batches may be sent again after
    an error. Memory is bounded: when full, the oldest entry goes. Safe to use from several threads. As a Prometheus
    collector it exports `model_label_join_total` by outcome; register it where the loss is registered.
    """

    def __init__(
        self,
        *,
        capacity: int = 100_000,
        ttl_seconds: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Create an empty joiner.

        Args:
            capacity: How many predictions may wait for a label; likewise labels for a prediction, and ids remembered
                as joined.
            ttl_seconds: How long each of them is kept.
            clock: Seconds that never go backwards.

        Raises:
            ValueError: Capacity is below 1 or the time to live is not positive.
        """
        if capacity < 1 or not ttl_seconds > 0:
            raise ValueError(
                f"capacity {capacity} and ttl_seconds {ttl_seconds}: give at least 1 entry and a time above 0"
            )
        self._clock = clock
        self._lock = threading.Lock()
        self._predictions = _Waiting[_Prediction](capacity, ttl_seconds)
        self._labels = _Waiting[int](capacity, ttl_seconds)
        self._joined = _Waiting[None](capacity, ttl_seconds)
        self._counts = dict.fromkeys(Outcome, 0)

    def record(self, prediction_id: str, logits: Sequence[float], revision: str) -> Joined | None:
        """Take note of a prediction and return the pair if its label is already here, else None."""
        with self._lock:
            now = self._advance()
            if prediction_id in self._joined or prediction_id in self._predictions:
                self._counts[Outcome.DUPLICATE] += 1
                return None
            prediction = _Prediction(logits, revision)
            label = self._labels.take(prediction_id)
            if label is not None:
                return self._pair(prediction_id, prediction, label, now)
            self._counts[Outcome.EVICTED] += self._predictions.put(prediction_id, prediction, now)
            return None

    def label(self, prediction_id: str, label: int) -> Joined | None:
        """Take note of a label and return the pair if its prediction is already here, else None."""
        with self._lock:
            now = self._advance()
            if prediction_id in self._joined or prediction_id in self._labels:
                self._counts[Outcome.DUPLICATE] += 1
                return None
            prediction = self._predictions.take(prediction_id)
            if prediction is not None:
                return self._pair(prediction_id, prediction, label, now)
            self._counts[Outcome.EVICTED] += self._labels.put(prediction_id, label, now)
            return None

    def counts(self) -> Mapping[Outcome, int]:
        """Return how often each outcome has happened by now."""
        with self._lock:
            self._advance()
            return dict(self._counts)

    def collect(self) -> Iterable[Metric]:
        """Return `model_label_join_total` by outcome."""
        family = CounterMetricFamily(_OUTCOMES, _OUTCOMES_HELP, labels=["outcome"])
        for outcome, count in self.counts().items():
            family.add_metric([outcome], count)
        return [family]

    def _advance(self) -> float:
        """Expire what is due and return the time."""
        now = self._clock()
        self._counts[Outcome.UNMATCHED_PREDICTION] += self._predictions.expire(now)
        self._counts[Outcome.UNMATCHED_LABEL] += self._labels.expire(now)
        self._joined.expire(now)
        return now

    def _pair(self, prediction_id: str, prediction: _Prediction, label: int, now: float) -> Joined | None:
        """Close the id and return the pair, or None where the label is no class of the prediction."""
        self._joined.put(prediction_id, None, now)
        if not 0 <= label < len(prediction.logits):
            self._counts[Outcome.INVALID_LABEL] += 1
            return None
        self._counts[Outcome.JOINED] += 1
        return Joined(prediction.revision, prediction.logits, label)


def observe_joined(metrics: LossMetrics, pairs: Iterable[Joined]) -> None:
    """Add the loss of every pair to its revision's counters, one batch for each revision and number of classes."""
    batches: dict[tuple[str, int], list[Joined]] = {}
    for pair in pairs:
        batches.setdefault((pair.revision, len(pair.logits)), []).append(pair)
    for (revision, _), batch in batches.items():
        metrics.observe(cross_entropy([pair.logits for pair in batch], [pair.label for pair in batch]), revision)
