"""What cannot work is refused, or said on the object, and nothing that serves is touched."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.cluster.command import ClusterError
from e2e.stage import Stage

ELSEWHERE = "http://somewhere.else:9090"


@pytest.fixture(scope="module")
def serving(stage: Stage, unreachable: str) -> Stage:
    """First versions that tests play with, started at the same time."""
    stage.apply(stage.named("first"))
    stage.apply(stage.named("elsewhere", loss={"prometheus": {"url": ELSEWHERE}}))
    stage.apply(stage.named("deaf", loss={"prometheus": {"url": unreachable}}))
    return stage


def refused(stage: Stage, **spec: Any) -> str:
    """Apply a manifest that must be refused and return what the person reads."""
    with pytest.raises(ClusterError) as error:
        stage.apply(stage.rollout("v1", **spec))
    return str(error.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"steps": [{"weight": 50}, {"weight": 20}]}, "weights that rise"),
        ({"gate": {"margin": "5"}}, "%"),
        ({"gate": {"margin": "5%", "absoluteMargin": "0.01"}}, "absoluteMargin"),
        ({"stepz": []}, 'unknown field "spec.stepz"'),
        ({"service": {"port": 80, "targetPort": "grpc"}}, "targetPort"),
        ({"loss": {"labels": {"revision": ""}}}, "revision"),
    ],
)
def test_manifest_is_refused_with_the_message_a_person_needs(stage: Stage, spec: dict[str, Any], message: str) -> None:
    assert message in refused(stage, **spec)


def condition_of(stage: Stage, name: str, type_: str, reason: str, seconds: float = 60) -> dict[str, Any]:
    stage.wait_for(
        lambda status: any(item["type"] == type_ and item["reason"] == reason for item in status.get("conditions", [])),
        seconds,
        f"{type_}/{reason}",
        name,
    )
    return stage.condition(type_, name)


def test_template_that_no_pod_can_have_stalls(stage: Stage) -> None:
    body = stage.named("impossible")
    body["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    stage.apply(body)
    condition = condition_of(stage, "impossible", "Stalled", "TemplateInvalid")
    assert "restartPolicy" in condition["message"]
    stage.kubectl("delete", "modelrollout", "impossible")


def test_somebody_elses_service_is_left_untouched(stage: Stage) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "taken", "namespace": stage.namespace},
        "spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]},
    }
    stage.apply(service)
    before = stage.get("service", "taken")
    stage.apply(stage.named("taken"))
    condition = condition_of(stage, "taken", "Stalled", "BackendConflict")
    assert "Service taken" in condition["message"]
    assert stage.get("service", "taken") == before
    stage.kubectl("delete", "modelrollout,service", "taken")


def test_backend_of_another_rollout_is_left_untouched(serving: Stage) -> None:
    serving.wait_for(lambda status: status.get("phase") == "Healthy", 180, "first serves", "first")
    before = serving.get("service", "first-canary")["spec"]
    serving.apply(serving.named("first-canary"))
    condition = condition_of(serving, "first-canary", "Stalled", "BackendConflict")
    assert "ModelRollout first" in condition["message"]
    assert serving.get("service", "first-canary")["spec"] == before
    serving.kubectl("delete", "modelrollout", "first-canary", "first")


def test_prometheus_that_is_not_allowed_is_named_and_the_stable_version_serves(serving: Stage) -> None:
    condition = condition_of(serving, "elsewhere", "Stalled", "PrometheusNotAllowed")
    assert ELSEWHERE in condition["message"]
    serving.wait_for(lambda status: status.get("phase") == "Healthy", 180, "serves all the same", "elsewhere")
    assert serving.condition("Ready", "elsewhere")["status"] == "True"
    serving.kubectl("delete", "modelrollout", "elsewhere")


def test_prometheus_that_does_not_answer_holds_the_canary_at_weight_zero(serving: Stage, unreachable: str) -> None:
    serving.wait_for(lambda status: status.get("phase") == "Healthy", 180, "first version serves", "deaf")
    serving.apply(serving.named("deaf", "v2", loss={"prometheus": {"url": unreachable}}))
    condition = condition_of(serving, "deaf", "Measured", "MetricsUnreachable")
    assert unreachable in condition["message"]
    status = serving.status("deaf")
    assert status["canary"]["weight"] == 0
    assert serving.condition("Ready", "deaf")["status"] == "True"
    serving.kubectl("delete", "modelrollout", "deaf")
