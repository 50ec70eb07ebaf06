"""The small world's moves: the real `decide` and its writes in their order, and everything that may come between."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import NamedTuple

from lossgate.api import names
from lossgate.api.commands import Command
from lossgate.api.names import Revision
from lossgate.api.spec import RolloutSpec
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import (
    CreateDeployment,
    DeleteDeployment,
    PointService,
    ScaleDeployment,
    SetWeights,
    Write,
)
from lossgate.rollout.looks import HistoryWanted, wanted
from lossgate.rollout.snapshot import DeploymentSeen, RouteSeen, ServiceSeen, Snapshot
from tests.model import oracle
from tests.model.state import CANARY, STABLE, Ask, Children, Order, Pods, Route, Service, State
from tests.model.statuses import NOW, Statuses
from tests.rollout.world import a_spec

NAME = "digits"
GRID_SECONDS = 10.0
"""Time passes in whole intervals, so that looks stay on their grid."""
_PLACES = {names.stable_service(NAME): STABLE, names.canary_service(NAME): CANARY}


class Guard(Enum):
    """What a write of a child depends on."""

    NOTHING = "nothing"
    VALUE = "the value that was seen is still there"
    VERSION = "nobody has written it since it was seen"


class Turn(NamedTuple):
    """What a decision comes to."""

    status: int
    writes: tuple[Write, ...]
    wait: float | None
    """Seconds until time alone asks for the next turn, on the grid."""
    takes_looks: bool


@dataclass
class Machine:
    """Decides, and carries out writes; remembers every decision, as the same snapshot always has the same."""

    steps: tuple[int, ...] = (50,)
    replicas: int = 1
    history_limit: int = 3
    guard: Guard = Guard.VERSION
    statuses: Statuses = field(default_factory=Statuses)
    _turns: dict[tuple[Ask, int, Children, str], Turn] = field(default_factory=dict)
    _revisions: dict[str, Revision] = field(default_factory=dict)
    _specs: dict[tuple[str, bool], RolloutSpec] = field(default_factory=dict)

    @property
    def decisions(self) -> int:
        """How many different snapshots were decided on."""
        return len(self._turns)

    @cached_property
    def versions(self) -> dict[str, str]:
        """The version of every revision's name."""
        return {self.revision(version): version for version in ("v1", "v2", "v3")}

    def spec(self, version: str, paused: bool = False) -> RolloutSpec:
        """Return the spec that asks for a version."""
        key = (version, paused)
        if key not in self._specs:
            self._specs[key] = a_spec(
                version,
                paused=paused,
                replicas=self.replicas,
                steps=[{"weight": weight} for weight in self.steps],
                loss__settle="0s",
                scaleDownDelay="20s",
                revisionHistoryLimit=self.history_limit,
            )
        return self._specs[key]

    def revision(self, version: str) -> Revision:
        """Return the revision's name of a version."""
        if version not in self._revisions:
            spec = self.spec(version)
            self._revisions[version] = names.revision_name(NAME, spec.template, spec.model.version)
        return self._revisions[version]

    def turn(self, ask: Ask, status: int, children: Children, shown: str = oracle.NOTHING) -> Turn:
        """Return what is decided, where looks that are due show `shown`."""
        key = (ask, status, children, shown)
        if key not in self._turns:
            self._turns[key] = self._decide(*key)
        return self._turns[key]

    def _decide(self, ask: Ask, status: int, children: Children, shown: str) -> Turn:
        snapshot = self._snapshot(ask, status, children)
        want, takes_looks = wanted(snapshot, NOW), False
        if isinstance(want, HistoryWanted):
            snapshot = snapshot.measured(oracle.BASELINE)
        elif want is not None:
            takes_looks = True
            weight = children.route.in_force if children.route else 0
            interval = snapshot.spec.loss.interval_seconds
            snapshot = snapshot.measured(oracle.looks_that_show(shown, want, weight, interval))
        decision = decide(snapshot, NOW)
        due = min((time for time in (decision.due, decision.measure_at) if time and time > NOW), default=None)
        wait = None if due is None else math.ceil((due - NOW) / GRID_SECONDS) * GRID_SECONDS
        return Turn(self.statuses.number(decision.status), decision.writes, wait, takes_looks)

    def _snapshot(self, ask: Ask, status: int, children: Children) -> Snapshot:
        pods = {pods.version: pods for pods in children.pods}
        route = children.route
        return Snapshot(
            name=NAME,
            namespace="ml",
            generation=ask.generation,
            spec=self.spec(ask.version, ask.paused),
            status=self.statuses[status],
            deployments={
                self.revision(seen.version): DeploymentSeen(
                    self.revision(seen.version), seen.asked, seen.asked, seen.ready
                )
                for seen in children.pods
            },
            stable_service=self._service(children.services[STABLE], pods),
            canary_service=self._service(children.services[CANARY], pods),
            route=None
            if route is None
            else RouteSeen(
                100 - route.weight,
                route.weight,
                as_specified=True,
                accepted=route.accepted,
                uid="route",
                generation=route.generation,
            ),
            command=Command.parse(ask.command),
            skip_analysis=self.revision("v2") if ask.skips_analysis else None,
        )

    def _service(self, service: Service | None, pods: dict[str, Pods]) -> ServiceSeen | None:
        if service is None:
            return None
        revision = self.revision(service.selected)
        listed = pods.get(service.listed) if service.listed else None
        name = revision if service.listed == service.selected else Revision("")
        return ServiceSeen(revision, ready={name: listed.ready} if listed and listed.ready else {})

    def order(self, write: Write, view: Children, stored: Children) -> Order:
        """Return a write as it was decided on what was seen of its object."""
        seen = self.value(view, write)
        return Order(write, seen, seen == self.value(stored, write))

    def value(self, children: Children, write: Write) -> object:
        """Return what a write would change: pods asked for, version selected, weight; None if it is not there."""
        match write:
            case PointService(service):
                place = children.services[_PLACES[service]]
                return place.selected if place else None
            case SetWeights():
                return children.route.weight if children.route else None
            case CreateDeployment(revision) | ScaleDeployment(revision) | DeleteDeployment(revision):
                return next((pods.asked for pods in children.pods if pods.version == self.versions[revision]), None)

    def is_refused(self, children: Children, order: Order) -> bool:
        """Return whether the API server refuses a write for what it depends on."""
        if isinstance(order.write, ScaleDeployment) and self.value(children, order.write) is None:
            return True
        match self.guard:
            case Guard.NOTHING:
                return False
            case Guard.VALUE:
                return self.value(children, order.write) != order.seen
            case Guard.VERSION:
                return not order.is_current

    def after(self, children: Children, write: Write) -> Children:
        """Return the children after a write."""
        match write:
            case CreateDeployment(revision, replicas):
                if self.value(children, write) is not None:
                    return children
                return self._with_pods(children, Pods(self.versions[revision], replicas, 0))
            case ScaleDeployment(revision, replicas):
                seen = next(pods for pods in children.pods if pods.version == self.versions[revision])
                return self._with_pods(children, Pods(seen.version, replicas, min(seen.ready, replicas)))
            case DeleteDeployment(revision):
                rest = tuple(pods for pods in children.pods if pods.version != self.versions[revision])
                return children._replace(pods=rest)
            case PointService(name, revision):
                services = list(children.services)
                before = services[_PLACES[name]]
                services[_PLACES[name]] = Service(self.versions[revision], before.listed if before else None)
                return children._replace(services=(services[STABLE], services[CANARY]))
            case SetWeights(_, canary):
                before_route = children.route or Route(canary, 0, accepted=False, generation=0)
                if children.route is not None and children.route.weight == canary:
                    return children
                route = Route(canary, before_route.in_force, accepted=False, generation=before_route.generation + 1)
                return children._replace(route=route)

    @staticmethod
    def _with_pods(children: Children, pods: Pods) -> Children:
        rest = [other for other in children.pods if other.version != pods.version]
        return children._replace(pods=tuple(sorted([*rest, pods])))

    def normal(self, state: State) -> State:
        """Return the state with the route's generations counted from 1: only which is later matters."""
        views = [state.children.route]
        statuses = [state.status]
        if state.lag is not None and state.lag.kind == "route":
            views.append(state.lag.view)
        if state.lag is not None and state.lag.kind == "rollout":
            statuses.append(state.lag.view[1])
        used = {route.generation for route in views if route} | set(map(self.statuses.route_generation, statuses))
        ranks = {generation: rank for rank, generation in enumerate(sorted(used - {0}), start=1)}
        if all(generation == rank for generation, rank in ranks.items()):
            return state
        return self._ranked(state, ranks)

    def _ranked(self, state: State, ranks: dict[int, int]) -> State:
        def route(seen: Route | None) -> Route | None:
            return seen and seen._replace(generation=ranks[seen.generation])

        def status(number: int) -> int:
            generation = self.statuses.route_generation(number)
            return self.statuses.with_route_generation(number, ranks[generation]) if generation else number

        lag = state.lag
        if lag is not None and lag.kind == "route":
            lag = lag._replace(view=route(lag.view))
        if lag is not None and lag.kind == "rollout":
            lag = lag._replace(view=(lag.view[0], status(lag.view[1])))
        children = state.children._replace(route=route(state.children.route))
        return state._replace(children=children, status=status(state.status), lag=lag)
