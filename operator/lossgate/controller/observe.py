"""From the API objects and the metric source to one Snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from lossgate.api import names
from lossgate.api.commands import Command
from lossgate.api.owner import Owner
from lossgate.api.reasons import Reason
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import RolloutStatus
from lossgate.controller.access import Accesses
from lossgate.controller.children import Children
from lossgate.controller.queue import Key
from lossgate.controller.settings import Settings
from lossgate.measure.access import Access
from lossgate.measure.errors import MeasurementError
from lossgate.measure.source import (
    ArmLook,
    ArmReading,
    BaselineRequest,
    Flaw,
    LookRequest,
    MetricSource,
    Missing,
    NonFiniteSum,
    Scope,
    SeriesNames,
    Target,
)
from lossgate.rollout.looks import HistoryWanted, LooksWanted, wanted
from lossgate.rollout.snapshot import (
    Absent,
    ArmSample,
    ArmSeen,
    Flawed,
    HistorySeen,
    LookSeen,
    LooksSeen,
    Measurement,
    MeasurementFailed,
    NonFinite,
    Obstacle,
    Snapshot,
)
from lossgate.traffic import routers


class Observer:
    """Sees rollouts: children from the watches, losses from the source when a look is due."""

    def __init__(self, children: Children, source: MetricSource, settings: Settings, accesses: Accesses) -> None:
        self._children = children
        self._source = source
        self._settings = settings
        self._accesses = accesses

    def see(
        self,
        body: Mapping[str, Any],
        spec: RolloutSpec,
        obstacle: Obstacle | None,
        route: Mapping[str, Any] | None = None,
        rivals: Collection[str] = (),
    ) -> Snapshot:
        """Return what is seen of a ModelRollout without asking anybody.

        `route` is the HTTPRoute that it uses, `rivals` are the names of others that use it too.
        """
        metadata = body["metadata"]
        key = Key(metadata["namespace"], metadata["name"])
        owner = Owner(key.name, key.namespace, metadata["uid"])
        annotations = metadata.get("annotations") or {}
        sighting = routers.of(owner, spec).seen(route, rivals)
        return Snapshot(
            name=key.name,
            namespace=key.namespace,
            generation=metadata["generation"],
            spec=spec,
            status=RolloutStatus.model_validate(body.get("status") or {}),
            deployments=self._children.deployments(key, owner),
            stable_service=self._children.service(key, owner, spec, names.stable_service(key.name)),
            canary_service=self._children.service(key, owner, spec, names.canary_service(key.name)),
            route=sighting.route,
            route_fault=sighting.fault,
            obstacle=self._source_obstacle(spec) or obstacle,
            command=Command.parse(annotations.get(names.ANNOTATION_COMMAND)),
            skip_analysis=(annotations.get(names.ANNOTATION_SKIP_ANALYSIS) or "").strip() or None,
        )

    async def measure(self, snapshot: Snapshot, now: float) -> Measurement | None:
        """Return what was measured for this moment, or None if nothing is due."""
        want = wanted(snapshot, now)
        if want is None:
            return None
        obstacle = self._source_obstacle(snapshot.spec)
        if obstacle is not None:
            return MeasurementFailed(Reason.METRICS_UNREACHABLE, obstacle.message)
        ask = partial(self._ask, snapshot, want, now)
        try:
            return await self._accesses.ask(snapshot.namespace, snapshot.spec, ask, generated=True)
        except MeasurementError as error:
            return MeasurementFailed(error.reason, str(error), error.in_short)

    async def _ask(
        self, snapshot: Snapshot, want: HistoryWanted | LooksWanted, now: float, access: Access
    ) -> Measurement:
        scope = _scope(snapshot, access)
        match want:
            case HistoryWanted():
                return await self._history(snapshot, scope, now)
            case LooksWanted():
                return await self._looks(snapshot, scope, want)

    def _source_obstacle(self, spec: RolloutSpec) -> Obstacle | None:
        url = spec.loss.prometheus.url
        if url is not None and not self._settings.allows(url):
            allowed = ", ".join(self._settings.prometheus_allowed) or "none"
            return Obstacle(
                Reason.PROMETHEUS_NOT_ALLOWED,
                f"spec.loss.prometheus.url {url} is not on the operator's list ({allowed}); remove it to use the "
                "operator's own, or have it added to the chart value prometheus.allowed",
            )
        if url is None and self._settings.prometheus_url is None:
            return Obstacle(
                Reason.INVALID_SPEC,
                "no Prometheus is known: set spec.loss.prometheus.url or the chart's prometheus.url",
            )
        return None

    async def _history(self, snapshot: Snapshot, scope: Scope, now: float) -> Measurement:
        stable = _target(snapshot, "stable")
        reading = await self._source.baseline(BaselineRequest(scope, int(now), stable))
        match reading:
            case Missing():
                return HistorySeen(0.0, 0.0, 0.0, 0.0, reading.message)
            case NonFiniteSum():
                return MeasurementFailed(Reason.PARTIAL_DATA, f"stable version: {reading.message}")
            case Flaw():
                return MeasurementFailed(reading.reason, f"stable version: {reading.message}")
        return HistorySeen(
            n=reading.n,
            total=reading.total,
            squares=reading.squares,
            labels_per_second=reading.labels_per_second or 0.0,
        )

    async def _looks(self, snapshot: Snapshot, scope: Scope, want: LooksWanted) -> Measurement:
        stable, canary = _target(snapshot, "stable"), _target(snapshot, "canary")
        request = LookRequest(
            scope=scope,
            interval_seconds=int(snapshot.spec.loss.interval_seconds),
            first_end=int(want.first_end),
            last_end=int(want.last_end),
            targets=(stable, canary),
        )
        arms = (await self._source.looks(request)).arms
        return LooksSeen(
            tuple(
                LookSeen(float(end), _arm(one), _arm(other))
                for end, one, other in zip(request.ends, arms[stable], arms[canary], strict=True)
            )
        )


def _scope(snapshot: Snapshot, access: Access) -> Scope:
    loss = snapshot.spec.loss
    series = SeriesNames(
        count=loss.series.count,
        sum=loss.series.sum,
        sum_of_squares=loss.series.sum_of_squares,
        non_finite=loss.series.non_finite,
        predictions=loss.series.predictions,
    )
    return Scope(access, series, loss.labels.revision, loss.labels.namespace)


def _target(snapshot: Snapshot, arm: str) -> Target:
    version = snapshot.status.stable if arm == "stable" else snapshot.status.canary
    if version is None:
        raise AssertionError(f"a look without a {arm} version")
    return Target(snapshot.namespace, version.revision, tuple(sorted(snapshot.spec.loss.selector.items())))


def _arm(reading: ArmReading) -> ArmSeen:
    match reading:
        case ArmLook():
            return ArmSample(reading.n, reading.total, reading.squares, reading.predictions)
        case Missing():
            return Absent(reading.predictions, reading.message)
        case NonFiniteSum():
            return NonFinite(reading.message)
        case Flaw():
            return Flawed(reading.reason, reading.message)
