"""Puts the operator together: kopf's watches in front, workers behind, nothing in between that must not be lost."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import kopf

from lossgate.api import names
from lossgate.controller import routes
from lossgate.controller.access import Accesses
from lossgate.controller.children import Children
from lossgate.controller.events import EventRecorder
from lossgate.controller.guardrails import GuardrailWatch
from lossgate.controller.kube import Kube
from lossgate.controller.lease import Lease
from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.observe import Observer
from lossgate.controller.probes import Probes
from lossgate.controller.queue import Key, WorkQueue
from lossgate.controller.reconciler import Reconciler
from lossgate.controller.references import References
from lossgate.controller.settings import Settings
from lossgate.controller.vitals import Vitals
from lossgate.controller.workers import Workers
from lossgate.measure.batching import BatchingSource
from lossgate.measure.instant import PrometheusInstant
from lossgate.measure.prometheus import PrometheusSource
from lossgate.measure.source import MetricSource

WORKERS = 8

CHILD_RESOURCES = {
    "Deployment": ("apps", "v1", "deployments"),
    "Service": ("", "v1", "services"),
    "EndpointSlice": ("discovery.k8s.io", "v1", "endpointslices"),
}
ROUTE_RESOURCE = ("gateway.networking.k8s.io", "v1", "httproutes")


class Operator:
    """One operator process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._metrics = OperatorMetrics()
        self._queue = WorkQueue(time.time)
        self._children: Children | None = None
        self._reconciler: Reconciler | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._renewal: list[asyncio.Task[None]] = []
        self._kube: Kube | None = None
        self._source: MetricSource | None = None
        self._guardrails: GuardrailWatch | None = None
        self._lease: Lease | None = None
        self._vitals = Vitals(self._queue, lambda: (*self._workers, *self._renewal))
        self._probes = Probes(
            settings.http_port,
            self._metrics,
            self._queue.overdue_seconds,
            self._has_started,
            self._vitals.illness,
            self._vitals.delay,
        )

    async def run(self) -> None:
        """Run until the process is told to stop."""
        namespaces = self._settings.watch_namespaces
        await kopf.operator(
            registry=self._registry(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            # Else kopf looks for the user's name, and a container's user has none. It exports no name for the type.
            identity=self._settings.identity,  # type: ignore[arg-type]
        )

    def _registry(self) -> kopf.OperatorRegistry:
        """Handlers of `on.event` and indices only: neither adds a finalizer or writes an annotation."""
        registry = kopf.OperatorRegistry()
        kopf.on.login(registry=registry)(_login)
        kopf.on.startup(registry=registry)(self._start)
        kopf.on.cleanup(registry=registry)(self._stop)
        for kind, resource in CHILD_RESOURCES.items():
            labels = {names.LABEL_ROLLOUT: kopf.PRESENT}
            kopf.index(*resource, id=kind, labels=labels, registry=registry)(_index)
            changed = partial(self._child_changed, kind=kind)
            kopf.on.event(*resource, id=f"{kind}-changed", labels=labels, registry=registry)(changed)
        # No label tells which routes rollouts refer to: all of them are watched, and little is kept of each.
        kopf.index(*ROUTE_RESOURCE, id="HTTPRoute", registry=registry)(_index_route)
        kopf.on.event(*ROUTE_RESOURCE, id="HTTPRoute-changed", registry=registry)(self._route_changed)
        kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)(self._rollout_changed)
        return registry

    async def _start(self, settings: kopf.OperatorSettings, **kwargs: Any) -> None:
        _configure(settings, namespaced=bool(self._settings.watch_namespaces))
        await self._probes.start()
        self._kube = await Kube.connect(self._metrics.requested)
        self._source = BatchingSource(PrometheusSource())
        self._lease = Lease(self._kube, self._settings.namespace, self._settings.identity, self._led)
        accesses = Accesses(self._settings, References(self._kube))
        self._children = Children({kind: kwargs[kind] for kind in (*CHILD_RESOURCES, "HTTPRoute")})
        self._guardrails = GuardrailWatch(PrometheusInstant(), self._children, accesses, self._queue.add)
        self._reconciler = Reconciler(
            self._kube,
            self._children,
            Observer(self._children, self._source, self._settings, accesses),
            self._guardrails,
            self._queue,
            self._lease,
            EventRecorder(self._kube, self._settings.identity),
            self._metrics,
            time.time,
        )
        self._vitals.reconciler, self._vitals.lease = self._reconciler, self._lease
        workers = Workers(self._queue, self._reconciler, self._metrics, time.time)
        self._workers = [asyncio.create_task(workers.work()) for _ in range(WORKERS)]
        self._renewal = [asyncio.create_task(self._lease.run())]

    async def _stop(self, **_: Any) -> None:
        """The lease ends last: it is handed back when nobody can write any more."""
        self._queue.close()
        await _end(self._workers)
        await _end(self._renewal)
        if self._guardrails is not None:
            await self._guardrails.close()
        if self._source is not None:
            await self._source.close()
        if self._kube is not None:
            await self._kube.close()
        await self._probes.stop()

    def _has_started(self) -> bool:
        return self._lease is not None and self._lease.has_answered

    def _led(self, leads: bool) -> None:
        self._metrics.led(leads)
        if leads:
            self._queue.open()
        else:
            self._queue.close()
            if self._reconciler is not None:
                self._reconciler.stood_down()

    async def _rollout_changed(self, *, event: kopf.RawEvent, namespace: str | None, name: str, **_: Any) -> None:
        if self._reconciler is None:
            return
        if event["type"] == "DELETED":
            key = Key(namespace or "", name)
            self._reconciler.gone(key)
        else:
            self._reconciler.saw(dict(event["object"]))

    async def _child_changed(
        self, *, kind: str, event: kopf.RawEvent, labels: kopf.Labels, namespace: str | None, name: str, **_: Any
    ) -> None:
        key = Key(namespace or "", labels[names.LABEL_ROLLOUT])
        if event["type"] == "DELETED" and self._children is not None:
            self._children.gone(kind, key, name)
        if self._reconciler is not None and self._reconciler.knows(key):
            self._queue.add(key)

    async def _route_changed(self, *, event: kopf.RawEvent, namespace: str | None, name: str, **_: Any) -> None:
        if self._reconciler is not None:
            self._reconciler.route_changed(namespace or "", name, is_gone=event["type"] == "DELETED")


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _index(*, namespace: str | None, labels: kopf.Labels, body: kopf.Body, **_: Any) -> dict[Key, dict[str, Any]]:
    return {Key(namespace or "", labels[names.LABEL_ROLLOUT]): dict(body)}


def _index_route(*, namespace: str | None, name: str, body: kopf.Body, **_: Any) -> dict[Key, dict[str, Any]]:
    return {Key(namespace or "", name): routes.kept(body)}


def _configure(settings: kopf.OperatorSettings, *, namespaced: bool) -> None:
    logging.getLogger("kopf").setLevel(logging.WARNING)
    settings.posting.enabled = False
    settings.scanning.disabled = namespaced
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = (1, 1, 2, 3, 5)
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.watching.chunk_size = 500
    settings.queueing.worker_limit = 50
    settings.persistence.finalizer = f"{names.GROUP}/unused"
    for group, version, plural in CHILD_RESOURCES.values():
        settings.watching.label_selectors[group, version, plural] = names.LABEL_ROLLOUT
