from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from lossgate.controller.kube import KubeError
from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.probes import Probes
from lossgate.controller.queue import Key, WorkQueue
from lossgate.controller.sight import Sight
from lossgate.controller.vitals import DEAD_WATCH_SECONDS, HUNG_TURN_SECONDS, SLOW_TURN_SECONDS, Vitals
from lossgate.controller.workers import Workers
from tests.controller import virtual_time
from tests.controller.cluster import Cluster, a_rollout
from tests.controller.operator_process import OperatorProcess

KEY = Key("ml", "digits")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def ask(port: int, path: str, seconds: float = 10.0) -> tuple[int, str]:
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


class Hangs:
    """A turn that waits for ever."""

    async def turn(self, key: Key) -> None:
        await asyncio.Event().wait()

    def knows(self, key: Key) -> bool:
        return True


async def test_turn_that_hangs_makes_unready_first_and_is_ended_by_a_restart_later() -> None:
    clock, metrics = Clock(), OperatorMetrics()
    queue = WorkQueue(time.time, clock)
    queue.open()
    worker = asyncio.create_task(Workers(queue, Hangs(), metrics, time.time).work())
    vitals = Vitals(queue, lambda: [worker])
    port = unused_port()
    probes = Probes(port, metrics, queue.overdue_seconds, lambda: True, vitals.illness, vitals.delay)
    await probes.start()
    queue.add(KEY)
    while queue.busy_seconds() == 0.0 and clock.now < 100:
        await asyncio.sleep(0)
        clock.now += 1
    clock.now += SLOW_TURN_SECONDS
    assert (await ask(port, "/readyz"))[0] == 503
    assert (await ask(port, "/healthz"))[0] == 200
    clock.now += HUNG_TURN_SECONDS
    status, why = await ask(port, "/healthz")
    assert (status, "hung" in why) == (500, True)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert vitals.illness() == "a task that must run for ever has ended; see the log"
    await probes.stop()


def test_event_loop_that_is_blocked_answers_no_probe() -> None:
    port, started, blocked = unused_port(), threading.Event(), threading.Event()

    async def operator() -> None:
        probes = Probes(port, OperatorMetrics(), lambda: 0.0, lambda: True, lambda: None)
        await probes.start()
        started.set()
        blocked.wait(5)
        await asyncio.sleep(0.5)
        await probes.stop()

    thread = threading.Thread(target=asyncio.run, args=(operator(),))
    thread.start()
    assert started.wait(5)
    with pytest.raises(TimeoutError):
        asyncio.run(ask(port, "/healthz", 0.3))
    blocked.set()
    thread.join(10)


@pytest.mark.parametrize("leads", [True, False], ids=["renews-its-lease", "api-server-away"])
def test_watch_that_died_for_good_is_noticed_and_an_api_server_that_is_away_is_not(
    leads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> Any:
        monkeypatch.setattr(time, "monotonic", virtual_time.monotonic)
        cluster = Cluster()
        cluster.apply(a_rollout())
        process = OperatorProcess(cluster)
        process.start()
        vitals = Vitals(process.queue, list)
        process.reconciler.sight = Sight(virtual_time.monotonic)
        vitals.reconciler, vitals.lease = process.reconciler, process.lease
        assert vitals.delay() is None
        cluster.on_rollout = None
        await process.rest(100)
        if not leads:
            process.leads = False
            process.kube.refuse = lambda request: KubeError(0, "GET", "no answer")
        assert "watch" in (vitals.delay() or "")
        assert vitals.illness() is None
        await process.rest(DEAD_WATCH_SECONDS)
        assert (vitals.illness() is not None) == leads

    virtual_time.run(scene())
