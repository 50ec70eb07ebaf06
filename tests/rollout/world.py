"""A cluster and two versions of a model in memory: writes take effect, pods become ready, losses are drawn."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import Any

from lossgate.api.commands import Command
from lossgate.api.names import Revision
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import RolloutStatus
from lossgate.rollout import guardrails
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import (
    CreateDeployment,
    Decision,
    DeleteDeployment,
    Event,
    PointService,
    ScaleDeployment,
    SetWeights,
    Write,
)
from lossgate.rollout.guardrail_seen import GuardrailSeen, Reading, Value
from lossgate.rollout.looks import HistoryWanted, LooksWanted, wanted
from lossgate.rollout.snapshot import (
    ArmSample,
    ArmSeen,
    DeploymentSeen,
    HistorySeen,
    LookSeen,
    LooksSeen,
    Measurement,
    Obstacle,
    RouteSeen,
    ServiceSeen,
    Snapshot,
)

START = 1_700_000_000.0


def a_spec(version: str = "v1", **changes: Any) -> RolloutSpec:
    manifest: dict[str, Any] = {
        "replicas": 4,
        "model": {"version": version},
        "template": {"spec": {"containers": [{"name": "model", "ports": [{"name": "http", "containerPort": 8080}]}]}},
        "traffic": {"gateway": {"parentRefs": [{"name": "gateway"}]}},
        "steps": [{"weight": 20}, {"weight": 50}],
        "loss": {"interval": "10s", "settle": "5s"},
        "gate": {"margin": "5%", "minLabels": 500},
    }
    for path, value in changes.items():
        part = manifest
        *parents, last = path.split("__")
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = value
    return RolloutSpec.model_validate(manifest)


@dataclass
class World:
    """Everything outside the decision; `turn` observes, decides and applies once."""

    spec: RolloutSpec
    loss_by_version: dict[str, float] = field(default_factory=lambda: {"v1": 0.3})
    labels_per_second: float = 400.0
    now: float = START
    seed: int = 1
    generation: int = 1
    status: RolloutStatus = field(default_factory=RolloutStatus)
    deployments: dict[Revision, DeploymentSeen] = field(default_factory=dict)
    services: dict[str, Revision] = field(default_factory=dict)
    weights: tuple[int, int] | None = None
    route_accepted: bool = True
    route_refused_since: float | None = None
    route_fault: Obstacle | None = None
    """Why a route of the user's cannot split the requests; it is not seen meanwhile."""
    route_uid: str = "route-1"
    route_generation: int = 1
    changed_by: str = ""
    """Field manager that changed the route's rules last, other than the operator."""
    pods_start: bool = True
    room: int = 99
    """Pods of one revision that the nodes have room for."""
    readings: dict[str, Reading] = field(default_factory=dict)
    """What guardrails read of the canary; 0 unless told."""
    unanswered: set[str] = field(default_factory=set)
    """Guardrails whose answers do not come."""
    measurement: Measurement | None = None
    """Answers every question of the operator in place of the drawn losses."""
    silent: tuple[float, float] = (0.0, 0.0)
    """Looks that end within have neither requests nor labels of the canary."""
    draws: dict[str, ArmSeen] = field(default_factory=dict)
    """What each look sees of the version in that place, in place of the drawn losses."""
    obstacle: Obstacle | None = None
    command: str | None = None
    skip_analysis: str | None = None
    broken: set[str] = field(default_factory=set)
    """Revisions whose pods are never ready."""
    events: list[Event] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @property
    def name(self) -> str:
        return "digits"

    def edit(self, spec: RolloutSpec) -> None:
        self.spec = spec
        self.generation += 1

    def snapshot(self) -> Snapshot:
        self.versions[self._bare().target] = self.spec.model.version
        return self._bare()

    def _bare(self) -> Snapshot:
        return Snapshot(
            name=self.name,
            namespace="ml",
            generation=self.generation,
            spec=self.spec,
            status=self.status,
            deployments=dict(self.deployments),
            stable_service=self._service("digits"),
            canary_service=self._service("digits-canary"),
            route=self._route(),
            route_fault=self.route_fault,
            obstacle=self.obstacle,
            command=Command.parse(self.command),
            skip_analysis=self.skip_analysis,
        )

    def turn(self) -> Decision:
        """Observe, decide, write the status and change the world, as the controller does."""
        snapshot = self.snapshot()
        want = wanted(snapshot, self.now)
        if want is not None:
            snapshot = snapshot.measured(self.measurement or self._measure(want))
        due = (want for want in guardrails.wanted(snapshot, self.now) if want.guardrail.name not in self.unanswered)
        snapshot = snapshot.guarded(tuple(map(self._evaluate, due)))
        decision = decide(snapshot, self.now)
        self.status = RolloutStatus.model_validate(decision.status.to_manifest())
        for write in decision.writes:
            self.apply(write)
        self.events.extend(decision.events)
        return decision

    def run(self, seconds: float, until: str | None = None) -> World:
        """Take turns of one second each, at most `seconds` of them, until the phase is `until`."""
        for _ in range(int(seconds)):
            self.turn()
            if until is not None and self.status.phase == until:
                break
            self.now += 1.0
        return self

    def apply(self, write: Write) -> None:
        self.writes.append(write)
        match write:
            case CreateDeployment(revision, replicas):
                self._resize(DeploymentSeen(revision, replicas, model_version=self.versions[revision]))
            case ScaleDeployment(revision, replicas):
                self._resize(replace(self.deployments[revision], replicas=replicas))
            case DeleteDeployment(revision):
                del self.deployments[revision]
            case PointService(service, revision):
                self.services[service] = revision
            case SetWeights(stable, canary):
                assert self.weights is not None or self.spec.traffic.route_ref is None, "a user's route is created"
                self._set_route((stable, canary))

    def set_route(self, stable: int, canary: int, by: str = "argocd-controller") -> None:
        """Set the weights as somebody other than the operator."""
        self._set_route((stable, canary))
        self.changed_by = by

    def _set_route(self, weights: tuple[int, int]) -> None:
        self.route_generation += self.weights != weights
        self.weights = weights

    def _route(self) -> RouteSeen | None:
        if self.weights is None or self.route_fault is not None:
            return None
        return RouteSeen(
            *self.weights,
            as_specified=True,
            accepted=self.route_accepted,
            message="" if self.route_accepted else "gateway web: Accepted is False",
            refused_since=self.route_refused_since,
            uid=self.route_uid,
            generation=self.route_generation,
            changed_by=self.changed_by,
        )

    def _resize(self, seen: DeploymentSeen) -> None:
        ready = 0 if seen.revision in self.broken or not self.pods_start else min(seen.replicas, self.room)
        self.deployments[seen.revision] = replace(seen, existing_replicas=seen.replicas, ready_replicas=ready)

    def _service(self, name: str) -> ServiceSeen | None:
        revision = self.services.get(name)
        if revision is None:
            return None
        pods = self.deployments.get(revision)
        ready = {revision: pods.ready_replicas} if pods and pods.ready_replicas else {}
        return ServiceSeen(revision, ready=ready)

    def _measure(self, want: HistoryWanted | LooksWanted) -> Measurement:
        stable, canary = self.status.stable, self.status.canary
        assert stable is not None
        assert canary is not None
        if isinstance(want, HistoryWanted):
            labels = self.labels_per_second * (self.now - START)
            mean = self.loss_by_version[stable.model_version]
            return HistorySeen(labels, labels * mean, labels * (0.7 + mean**2), self.labels_per_second)
        interval = int(self.spec.loss.interval_seconds)
        ends = range(int(want.first_end), int(want.last_end) + 1, interval)
        share = (self.weights or (100, 0))[1] / 100
        return LooksSeen(
            tuple(
                LookSeen(
                    float(end),
                    self.draws.get("stable") or self._draw(stable.model_version, (1 - share) * interval),
                    self.draws.get("canary")
                    or self._draw(canary.model_version, 0.0 if self._is_silent(end) else share * interval),
                )
                for end in ends
            )
        )

    def _is_silent(self, end: float) -> bool:
        return self.silent[0] <= end <= self.silent[1]

    def _evaluate(self, want: guardrails.GuardrailWanted) -> GuardrailSeen:
        assert self.status.canary is not None
        name = want.guardrail.name
        return GuardrailSeen(
            name, want.test, self.status.canary.revision, want.end, self.readings.get(name, Value(0.0, "at an end"))
        )

    def _draw(self, version: str, seconds: float) -> ArmSeen:
        n = round(self.labels_per_second * seconds)
        mean = self.loss_by_version[version]
        total = n * mean + self.random.gauss(0.0, math.sqrt(0.7 * n)) if n else 0.0
        return ArmSample(float(n), total, n * (0.7 + mean**2), float(n))
