"""What `kubectl describe` finds after a whole rollout, as the operator recorded it."""

from __future__ import annotations

import pytest

from lossgate.controller.events import MAX_MESSAGE_LENGTH
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import play, results

BEGINNING = ["RolloutStarted", "BaselineTaken", "WeightChanged"]
TAKE_OVER = ["StepPassed", "WeightChanged", "Promoting", "WeightChanged", "Promoted"]


@pytest.mark.parametrize(
    ("version", "story"),
    [("v2", [*BEGINNING, *TAKE_OVER]), ("v4", [*BEGINNING, "HarmFound", "RollingBack", "RolledBack"])],
    ids=["promoted", "rolled-back"],
)
def test_the_events_of_a_rollout_are_its_story_and_no_look_is_one(version: str, story: list[str]) -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        for event in list(cluster.storage.of_kind("Event")):
            cluster.storage.remove(("Event", KEY.namespace, event["metadata"]["name"]))
        cluster.apply(a_rollout(version))
        await process.run(lambda: bool(results(cluster)), within_seconds=6000)
        await process.rest(60)
        events = sorted(cluster.storage.of_kind("Event"), key=lambda event: int(event["metadata"]["resourceVersion"]))
        assert [event["reason"] for event in events] == story
        assert all(len(event["message"]) <= MAX_MESSAGE_LENGTH for event in events)
        uid = cluster.storage.objects[PLACE]["metadata"]["uid"]
        assert {event["involvedObject"]["uid"] for event in events} == {uid}
        assert {event["count"] for event in events} == {1}

    play(scene)
