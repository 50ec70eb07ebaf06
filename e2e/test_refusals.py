"""What cannot work is refused, or said on the object, and nothing that serves is touched."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.cluster.command import ClusterError
from e2e.stage import Stage


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


def named(stage: Stage, name: str, version: str = "v1", **spec: Any) -> dict[str, Any]:
    body = stage.rollout(version, **spec)
    body["metadata"]["name"] = name
    body["spec"]["traffic"]["gateway"]["hostnames"] = [f"{name}.{stage.namespace}.example.com"]
    return body


def test_template_that_no_pod_can_have_stalls(stage: Stage) -> None:
    body = named(stage, "impossible")
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
    stage.apply(named(stage, "taken"))
    condition = condition_of(stage, "taken", "Stalled", "BackendConflict")
    assert "Service taken" in condition["message"]
    assert stage.get("service", "taken") == before
    stage.kubectl("delete", "modelrollout,service", "taken")


def test_backend_of_another_rollout_is_left_untouched(stage: Stage) -> None:
    stage.apply(named(stage, "first"))
    stage.wait_for(lambda status: status.get("phase") == "Healthy", 90, "first serves", "first")
    before = stage.get("service", "first-canary")["spec"]
    stage.apply(named(stage, "first-canary"))
    condition = condition_of(stage, "first-canary", "Stalled", "BackendConflict")
    assert "ModelRollout first" in condition["message"]
    assert stage.get("service", "first-canary")["spec"] == before
    stage.kubectl("delete", "modelrollout", "first-canary", "first")


def test_prometheus_that_is_not_allowed_is_named_and_the_stable_version_serves(stage: Stage) -> None:
    url = "http://somewhere.else:9090"
    stage.apply(named(stage, "elsewhere", loss={"prometheus": {"url": url}}))
    condition = condition_of(stage, "elsewhere", "Stalled", "PrometheusNotAllowed")
    assert url in condition["message"]
    stage.wait_for(lambda status: status.get("phase") == "Healthy", 90, "serves all the same", "elsewhere")
    assert stage.condition("Ready", "elsewhere")["status"] == "True"
    stage.kubectl("delete", "modelrollout", "elsewhere")


def test_prometheus_that_does_not_answer_holds_the_canary_at_weight_zero(stage: Stage, unreachable: str) -> None:
    source = {"prometheus": {"url": unreachable}}
    stage.apply(named(stage, "deaf", loss=source))
    stage.wait_for(lambda status: status.get("phase") == "Healthy", 90, "first version serves", "deaf")
    stage.apply(named(stage, "deaf", "v2", loss=source))
    condition = condition_of(stage, "deaf", "Measured", "MetricsUnreachable")
    assert unreachable in condition["message"]
    status = stage.status("deaf")
    assert status["canary"]["weight"] == 0
    assert stage.condition("Ready", "deaf")["status"] == "True"
    stage.kubectl("delete", "modelrollout", "deaf")
