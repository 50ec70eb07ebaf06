"""What a decision consists of: the status to write first, then changes of the world in order, then events."""

from __future__ import annotations

from dataclasses import dataclass

from lossgate.api.names import Revision
from lossgate.api.reasons import EventReason
from lossgate.api.status import RolloutStatus


@dataclass(frozen=True, slots=True)
class CreateDeployment:
    """Create the Deployment of the revision that the spec asks for."""

    revision: Revision
    replicas: int


@dataclass(frozen=True, slots=True)
class ScaleDeployment:
    """Set the number of pods of a revision, and how long they may take."""

    revision: Revision
    replicas: int


@dataclass(frozen=True, slots=True)
class DeleteDeployment:
    """Delete the Deployment of a revision that nothing serves from any more."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class PointService:
    """Make a Service select the pods of a revision."""

    service: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class SetWeights:
    """Make the route send these shares, in per cent, to the two Services."""

    stable: int
    canary: int


Write = CreateDeployment | ScaleDeployment | DeleteDeployment | PointService | SetWeights


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person should read; `warning` where a person may have to act."""

    reason: EventReason
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: `status` is written first, then `writes` in order, then `events` are told."""

    status: RolloutStatus
    writes: tuple[Write, ...] = ()
    events: tuple[Event, ...] = ()
    due: float | None = None
    """Unix seconds at which to look again at the latest; None means only when something changes."""
    measure_at: float | None = None
    """Unix seconds of the next measurement, if one is wanted; the source is not asked before, whatever else happens."""
