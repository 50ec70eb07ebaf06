from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lossgate.controller.kube import KubeError
from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.queue import Key, WorkQueue
from lossgate.controller.workers import MAX_RETRY_AFTER_SECONDS, NotLeading, Workers
from tests.controller import virtual_time

A, B = Key("ml", "a"), Key("ml", "b")


class Stage:
    """Turns as scripted, taken by one worker."""

    def __init__(self, fails: Callable[[Key, float], Exception | None]) -> None:
        self._fails = fails
        self.turns: list[tuple[float, Key]] = []
        self.known = {A, B}
        self.metrics = OperatorMetrics()
        self.queue = WorkQueue(virtual_time.unix)

    async def turn(self, key: Key) -> None:
        now = virtual_time.monotonic()
        self.turns.append((now, key))
        failure = self._fails(key, now)
        if failure is not None:
            raise failure

    def knows(self, key: Key) -> bool:
        return key in self.known

    async def play(self, seconds: float) -> list[float]:
        """Work for some time and return when A was tried."""
        self.queue.open()
        self.queue.add(A)
        workers = Workers(self.queue, self, self.metrics, virtual_time.unix)
        task = asyncio.create_task(workers.work())
        await asyncio.sleep(seconds)
        assert not task.done(), "no failure ends a worker"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [at for at, key in self.turns if key == A]

    def errors(self) -> float | None:
        labels = {"namespace": A.namespace, "rollout": A.name}
        return self.metrics.registry.get_sample_value("lossgate_reconcile_errors_total", labels)


def test_turn_that_succeeds_is_taken_once() -> None:
    stage = Stage(lambda key, now: None)
    assert virtual_time.run(stage.play(600)) == [0.0]
    assert stage.errors() is None


def test_api_server_that_fails_is_tried_ever_later_and_counted() -> None:
    stage = Stage(lambda key, now: KubeError(503, "PUT", "busy") if now < 3 else None)
    assert virtual_time.run(stage.play(600)) == [0.0, 0.5, 1.5, 3.5]
    assert stage.errors() == 3


def test_conflict_is_no_error() -> None:
    stage = Stage(lambda key, now: KubeError(409, "PUT", "modified") if now < 0.05 else None)
    assert virtual_time.run(stage.play(600)) == pytest.approx([0.0, 0.1], abs=1e-6)
    assert stage.errors() is None


def test_defect_in_one_turn_does_not_stop_the_others() -> None:
    async def scene() -> None:
        stage = Stage(lambda key, now: ZeroDivisionError() if key == A else None)
        stage.queue.add(B, virtual_time.unix() + 100)
        await stage.play(600)
        assert (100.0, B) in stage.turns
        assert stage.errors() == len(stage.turns) - 1

    virtual_time.run(scene())


def test_not_leading_leaves_time_for_the_lease_to_be_renewed() -> None:
    stage = Stage(lambda key, now: NotLeading() if now < 10 else None)
    attempts = virtual_time.run(stage.play(600))
    assert attempts == [float(second) for second in range(11)]
    assert stage.errors() is None


def test_object_deleted_during_its_turn_is_not_tried_again() -> None:
    def delete(key: Key, now: float) -> Exception:
        stage.known.discard(key)
        return KubeError(404, "PUT", "not found")

    stage = Stage(delete)
    assert virtual_time.run(stage.play(600)) == [0.0]
    assert stage.errors() is None, "no series is left behind"


def test_api_server_is_left_alone_for_as_long_as_it_asks_within_reason() -> None:
    stage = Stage(lambda key, now: KubeError(429, "PUT", "busy", 3.0) if now < 8 else None)
    assert virtual_time.run(stage.play(600)) == [0.0, 3.0, 6.0, 9.0]
    stage = Stage(lambda key, now: KubeError(503, "PUT", "busy", 3600.0) if now < 1 else None)
    assert virtual_time.run(stage.play(600)) == [0.0, MAX_RETRY_AFTER_SECONDS]


def test_conflict_that_lasts_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(lambda key, now: KubeError(409, "PUT", "modified") if now < 3 else None)
    virtual_time.run(stage.play(600))
    assert "ml/a: tried again in 0.8 s: PUT: modified" in caplog.text
    assert stage.errors() == 2
