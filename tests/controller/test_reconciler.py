from __future__ import annotations

import pytest

from lossgate.api.reasons import Phase, Reason
from lossgate.controller.kube import KubeError
from tests.controller import virtual_time
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import (
    STATUS,
    kinds,
    looks_taken,
    play,
    results,
    series,
    turns_taken,
)


def test_first_version_comes_up_with_everything_written_in_order() -> None:
    async def scene() -> None:
        cluster = Cluster()
        cluster.apply(a_rollout())
        process = OperatorProcess(cluster)
        process.start()
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        children = [kind for method, kind in kinds(process.kube.writes) if method == "POST"]
        assert kinds(process.kube.writes)[0] == STATUS, "what is decided is on the object before the world changes"
        assert children == ["Deployment", "Service", "Service", "HTTPRoute"]
        assert cluster.weights == (100, 0)
        assert cluster.replicas() == {"v1": 4}

    virtual_time.run(scene())


def test_every_change_of_the_world_follows_the_status_that_decided_it() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        decided: list[tuple[int | None, tuple[int, ...]]] = []

        def watch_weights(request: Request) -> KubeError | None:
            if request.kind == "HTTPRoute":
                canary = cluster.status.canary
                asked = tuple(backend["weight"] for backend in request.body["spec"]["rules"][0]["backendRefs"])
                decided.append((canary.weight if canary else 0, asked))
            return None

        process.kube.refuse = watch_weights
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: cluster.status.phase is Phase.PROMOTING, within_seconds=6000)
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        assert [asked for _, asked in decided] == [(80, 20), (50, 50), (0, 100), (100, 0)]
        assert all(canary == asked[1] for canary, asked in decided), "the stored status said so before the request"

    play(scene)


def test_better_version_is_promoted_and_a_worse_one_is_rolled_back() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2", scaleDownDelay="30s"))
        await process.run(lambda: "Promoted" in results(cluster), within_seconds=6000)
        await process.run(lambda: cluster.replicas() == {"v1": 0, "v2": 4})
        cluster.apply(a_rollout("v4", scaleDownDelay="30s"))
        await process.run(lambda: cluster.status.phase is Phase.ROLLED_BACK, within_seconds=1200)
        assert cluster.weights == (100, 0)
        assert cluster.status.history[-1].reason is Reason.HARM
        assert cluster.status.stable is not None
        assert cluster.status.stable.model_version == "v2"
        assert cluster.status.history[-1].looks < 80, "large harm does not wait for the main test"

    play(scene)


def test_idle_rollout_costs_no_request() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        await process.rest(3600)
        assert process.kube.requests == []
        assert cluster.source.requests == []

    play(scene)


def test_watch_event_without_news_writes_nothing() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        for _ in range(5):
            process.reconciler.saw(cluster.storage.objects[PLACE])
            await process.rest()
        assert process.kube.requests == []

    play(scene)


def test_not_leading_means_no_write_and_no_query() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        process.leads = False
        cluster.apply(a_rollout("v2"))
        await process.rest(60)
        assert process.kube.requests == []
        assert cluster.source.requests == []
        process.leads = True
        await process.run(lambda: cluster.status.phase is Phase.PROGRESSING)

    play(scene)


def test_leadership_lost_while_the_losses_were_read_leaves_the_status_to_the_next_leader() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        process.kube.requests.clear()

        def lose() -> None:
            process.leads = False

        cluster.source.meanwhile = lose
        await process.rest(60)
        assert not process.leads
        assert process.kube.requests == []

    play(scene)


def test_leadership_lost_in_a_turn_stops_it_before_the_next_write() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        def lose(request: Request) -> None:
            if (request.method, request.kind) == STATUS:
                process.leads = False

        process.kube.refuse = lose
        cluster.apply(a_rollout("v2"))
        await process.rest(30)
        assert kinds(process.kube.writes) == [STATUS]
        assert cluster.replicas() == {"v1": 4}, "the next leader goes on from the status"

    play(scene)


def test_rollout_that_is_being_deleted_is_left_alone() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        body = a_rollout("v2")
        stored = cluster.storage.objects[PLACE]
        metadata = {**stored["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        cluster.storage.put({**stored, "spec": body["spec"], "metadata": metadata})
        await process.rest(60)
        assert process.kube.requests == []

    play(scene)


@pytest.mark.parametrize("answered", [True, False], ids=["the-write-landed", "the-write-was-refused"])
def test_rollout_deleted_during_its_turn_leaves_nothing_behind(answered: bool) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        def delete(request: Request) -> bool:
            if (request.method, request.kind) == STATUS:
                cluster.storage.remove(PLACE)
            return False

        def delete_first(request: Request) -> None:
            delete(request)

        if answered:
            process.kube.dies_after = delete
        else:
            process.kube.refuse = delete_first
        cluster.apply(a_rollout("v2"))
        await process.rest(60)
        assert kinds(process.kube.writes) == [STATUS]
        assert not process.reconciler.knows(KEY)
        assert series(process) == []

    play(scene)


def test_series_go_with_the_rollout() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        assert series(process)
        cluster.storage.remove(PLACE)
        await process.rest()
        assert series(process) == []

    play(scene)


def test_next_rollout_within_the_scale_down_delay_does_not_keep_the_operator_busy() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: "Promoted" in results(cluster), within_seconds=6000)
        cluster.apply(a_rollout("v3"))
        turns = turns_taken(process)
        await process.rest(700)
        assert cluster.replicas()["v1"] == 0, "its time is over, though another rollout is in flight"
        assert turns_taken(process) - turns < 700

    play(scene)
