"""Requests as a rollout makes them."""

from __future__ import annotations

from lossgate.measure.access import Access
from lossgate.measure.source import BaselineRequest, LookRequest, Scope, SeriesNames, Target

NAMES = SeriesNames(
    count="model_loss_count",
    sum="model_loss_sum",
    sum_of_squares="model_loss_squared_sum_total",
    non_finite="model_loss_nonfinite_total",
    predictions="model_predictions_total",
)
STABLE = Target("ml", "digits-1")
CANARY = Target("ml", "digits-2")


def a_scope(url: str = "http://prometheus:9090", revision_label: str = "revision") -> Scope:
    return Scope(Access(url), NAMES, revision_label)


def a_request(
    url: str = "http://prometheus:9090",
    *targets: Target,
    ends: tuple[int, int] = (300, 300),
    interval_seconds: int = 30,
    revision_label: str = "revision",
) -> LookRequest:
    scope = a_scope(url, revision_label)
    return LookRequest(scope, interval_seconds, ends[0], ends[1], targets or (STABLE, CANARY))


def a_baseline_request(url: str = "http://prometheus:9090", at: int = 300, target: Target = STABLE) -> BaselineRequest:
    return BaselineRequest(a_scope(url), at, target)
