from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lossgate.api.reasons import EventReason
from lossgate.controller.events import MAX_MESSAGE_LENGTH, REPEAT_SECONDS, EventRecorder
from lossgate.controller.kube import KubeError
from lossgate.rollout.decision import Event
from tests.controller import virtual_time
from tests.controller.fake_kube import FakeKube, Storage

ROLLOUT = {"metadata": {"name": "digits", "namespace": "ml", "uid": "uid-7", "resourceVersion": "42"}}
PASSED = Event(EventReason.STEP_PASSED, "Step 5% passed.")
HARM = Event(EventReason.HARM_FOUND, "Worse than the margin.", warning=True)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_recorder() -> tuple[EventRecorder, Storage, Clock]:
    storage, clock = Storage(), Clock()
    return EventRecorder(FakeKube(storage), "pod-1", clock), storage, clock


def told(storage: Storage) -> list[dict[str, Any]]:
    return sorted(storage.of_kind("Event"), key=lambda body: int(body["metadata"]["resourceVersion"]))


async def test_event_is_one_that_kubectl_describe_finds() -> None:
    recorder, storage, _ = a_recorder()
    await recorder.tell(ROLLOUT, PASSED)
    await recorder.tell(ROLLOUT, HARM)
    first, second = told(storage)
    assert first["involvedObject"] == {
        "apiVersion": "lossgate.io/v1alpha1",
        "kind": "ModelRollout",
        "name": "digits",
        "namespace": "ml",
        "uid": "uid-7",
        "resourceVersion": "42",
    }
    assert first["metadata"]["namespace"] == "ml"
    assert first["metadata"]["name"] < second["metadata"]["name"], "within a second kubectl goes by the names"
    assert (first["type"], first["reason"], first["message"]) == ("Normal", "StepPassed", "Step 5% passed.")
    assert (second["type"], second["reason"]) == ("Warning", "HarmFound")
    age = datetime.now(UTC) - datetime.fromisoformat(first["lastTimestamp"])
    assert timedelta(0) <= age < timedelta(minutes=5)


async def test_same_thing_is_told_once_within_minutes() -> None:
    recorder, storage, clock = a_recorder()
    for _ in range(5):
        await recorder.tell(ROLLOUT, PASSED)
        clock.now += 1
    assert len(told(storage)) == 1
    clock.now = REPEAT_SECONDS
    await recorder.tell(ROLLOUT, PASSED)
    assert len(told(storage)) == 2


async def test_other_numbers_and_other_rollouts_are_other_things() -> None:
    recorder, storage, _ = a_recorder()
    await recorder.tell(ROLLOUT, PASSED)
    await recorder.tell(ROLLOUT, Event(EventReason.STEP_PASSED, "Step 25% passed."))
    await recorder.tell({"metadata": {**ROLLOUT["metadata"], "uid": "uid-8"}}, PASSED)
    assert len(told(storage)) == 3


async def test_long_message_is_cut_at_its_end() -> None:
    recorder, storage, _ = a_recorder()
    await recorder.tell(ROLLOUT, Event(EventReason.STALLED, "because " + "x" * 5000))
    message = told(storage)[0]["message"]
    assert len(message) == MAX_MESSAGE_LENGTH
    assert message.startswith("because xxx")
    assert message.endswith("x…")


@pytest.mark.parametrize("code", [0, 403, 404, 500])
async def test_event_that_cannot_be_recorded_stops_nobody_and_is_logged(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    kube = FakeKube(Storage())
    kube.refuse = lambda request: KubeError(code, "POST Event", "no room")
    with caplog.at_level(logging.INFO, "lossgate"):
        await EventRecorder(kube, "pod-1").tell(ROLLOUT, HARM)
    assert "ml/digits HarmFound: Worse than the margin." in caplog.text, "the log has it in any case"
    assert "no room" in caplog.text


async def test_memory_of_what_was_told_is_bounded() -> None:
    recorder, storage, _ = a_recorder()
    await recorder.tell(ROLLOUT, PASSED)
    for number in range(5000):
        await recorder.tell(ROLLOUT, Event(EventReason.NOT_MEASURED, str(number)))
    await asyncio.sleep(0)
    count = len(told(storage))
    await recorder.tell(ROLLOUT, PASSED)
    assert len(told(storage)) == count + 1, "the oldest is forgotten first"


@pytest.mark.parametrize("status", [0, 409, 429, 500])
@pytest.mark.parametrize("is_stored", [False, True])
def test_event_that_could_not_be_recorded_is_tried_again_and_told_once(status: int, is_stored: bool) -> None:
    async def scene() -> None:
        recorder, storage, _ = a_recorder()
        create, failures = recorder._kube.create, 3

        async def fail(body: dict[str, Any]) -> dict[str, Any]:
            nonlocal failures
            failures -= 1
            if failures < 0:
                return await create(body)
            if is_stored and failures == 2:
                await create(body)
            raise KubeError(status, "POST", "no answer")

        recorder._kube.create = fail  # type: ignore[method-assign]
        await recorder.tell(ROLLOUT, HARM)
        await asyncio.sleep(600)
        assert [body["reason"] for body in told(storage)] == ["HarmFound"]
        await recorder.close()

    virtual_time.run(scene())


def test_event_that_is_forbidden_is_not_tried_again() -> None:
    async def scene() -> None:
        recorder, _, _ = a_recorder()
        kube = recorder._kube
        assert isinstance(kube, FakeKube)
        kube.refuse = lambda request: KubeError(403, "POST", "namespace is being terminated")
        await recorder.tell(ROLLOUT, HARM)
        await asyncio.sleep(600)
        assert len(kube.requests) == 1

    virtual_time.run(scene())
