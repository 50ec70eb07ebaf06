"""All moves from a state: the leader's, a frozen process's, the cluster's, people's, and time's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lossgate.rollout.decision import (
    CreateDeployment,
    DeleteDeployment,
    PointService,
    ScaleDeployment,
    SetWeights,
    Write,
)
from tests.model import invariants, oracle
from tests.model.machine import Machine, Turn
from tests.model.state import (
    Ask,
    Children,
    Lag,
    Order,
    Pending,
    Pods,
    Service,
    State,
    object_of,
    with_kind,
)
from tests.model.statuses import DEADLINE_SECONDS


class Move(NamedTuple):
    """One move: in words, where it leads, and what is wrong with it."""

    words: str
    state: State
    wrong: str | None = None


class Rules(NamedTuple):
    """How the operator keeps the order of writes; anything else than the default is a defect to be found."""

    status_first: bool = True
    status_needs_version: bool = True
    unchanged_status_is_checked: bool = True
    """Whether a decision that changes nothing of the status must still show that it was made on the present one."""
    takeover_touches_children: bool = True
    """Whether a process that takes the lead writes every child once: what others saw before is out of date from then
    on, and it sees itself what the last leader wrote."""


IN_ORDER = Rules()


class Moves:
    """The moves of one machine under given rules."""

    def __init__(self, machine: Machine, rules: Rules = IN_ORDER) -> None:
        self.machine = machine
        self.rules = rules

    def of(self, state: State) -> Iterator[Move]:
        """Yield every move from a state."""
        for move in self._all(state):
            yield move._replace(state=self.machine.normal(move.state))

    def _all(self, state: State) -> Iterator[Move]:
        if state.pending is None:
            for shown in (oracle.NOTHING, oracle.SAFE, oracle.HARM):
                move = self.turn(state, shown)
                if move is None:
                    break
                yield move
                yield from self._missed(move, state, "rollout")
                if not self._takes_looks(state):
                    break
        else:
            move = self.write(state)
            yield move
            if not self.rules.takeover_touches_children:
                yield from self._missed(move, state, object_of(state.pending.orders[0].write)[0])
            yield Move("the leader dies; the next one starts", state._replace(pending=None))
            if state.left.freezes and state.frozen is None:
                left = state.left._replace(freezes=state.left.freezes - 1)
                words = "the leader is frozen in the middle of its writes; another process takes the lead"
                yield Move(words, state._replace(pending=None, frozen=state.pending, left=left))
        if state.frozen is not None:
            yield self.late_write(state)
        for move, kind in self._surroundings(state):
            yield move
            yield from self._unseen(move, state, kind)
        if state.lag is not None:
            yield Move("the leader's watch catches up", state._replace(lag=None))
        yield from self.later(state)

    def view(self, state: State) -> tuple[Ask, int, Children]:
        """Return what the leader sees."""
        if state.lag is None:
            return state.ask, state.status, state.children
        if state.lag.kind == "rollout":
            ask, status = state.lag.view
            return ask, status, state.children
        return state.ask, state.status, with_kind(state.children, state.lag.kind, state.lag.view)

    def _takes_looks(self, state: State) -> bool:
        return self.machine.turn(*self.view(state)).takes_looks

    def turn(self, state: State, shown: str) -> Move | None:
        """The leader observes, decides and stores the status; None where that changes nothing."""
        ask, status, children = self.view(state)
        turn = self.machine.turn(ask, status, children, shown)
        if self.rules.status_needs_version and self._is_refused(state, ask, status, turn):
            return None
        orders = tuple(self.machine.order(write, children, state.children) for write in turn.writes)
        before_loss = state.lag is not None and state.lag.kind == "pods"
        stored = turn.status if turn.status != status else state.status
        pending = Pending(orders, before_loss, status=stored) if orders else None
        if self.rules.status_first or not orders:
            after = state._replace(status=stored, pending=pending and pending._replace(status=None))
        else:
            after = state._replace(pending=pending)
        if self.rules.takeover_touches_children:
            after = after._replace(frozen=self._touched(state))
        if after == state:
            return None
        wrong = invariants.of_statuses(self.machine, state.ask, state.status, after.status)
        looks = f" (a look shows {shown})" if turn.takes_looks else ""
        changed = "stores" if after.status != state.status else "leaves"
        old = f", seeing an old view of the {state.lag.kind}" if state.lag else ""
        return Move(f"the leader decides{looks}{old} and {changed} the status", after, wrong)

    def _is_refused(self, state: State, ask: Ask, status: int, turn: Turn) -> bool:
        """Return whether the status is refused as made on an old one; where there is none to store, nobody asks."""
        if turn.status != status:
            return (ask, status) != (state.ask, state.status)
        return self.rules.unchanged_status_is_checked and status != state.status and bool(turn.writes)

    def _touched(self, state: State) -> Pending | None:
        if state.frozen is None or state.frozen.is_overtaken:
            return state.frozen
        orders = tuple(
            order._replace(is_current=order.is_current and self.machine.value(state.children, order.write) is None)
            for order in state.frozen.orders
        )
        return state.frozen._replace(orders=orders, is_overtaken=True)

    def write(self, state: State) -> Move:
        """The leader does its next write."""
        assert state.pending is not None
        order, *rest = state.pending.orders
        who = f"the leader writes {self._words(order.write)}"
        if self.machine.is_refused(state.children, order):
            return Move(f"{who}: refused, another one was quicker", state._replace(pending=None))
        wrong = invariants.of_write(self.machine, state, order, before_loss=state.pending.before_loss)
        after = self._written(state, order.write)
        pending = state.pending._replace(orders=tuple(rest)) if rest else None
        if pending is None and state.pending.status is not None:
            after = after._replace(status=state.pending.status)
            wrong = wrong or invariants.of_statuses(self.machine, state.ask, state.status, after.status)
        frozen = _overtaken(state.frozen, order.write)
        return Move(who, after._replace(pending=pending, frozen=frozen, lag=self._own_lag(after, order.write)), wrong)

    def late_write(self, state: State) -> Move:
        """The frozen process wakes and does its next write."""
        assert state.frozen is not None
        order, *rest = state.frozen.orders
        who = f"the frozen process wakes and writes {self._words(order.write)}"
        if self.machine.is_refused(state.children, order):
            return Move(f"{who}: refused", state._replace(frozen=None))
        wrong = invariants.of_write(self.machine, state, order, before_loss=state.frozen.before_loss)
        after = self._written(state, order.write)
        frozen = state.frozen._replace(orders=tuple(rest)) if rest else None
        return Move(who, after._replace(frozen=frozen, pending=_overtaken(state.pending, order.write)), wrong)

    def _written(self, state: State, write: Write) -> State:
        return state._replace(children=self.machine.after(state.children, write))

    def _own_lag(self, after: State, write: Write) -> Lag | None:
        """A process sees its own writes, however late its watches are."""
        lag, (kind, which) = after.lag, object_of(write)
        if lag is None or lag.kind != kind:
            return lag
        if kind == "route":
            return None
        view = with_kind(Children(), kind, lag.view)
        if kind == "services":
            mine = 0 if which == "digits" else 1
            pair = list(view.services)
            pair[mine] = after.children.services[mine]
            return Lag(kind, tuple(pair))
        version = self.machine.versions[which]
        now = [pods for pods in after.children.pods if pods.version == version]
        rest = [pods for pods in view.pods if pods.version != version]
        return Lag(kind, tuple(sorted([*rest, *now])))

    def _missed(self, move: Move, before: State, kind: str) -> Iterator[Move]:
        """The process dies just after, and the one that takes over has not seen it yet."""
        if move.wrong is None and _view_of(before, kind) != _view_of(move.state, kind):
            words = f"{move.words}, and dies; the process that takes over has not seen that yet"
            yield from self._lagging(move._replace(words=words, state=move.state._replace(pending=None)), before, kind)

    def _unseen(self, move: Move, before: State, kind: str) -> Iterator[Move]:
        yield from self._lagging(move._replace(words=f"{move.words}, which the leader does not see yet"), before, kind)

    def _lagging(self, move: Move, before: State, kind: str) -> Iterator[Move]:
        if before.left.lags and move.state.lag is None:
            left = move.state.left._replace(lags=before.left.lags - 1)
            yield move._replace(state=move.state._replace(lag=Lag(kind, _view_of(before, kind)), left=left))

    def _surroundings(self, state: State) -> Iterator[tuple[Move, str]]:
        """Yield what the cluster and people may do, and which watch tells of it."""
        children, left = state.children, state.left
        for pods in children.pods:
            if pods.ready < pods.asked:
                words = f"{pods.asked} of {pods.asked} pods of {pods.version} are ready"
                ready = _with_ready(state, pods, pods.asked)
                yield Move(words, ready._replace(lost=state.lost - {pods.version})), "pods"
            if pods.ready and left.losses:
                gone = _with_ready(state, pods, 0)._replace(
                    lost=state.lost | {pods.version},
                    left=left._replace(losses=left.losses - 1),
                    pending=state.pending and state.pending._replace(before_loss=True),
                    frozen=state.frozen and state.frozen._replace(before_loss=True),
                )
                yield Move(f"all pods of {pods.version} are lost", gone), "pods"
        for place, service in enumerate(children.services):
            if service is not None and service.listed != service.selected:
                services = list(children.services)
                services[place] = Service(service.selected, service.selected)
                after = state._replace(children=children._replace(services=(services[0], services[1])))
                yield (
                    Move(f"endpoints of the {('stable', 'canary')[place]} Service list {service.selected}", after),
                    ("services"),
                )
        if children.route is not None and not children.route.accepted:
            route = children.route._replace(accepted=True, in_force=children.route.weight)
            accepted = state._replace(children=children._replace(route=route))
            yield Move(f"the gateway sends {route.weight}% to the canary", accepted), "route"
        if left.edits:
            yield from ((move, "rollout") for move in self._edits(state))

    def _edits(self, state: State) -> Iterator[Move]:
        left = state.left._replace(edits=state.left.edits - 1)
        ask, canary = state.ask, self.machine.statuses[state.status].canary
        later = ask.generation + 1
        for action in state.left.actions:
            match action:
                case "pause" if not ask.paused:
                    changed = ask._replace(paused=True, generation=later)
                case "unpause" if ask.paused:
                    changed = ask._replace(paused=False, generation=later)
                case "skip" if not ask.skips_analysis:
                    changed = ask._replace(skips_analysis=True)
                case "abort" | "promote" | "retry" if canary is not None:
                    changed = ask._replace(command=f"{action} {canary.revision} {state.left.edits}")
                case "rollback" if self.machine.statuses[state.status].previous is not None:
                    stable = self.machine.statuses[state.status].stable
                    assert stable is not None
                    changed = ask._replace(command=f"{action} {stable.revision} {state.left.edits}")
                case "v1" | "v2" | "v3" if action != ask.version:
                    changed = ask._replace(version=action, generation=later)
                case _:
                    continue
            yield Move(f"a person asks for: {action}", state._replace(ask=changed, left=left))

    def later(self, state: State) -> Iterator[Move]:
        """Time passes until it asks for a turn by itself, or until a deadline."""
        step = self.machine.statuses[state.status].step
        if state.left.deadlines and step is not None and step.unready_since is not None:
            left = state.left._replace(deadlines=state.left.deadlines - 1)
            yield self._after(state._replace(left=left), DEADLINE_SECONDS)
        wait = self.machine.turn(state.ask, state.status, state.children).wait
        if wait is not None:
            yield self._after(state, wait)

    def _after(self, state: State, seconds: float) -> Move:
        lag = state.lag
        if lag is not None and lag.kind == "rollout":
            ask, status = lag.view
            lag = lag._replace(view=(ask, self.machine.statuses.later(status, seconds)))
        after = state._replace(status=self.machine.statuses.later(state.status, seconds), lag=lag)
        return Move(f"{seconds:.0f} s pass", after)

    def _words(self, write: Write) -> str:
        match write:
            case CreateDeployment(revision, replicas):
                return f"{replicas} pods of {self.machine.versions[revision]} (new)"
            case ScaleDeployment(revision, replicas):
                return f"{replicas} pods of {self.machine.versions[revision]}"
            case DeleteDeployment(revision):
                return f"{self.machine.versions[revision]} deleted"
            case PointService(service, revision):
                return f"Service {service} -> {self.machine.versions[revision]}"
            case SetWeights(stable, canary):
                return f"weights {stable}/{canary}"


def _view_of(state: State, kind: str) -> Any:
    return (state.ask, state.status) if kind == "rollout" else getattr(state.children, kind)


def _with_ready(state: State, pods: Pods, ready: int) -> State:
    others = [other for other in state.children.pods if other.version != pods.version]
    changed = tuple(sorted([*others, pods._replace(ready=ready)]))
    return state._replace(children=state.children._replace(pods=changed))


def _overtaken(pending: Pending | None, write: Write) -> Pending | None:
    if pending is None:
        return None
    orders = tuple(
        Order(order.write, order.seen, order.is_current and object_of(order.write) != object_of(write))
        for order in pending.orders
    )
    return pending._replace(orders=orders)
