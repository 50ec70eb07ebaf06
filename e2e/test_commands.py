"""A route of the user's own, people's commands, a change without analysis, and a guardrail, under requests."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.cluster.cluster import GATEWAY, GATEWAY_NAMESPACE
from e2e.stage import ROLLOUT, Stage, poll
from lossgate.api import names

JSON = dict[str, Any]
ROUTE = "front"
RULE = "predict"
PLUGIN = Path(sys.executable).parent / "kubectl-lossgate"


def users_route(stage: Stage) -> JSON:
    """A route with more in it than the two backends whose weights are the operator's."""
    ours = [
        {"name": names.stable_service(ROLLOUT), "port": 80, "weight": 100},
        {"name": names.canary_service(ROLLOUT), "port": 80, "weight": 0},
    ]
    mark = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-by", "value": ROUTE}]}}
    elsewhere = {"path": {"type": "PathPrefix", "value": "/elsewhere"}}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": ROUTE, "namespace": stage.namespace, "labels": {"team": "vision"}},
        "spec": {
            "parentRefs": [{"name": GATEWAY, "namespace": GATEWAY_NAMESPACE}],
            "hostnames": [stage.host],
            "rules": [
                {"name": "joiner", "matches": [elsewhere], "backendRefs": [{"name": "digits-joiner", "port": 80}]},
                {"name": RULE, "filters": [mark], "backendRefs": ours},
            ],
        },
    }


def by_route(stage: Stage, version: str, **spec: Any) -> JSON:
    body = stage.rollout(version, replicas=2, scaleDownDelay="10m", revisionHistoryLimit=0, **spec)
    body["spec"]["traffic"] = {"routeRef": {"name": ROUTE, "ruleName": RULE}}
    return body


@pytest.fixture(scope="module")
def serving(stage: Stage) -> Iterator[Stage]:
    """The first version serves behind the user's route; when all is played, no request may have failed."""
    stage.apply(users_route(stage))
    stage.apply(by_route(stage, "v1"))
    stage.wait_for_result("v1", "Healthy", 240)
    stage.start_client(100)
    yield stage
    statistics = stage.client_statistics()
    assert statistics["errors"] == 0, json.dumps(statistics, indent=1)
    assert statistics["ok"] > 1_000


def weights(stage: Stage) -> list[int]:
    rules = stage.get("httproute", ROUTE)["spec"]["rules"]
    return [backend["weight"] for backend in rules[1]["backendRefs"]]


def without_weights(stage: Stage) -> JSON:
    """All that the user owns of his route."""
    body = copy.deepcopy(stage.get("httproute", ROUTE))
    for backend in body["spec"]["rules"][1]["backendRefs"]:
        del backend["weight"]
    metadata = {key: body["metadata"].get(key) for key in ("labels", "annotations", "ownerReferences", "finalizers")}
    return {"metadata": metadata, "spec": body["spec"]}


def command(stage: Stage, verb: str) -> None:
    """Give a command as a person does, and wait until the operator has acted on it."""
    status = stage.cluster.exec([str(PLUGIN), verb, ROLLOUT, "-n", stage.namespace, "--yes", "--wait"])
    assert status == 0, stage.story()


def promoted(stage: Stage, reason: str) -> JSON:
    condition = poll(
        lambda: found if (found := stage.condition("Promoted")).get("reason") == reason else None,
        120,
        f"Promoted/{reason}",
        stage.story,
    )
    return dict(condition)


def test_change_that_is_no_new_model_comes_in_without_analysis_by_the_users_route(serving: Stage) -> None:
    before = without_weights(serving)
    body = by_route(serving, "v2")
    revision = names.revision_name(ROLLOUT, body["spec"]["template"], "v2")
    body["metadata"]["annotations"] = {names.ANNOTATION_SKIP_ANALYSIS: revision}
    serving.apply(body)
    serving.wait_for_result("v2", "Healthy", 240)
    assert "without analysis" in promoted(serving, "AnalysisSkipped")["message"]
    assert weights(serving) == [100, 0]
    assert without_weights(serving) == before, "only the two weights were ever the operator's"


def test_rollback_after_a_promotion_is_a_matter_of_seconds(serving: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    command(serving, "rollback")
    serving.wait_for(lambda seen: seen["phase"] == "RolledBack" and seen["stable"]["modelVersion"] == "v1", 120, "v1")
    with capsys.disabled():
        print(f"\nrollback to the version before: {time.monotonic() - began:.1f} s")
    assert promoted(serving, "Aborted")["status"] == "False"


def test_people_pause_resume_abort_retry_and_promote(serving: Stage) -> None:
    serving.kubectl("annotate", "modelrollout", ROLLOUT, f"{names.ANNOTATION_SKIP_ANALYSIS}-")
    command(serving, "retry")
    serving.wait_for(lambda seen: seen.get("canary", {}).get("weight", 0) > 0, 120, "v2 is judged")
    command(serving, "pause")
    serving.wait_for(lambda seen: seen["phase"] == "Paused", 30, "paused")
    command(serving, "resume")
    serving.wait_for(lambda seen: seen["phase"] == "Progressing", 30, "resumed")
    command(serving, "abort")
    serving.wait_for(lambda seen: seen["phase"] == "RolledBack", 60, "aborted")
    command(serving, "retry")
    serving.wait_for(lambda seen: seen.get("canary", {}).get("weight", 0) > 0, 120, "v2 is judged again")
    command(serving, "promote")
    serving.wait_for_result("v2", "Healthy", 120)
    assert promoted(serving, "Requested")["status"] == "True"


def test_guardrail_rolls_back_what_the_loss_would_have_let_pass(serving: Stage) -> None:
    query = 'sum(model_predictions_total{namespace="$namespace", revision="$revision"}) * 0 + 1'
    guardrail = {"name": "one", "query": query, "max": 0.5, "failureLimit": 2}
    serving.apply(by_route(serving, "v3", guardrails=[guardrail]))
    status = serving.wait_for(lambda seen: seen.get("phase") == "RolledBack", 120, "rolled back by the guardrail")
    condition = promoted(serving, "GuardrailFailed")
    assert "Guardrail one failed 2 evaluations in a row" in condition["message"]
    assert status["stable"]["modelVersion"] == "v2"


def test_earlier_revisions_go_when_none_are_to_be_kept(serving: Stage) -> None:
    serving.apply(by_route(serving, "v2"))
    serving.wait_for(lambda seen: seen["phase"] == "Healthy" and "canary" not in seen, 60, "the spec went back")

    def are_gone() -> bool:
        found = serving.get("deployments", selector=f"{names.LABEL_ROLLOUT}={ROLLOUT}")["items"]
        versions = {body["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION] for body in found}
        return versions == {"v1", "v2"}

    poll(are_gone, 60, "only what serves and the version before it are left", serving.story)


def test_route_that_somebody_fights_for_is_said_and_left(serving: Stage) -> None:
    fight = json.dumps([{"op": "replace", "path": "/spec/rules/1/backendRefs/1/weight", "value": 7}])
    for _ in range(4):
        poll(lambda: weights(serving) == [100, 0], 60, "weights as decided", serving.story)
        serving.kubectl("patch", "httproute", ROUTE, "--type=json", "--field-manager=somebody", "-p", fight)
    condition = poll(
        lambda: found if (found := serving.condition("Stalled")).get("reason") == "RouteContested" else None,
        60,
        "Stalled/RouteContested",
        serving.story,
    )
    assert "somebody" in condition["message"]
    poll(lambda: weights(serving) == [100, 0], 60, "the canary's share is taken back all the same", serving.story)
