"""The main path: the first version serves, a better one is promoted, worse ones are rolled back; nobody notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from e2e import audit
from e2e.cluster import Cluster
from e2e.stage import OPERATOR_NAMESPACE, Stage, poll
from lossgate.api import names


@pytest.fixture(scope="module")
def serving(stage: Stage) -> Iterator[Stage]:
    """The first version serves and is asked; when all is played, no request may have failed."""
    stage.apply(stage.rollout("v1"))
    stage.wait_for_result("v1", "Healthy", 120)
    stage.start_client()
    yield stage
    statistics = stage.client_statistics()
    assert statistics["errors"] == 0, json.dumps(statistics, indent=1)
    assert statistics["ok"] > 10_000


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def kill_operator(cluster: Cluster) -> None:
    cluster.kubectl("-n", OPERATOR_NAMESPACE, "delete", "pod", "-l", "app.kubernetes.io/name=lossgate",
                    "--force", "--grace-period=0")  # fmt: skip


def test_better_version_is_promoted_though_the_operator_is_killed(cluster: Cluster, serving: Stage) -> None:
    serving.apply(serving.rollout("v2"))
    status = serving.wait_for(lambda seen: seen.get("step", {}).get("looks", 0) >= 20, 120, "20 looks")
    canary = status["canary"]["revision"]
    judged = {
        pod["metadata"]["uid"] for pod in serving.get("pods", selector=f"{names.LABEL_REVISION}={canary}")["items"]
    }
    since = status["step"]["since"]
    kill_operator(cluster)

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
    finally:
        cluster.kubectl("-n", "monitoring", "scale", "deployment/prometheus", "--replicas=1")
    serving.wait_for(lambda seen: not seen.get("analysis", {}).get("hold"), 60, "evidence again")


def test_overconfident_version_is_rolled_back_by_the_main_rule(serving: Stage) -> None:
    status = serving.wait_for_result("v3", "RolledBack", 240)
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
    assert "Guard" in serving.condition("Promoted")["message"]
    assert status["history"][-1]["looks"] <= 5
    requests = audit.requests_of_operator(cluster.audit_log, serving.namespace, begin)
    routes = [index for index, request in enumerate(requests) if request.what == "patch httproutes"]
    assert len(routes) == 2, "weight up once, weight 0 once"
    given, taken = routes
    between = [request.what for request in requests[given + 1 : taken] if request.resource != "events"]
    assert set(between) == {"update modelrollouts/status"}, "weight 0 is the first change of the world"
    assert serving.condition("Promoted")["reason"] == "Harm"


def test_rollout_that_goes_leaves_nothing_though_no_operator_runs(cluster: Cluster, serving: Stage) -> None:
    """Runs last on a second rollout, so that the clients' model goes on serving."""
    other = serving.rollout("v1")
    other["metadata"]["name"] = "short-lived"
    other["spec"]["traffic"]["gateway"]["hostnames"] = [f"short-lived.{serving.namespace}.example.com"]
    serving.apply(other)
    serving.wait_for(lambda seen: seen.get("phase") == "Healthy", 90, "short-lived serves", "short-lived")
    cluster.kubectl("-n", OPERATOR_NAMESPACE, "scale", "deployment/lossgate", "--replicas=0")
    try:
        cluster.kubectl("-n", OPERATOR_NAMESPACE, "wait", "pod", "-l", "app.kubernetes.io/name=lossgate",
                        "--for=delete", "--timeout=60s")  # fmt: skip
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
        cluster.kubectl("-n", OPERATOR_NAMESPACE, "scale", "deployment/lossgate", "--replicas=1")
        cluster.kubectl("-n", OPERATOR_NAMESPACE, "rollout", "status", "deployment/lossgate", "--timeout=90s")
