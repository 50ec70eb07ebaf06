"""One state of the small world: what the API server stores, what runs, and what two operators are about to do."""

from __future__ import annotations

from typing import Any, NamedTuple

from lossgate.rollout.decision import CreateDeployment, DeleteDeployment, PointService, ScaleDeployment, Write

STABLE, CANARY = 0, 1
"""Places of the two Services."""


class Ask(NamedTuple):
    """What people ask for: the spec and the annotations."""

    version: str
    paused: bool = False
    command: str | None = None
    skips_analysis: bool = False
    generation: int = 1


class Pods(NamedTuple):
    """The Deployment of one version."""

    version: str
    asked: int
    ready: int


class Service(NamedTuple):
    """A Service: the version that its selector names, and the one whose pods its endpoints list."""

    selected: str
    listed: str | None


class Route(NamedTuple):
    """The HTTPRoute: the canary's weight as stored, as the gateway does it, and whether that is the same route."""

    weight: int
    in_force: int
    accepted: bool
    generation: int


class Children(NamedTuple):
    """All that a rollout owns."""

    pods: tuple[Pods, ...] = ()
    services: tuple[Service | None, Service | None] = (None, None)
    route: Route | None = None


def with_kind(children: Children, kind: str, view: Any) -> Children:
    """Return the children with those of one kind as in a view."""
    match kind:
        case "pods":
            return children._replace(pods=view)
        case "services":
            return children._replace(services=view)
        case _:
            return children._replace(route=view)


class Order(NamedTuple):
    """One write that was decided and is not done yet."""

    write: Write
    seen: object
    """The object's value when it was decided on; None if it was not there."""
    is_current: bool
    """Whether nobody else has written the object since it was seen."""


class Pending(NamedTuple):
    """The rest of a decision whose status is stored."""

    orders: tuple[Order, ...]
    before_loss: bool = False
    """Whether pods were lost that it could not know of."""
    is_overtaken: bool = False
    """Whether another process took the lead since, and touched every child before it decided anything."""
    status: int | None = None
    """The status that is still to be stored, where it is not stored first."""


class Lag(NamedTuple):
    """A watch of the leader's that stands still."""

    kind: str
    """`rollout`, `pods`, `services` or `route`."""
    view: Any
    """What it delivered last."""


class Left(NamedTuple):
    """What may still go wrong, or be asked for."""

    actions: tuple[str, ...] = ()
    edits: int = 0
    losses: int = 0
    lags: int = 0
    freezes: int = 0
    deadlines: int = 0


NOTHING_LEFT = Left()


class State(NamedTuple):
    """Everything there is. Time is in the status, relative to now."""

    ask: Ask
    status: int
    """Number of the stored status in `Statuses`."""
    children: Children
    left: Left
    pending: Pending | None = None
    """What the leader is about to do."""
    frozen: Pending | None = None
    """What a process that was frozen in the middle of its writes will do when it wakes."""
    lag: Lag | None = None
    lost: frozenset[str] = frozenset()
    """Versions whose pods the surroundings took."""


def object_of(write: Write) -> tuple[str, Any]:
    """Return which object a write changes."""
    match write:
        case CreateDeployment(revision) | ScaleDeployment(revision) | DeleteDeployment(revision):
            return "pods", revision
        case PointService(service):
            return "services", service
        case _:
            return "route", None
