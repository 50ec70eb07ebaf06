from __future__ import annotations

import pytest
from pydantic import ValidationError

from lossgate.api.spec import Canary, Gate, Guardrail, OnInconclusive, Preset, RolloutSpec, Step
from tests import rollouts


def spec(**changes: object) -> RolloutSpec:
    return RolloutSpec.model_validate(rollouts.changed(changes)["spec"])


def test_the_smallest_spec_has_the_documented_defaults() -> None:
    smallest = spec()
    assert smallest.replicas is None
    assert smallest.service.port == 80
    assert smallest.service.target_port == "http"
    assert [step.weight for step in smallest.steps] == [5, 25, 50]
    assert smallest.loss.interval_seconds == 30.0
    assert smallest.loss.settle_seconds == 45.0
    assert smallest.loss.prometheus.url is None
    assert smallest.gate.harm_margin == 0.05
    assert smallest.gate.min_labels == 500
    assert smallest.gate.max_duration_seconds == 86400.0
    assert smallest.gate.on_inconclusive is OnInconclusive.PAUSE
    assert smallest.gate.hold_timeout_seconds == 3600.0
    assert smallest.scale_down_delay_seconds == 600.0
    assert smallest.gate.guard_excess == 0.25
    assert smallest.progress_deadline_seconds == 600
    assert smallest.revision_history_limit == 3
    assert smallest.canary == Canary()
    assert not smallest.paused


def test_every_field_is_read() -> None:
    read = RolloutSpec.model_validate(rollouts.full()["spec"])
    assert read.replicas == 4
    assert read.service.target_port == 8000
    assert read.traffic.gateway is not None
    assert read.traffic.gateway.parent_refs[0].section_name == "https"
    assert read.traffic.gateway.hostnames == ("digits.example.com", "*.models.example.com")
    assert read.canary.replicas == 2
    assert [step.own_margin for step in read.steps] == [0.05, None, 0.01]
    assert read.steps[0].min_duration_seconds == 259200.0
    assert read.gate.guard_excess == 10.0
    assert read.progress_deadline_seconds == 86400
    assert read.revision_history_limit == 20
    assert read.loss.interval_seconds == 90.0
    assert read.loss.label_delay_seconds == 129600.0
    assert read.loss.selector == {"model": 'digits "b"'}
    assert read.loss.series.sum_of_squares == "app_loss_sq"
    assert read.loss.labels.revision == "version"
    assert read.gate.is_absolute
    assert read.gate.harm_margin == 0.01
    assert read.gate.risk.promotion == 0.5
    assert read.gate.on_inconclusive is OnInconclusive.ROLLBACK
    p99, errors = read.guardrails
    assert (p99.max, p99.min, p99.max_ratio_to_stable, p99.failure_limit) == (0.5, -1.0, 1.2, 100)
    assert p99.interval_seconds == 3600.0
    assert (errors.preset, errors.query, errors.failure_limit) == (Preset.ENVOY_GATEWAY_ERROR_RATE, None, 1)
    assert read.scale_down_delay_seconds == 0.0
    assert read.paused


def test_the_template_is_kept_as_written() -> None:
    manifest = rollouts.full()
    assert RolloutSpec.model_validate(manifest["spec"]).template == manifest["spec"]["template"]


def test_a_margin_without_percent_sign_is_refused() -> None:
    with pytest.raises(ValidationError, match='such as "5%"'):
        spec(gate={"margin": "5"})


def test_a_step_of_all_traffic_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 99"):
        spec(steps=[{"weight": 100}])


@pytest.mark.parametrize(
    ("interval", "look_seconds", "seconds"),
    [(None, 30.0, 30.0), ("30s", 30.0, 30.0), ("31s", 30.0, 60.0), ("2m", 30.0, 120.0), ("2m", 90.0, 180.0)],
)
def test_guardrails_are_evaluated_every_so_many_whole_looks(
    interval: str | None, look_seconds: float, seconds: float
) -> None:
    guardrail = Guardrail.model_validate({"name": "a", "query": "$revision", "max": 1, "interval": interval})
    assert guardrail.step_seconds(look_seconds) == seconds


@pytest.mark.parametrize(
    ("max_surge", "weight", "replicas", "pods"),
    [
        ("100%", 5, 4, 1),
        ("100%", 50, 4, 2),
        ("100%", 51, 4, 3),
        ("50%", 99, 4, 2),
        ("10%", 50, 4, 1),
        (1, 50, 20, 1),
        (3, 50, 20, 3),
        ("100%", 50, 0, 1),
    ],
)
def test_the_canary_gets_its_share_of_pods_within_the_surge(
    max_surge: int | str, weight: int, replicas: int, pods: int
) -> None:
    assert Canary(max_surge=max_surge).replicas_at(weight, replicas) == pods


@pytest.mark.parametrize(
    ("gate", "baseline_mean", "margins"),
    [
        (Gate(margin=0.05), 0.3, [0.2, 0.2, 0.05]),
        (Gate(margin=0.2), 0.3, [0.5, 0.5, 0.2]),
        (Gate(margin=0.8), 0.3, [0.8, 0.8, 0.8]),
        (Gate(absolute_margin=0.01), 0.3, [0.04, 0.04, 0.01]),
        (Gate(absolute_margin=0.1), 0.3, [0.15, 0.15, 0.1]),
    ],
)
def test_early_steps_are_left_at_four_times_the_margin_the_last_at_the_margin(
    gate: Gate, baseline_mean: float, margins: list[float]
) -> None:
    steps = (Step(weight=5), Step(weight=25), Step(weight=50))
    rollout = spec().model_copy(update={"gate": gate, "steps": steps})
    assert [rollout.step_margin(index, baseline_mean) for index in range(3)] == pytest.approx(margins)
