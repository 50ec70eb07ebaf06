"""Commands reach the operator as an annotation, and survive it."""

from __future__ import annotations

import pytest

from lossgate.api import names
from lossgate.api.commands import Outcome
from lossgate.api.reasons import Phase, Reason
from tests.controller import virtual_time
from tests.controller.cluster import PLACE, Cluster, a_rollout
from tests.controller.operator_process import OperatorProcess, run_through_crashes
from tests.controller.scene import STATUS, kinds, play


def annotate(cluster: Cluster, annotation: str, text: str) -> None:
    """Set an annotation of the ModelRollout, as kubectl does: the generation stays."""
    body = cluster.storage.objects[PLACE]
    annotations = {**body["metadata"].get("annotations", {}), annotation: text}
    cluster.storage.put({**body, "metadata": {**body["metadata"], "annotations": annotations}})


def command(cluster: Cluster, verb: str) -> None:
    version = cluster.status.stable if verb == "rollback" else cluster.status.canary
    assert version is not None
    annotate(cluster, names.ANNOTATION_COMMAND, f"{verb} {version.revision} {virtual_time.unix():.0f}")


def test_command_is_carried_out_and_the_operator_writes_its_status_alone() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: cluster.status.phase is Phase.PROGRESSING)
        command(cluster, "promote")
        await process.run(lambda: cluster.status.phase is Phase.HEALTHY)
        last = cluster.status.last_command
        assert last is not None
        assert last.outcome is Outcome.OBEYED
        assert cluster.status.history[-1].reason is Reason.REQUESTED
        touched = {write for write in kinds(process.kube.writes) if write[1] == names.KIND}
        assert touched == {STATUS}

    play(scene)


def test_annotation_to_skip_the_analysis_asks_prometheus_nothing() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        rollout = a_rollout("v2")
        spec = rollout["spec"]
        target = names.revision_name("digits", spec["template"], spec["model"]["version"])
        annotate(cluster, names.ANNOTATION_SKIP_ANALYSIS, target)
        cluster.apply(rollout)
        await process.run(lambda: bool(cluster.status.history), within_seconds=300)
        assert cluster.status.history[-1].reason is Reason.ANALYSIS_SKIPPED
        assert cluster.source.requests == []

    play(scene)


@pytest.mark.parametrize("crashes", [False, True])
def test_way_there_and_back_by_command_survives_a_death_after_every_write(crashes: bool) -> None:
    def dies(process: OperatorProcess) -> None:
        if crashes:
            process.kube.dies_after = lambda request: request in process.kube.writes

    async def scene() -> None:
        cluster = Cluster(v2=0.25)
        cluster.apply(a_rollout())
        deaths = await run_through_crashes(cluster, dies, lambda: cluster.status.phase is Phase.HEALTHY, 600)
        cluster.apply(a_rollout("v2"))
        deaths += await run_through_crashes(cluster, dies, lambda: cluster.status.phase is Phase.PROGRESSING, 600)
        command(cluster, "promote")
        deaths += await run_through_crashes(cluster, dies, lambda: _rests(cluster, Phase.HEALTHY, "v2"), 600)
        command(cluster, "rollback")
        deaths += await run_through_crashes(cluster, dies, lambda: _rests(cluster, Phase.ROLLED_BACK, "v1"), 600)
        assert [entry.result for entry in cluster.status.history] == ["Promoted", "RolledBack"], "each done once"
        assert cluster.replicas() == {"v1": 4, "v2": 4}
        assert (deaths > 10) is crashes

    virtual_time.run(scene())


def _rests(cluster: Cluster, phase: Phase, stable: str) -> bool:
    status = cluster.status
    serves = status.stable is not None and status.stable.model_version == stable
    return status.phase is phase and serves and cluster.weights == (100, 0)
