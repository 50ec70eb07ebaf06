"""The main path: the first version serves, a better one is promoted, worse ones are rolled back; nobody notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from e2e import audit
from e2e.captures import capture
from e2e.cluster import Cluster
from e2e.installation import Installation
from e2e.stage import OPERATOR_NAMESPACE, Stage, poll
from lossgate.api import names


def capture_story(stage: Stage, moment: str) -> None:
    """Keep what a person is shown now, if somebody asked for it."""
    get = ("kubectl", "-n", stage.namespace, "get", "modelrollouts")
    capture(f"{moment}-get", *get)
    capture(f"{moment}-get-wide", *get, "-o", "wide")
    capture(f"{moment}-describe", "kubectl", "-n", stage.namespace, "describe", "modelrollout", "digits")


@pytest.fixture(scope="module")
def serving(stage: Stage) -> Iterator[Stage]:
    """The first version serves and is asked; when all is played, no request may have failed."""
    stage.apply(stage.rollout("v1"))
    stage.wait_for_result("v1", "Healthy", 120)
    stage.start_client()
    capture("explain-gate", "kubectl", "explain", "modelrollout.spec.gate")
    capture("helm-status", "helm", "-n", OPERATOR_NAMESPACE, "status", "lossgate")
    capture("helm-test", "helm", "-n", OPERATOR_NAMESPACE, "test", "lossgate")
    capture_story(stage, "1-first-version")
    yield stage
    statistics = stage.client_statistics()
    assert statistics["errors"] == 0, json.dumps(statistics, indent=1)
    assert statistics["ok"] > 10_000


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def test_better_version_is_promoted_though_the_operator_is_killed(operator: Installation, serving: Stage) -> None:
    serving.apply(serving.rollout("v2"))
    status = serving.wait_for(lambda seen: seen.get("step", {}).get("looks", 0) >= 20, 120, "20 looks")
    canary = status["canary"]["revision"]
    judged = {
        pod["metadata"]["uid"] for pod in serving.get("pods", selector=f"{names.LABEL_REVISION}={canary}")["items"]
    }
    since = status["step"]["since"]
    capture_story(serving, "2-better-version-judged")
    operator.kill()

    def caught_up() -> bool:
        seen = serving.status()
        index, looks = seen["step"]["index"], seen["step"]["looks"]
        return bool(index > 0 or looks >= 60)

    poll(caught_up, 120, "60 looks after the operator was killed", serving.story)
    seen = serving.status()
    if seen["step"]["index"] == 0:
        elapsed = datetime.now(UTC) - datetime.fromisoformat(since)
        assert seen["step"]["looks"] <= elapsed.total_seconds(), "no look is counted twice"
    status = serving.wait_for_result("v2", "Healthy", 420)
    capture_story(serving, "3-better-version-promoted")
    assert status["stable"]["revision"] == canary
    assert status["history"][-1]["result"] == "Promoted"
    assert status["history"][-1]["looks"] >= 80
    pods = serving.get("pods", selector=f"{names.LABEL_REVISION}={canary}")["items"]
    assert judged <= {pod["metadata"]["uid"] for pod in pods}, "no judged pod was replaced"
    restarts = serving.restarts(canary)
    assert len(restarts) == 3
    assert set(restarts.values()) == {0}, "the pods that were judged are the pods that serve"


def queries(cluster: Cluster) -> int:
    """How many range queries Prometheus has answered, by its own count."""
    path = "/api/v1/namespaces/monitoring/services/prometheus:9090/proxy/metrics"
    lines = cluster.kubectl("get", "--raw", path).splitlines()
    counts = [line for line in lines if line.startswith("prometheus_http_requests_total{") and "query_range" in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


def test_a_look_costs_one_query_and_one_status_write_and_no_read(cluster: Cluster, serving: Stage) -> None:
    """Runs on the looks of the overconfident version, of which Prometheus misses a minute later on."""
    if cluster.audit_log is None:
        pytest.skip("counts requests in the audit log, which only the local cluster shows")
    serving.apply(serving.rollout("v3"))
    status = serving.wait_for(lambda seen: seen.get("step", {}).get("looks", 0) >= 5, 120, "5 looks")
    first, begin, asked = status["step"]["looks"], now(), queries(cluster)
    status = serving.wait_for(lambda seen: seen.get("step", {}).get("looks", 0) >= 20, 60, "20 looks")
    looks, end = status["step"]["looks"] - first, now()
    asked = queries(cluster) - asked
    counts = audit.count(audit.requests_of_operator(cluster.audit_log, serving.namespace, begin, end))
    assert set(counts) <= {"update modelrollouts/status", "create events"}
    assert abs(counts["update modelrollouts/status"] - looks) <= 2, counts
    assert abs(asked - looks) <= 2, f"{asked} queries for {looks} looks"


def test_prometheus_away_for_a_minute_holds_the_rollout(cluster: Cluster, serving: Stage) -> None:
    before = serving.status()
    cluster.kubectl("-n", "monitoring", "scale", "deployment/prometheus", "--replicas=0")
    try:
        status = serving.wait_for(
            lambda seen: (seen.get("analysis", {}).get("hold") or {}).get("reason") == "MetricsUnreachable",
            60,
            "hold",
        )
        weight = status["canary"]["weight"]
        assert weight == 20
        held_since = datetime.now(UTC)

        def a_minute_later() -> bool:
            seen = serving.status()
            assert seen["phase"] == "Progressing", serving.story()
            assert seen["canary"]["weight"] == weight, "weights stay while nothing can be measured"
            assert seen["step"]["looks"] >= before["step"]["looks"], "evidence already gathered is kept"
            return (datetime.now(UTC) - held_since).total_seconds() >= 60

        poll(a_minute_later, 90, "a minute")
        assert serving.condition("Measured")["status"] == "False"
        capture_story(serving, "4-prometheus-away")
    finally:
        cluster.kubectl("-n", "monitoring", "scale", "deployment/prometheus", "--replicas=1")
    serving.wait_for(lambda seen: not seen.get("analysis", {}).get("hold"), 60, "evidence again")


def test_overconfident_version_is_rolled_back_by_the_main_rule(serving: Stage) -> None:
    status = serving.wait_for_result("v3", "RolledBack", 240)
    capture_story(serving, "5-overconfident-version-rolled-back")
    assert serving.condition("Promoted")["reason"] == "Harm"
    assert "MainRule" in serving.condition("Promoted")["message"]
    assert status["history"][-1]["looks"] >= 40
    assert serving.condition("Ready")["status"] == "True"
    assert status["stable"]["modelVersion"] == "v2"


def test_broken_version_loses_its_traffic_within_looks_and_before_anything_else(
    cluster: Cluster, serving: Stage
) -> None:
    if cluster.audit_log is None:
        pytest.skip("counts requests in the audit log, which only the local cluster shows")
    begin = now()
    serving.apply(serving.rollout("v4"))
    status = serving.wait_for_result("v4", "RolledBack", 180)
    capture_story(serving, "6-broken-version-rolled-back")
    assert "Guard" in serving.condition("Promoted")["message"]
    assert status["history"][-1]["looks"] <= 5
    requests = audit.requests_of_operator(cluster.audit_log, serving.namespace, begin)
    routes = [index for index, request in enumerate(requests) if request.what == "patch httproutes"]
    assert len(routes) == 2, "weight up once, weight 0 once"
    given, taken = routes
    between = [request.what for request in requests[given + 1 : taken] if request.resource != "events"]
    assert set(between) == {"update modelrollouts/status"}, "weight 0 is the first change of the world"
    assert serving.condition("Promoted")["reason"] == "Harm"


def test_rollout_that_goes_leaves_nothing_though_no_operator_runs(operator: Installation, serving: Stage) -> None:
    """Runs last on a second rollout, so that the clients' model goes on serving."""
    serving.apply(serving.named("short-lived"))
    serving.wait_for(lambda seen: seen.get("phase") == "Healthy", 90, "short-lived serves", "short-lived")
    operator.scale(0)
    try:
        serving.kubectl("delete", "modelrollout", "short-lived", "--timeout=10s")
        selector = f"{names.LABEL_ROLLOUT}=short-lived"
        poll(
            lambda: (
                not json.loads(
                    serving.kubectl("get", "deployments,services,httproutes,pods", "-l", selector, "-o", "json")
                )["items"]
            ),
            30,
            "children gone",
        )
    finally:
        operator.scale(1)
