"""What becomes of a rollout when an answer of the API server is lost, or its watch is silent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lossgate.api.reasons import Phase
from lossgate.controller.kube import JSON, KubeError
from lossgate.controller.sight import Sight
from tests.controller import virtual_time
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import looks_taken, play, results


def told(cluster: Cluster) -> list[str]:
    return [body["reason"] for body in cluster.storage.of_kind("Event")]


def lose_answers(process: OperatorProcess, error: KubeError, lost: Callable[[JSON], bool]) -> None:
    """Let the server store statuses, and the process be told that it did not."""
    replace_status, seen = process.kube.replace_status, set[str]()

    async def answer_lost(body: JSON) -> JSON:
        stored: JSON = await replace_status(body)
        phase = stored["status"]["phase"]
        if lost(stored["status"]) and phase not in seen:
            seen.add(phase)
            raise error
        return stored

    process.kube.replace_status = answer_lost  # type: ignore[method-assign]


@pytest.mark.parametrize("status", [0, 409, 500, 504])
def test_event_is_told_once_though_the_answer_to_its_status_was_lost(status: int) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        lose_answers(process, KubeError(status, "PUT", "no answer"), lambda stored: True)
        cluster.apply(a_rollout("v4"))
        await process.run(lambda: cluster.status.phase is Phase.ROLLED_BACK, within_seconds=1200)
        assert results(cluster) == ["RolledBack"]
        reasons = told(cluster)
        assert [reasons.count(reason) for reason in ("RolloutStarted", "HarmFound", "RollingBack", "RolledBack")] == [
            1,
            1,
            1,
            1,
        ]

    play(scene)


def test_event_of_a_status_that_was_not_stored_is_not_told() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        refused = 0

        def refuse(request: Any) -> KubeError | None:
            nonlocal refused
            if request.method == "PUT" and refused < 3:
                refused += 1
                return KubeError(500, "PUT", "etcdserver: request timed out")
            return None

        process.kube.refuse = refuse
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 1)
        assert refused == 3
        assert told(cluster).count("RolloutStarted") == 1

    play(scene)


def test_events_that_the_status_has_no_room_for_are_told_all_the_same() -> None:
    """Sixteen guardrails may fail at one look."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        names = [f"g{number}" for number in range(16)]
        cluster.numbers.answers = dict.fromkeys(names, 5.0)
        limits = [{"name": name, "query": f'{name}{{revision="$revision"}}', "max": 1} for name in names]
        cluster.apply(a_rollout("v2", guardrails=limits))
        await process.run(lambda: told(cluster).count("GuardrailFailing") >= 10, within_seconds=120)

    play(scene)


def test_looks_go_on_though_the_watch_is_silent_and_somebody_wrote() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        cluster.on_rollout = None  # nothing is delivered from now on
        body = cluster.storage.objects[PLACE]
        cluster.storage.put({**body, "metadata": {**body["metadata"], "annotations": {"team/note": "hello"}}})
        before = looks_taken(cluster)
        await process.run(lambda: looks_taken(cluster) >= before + 3, within_seconds=60)
        assert cluster.storage.objects[PLACE]["metadata"]["annotations"] == {"team/note": "hello"}

    play(scene)


def test_silent_watch_is_noticed_by_what_does_not_come_back() -> None:
    now = 100.0
    sight = Sight(lambda: now)

    def version(number: int) -> JSON:
        return {"metadata": {"resourceVersion": str(number)}}

    assert sight.blind_seconds() == 0
    sight.wrote(KEY, version(5))
    now += 10
    sight.wrote(KEY, version(6))
    now += 10
    assert sight.blind_seconds() == 20, "since the first that is missing"
    sight.saw(KEY, version(5))
    assert sight.blind_seconds() == 0, "behind, but not silent"
    now += 5
    assert sight.blind_seconds() == 5
    sight.saw(KEY, version(7))
    now += 100
    assert sight.blind_seconds() == 0
    sight.wrote(KEY, version(8))
    sight.forget(KEY)
    now += 100
    assert sight.blind_seconds() == 0


def test_weight_0_is_not_delayed_by_a_rate_limit() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v4"))
        await process.run(lambda: cluster.weights == (80, 20))
        asked: list[float] = []

        def busy(request: Any) -> KubeError | None:
            if request.kind != "HTTPRoute":
                return None
            asked.append(virtual_time.monotonic())
            return KubeError(429, "PATCH", "busy", 5.0) if len(asked) < 3 else None

        process.kube.refuse = busy
        await process.run(lambda: cluster.weights == (100, 0), within_seconds=1200)
        assert asked[-1] - asked[0] < 2

    play(scene)
