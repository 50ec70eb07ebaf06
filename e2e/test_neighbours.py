"""The operator beside the tools and people that share its cluster: Helm, kubectl, GitOps, and hands on its objects."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.cluster import Cluster, ClusterError
from e2e.images import Images
from e2e.planted import SECRET
from e2e.stage import Stage, poll
from lossgate.api import names

PLAYED = ("managed", "handled", "foreground", "orphaned", "digits")
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def vanishing(cluster: Cluster, images: Images) -> Iterator[Future[float]]:
    """How many seconds another namespace takes to go with a rollout in flight."""

    def play(other: Stage) -> float:
        other.close()
        other.open(joiner=False)
        other.apply(other.named("digits"))
        other.wait_for(is_healthy, 240, "digits serves", "digits")
        other.apply(other.named("digits", "v2"))
        other.wait_for(lambda seen: "canary" in seen, 60, "v2 is judged", "digits")
        began = time.monotonic()
        other.close()
        return time.monotonic() - began

    with ThreadPoolExecutor() as pool:
        yield pool.submit(play, Stage(cluster, "e2e-vanishing", model_image=images.model.name))


@pytest.fixture(scope="module")
def serving(stage: Stage, vanishing: Future[float]) -> Stage:
    """First versions of all the rollouts that the tests play with, started at the same time; `digits` is asked."""
    stage.apply(stage.named("managed"), "--server-side", "--field-manager=gitops")
    for name in PLAYED[1:]:
        stage.apply(stage.named(name))
    conditions = ["--for=condition=Ready", "--timeout=240s"]
    stage.kubectl("wait", *conditions, *(f"modelrollout/{name}" for name in PLAYED))
    stage.start_client(50)
    return stage


def objects(stage: Stage, name: str) -> dict[str, JSON]:
    """Return a rollout's Deployments, Services and route by kind and name."""
    found = stage.get("deployments,services,httproutes", selector=f"{names.LABEL_ROLLOUT}={name}")["items"]
    return {f"{body['kind']}/{body['metadata']['name']}": body for body in found}


def uids(stage: Stage, name: str) -> dict[str, str]:
    return {key: body["metadata"]["uid"] for key, body in objects(stage, name).items()}


def is_healthy(status: JSON) -> bool:
    return bool(status.get("phase") == "Healthy")


# Helm and kubectl


class Charts:
    """Charts with one ModelRollout in its templates, installed by the real Helm as a team would."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self._stage = stage
        self._folder = folder

    def run(self, verb: str, body: JSON, timeout: str) -> float:
        """Install or upgrade the release named like the rollout, wait as Helm does, and return the seconds it took.

        Raises:
            ClusterError: Helm says that it failed.
        """
        name = body["metadata"]["name"]
        chart = self._folder / name
        (chart / "templates").mkdir(parents=True, exist_ok=True)
        (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": name, "version": "1.0.0"}))
        (chart / "templates" / "rollout.yaml").write_text(yaml.safe_dump(body))
        began = time.monotonic()
        self._stage.cluster.helm(verb, name, str(chart), "-n", self._stage.namespace, "--wait", "--timeout", timeout)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def charts(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Charts:
    """Charts in the stage's namespace."""
    return Charts(stage, tmp_path_factory.mktemp("charts"))


def test_helm_waits_for_the_first_version_and_not_for_the_next(serving: Stage, charts: Charts) -> None:
    """Nobody asks this model, so that the second version would be judged until somebody stops it."""
    took = charts.run("install", serving.named("released"), "2m")
    status = serving.status("released")
    assert is_healthy(status), f"helm returned after {took:.1f} s: {serving.story('released')}"
    assert serving.get("endpointslices", selector=f"{names.LABEL_SERVICE}=released")["items"][0]["endpoints"]
    took = charts.run("upgrade", serving.named("released", "v2"), "2m")
    print(f"helm upgrade --wait took {took:.1f} s")
    assert took < 30
    serving.wait_for(lambda seen: seen.get("phase") == "Progressing", 60, "v2 is judged", "released")


