"""What belongs to the user stays as the user wrote it, over whole lives: nothing for GitOps tools to put back.

Each test replays the shape of a public report of another tool, named in its docstring.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import kopf
import pytest

from lossgate.api import names
from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.controller.operator import Operator
from lossgate.controller.settings import Settings
from lossgate.measure.source import LookAnswer, LookRequest, Missing
from tests.controller.cluster import PLACE, Cluster, a_rollout
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import STATUS, kinds, looks_taken, play, results

BY_THE_USER = ("labels", "annotations", "finalizers", "ownerReferences")


def user_part(body: dict[str, Any]) -> dict[str, Any]:
    """All that a user can have written of an object."""
    metadata = {name: body["metadata"].get(name) for name in BY_THE_USER}
    return copy.deepcopy({"metadata": metadata, "spec": body["spec"]})


def is_last(cluster: Cluster, result: str) -> bool:
    """Whether the last rollout that ended did so in this way."""
    return results(cluster)[-1:] == [result]


def relabel(cluster: Cluster, **labels: str) -> None:
    """Write labels and annotations of the ModelRollout, as a chart of a new version does."""
    body = cluster.storage.objects[PLACE]
    annotations = {"meta.helm.sh/release-name": "digits", "checksum/config": labels["helm.sh/chart"]}
    cluster.storage.put({**body, "metadata": {**body["metadata"], "labels": labels, "annotations": annotations}})


def test_no_label_or_annotation_is_added_over_a_whole_life() -> None:
    """rollouts-plugin-trafficrouter-gatewayapi#208 and #164: a label for "in progress" kept applications OutOfSync."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        relabel(cluster, **{"helm.sh/chart": "models-1"})
        before = user_part(cluster.storage.objects[PLACE])
        for version, ended in (("v2", "Promoted"), ("v4", "RolledBack")):
            written = a_rollout(version)["spec"]
            cluster.apply(a_rollout(version))
            await process.run(partial(is_last, cluster, ended), within_seconds=6000)
            await process.rest(30)
            assert user_part(cluster.storage.objects[PLACE]) == {**before, "spec": written}
        for paused in (True, False):
            cluster.apply(a_rollout("v3", paused=paused))
            await process.rest(60)
        cluster.apply(a_rollout("v2"))
        await process.rest(60)
        assert cluster.status.phase is Phase.HEALTHY
        assert user_part(cluster.storage.objects[PLACE]) == {**before, "spec": a_rollout("v2")["spec"]}

    play(scene)


def test_only_the_status_of_a_rollout_is_ever_written_and_of_the_generation_acted_on() -> None:
    """The other half of the same reports: what is sent, not only what is stored."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        cluster.apply(a_rollout("v4"))
        await process.run(lambda: "RolledBack" in results(cluster), within_seconds=6000)
        own = [request for request in process.kube.requests if request.kind == names.KIND]
        assert {(request.method, request.kind) for request in own} == {STATUS}
        for request in own:
            assert request.body["status"]["observedGeneration"] == request.body["metadata"]["generation"]

    play(scene)


def test_a_spec_that_changes_during_a_turn_is_not_said_to_be_observed() -> None:
    """kstatus: a generation that was not acted on must not look Current, or `helm --wait` returns too early."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        seen: list[tuple[int, int]] = []

        def edit() -> None:
            cluster.source.meanwhile = lambda: None
            cluster.apply(a_rollout("v3"))
            stored = cluster.storage.objects[PLACE]
            seen.append((stored["metadata"]["generation"], cluster.status.observed_generation))

        cluster.source.meanwhile = edit
        await process.run(lambda: bool(seen))
        ((generation, observed),) = seen
        assert observed < generation
        await process.run(lambda: cluster.status.observed_generation == generation, within_seconds=40)
        assert cluster.status.canary is not None
        assert cluster.status.canary.model_version == "v3", "the turn that says so has acted on it"

    play(scene)


def test_labels_that_change_when_the_release_is_applied_anew_restart_nothing() -> None:
    """flagger#1720: after a HelmRelease was applied again its labels had changed, and the analysis with them."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 5)
        before, canary = looks_taken(cluster), cluster.status.canary
        assert canary is not None
        process.kube.requests.clear()
        relabel(cluster, **{"helm.sh/chart": "models-2", "app.kubernetes.io/version": "2"})
        await process.run(lambda: looks_taken(cluster) >= before + 3)
        assert set(kinds(process.kube.requests)) == {STATUS}, "no pod, Service or route is touched"
        assert cluster.status.canary is not None
        assert cluster.status.canary.revision == canary.revision
        assert cluster.weights == (80, 20)

    play(scene)


def test_metric_labels_that_change_are_told_apart_from_bad_losses() -> None:
    """The same report: where no series matches any more, that is said with the matchers, and nothing is judged."""

    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.apply(a_rollout("v2"))
        await process.run(lambda: looks_taken(cluster) >= 3)
        said = '0 series matched model_loss_count ({namespace="ml", app="digits"})'
        answered = cluster.source.looks

        async def none_match(request: LookRequest) -> LookAnswer:
            answer = await answered(request)
            return LookAnswer(
                {target: tuple(Missing(end, None, said) for end in request.ends) for target in answer.arms}
            )

        cluster.source.looks = none_match  # type: ignore[method-assign]
        await process.rest(300)
        measured = cluster.status.condition(ConditionType.MEASURED)
        assert measured is not None
        assert (measured.status, measured.reason) == ("False", Reason.NO_TRAFFIC)
        assert said in measured.message
        assert cluster.weights == (80, 20), "held where it is"
        assert results(cluster) == []

    play(scene)


@pytest.mark.parametrize("namespaces", [(), ("ml",)], ids=["whole-cluster", "one-namespace"])
async def test_kopf_is_given_nothing_that_writes_to_objects_or_heeds_peers(
    namespaces: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """kopf#833, #1087: handlers of changes, timers and daemons add finalizers, and annotations that hold the spec.

    kopf#734: a peering object named `default`, left by somebody, froze every operator that heeds it.
    """
    given: dict[str, Any] = {}

    async def operator(**options: Any) -> None:
        given.update(options)

    monkeypatch.setattr(kopf, "operator", operator)
    await Operator(Settings("lossgate", "pod-1", watch_namespaces=namespaces)).run()
    assert given["standalone"] is True
    assert not given.keys() & {"peering_name", "priority", "dev"}
    registry = given["registry"]
    for kind_of_handler in ("_spawning", "_changing"):
        assert list(getattr(registry, kind_of_handler).get_all_handlers()) == []
    assert list(registry._watching.get_all_handlers()) != []
