"""One operator process in the cluster in memory: it can lose its leadership, or die, and be followed by another."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable

from lossgate.api import names
from lossgate.controller import routes
from lossgate.controller.access import Accesses
from lossgate.controller.children import Children
from lossgate.controller.events import EventRecorder
from lossgate.controller.guardrails import GuardrailWatch
from lossgate.controller.kube import JSON
from lossgate.controller.lease import Lease
from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.observe import Observer
from lossgate.controller.queue import Key, WorkQueue
from lossgate.controller.reconciler import Reconciler
from lossgate.controller.references import References
from lossgate.controller.settings import Settings
from lossgate.controller.workers import Workers
from lossgate.measure.source import MetricSource
from tests.controller import virtual_time
from tests.controller.cluster import CHILD_KINDS, KEY, Cluster
from tests.controller.fake_kube import Crash, FakeKube


class OperatorProcess:
    """One operator process, put together as the real one is, with the watches of the cluster in place of kopf."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        allowed: tuple[str, ...] = (),
        settings: Settings | None = None,
        source: MetricSource | None = None,
        kube: FakeKube | None = None,
    ) -> None:
        self.cluster = cluster
        self.kube = kube or FakeKube(cluster.storage)
        self.metrics = OperatorMetrics()
        self.queue = WorkQueue(virtual_time.unix)
        self.lease = self._lease()
        self.leads = True
        self._indices: dict[str, dict[Key, list[JSON]]] = {kind: {} for kind in CHILD_KINDS}
        self._children = Children(self._indices)
        settings = settings or Settings(
            "lossgate", "pod-1", prometheus_url="http://prometheus:9090", prometheus_allowed=allowed
        )
        accesses = Accesses(settings, References(self.kube, virtual_time.monotonic), virtual_time.monotonic)
        self.reconciler = Reconciler(
            self.kube,
            self._children,
            Observer(self._children, source or cluster.source, settings, accesses),
            GuardrailWatch(cluster.numbers, self._children, accesses, self.queue.add),
            self.queue,
            self.lease,
            EventRecorder(self.kube, "pod-1", virtual_time.monotonic),
            self.metrics,
            virtual_time.unix,
        )

    def _lease(self) -> Lease:
        process = self

        class Held(Lease):
            def is_held(self) -> bool:
                return process.leads

        return Held(self.kube, "lossgate", "pod-1", lambda leads: None, virtual_time.monotonic)

    def start(self) -> None:
        """List everything that is stored and watch from there."""
        self.cluster.on_rollout, self.cluster.on_child = self.deliver_rollout, self.deliver_child
        self.queue.open()
        for kind in (*CHILD_KINDS, names.KIND):
            for body in list(self.cluster.storage.of_kind(kind)):
                deliver = self.deliver_rollout if kind == names.KIND else self.deliver_child
                deliver("ADDED", copy.deepcopy(body))

    def deliver_rollout(self, event: str, body: JSON) -> None:
        """Deliver a watch event of the ModelRollout."""
        if event == "DELETED":
            self.reconciler.gone(KEY)
        else:
            self.reconciler.saw(body)

    def deliver_child(self, event: str, body: JSON) -> None:
        """Deliver a watch event of a child."""
        if body["kind"] == "HTTPRoute":
            self._deliver_route(event, body)
            return
        rollout = body["metadata"].get("labels", {}).get(names.LABEL_ROLLOUT)
        if rollout is None:
            return
        key, name = Key(body["metadata"]["namespace"], rollout), body["metadata"]["name"]
        others = [other for other in self._indices[body["kind"]].get(key, []) if other["metadata"]["name"] != name]
        self._indices[body["kind"]][key] = others if event == "DELETED" else [*others, body]
        if event == "DELETED":
            self._children.gone(body["kind"], key, name)
        if self.reconciler.knows(key):
            self.queue.add(key)

    def _deliver_route(self, event: str, body: JSON) -> None:
        place = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        self._indices["HTTPRoute"][place] = [] if event == "DELETED" else [routes.kept(body)]
        self.reconciler.route_changed(*place, is_gone=event == "DELETED")

    async def run(self, done: Callable[[], bool], within_seconds: float = 600.0) -> None:
        """Work until something is so; the cluster settles twice a second.

        Raises:
            Crash: The process died.
        """
        workers = Workers(self.queue, self.reconciler, self.metrics, virtual_time.unix)
        deadline = virtual_time.monotonic() + within_seconds
        work = asyncio.create_task(workers.work())
        try:
            while not done():
                assert virtual_time.monotonic() < deadline, f"not within {within_seconds:.0f} s: {self.cluster.status}"
                await asyncio.wait([work], timeout=0.5)
                if work.done():
                    work.result()
                self.cluster.settle()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def rest(self, seconds: float = 1.0) -> None:
        """Work for some time."""
        end = virtual_time.monotonic() + seconds
        await self.run(lambda: virtual_time.monotonic() >= end, seconds + 10)


async def run_through_crashes(
    cluster: Cluster, dies: Callable[[OperatorProcess], None], done: Callable[[], bool], within_seconds: float
) -> int:
    """Run one process after the other, each prepared to die by `dies`, until something is so; return the deaths."""
    deaths = 0
    deadline = virtual_time.monotonic() + within_seconds
    while True:
        process = OperatorProcess(cluster)
        dies(process)
        process.start()
        try:
            await process.run(done, deadline - virtual_time.monotonic())
        except Crash:
            deaths += 1
        else:
            return deaths
        finally:
            cluster.on_rollout = cluster.on_child = None
