"""Guardrails of a running operator: what is asked, what it costs, and what it never delays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.controller.settings import Settings
from lossgate.measure.access import Access
from lossgate.measure.errors import Question, SourceUnavailable
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import STATUS, kinds, looks_taken, play, series

ERRORS: dict[str, Any] = {
    "name": "errors",
    "query": 'errors{namespace="$namespace", revision="$revision", service="$service"}[$interval]',
    "max": 0.01,
}


def failures(cluster: Cluster) -> int:
    return max((status.failures for status in cluster.status.guardrails), default=0)


def evaluated(cluster: Cluster, name: str = "errors") -> bool:
    """Whether a guardrail has had its first evaluation in the step."""
    return any(status.name == name and status.evaluated is not None for status in cluster.status.guardrails)


def reason(cluster: Cluster, type_: ConditionType) -> Reason | None:
    found = cluster.status.condition(type_)
    return found.reason if found else None


def test_query_is_asked_about_the_canary_once_for_the_end_of_each_look() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["errors"] = 0.001
        cluster.apply(a_rollout("v2", guardrails=[ERRORS]))
        await process.run(lambda: looks_taken(cluster) >= 5)
        canary = cluster.status.canary
        assert canary is not None
        wanted = f'errors{{namespace="ml", revision="{canary.revision}", service="digits-canary"}}[10s]'
        assert {request.query for request in cluster.numbers.requests} == {wanted}
        assert {request.access for request in cluster.numbers.requests} == {Access("http://prometheus:9090")}
        ends = [request.at for request in cluster.numbers.requests]
        assert ends == list(range(ends[0], ends[0] + 10 * len(ends), 10))

    play(scene)


def test_ratio_asks_the_same_of_the_stable_version() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["errors"] = 0.5
        cluster.apply(a_rollout("v2", guardrails=[{**ERRORS, "max": 9, "maxRatioToStable": 1.5}]))
        await process.run(lambda: evaluated(cluster))
        stable = cluster.status.stable
        assert stable is not None
        wanted = f'errors{{namespace="ml", revision="{stable.revision}", service="digits"}}[10s]'
        assert cluster.numbers.requests[1].query == wanted
        assert cluster.status.guardrails[0].stable_value == "0.5"

    play(scene)


def test_preset_asks_about_the_endpoints_of_each_version() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        preset = {"name": "errors", "preset": "EnvoyGatewayErrorRate", "maxRatioToStable": 2}
        cluster.numbers.answers["sum(increase(envoy_cluster_endpoint_rq_error"] = 0.001
        cluster.apply(a_rollout("v2", guardrails=[preset]))
        await process.run(lambda: evaluated(cluster))
        canary, stable = cluster.numbers.requests[:2]
        assert "httproute/ml/digits/rule/" in canary.query
        assert 'envoy_endpoint_address="10.2.0.0:8080"' in canary.query
        assert "10.1.0.3:8080".replace(".", r"\\.") in stable.query
        assert "10.2.0" not in stable.query

    play(scene)


def test_operators_credentials_never_go_with_a_query_that_a_user_wrote(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the-operators")
    settings = Settings(
        "lossgate",
        "pod-1",
        prometheus_url="http://prometheus:9090",
        prometheus_token_file=str(tmp_path / "token"),
    )

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["rrors"] = 0.001
        preset = {"name": "preset", "preset": "EnvoyGatewayErrorRate", "max": 0.05}
        cluster.apply(a_rollout("v2", guardrails=[ERRORS, preset]))
        await process.run(lambda: evaluated(cluster) and evaluated(cluster, "preset"))
        tokens = {("envoy" in request.query, request.access.token) for request in cluster.numbers.requests}
        assert tokens == {(False, None), (True, "the-operators")}

    play(scene, settings=settings)


def test_look_with_a_guardrail_still_costs_one_status_write() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["errors"] = 0.001
        cluster.apply(a_rollout("v2", guardrails=[ERRORS, {**ERRORS, "name": "again"}]))
        await process.run(lambda: looks_taken(cluster) >= 3)
        process.kube.requests.clear()
        cluster.numbers.requests.clear()
        await process.run(lambda: looks_taken(cluster) >= 13)
        assert kinds(process.kube.requests) == [STATUS] * 10
        assert len(cluster.numbers.requests) == 20

    play(scene)


def test_slow_queries_delay_no_look_and_are_few_at_once() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.slow_seconds["errors"] = 45.0
        cluster.numbers.answers["errors"] = 0.001
        many = [{**ERRORS, "name": f"g{number}"} for number in range(6)]
        cluster.apply(a_rollout("v2", guardrails=many))
        await process.run(lambda: looks_taken(cluster) >= 3)
        before = looks_taken(cluster)
        await process.rest(100)
        assert looks_taken(cluster) >= before + 9
        assert cluster.numbers.most_under_way == 2
        await process.run(lambda: evaluated(cluster, "g5"), within_seconds=300)
        assert cluster.status.phase is Phase.PROGRESSING

    play(scene)


def test_harm_is_rolled_back_while_a_query_hangs() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.slow_seconds["errors"] = 10_000.0
        cluster.apply(a_rollout("v4", guardrails=[ERRORS]))
        await process.run(lambda: cluster.status.phase is Phase.ROLLED_BACK, within_seconds=200)
        assert reason(cluster, ConditionType.PROMOTED) is Reason.HARM

    play(scene)


def test_edits_do_not_let_a_rollout_have_more_queries_under_way() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.slow_seconds["errors"] = 100.0
        cluster.apply(a_rollout("v2", guardrails=[ERRORS]))
        await process.run(lambda: looks_taken(cluster) >= 2)
        for edit in range(1, 12):
            cluster.apply(a_rollout("v2", guardrails=[{**ERRORS, "max": edit}]))
            await process.rest(2)
        assert cluster.numbers.most_under_way <= 2

    play(scene)


@pytest.mark.parametrize("value", [0.5, None, SourceUnavailable("refused", Question("http://p", "errors", 0), "start")])
def test_what_fails_rolls_back_and_what_is_unknown_holds(value: float | SourceUnavailable | None) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        if value is not None:
            cluster.numbers.answers["errors"] = value
        cluster.apply(a_rollout("v2", steps=[{"weight": 50}], guardrails=[ERRORS]))
        if isinstance(value, float):
            await process.run(lambda: cluster.status.phase is Phase.ROLLED_BACK)
            assert reason(cluster, ConditionType.PROMOTED) is Reason.GUARDRAIL_FAILED
            assert len({request.at for request in cluster.numbers.requests}) == 3
            return
        await process.rest(1500)
        assert cluster.status.phase is Phase.PROGRESSING
        assert reason(cluster, ConditionType.PROMOTED) is Reason.GUARDRAIL_PENDING
        expected = Reason.PARTIAL_DATA if value is None else Reason.METRICS_UNREACHABLE
        assert reason(cluster, ConditionType.MEASURED) is expected
        cluster.numbers.answers["errors"] = 0.0
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        assert reason(cluster, ConditionType.PROMOTED) is Reason.PROMOTED

    play(scene)


def test_next_process_goes_on_counting_where_the_last_one_died() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["errors"] = 0.5
        cluster.apply(a_rollout("v2", guardrails=[ERRORS]))
        await process.run(lambda: failures(cluster) == 2)
        process.leads = False
        following = OperatorProcess(cluster)
        following.start()
        await following.run(lambda: cluster.status.phase is Phase.ROLLED_BACK)
        assert failures(cluster) == 3
        assert len({request.at for request in cluster.numbers.requests}) == 3

    play(scene)


def test_conflict_counts_no_evaluation_twice() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["errors"] = 0.5
        conflicts = 0

        def somebody_writes_first(request: Request) -> None:
            nonlocal conflicts
            guardrails = (request.body or {}).get("status", {}).get("guardrails", [])
            if (request.method, request.kind) == STATUS and conflicts < 10 and any(g["failures"] for g in guardrails):
                conflicts += 1
                body = cluster.storage.objects[PLACE]
                annotations = {"team/note": str(conflicts)}
                cluster.storage.put({**body, "metadata": {**body["metadata"], "annotations": annotations}})

        process.kube.refuse = somebody_writes_first
        cluster.apply(a_rollout("v2", guardrails=[{**ERRORS, "failureLimit": 5}]))
        await process.run(lambda: failures(cluster) == 5)
        assert conflicts == 10
        ends = [request.at for request in cluster.numbers.requests]
        assert len(ends) == len(set(ends)) == 5, "asked once, counted once"

    play(scene)


def test_field_report_6_status_and_event_show_the_query_and_its_time() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["errors"] = 0.5
        cluster.apply(a_rollout("v2", guardrails=[{**ERRORS, "failureLimit": 1}]))
        await process.run(lambda: cluster.status.phase is Phase.ROLLED_BACK)
        (request,) = cluster.numbers.requests
        events = [seen.body["message"] for seen in process.kube.requests if seen.kind == "Event"]
        (event,) = (message for message in events if "GuardrailFailed" in message)
        for text in (event, str(cluster.status.guardrails[0].message)):
            assert request.query in text
            assert "http://prometheus:9090" in text
            assert "0.5 is above max 0.01" in text

    play(scene)


def test_field_report_7_step_is_not_left_on_an_evaluation_that_never_came() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.slow_seconds["errors"] = 10_000.0
        cluster.apply(a_rollout("v2", steps=[{"weight": 50}], guardrails=[ERRORS]))
        await process.rest(1500)
        assert cluster.status.guardrails[0].result == "Pending"
        assert cluster.status.phase is Phase.PROGRESSING
        assert reason(cluster, ConditionType.PROMOTED) is Reason.GUARDRAIL_PENDING

    play(scene)


def test_url_that_is_not_allowed_is_never_asked() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2", guardrails=[ERRORS]))
        await process.run(lambda: looks_taken(cluster) >= 2)
        cluster.numbers.requests.clear()
        loss = {"interval": "10s", "settle": "5s", "prometheus": {"url": "http://elsewhere:9090"}}
        cluster.apply(a_rollout("v2", guardrails=[ERRORS], loss=loss))
        await process.rest(60)
        assert cluster.numbers.requests == []

    play(scene)


def test_metric_is_shown_and_goes_with_the_object() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.numbers.answers["errors"] = 0.5
        cluster.apply(a_rollout("v2", guardrails=[ERRORS]))
        await process.run(lambda: failures(cluster) == 1)
        labels = {"namespace": KEY.namespace, "rollout": KEY.name, "guardrail": "errors"}
        assert process.metrics.registry.get_sample_value("lossgate_guardrail_failures", labels) == 1
        cluster.storage.remove(PLACE)
        await process.rest(1)
        assert series(process) == []

    play(scene)
