"""Evaluates guardrails beside the turns: a slow or hostile query keeps no look and no write waiting."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from lossgate.api import names
from lossgate.api.guardrails import Guardrail, Preset
from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.reasons import Reason
from lossgate.controller.access import Accesses
from lossgate.controller.children import Children
from lossgate.controller.queue import Key
from lossgate.measure import envoy_gateway
from lossgate.measure.access import Access
from lossgate.measure.errors import MeasurementError, Question
from lossgate.measure.source import InstantAnswer, InstantRequest, InstantSource, NoNumber, Number
from lossgate.measure.templates import resolve
from lossgate.rollout.guardrail_seen import GuardrailSeen, NoValue, Reading, Unreadable, Value
from lossgate.rollout.guardrails import GuardrailWanted, wanted
from lossgate.rollout.snapshot import Snapshot
from lossgate.traffic import routers

QUERIES_AT_ONCE_PER_ROLLOUT = 2
GRACE_SECONDS = 0.2
"""How long a turn waits for answers that are almost there, so that they need no turn and no status write of their own;
later ones make a turn due."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Run:
    """One evaluation under way, or answered and not yet in the status."""

    identity: tuple[str, str]
    """Fingerprint of the query and limits, and the canary: what makes an answer another one's."""
    began: float | None
    """Since when the weights were in force that it is about."""
    end: float
    task: asyncio.Task[GuardrailSeen]


@dataclass(slots=True)
class _Rollout:
    runs: dict[str, _Run] = field(default_factory=dict)
    asking: set[asyncio.Task[InstantAnswer]] = field(default_factory=set)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(QUERIES_AT_ONCE_PER_ROLLOUT))