def test_helm_says_in_time_that_a_first_version_is_broken(serving: Stage, charts: Charts) -> None:
    """One that the API server refuses, and one whose pods can never start: told by the waiting alone."""
    refused = serving.named("refused")
    refused["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    missing = serving.named("missing")
    (container,) = missing["spec"]["template"]["spec"]["containers"]
    reference = {"secretKeyRef": {"name": SECRET, "key": "missing"}}
    container["env"].append({"name": "MISSING", "valueFrom": reference})

    def install(body: JSON, timeout: str) -> tuple[float, str]:
        began = time.monotonic()
        with pytest.raises(ClusterError) as error:
            charts.run("install", body, timeout)
        return time.monotonic() - began, str(error.value)

    with ThreadPoolExecutor() as pool:
        (refused_after, refusal), (missing_after, waiting) = pool.map(install, (refused, missing), ("1m", "8s"))
    print(f"refused after {refused_after:.1f} s: {refusal}\nmissing after {missing_after:.1f} s: {waiting}")
    assert "refused" in refusal
    assert refused_after < 60
    assert "missing" in waiting
    assert missing_after < 40
    condition = serving.condition("Stalled", "refused")
    assert condition["reason"] == "TemplateInvalid"
    assert serving.condition("Ready", "missing")["status"] == "False"
    serving.kubectl("delete", "modelrollout", "refused", "missing", "--wait=false")


def test_kubectl_wait_sees_the_first_version_and_waits_for_a_verdict(serving: Stage) -> None:
    serving.kubectl("wait", "modelrollout/managed", "--for=condition=Promoted", "--timeout=10s")
    serving.apply(serving.named("managed", "v2"), "--server-side", "--field-manager=gitops")
    serving.kubectl("wait", "modelrollout/managed", "--for=condition=Ready", "--timeout=10s")
    with pytest.raises(ClusterError, match="timed out"):
        serving.kubectl("wait", "modelrollout/managed", "--for=condition=Promoted", "--timeout=3s")
    assert serving.condition("Promoted", "managed")["status"] == "Unknown"


def test_manifest_applied_again_in_flight_meets_no_conflict_and_no_drift(serving: Stage) -> None:
    """Runs on the rollout that the test before has left in flight."""
    manager = ("--server-side", "--field-manager=gitops")
    wanted = serving.named("managed", "v2")
    serving.wait_for(lambda seen: "baseline" not in seen and "canary" in seen, 60, "in flight", "managed")
    before = serving.get("modelrollout", "managed")
    for _ in range(3):
        serving.apply(wanted, *manager)
        serving.cluster.kubectl("-n", serving.namespace, "diff", *manager, "-f", "-", stdin=json.dumps(wanted))
    after = serving.get("modelrollout", "managed")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    assert after["spec"] == before["spec"]
    shown = json.loads(serving.kubectl("get", "modelrollout", "managed", "--show-managed-fields", "-o", "json"))
    managers = {(entry["manager"], entry.get("subresource", "")) for entry in shown["metadata"]["managedFields"]}
    assert managers == {("gitops", ""), (names.FIELD_MANAGER, "status")}
    fields = [entry["fieldsV1"] for entry in shown["metadata"]["managedFields"] if entry["manager"] == "lossgate"]
    assert all(set(entry) == {"f:status"} for entry in fields), "the operator writes nothing but the status"


# Hands on the operator's objects


def test_weights_changed_by_somebody_else_are_written_back(serving: Stage) -> None:
    """More than three times in ten minutes is another matter."""

    def weights() -> list[int]:
        (rule,) = serving.get("httproute", "handled")["spec"]["rules"]
        return [backend["weight"] for backend in rule["backendRefs"]]

    serving.kubectl("annotate", "httproute", "handled", "team.example.com/note=ours")
    change = [{"op": "replace", "path": f"/spec/rules/0/backendRefs/{index}/weight", "value": 50} for index in (0, 1)]
    for _ in range(3):
        assert weights() == [100, 0]
        serving.kubectl("patch", "httproute", "handled", "--type=json", "-p", json.dumps(change))
        poll(lambda: weights() == [100, 0], 20, "the weights as they were", lambda: serving.story("handled"))
    route = serving.get("httproute", "handled")
    assert route["metadata"]["annotations"] == {"team.example.com/note": "ours"}, "only the weights are ours to mend"


def test_children_that_somebody_deletes_come_back(serving: Stage) -> None:
    """All of them at rest; in flight the canary's Deployment. The old template is nowhere in the spec by then."""

    def come_back(*deleted: str) -> None:
        before = uids(serving, "handled")
        serving.kubectl("delete", *deleted, "--wait=true")

        def are_back() -> bool:
            now = uids(serving, "handled")
            return set(now) == set(before) and all(now[child] != before[child] for child in deleted)

        poll(are_back, 60, f"{deleted} are there anew", lambda: serving.story("handled"))

    at_rest = uids(serving, "handled")
    assert len(at_rest) == 4
    come_back(*at_rest)
    serving.wait_for(lambda seen: seen["stable"]["readyReplicas"] == 1, 120, "v1 serves again", "handled")
    serving.apply(serving.named("handled", "v2"))
    canary = serving.wait_for(lambda seen: "canary" in seen, 60, "a canary", "handled")["canary"]["revision"]
    poll(lambda: f"Deployment/{canary}" in uids(serving, "handled"), 60, "the canary's Deployment")
    come_back(f"Deployment/{canary}")
    serving.wait_for(lambda seen: seen["canary"]["readyReplicas"] == 1, 120, "the canary is ready again", "handled")
    assert serving.condition("Ready", "handled")["status"] == "True"


def test_somebody_elses_route_is_left_untouched(serving: Stage) -> None:
    body = serving.get("httproute", "digits")
    route = {
        "apiVersion": body["apiVersion"],
        "kind": "HTTPRoute",
        "metadata": {"name": "routed", "namespace": serving.namespace},
        "spec": {**body["spec"], "hostnames": ["somebody.example.com"]},
    }
    serving.apply(route)
    before = serving.get("httproute", "routed")["spec"]
    serving.apply(serving.named("routed"))
    serving.wait_for(
        lambda seen: any(item["reason"] == "BackendConflict" for item in seen.get("conditions", [])),
        90,
        "it says so",
        "routed",
    )
    assert "HTTPRoute routed" in serving.condition("Stalled", "routed")["message"]
    assert serving.get("httproute", "routed")["spec"] == before
    serving.kubectl("delete", "modelrollout,httproute", "routed", "--wait=false")


# Going and coming back


def test_deletion_in_the_foreground_returns_when_all_children_are_gone(serving: Stage) -> None:
    serving.kubectl("delete", "modelrollout", "foreground", "--cascade=foreground", "--timeout=60s")
    assert uids(serving, "foreground") == {}


def test_orphans_stay_and_serve_and_are_not_adopted_in_silence(serving: Stage) -> None:
    before = objects(serving, "orphaned")
    serving.kubectl("delete", "modelrollout", "orphaned", "--cascade=orphan", "--timeout=60s")
    assert uids(serving, "orphaned") == {key: body["metadata"]["uid"] for key, body in before.items()}
    serving.apply(serving.named("orphaned"))
    serving.wait_for(
        lambda seen: any(item["reason"] == "BackendConflict" for item in seen.get("conditions", [])),
        90,
        "it says that the names are taken",
        "orphaned",
    )
    assert serving.condition("Ready", "orphaned")["status"] == "False"
    after = objects(serving, "orphaned")
    assert {key: body["metadata"]["uid"] for key, body in after.items()} == {
        key: body["metadata"]["uid"] for key, body in before.items()
    }
    assert {key: body["spec"] for key, body in after.items()} == {key: body["spec"] for key, body in before.items()}
    slices = serving.get("endpointslices", selector=f"{names.LABEL_SERVICE}=orphaned")["items"]
    assert slices[0]["endpoints"][0]["conditions"]["ready"], "the orphans serve"


def test_rollout_that_is_deleted_under_traffic_comes_back_under_its_name(serving: Stage) -> None:
    before = uids(serving, "digits")
    assert serving.client_statistics()["errors"] == 0
    serving.kubectl("delete", "modelrollout", "digits", "--timeout=30s")
    serving.apply(serving.named("digits"))
    serving.wait_for(is_healthy, 180, "digits serves again", "digits")
    assert not set(uids(serving, "digits").values()) & set(before.values()), "nothing of the one before is used"
    errors = -1

    def are_over() -> bool:
        nonlocal errors
        before, errors = errors, int(serving.client_statistics()["errors"])
        return before == errors

    poll(are_over, 60, "errors end", lambda: serving.story("digits"))
    answered = serving.client_statistics()["ok"]
    poll(lambda: serving.client_statistics()["ok"] > answered + 50, 60, "answers", lambda: serving.story("digits"))
    assert serving.client_statistics()["errors"] == errors


def test_namespace_goes_with_a_rollout_in_flight(serving: Stage, vanishing: Future[float]) -> None:
    """Played beside the other tests, since nothing but time is needed for it."""
    took = vanishing.result(timeout=300)
    print(f"the namespace was gone after {took:.1f} s")
    assert took < 60
