"""Predictions and labels meet in any order, once, within time and memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from lossgate.instrument import Joined, LabelJoiner, LossMetrics, Outcome, observe_joined

LOGITS = [0.0, 0.0]


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_joiner(clock: Clock | None = None, *, capacity: int = 100, ttl_seconds: float = 60.0) -> LabelJoiner:
    return LabelJoiner(capacity=capacity, ttl_seconds=ttl_seconds, clock=clock or Clock())


def happened(joiner: LabelJoiner) -> dict[Outcome, int]:
    return {outcome: count for outcome, count in joiner.counts().items() if count}


def test_a_label_after_its_prediction_is_joined_at_once() -> None:
    joiner = a_joiner()
    assert joiner.record("a", [1.0, 2.0], "digits-1") is None
    assert joiner.label("a", 1) == Joined("digits-1", [1.0, 2.0], 1)
    assert happened(joiner) == {Outcome.JOINED: 1}


def test_a_label_before_its_prediction_is_kept_and_joined_later() -> None:
    joiner = a_joiner()
    assert joiner.label("a", 1) is None
    assert joiner.record("a", [1.0, 2.0], "digits-1") == Joined("digits-1", [1.0, 2.0], 1)
    assert happened(joiner) == {Outcome.JOINED: 1}


@given(st.permutations([("record", i) for i in range(6)] + [("label", i) for i in range(6)]))
def test_any_order_joins_every_pair_once(calls: list[tuple[str, int]]) -> None:
    joiner = a_joiner()
    pairs = [
        joiner.record(str(i), [float(i), 0.0], f"digits-{i}") if call == "record" else joiner.label(str(i), i % 2)
        for call, i in calls
    ]
    joined = sorted((pair for pair in pairs if pair is not None), key=lambda pair: pair.revision)
    assert joined == [Joined(f"digits-{i}", [float(i), 0.0], i % 2) for i in range(6)]


def test_the_first_of_two_predictions_or_labels_counts() -> None:
    joiner = a_joiner()
    joiner.record("a", [1.0, 2.0], "digits-1")
    assert joiner.record("a", [9.0, 9.0], "digits-2") is None
    assert joiner.label("a", 0) == Joined("digits-1", [1.0, 2.0], 0)
    joiner.label("b", 0)
    joiner.label("b", 1)
    assert joiner.record("b", LOGITS, "digits-1") == Joined("digits-1", LOGITS, 0)
    assert happened(joiner) == {Outcome.JOINED: 2, Outcome.DUPLICATE: 2}


def test_a_batch_sent_again_after_its_join_changes_nothing() -> None:
    joiner = a_joiner()
    joiner.record("a", LOGITS, "digits-1")
    joiner.label("a", 0)
    assert joiner.record("a", LOGITS, "digits-1") is None
    assert joiner.label("a", 0) is None
    assert happened(joiner) == {Outcome.JOINED: 1, Outcome.DUPLICATE: 2}


def test_what_finds_no_partner_in_time_is_dropped_and_counted() -> None:
    clock = Clock()
    joiner = a_joiner(clock, ttl_seconds=60)
    joiner.record("a", LOGITS, "digits-1")
    joiner.label("b", 0)
    clock.now += 59.9
    assert happened(joiner) == {}
    clock.now += 0.1
    assert happened(joiner) == {Outcome.UNMATCHED_PREDICTION: 1, Outcome.UNMATCHED_LABEL: 1}
    assert joiner.label("a", 0) is None
    assert joiner.record("b", LOGITS, "digits-1") is None


def test_a_partner_within_the_time_to_live_is_in_time() -> None:
    clock = Clock()
    joiner = a_joiner(clock, ttl_seconds=60)
    joiner.record("a", LOGITS, "digits-1")
    clock.now += 59.9
    assert joiner.label("a", 0) is not None


def test_the_oldest_goes_when_memory_is_full() -> None:
    joiner = a_joiner(capacity=2)
    for prediction_id in "abc":
        joiner.record(prediction_id, LOGITS, "digits-1")
    assert joiner.label("b", 0) is not None
    assert joiner.label("c", 0) is not None
    assert joiner.label("a", 0) is None
    assert happened(joiner) == {Outcome.EVICTED: 1, Outcome.JOINED: 2}


def test_joined_ids_are_remembered_for_the_time_to_live_only() -> None:
    clock = Clock()
    joiner = a_joiner(clock, ttl_seconds=60)
    joiner.record("a", LOGITS, "digits-1")
    joiner.label("a", 0)
    clock.now += 60
    joiner.record("a", LOGITS, "digits-2")
    assert joiner.label("a", 1) == Joined("digits-2", LOGITS, 1)


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_that_is_no_class_of_its_prediction_is_counted_and_not_joined(label: int) -> None:
    joiner = a_joiner()
    joiner.record("a", LOGITS, "digits-1")
    assert joiner.label("a", label) is None
    assert joiner.label("a", 0) is None
    assert happened(joiner) == {Outcome.INVALID_LABEL: 1, Outcome.DUPLICATE: 1}


@pytest.mark.parametrize(("capacity", "ttl_seconds"), [(0, 60.0), (1, 0.0), (1, math.nan)])
def test_refuses_bounds_that_keep_nothing(capacity: int, ttl_seconds: float) -> None:
    with pytest.raises(ValueError, match="at least 1 entry"):
        a_joiner(capacity=capacity, ttl_seconds=ttl_seconds)


def test_every_outcome_is_exported_from_zero_on() -> None:
    registry = CollectorRegistry()
    joiner = a_joiner()
    registry.register(joiner)
    for outcome in Outcome:
        assert registry.get_sample_value("model_label_join_total", {"outcome": outcome}) == 0
    joiner.record("a", LOGITS, "digits-1")
    joiner.label("a", 0)
    assert registry.get_sample_value("model_label_join_total", {"outcome": "joined"}) == 1


def test_observing_pairs_adds_each_to_its_revision_whatever_its_number_of_classes() -> None:
    registry = CollectorRegistry()
    metrics = LossMetrics(registry, revision_label=True)
    observe_joined(
        metrics,
        [Joined("a", [0.0, 0.0], 1), Joined("b", [0.0] * 4, 3), Joined("a", [0.0] * 8, 7), Joined("a", [0.0, 0.0], 0)],
    )
    assert registry.get_sample_value("model_loss_count", {"revision": "a"}) == 3
    assert registry.get_sample_value("model_loss_sum", {"revision": "a"}) == pytest.approx(math.log(2) * 5)
    assert registry.get_sample_value("model_loss_sum", {"revision": "b"}) == pytest.approx(math.log(4))