class GuardrailWatch:
    """Starts evaluations that are due, and keeps their answers until the status has them.

    Nothing is lost with it: what was counted is in the status, and what was not is asked again.
    """

    def __init__(
        self, source: InstantSource, children: Children, accesses: Accesses, due: Callable[[Key], None]
    ) -> None:
        """Prepare; `due` is called for a rollout that has a new answer."""
        self._source = source
        self._children = children
        self._accesses = accesses
        self._due = due
        self._rollouts: dict[Key, _Rollout] = {}

    def start(self, key: Key, snapshot: Snapshot, now: float) -> None:
        """Start what is due and not under way; drop answers that the status has, or that nobody wants any more."""
        due = {want.guardrail.name: want for want in wanted(snapshot, now)}
        rollout = self._rollouts.setdefault(key, _Rollout())
        canary, step = snapshot.status.canary, snapshot.status.step
        began = step.since if step else None
        for name, run in list(rollout.runs.items()):
            want = due.get(name)
            is_wanted = want is not None and canary is not None and run.identity == (want.test, canary.revision)
            if not is_wanted or run.began != began or _is_counted(snapshot, name, run.end):
                run.task.cancel()
                del rollout.runs[name]
        for name, want in due.items():
            if name not in rollout.runs and canary is not None:
                task = asyncio.create_task(self._evaluate(key, snapshot, want, rollout))
                task.add_done_callback(lambda done: None if done.cancelled() else self._due(key))
                rollout.runs[name] = _Run((want.test, canary.revision), began, want.end, task)

    async def answers(self, key: Key) -> tuple[GuardrailSeen, ...]:
        """Return the answers that are there; those under way make a turn due when they come."""
        tasks = [run.task for run in self._rollouts[key].runs.values()] if key in self._rollouts else []
        if not tasks:
            return ()
        done, _ = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
        return tuple(task.result() for task in tasks if task in done and not task.cancelled())

    def forget(self, key: Key) -> None:
        """Give up everything about a rollout that is gone."""
        rollout = self._rollouts.pop(key, None)
        for run in rollout.runs.values() if rollout else ():
            run.task.cancel()

    async def close(self) -> None:
        """Give up everything and close the source."""
        asking = [task for rollout in self._rollouts.values() for task in rollout.asking]
        for key in list(self._rollouts):
            self.forget(key)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self._source.close()

    async def _evaluate(self, key: Key, snapshot: Snapshot, want: GuardrailWanted, rollout: _Rollout) -> GuardrailSeen:
        canary, stable = snapshot.status.canary, snapshot.status.stable
        if canary is None or stable is None:
            raise AssertionError("a guardrail without two versions")
        reading = await self._read(key, snapshot, want, Revision(canary.revision), rollout)
        other = None
        if want.guardrail.max_ratio_to_stable is not None and isinstance(reading, Value):
            other = await self._read(key, snapshot, want, Revision(stable.revision), rollout)
        return GuardrailSeen(want.guardrail.name, want.test, canary.revision, want.end, reading, other)

    async def _read(
        self, key: Key, snapshot: Snapshot, want: GuardrailWanted, revision: Revision, rollout: _Rollout
    ) -> Reading:
        """Ask about one version; whatever goes wrong is said of this guardrail and stops nothing else."""
        try:
            query, is_custom = self._query(key, snapshot, want, revision)
        except ValueError as error:
            return NoValue(str(error))

        async def ask(access: Access) -> tuple[Question, InstantAnswer]:
            request = InstantRequest(access, query, int(want.end))
            return Question(access.url, query, request.at), await self._ask(request, rollout)

        try:
            question, answer = await self._accesses.ask(key.namespace, snapshot.spec, ask, generated=not is_custom)
        except MeasurementError as error:
            return Unreadable(error.reason, str(error))
        # A defect in one guardrail must neither pass for a value nor end the task unseen: it holds, and is logged.
        except Exception as error:
            _log.exception("%s/%s: guardrail %s", *key, want.guardrail.name)
            return Unreadable(
                Reason.METRICS_UNREACHABLE, f"the operator failed at it: {type(error).__name__}; see its log"
            )
        match answer:
            case Number():
                return Value(answer.value, str(question))
            case NoNumber():
                return NoValue(answer.message + _remedy(want.guardrail))

    async def _ask(self, request: InstantRequest, rollout: _Rollout) -> InstantAnswer:
        """Ask within the rollout's own limit; a query that nobody waits for any more keeps its place until it ends."""

        def ended(task: asyncio.Task[InstantAnswer]) -> None:
            rollout.asking.discard(task)
            rollout.slots.release()
            if not task.cancelled():
                task.exception()

        await rollout.slots.acquire()
        task = asyncio.create_task(self._source.instant(request))
        rollout.asking.add(task)
        task.add_done_callback(ended)
        return await asyncio.shield(task)

    def _query(self, key: Key, snapshot: Snapshot, want: GuardrailWanted, revision: Revision) -> tuple[str, bool]:
        """Return the query and whether it is custom: only one that is written here, for one namespace, is not.

        Raises:
            ValueError: The query cannot be put together.
        """
        guardrail, canary = want.guardrail, snapshot.status.canary
        is_canary = canary is not None and revision == canary.revision
        service = names.canary_service(key.name) if is_canary else names.stable_service(key.name)
        seconds = int(guardrail.step_seconds(snapshot.spec.loss.interval_seconds))
        if guardrail.preset is Preset.ENVOY_GATEWAY_ERROR_RATE:
            addresses = self._children.addresses(key, service, revision)
            route = routers.of(Owner(key.name, key.namespace, ""), snapshot.spec).route_name
            query = envoy_gateway.error_rate(key.namespace, route, addresses, seconds)
            return query, False
        values = {
            "namespace": key.namespace,
            "rollout": key.name,
            "revision": revision,
            "service": service,
            "interval": f"{seconds}s",
        }
        return resolve(guardrail.query or "", values), True


def _is_counted(snapshot: Snapshot, name: str, end: float) -> bool:
    known = (status.evaluated for status in snapshot.status.guardrails if status.name == name)
    return any(evaluated is not None and evaluated >= end for evaluated in known)


def _remedy(guardrail: Guardrail) -> str:
    if guardrail.preset is Preset.ENVOY_GATEWAY_ERROR_RATE:
        return (
            f": fewer than {envoy_gateway.MIN_REQUESTS} requests in an interval, or no metrics per endpoint; see "
            "kubectl explain mr.spec.guardrails.preset, or write a longer interval"
        )
    return ": run it in Prometheus, and see whether the version's series carry the labels that it names"
