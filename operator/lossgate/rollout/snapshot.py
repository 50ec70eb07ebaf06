"""What is seen of one ModelRollout and its surroundings at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from lossgate.api import names
from lossgate.api.commands import Command
from lossgate.api.names import Revision
from lossgate.api.reasons import Reason
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import RolloutStatus
from lossgate.rollout.guardrail_seen import GuardrailSeen


@dataclass(frozen=True, slots=True)
class DeploymentSeen:
    """One revision's Deployment."""

    revision: Revision
    replicas: int
    """Asked for, not counted."""
    existing_replicas: int = 0
    ready_replicas: int = 0
    deadline_exceeded: bool = False
    """The Deployment itself reports `ProgressDeadlineExceeded`."""
    message: str = ""
    failure: str = ""
    """Why its pods cannot be made, such as a quota; empty while they can be."""
    progress_deadline_seconds: int | None = None
    """The deadline that it has; None where it is not told."""


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """A Service of the rollout and the ready endpoints behind it."""

    revision: Revision | None
    """The revision its selector names."""
    as_specified: bool = True
    """Its ports are what the spec asks for."""
    ready: Mapping[Revision, int] = field(default_factory=dict)
    """Ready pods behind it by revision; those of any other than the selected one count under the empty name."""

    def only(self, revision: str, at_least: int) -> bool:
        """Return whether it selects `revision`, and just that many or more ready pods of it and no others."""
        return (
            self.revision == revision and set(self.ready) == {revision} and self.ready[Revision(revision)] >= at_least
        )


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """The route of the rollout."""

    stable_weight: int
    canary_weight: int
    as_specified: bool
    """Parents, host names and backends are what the spec asks for; the weights are judged apart."""
    accepted: bool
    """A gateway accepted the route's present generation and resolved its backends."""
    message: str = ""
    refused_since: float | None = None
    """Since when (Unix seconds) a gateway refuses the present generation; None while none does."""
    uid: str = ""
    generation: int = 0
    """Changes with every edit of the route's spec, by whomever."""
    changed_by: str = ""
    """Field manager that changed the rules last, other than the operator; empty if the API server does not tell."""


@dataclass(frozen=True, slots=True)
class ArmSample:
    """What one version's counters rose by within one look; `n` labels with loss sum `total`."""

    n: float
    total: float
    squares: float
    predictions: float | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """No loss series of that version at that look: neither zero nor a failure."""

    predictions: float | None
    message: str


@dataclass(frozen=True, slots=True)
class NonFinite:
    """Labels arrived and the loss sum is not a number."""

    message: str


@dataclass(frozen=True, slots=True)
class Flawed:
    """The numbers of that version and look must not be used."""

    reason: Reason
    message: str


ArmSeen = ArmSample | Absent | NonFinite | Flawed


@dataclass(frozen=True, slots=True)
class LookSeen:
    """One look: both versions over the same stretch of time that ends at `end` (Unix seconds, on the grid)."""

    end: float
    stable: ArmSeen
    canary: ArmSeen


@dataclass(frozen=True, slots=True)
class LooksSeen:
    """The looks that were due, oldest first, without gaps."""

    looks: tuple[LookSeen, ...]


@dataclass(frozen=True, slots=True)
class HistorySeen:
    """The stable version's loss history, and how fast labels arrive at it now."""

    n: float
    total: float
    squares: float
    labels_per_second: float
    message: str = ""
    """Why there is nothing, where the source can tell."""


@dataclass(frozen=True, slots=True)
class MeasurementFailed:
    """The source gave no answer that can be trusted."""

    reason: Reason
    message: str
    in_short: str = ""
    """What an event says, where the message is too long for one."""


Measurement = LooksSeen | HistorySeen | MeasurementFailed


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why the last change of the world was refused, in words for the person who must act."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One ModelRollout as seen: its spec and status, its children, and what was measured for this moment."""

    name: str
    namespace: str
    generation: int
    spec: RolloutSpec
    status: RolloutStatus
    deployments: Mapping[Revision, DeploymentSeen] = field(default_factory=dict)
    stable_service: ServiceSeen | None = None
    canary_service: ServiceSeen | None = None
    route: RouteSeen | None = None
    route_fault: Obstacle | None = None
    """Why the route cannot split the requests though it is not for the operator to create or mend it; `route` may be
    seen all the same, where it is known which weights are this rollout's."""
    measurement: Measurement | None = None
    guardrails: tuple[GuardrailSeen, ...] = ()
    obstacle: Obstacle | None = None
    command: Command | None = None
    """What the annotation `lossgate.io/command` asks for, also if it was acted on long ago."""
    skip_analysis: str | None = None
    """The revision that the annotation `lossgate.io/skip-analysis` names."""

    @property
    def target(self) -> Revision:
        """The revision that the spec asks for."""
        return names.revision_name(self.name, self.spec.template, self.spec.model.version)

    @property
    def replicas(self) -> int:
        """The size the rollout must have: the spec's, else what the stable version has, or last had, else one."""
        if self.spec.replicas is not None:
            return self.spec.replicas
        stable = self.status.stable
        seen = self.deployment(stable.revision) if stable else None
        if seen is not None:
            return seen.replicas
        return 1 if stable is None or stable.settled_replicas is None else stable.settled_replicas

    def measured(self, measurement: Measurement) -> Snapshot:
        """Return this snapshot with what was measured for its moment."""
        return replace(self, measurement=measurement)

    def guarded(self, guardrails: tuple[GuardrailSeen, ...]) -> Snapshot:
        """Return this snapshot with what was seen of its guardrails."""
        return replace(self, guardrails=guardrails)

    def deployment(self, revision: str | None) -> DeploymentSeen | None:
        """Return the Deployment of a revision, or None if none is seen."""
        return self.deployments.get(Revision(revision)) if revision else None

    def ready(self, revision: str | None) -> int:
        """Return how many pods of a revision are ready, 0 if its Deployment is not seen."""
        deployment = self.deployment(revision)
        return deployment.ready_replicas if deployment else 0
