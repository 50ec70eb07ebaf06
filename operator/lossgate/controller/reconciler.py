"""One turn for one ModelRollout: observe, decide, write the status, change the world, tell."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from lossgate.api import names
from lossgate.api.mistakes import in_words
from lossgate.api.owner import Owner
from lossgate.api.reasons import ConditionType, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import RolloutStatus
from lossgate.controller import outbox, takeover
from lossgate.controller.apply import REFUSALS, Applier, Refused
from lossgate.controller.children import Children
from lossgate.controller.events import EventRecorder
from lossgate.controller.guardrails import GuardrailWatch
from lossgate.controller.kube import Kube, KubeError, resource_version
from lossgate.controller.lease import Lease
from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.observe import Observer
from lossgate.controller.queue import Key, WorkQueue
from lossgate.controller.routes import RouteReferences
from lossgate.controller.sight import Sight
from lossgate.controller.workers import NotLeading
from lossgate.rollout import mending, stored, succession
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import Decision, Event, SetWeights, Write
from lossgate.rollout.snapshot import Obstacle, Snapshot
from lossgate.rollout.unreadable import refuse_spec
from lossgate.traffic import routers

_log = logging.getLogger(__name__)


class Reconciler:
    """Turns for all ModelRollouts; holds nothing that a new process could not see again."""

    def __init__(
        self,
        kube: Kube,
        children: Children,
        observer: Observer,
        guardrails: GuardrailWatch,
        queue: WorkQueue,
        lease: Lease,
        events: EventRecorder,
        metrics: OperatorMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._kube = kube
        self._children = children
        self._observer = observer
        self._guardrails = guardrails
        self._queue = queue
        self._lease = lease
        self._events = events
        self._metrics = metrics
        self._clock = clock
        self._rollouts: dict[Key, Mapping[str, Any]] = {}
        self._obstacles: dict[Key, Obstacle | None] = {}
        self._measure_at: dict[Key, float] = {}
        self._references = RouteReferences()
        self.sight = Sight()
        """Whether the watch of ModelRollouts delivers."""

    def saw(self, body: Mapping[str, Any]) -> None:
        """Take note of a ModelRollout as a watch delivered it."""
        key = Key(body["metadata"]["namespace"], body["metadata"]["name"])
        self.sight.saw(key, body)
        self._note(key, body)
        self._queue.add(key)

    def _note(self, key: Key, body: Mapping[str, Any]) -> None:
        known = self._rollouts.get(key)
        is_other = known is None or known["metadata"]["uid"] != body["metadata"]["uid"]
        if is_other and known is not None:
            self.gone(key)  # deleted and created again: what was remembered is another object's
        if is_other or known is None or resource_version(body) > resource_version(known):
            self._rollouts[key] = body
            self._wake(self._references.saw(key, body))

    def gone(self, key: Key) -> None:
        """Forget a ModelRollout that was deleted; its children go by their owner reference."""
        body = self._rollouts.pop(key, None)
        if body is not None:
            self._events.forget(body["metadata"]["uid"])
        for memory in (self._obstacles, self._measure_at):
            memory.pop(key, None)
        self._children.forget(key)
        self._guardrails.forget(key)
        self._queue.forget(key)
        self._metrics.forget(key)
        self.sight.forget(key)
        self._wake(self._references.forget(key))

    def stood_down(self) -> None:
        """Forget what another leader may find otherwise: when this process leads again, the status says it."""
        self._obstacles.clear()
        self._measure_at.clear()

    def route_changed(self, namespace: str, name: str, *, is_gone: bool) -> None:
        """Wake the ModelRollouts that use an HTTPRoute, their own or one of the user's."""
        users = self._references.of(namespace, name)
        if is_gone:
            for key in users:
                self._children.gone("HTTPRoute", key, name)
        self._wake(users)

    def led(self, leads: bool) -> None:
        """Look at every ModelRollout anew when this process begins to lead: what it knew may be another's by now."""
        if leads:
            self._wake(list(self._rollouts))

    def knows(self, key: Key) -> bool:
        """Return whether a ModelRollout of that name is there."""
        return key in self._rollouts

    async def turn(self, key: Key) -> None:
        """Bring one ModelRollout one step further.

        Raises:
            KubeError: The API server did not take a write; the turn is to be repeated.
            NotLeading: Another process may lead now.
        """
        body = self._rollouts.get(key)
        if body is None or body["metadata"].get("deletionTimestamp"):
            return
        self._must_lead()
        await self._tell(body)
        with self._metrics.reconcile_seconds.time():
            try:
                spec = RolloutSpec.model_validate(body["spec"])
            except ValidationError as error:
                await self._refuse(key, body, error)
            else:
                await self._reconcile(key, body, spec)

    async def _refuse(self, key: Key, body: Mapping[str, Any], error: ValidationError) -> None:
        """The API server validated the spec; what still does not parse was stored under an older CRD."""
        status, _ = stored.read(body.get("status"))
        decision = refuse_spec(status, body["metadata"]["generation"], in_words(error), self._clock())
        body = await self._write_status(key, body, decision.status, decision.events)
        if not self.knows(key):
            return
        self._show(key, decision.status)
        await self._tell(body, decision.events)

    async def _reconcile(self, key: Key, body: Mapping[str, Any], spec: RolloutSpec) -> None:
        owner = Owner(key.name, key.namespace, body["metadata"]["uid"])
        router = routers.of(owner, spec)
        term = await self._take_over(key, owner, body, router.route_name)
        route = self._children.route(key, router.route_name)
        if self._children.route(key, router.route_name) is not route:
            self._queue.add(key)  # somebody was quicker than the watch: this turn sees our write, the next one theirs
        rivals = {other.name for other in self._references.of(key.namespace, router.route_name)} - {key.name}
        seen = self._children.bodies(key, owner)
        known = self._obstacles[key] if key in self._obstacles else _said(body)
        snapshot = self._observer.see(body, spec, known, route, rivals)
        snapshot = await self._measured(key, snapshot)
        decision = decide(snapshot, self._clock())
        if term is not None:
            decision = succession.complete(decision, snapshot, term, owns_route=route is None or owner.owns(route))
        body = await self._write_status(key, body, decision.status, decision.events)
        if not self.knows(key):
            return
        self._show(key, decision.status)
        self._schedule(key, decision)
        applier = Applier(self._kube, owner, spec, seen, router, route, partial(self._wrote, key))
        try:
            obstacle = await self._carry_out(key, decision, applier)
        finally:
            await self._tell(body, decision.events)
        if self.knows(key):
            self._obstacles[key] = obstacle
            if obstacle != known:
                self._queue.add(key)

    async def _measured(self, key: Key, snapshot: Snapshot) -> Snapshot:
        now = self._clock()
        snapshot = mending.mend(snapshot, now)  # before anything is asked about a canary that is not there
        self._guardrails.start(key, snapshot, now)
        if now >= self._measure_at.get(key, 0.0):
            measurement = await self._observer.measure(snapshot, now)
            if measurement is not None:
                snapshot = snapshot.measured(measurement)
        return snapshot.guarded(await self._guardrails.answers(key))

    async def _carry_out(self, key: Key, decision: Decision, applier: Applier) -> Obstacle | None:
        """Do the writes in order, until one is refused; return why."""
        try:
            for write in decision.writes:
                self._must_lead()
                _log.info("%s/%s: %s", *key, write)
                await _apply(applier, write)
                if isinstance(write, SetWeights):
                    self._queue.add(key)
        except Refused as refused:
            return refused.obstacle
        return None

    async def _take_over(self, key: Key, owner: Owner, body: Mapping[str, Any], route_name: str) -> str | None:
        """Touch the children in the first turn after a take-over; return the term that the status is to say."""
        term = self._lease.take_over
        if term is None or (body.get("status") or {}).get("takenOver") == term:
            return None
        children = [(kind, body) for (kind, _), body in self._children.bodies(key, owner).items()]
        route = self._children.route(key, route_name)
        if route is not None and owner.owns(route):
            children.append(("HTTPRoute", route))
        await takeover.touch(self._kube, key.namespace, children, term, partial(self._wrote, key))
        return term

    def _show(self, key: Key, status: RolloutStatus) -> None:
        """Show where a ModelRollout stands, while this process is the one that knows."""
        if self._lease.is_held():
            self._metrics.show(key, status)

    def _wrote(self, key: Key, body: Mapping[str, Any]) -> None:
        """Take note of a child, unless its ModelRollout was deleted during the write: then nobody would forget it."""
        if self.knows(key):
            self._children.wrote(key, body)

    def _wake(self, keys: Iterable[Key]) -> None:
        for key in keys:
            if self.knows(key):
                self._queue.add(key)

    def _schedule(self, key: Key, decision: Decision) -> None:
        if decision.due is not None:
            self._queue.add(key, decision.due)
        if decision.measure_at is None:
            self._measure_at.pop(key, None)
        else:
            self._measure_at[key] = max(decision.measure_at, self._measure_at.get(key, 0.0))
            self._queue.add(key, self._measure_at[key])

    async def _write_status(
        self, key: Key, body: Mapping[str, Any], status: RolloutStatus, events: Sequence[Event]
    ) -> Mapping[str, Any]:
        manifest = status.to_manifest()
        if outbox.without_events(manifest) == outbox.without_events(body.get("status")) and not events:
            return body
        manifest = outbox.with_events(manifest, events, partial(self._events.name, key.name), self._clock())
        self._must_lead()
        try:
            stored = await self._kube.replace_status({**body, "status": manifest})
        except KubeError as error:
            if error.status == 409:
                await self._look_again(key)
            # Deleted while no watch was open, so that none tells. A server that does not serve the kind yet says 404
            # as well, without the name: what it will serve again is not forgotten.
            if error.status == 404 and f'"{key.name}" not found' in error.message:
                self.gone(key)
            raise
        self.sight.wrote(key, stored)
        known = self._rollouts.get(key)
        if known is not None and resource_version(stored) > resource_version(known):
            self._rollouts[key] = stored
        return stored

    async def _tell(self, body: Mapping[str, Any], events: Sequence[Event] = ()) -> None:
        """Tell what the status has to tell and this process has not told yet; one that does not lead is silent.

        The status has no room for more than a few events; the others of a decision are told from memory.
        """
        told = [*outbox.events_of(body, self._clock()), *((None, event) for event in events[outbox.MAX_KEPT :])]
        for name, event in told:
            if self._lease.is_held():
                await self._events.tell(body, event, name)

    async def _look_again(self, key: Key) -> None:
        """After a conflict ask for the object: a watch that is silent would keep it from every look for minutes."""
        with contextlib.suppress(KubeError):
            body = await self._kube.get(names.KIND, key.namespace, key.name)
            if self.knows(key):
                self._note(key, body)

    def _must_lead(self) -> None:
        if not self._lease.is_held():
            raise NotLeading


def _said(body: Mapping[str, Any]) -> Obstacle | None:
    """Return the refusal that the status tells of, for the first turn of a process: it is not over because of that."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    for condition in conditions:
        if condition["type"] == ConditionType.STALLED and condition["reason"] in REFUSALS:
            return Obstacle(Reason(condition["reason"]), condition["message"])
    return None


async def _apply(applier: Applier, write: Write) -> None:
    """Carry out a write; taking all requests from a canary is tried again as soon as may be, whatever the server asks.

    Raises:
        Refused: A person must act.
        KubeError: It may work the next time.
    """
    try:
        await applier.apply(write)
    except KubeError as error:
        if isinstance(write, SetWeights) and write.canary == 0:
            error.retry_after_seconds = 0.0
        raise
