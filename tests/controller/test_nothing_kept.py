"""Of a ModelRollout that is deleted nothing is kept: neither in the operator's memory nor among its metrics."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any

import pytest

from lossgate.api import names
from lossgate.api.reasons import EventReason
from lossgate.controller.kube import KubeError
from lossgate.controller.queue import Key
from lossgate.rollout.decision import Event
from tests.controller import virtual_time
from tests.controller.cluster import KEY, PLACE, Cluster, a_rollout
from tests.controller.fake_kube import Request
from tests.controller.operator_process import OperatorProcess
from tests.controller.scene import looks_taken, play, series

FEW, MANY = 60, 500


def containers(process: OperatorProcess) -> dict[str, int]:
    """Return the sizes of all containers that the process holds on to, by the way that leads to each.

    Not the cluster's, nor the log of requests: those are the test's own.
    """
    return dict(
        _sized(process, "process", {id(process.cluster), id(process.cluster.storage), id(process.kube.requests)})
    )


def _sized(holder: Any, way: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    pending = [(holder, way)]
    while pending:
        thing, way = pending.pop()
        if id(thing) in seen or isinstance(thing, str | bytes | int | float | type | ModuleType | FunctionType | None):
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | set | list | tuple | frozenset) or hasattr(thing, "popitem"):
            yield way, len(thing)
            items = thing.items() if isinstance(thing, dict) else ((f"#{type(one).__name__}", one) for one in thing)
            pending.extend((one, f"{way}[{key if isinstance(key, str) else ''}]") for key, one in items)
        elif isinstance(thing, MethodType):
            pending.append((thing.__self__, way))
        elif type(thing).__module__.startswith(("lossgate", "tests", "prometheus_client")):
            parts = getattr(thing, "__dict__", None) or {
                name: getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())
            }
            pending.extend((one, f"{way}.{name}") for name, one in parts.items())


def total(process: OperatorProcess) -> dict[str, int]:
    gc.collect()
    return {way: size for way, size in containers(process).items() if size}


@pytest.mark.parametrize("cycles", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])
def test_rollouts_that_come_and_go_leave_nothing_behind(cycles: int) -> None:
    async def scene() -> None:
        cluster = Cluster(v2=0.25)
        process = OperatorProcess(cluster)
        process.start()
        await cycle(cluster, process)
        before = total(process)
        for _ in range(cycles):
            await cycle(cluster, process)
        after = total(process)
        grown = {way: size for way, size in after.items() if size >= before.get(way, 0) + cycles // 4}
        assert grown == {}, "what grows with every rollout that ever was, by the way that leads to it"

    virtual_time.run(scene())


async def cycle(cluster: Cluster, process: OperatorProcess) -> None:
    """Create a ModelRollout, let it get as far as its Deployment and Service, and delete it with its children."""
    cluster.apply(a_rollout())
    await process.rest(2.0)
    for place in [place for place in cluster.storage.objects if place[0] != "Event"]:
        cluster.storage.remove(place)
    for place in [place for place in cluster.storage.objects if place[0] == "Event"]:
        cluster.storage.remove(place)
    process.kube.requests.clear()


@pytest.mark.parametrize("kind", [names.KIND, "Deployment", "Service", "HTTPRoute", "Event"])
def test_deleted_while_a_turn_writes_leaves_nothing_behind(kind: str) -> None:
    async def scene() -> None:
        cluster = Cluster(v2=0.25)
        process = OperatorProcess(cluster)
        process.start()

        def vanish(request: Request) -> KubeError | None:
            if request.kind == kind and request.method != "GET" and PLACE in cluster.storage.objects:
                cluster.storage.remove(PLACE)
            return None

        process.kube.refuse = vanish
        cluster.apply(a_rollout())
        await process.rest(3.0)
        assert PLACE not in cluster.storage.objects
        assert series(process) == []
        assert not process.reconciler.knows(KEY)
        held = {way for way, size in total(process).items() if size and _is_about_rollouts(way)}
        assert held == set()

    virtual_time.run(scene())


def _is_about_rollouts(way: str) -> bool:
    ends = ("_due", "_rollouts", "_obstacles", "_measure_at", "_written", "_unseen_routes", "_told", "_route", "_waits")
    return way.endswith(ends)


def test_deleted_unseen_by_any_watch_is_found_at_the_next_write_and_forgotten() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        cluster.on_rollout = None
        cluster.storage.remove(PLACE)
        process.reconciler._queue.add(KEY)
        process.reconciler._rollouts[KEY]["spec"]["model"]["version"] = "v2"
        await process.rest(5.0)
        assert not process.reconciler.knows(KEY)
        assert series(process) == []

    play(scene)


def test_a_server_that_does_not_serve_the_kind_yet_has_nothing_forgotten() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        process.kube.refuse = lambda request: KubeError(404, "PUT", "HTTP 404 Not Found")
        cluster.apply(a_rollout("v2"))
        await process.rest(5.0)
        assert process.reconciler.knows(KEY)
        process.kube.refuse = lambda request: None
        await process.run(lambda: looks_taken(cluster) > 0)

    play(scene)


def test_who_does_not_lead_shows_no_rollout_and_who_leads_again_shows_all() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        assert "lossgate_rollout_phase" in series(process)
        process.leads = False
        process.metrics.led(False)
        process.reconciler.led(False)
        process.queue.add(KEY)
        await process.rest(3.0)
        assert "lossgate_rollout_phase" not in series(process)
        process.leads = True
        process.metrics.led(True)
        process.reconciler.led(True)
        await process.rest(3.0)
        assert "lossgate_rollout_phase" in series(process)

    play(scene)


def test_a_source_that_flaps_at_each_look_for_an_hour_makes_few_events_and_hides_none_of_another_kind() -> None:
    async def scene(cluster: Cluster, process: OperatorProcess) -> None:
        recorder = process.reconciler._events
        body = cluster.storage.objects[PLACE]
        for look in range(120):
            await recorder.tell(body, Event(EventReason.NOT_MEASURED, f"MetricsUnreachable: look {look}", warning=True))
            await recorder.tell(body, Event(EventReason.MEASURED_AGAIN, f"Evidence comes in again after {look}s."))
            if look == 100:
                await recorder.tell(body, Event(EventReason.NOT_MEASURED, "PartialData: a store is down", warning=True))
                await recorder.tell(body, Event(EventReason.HARM_FOUND, "Worse than the margin.", warning=True))
            await asyncio.sleep(30)
        told = [request.body for request in process.kube.requests if request.kind == "Event"]
        reasons = [body["reason"] for body in told]
        assert 20 <= len(told) <= 2 * (10 + 12) + 2
        assert reasons.count("HarmFound") == 1
        assert any(body["message"].startswith("PartialData") for body in told)
        assert any("more like it since the last one were not recorded" in body["message"] for body in told)
        assert next(body["message"] for body in told) == "MetricsUnreachable: look 0"

    play(scene)


def test_times_far_ahead_that_were_overtaken_do_not_pile_up_in_the_queue() -> None:
    async def scene() -> None:
        process = OperatorProcess(Cluster())
        queue = process.queue
        queue.open()
        for _ in range(1000):
            queue.add(KEY, virtual_time.unix() + 86400)
            queue.add(KEY)
            assert await queue.get() == KEY
            queue.done(KEY)
        for number in range(1000):
            key = Key("ml", f"other-{number}")
            queue.add(key, virtual_time.unix() + 86400)
            queue.forget(key)
        assert len(queue._heap) < 100

    virtual_time.run(scene())
