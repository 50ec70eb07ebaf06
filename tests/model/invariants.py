"""What must hold in every state, at every write and between every two statuses; each answers with what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

from lossgate.api.reasons import Phase, Reason
from lossgate.api.status import RolloutStatus
from lossgate.rollout.decision import DeleteDeployment, PointService, ScaleDeployment, SetWeights
from lossgate.rollout.history import was_rolled_back
from tests.model import oracle
from tests.model.machine import Machine
from tests.model.state import CANARY, STABLE, Ask, Children, Order, State

_IN_FLIGHT = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)


def of_state(machine: Machine, state: State) -> str | None:
    """Return what is wrong with a state, or None."""
    children, phase = state.children, machine.statuses[state.status].phase
    ready = {pods.version: pods.ready for pods in children.pods}
    for place, share in _shares(children):
        service = children.services[place]
        if service is None:
            return "the route names a Service that does not exist"
        reached = service.listed or service.selected
        is_starting = phase is Phase.INITIALIZING and place == STABLE
        if share and not ready.get(reached) and reached not in state.lost and not is_starting:
            return f"requests go to {reached}, which has no ready pod"
    stable = children.services[STABLE]
    if stable is None or phase is Phase.INITIALIZING or ready.get(stable.selected) or stable.selected in state.lost:
        return None
    return f"the stable Service selects {stable.selected}, which has no ready pod"


def _shares(children: Children) -> Iterator[tuple[int, int]]:
    """Yield the shares of both Services, in the route as stored and as the gateway does it."""
    if children.route is not None:
        for weight in (children.route.weight, children.route.in_force):
            yield STABLE, 100 - weight
            yield CANARY, weight


def of_write(machine: Machine, state: State, order: Order, *, before_loss: bool) -> str | None:
    """Return what is wrong with a write that is about to be done, or None."""
    match order.write:
        case SetWeights(stable, canary):
            if stable + canary != 100:
                return f"weights {stable} and {canary} do not sum to 100"
            return _of_weight(machine, state, canary, before_loss=before_loss)
        case ScaleDeployment(revision, replicas):
            return _of_fewer_pods(machine, state, machine.versions[revision], replicas)
        case DeleteDeployment(revision):
            return _of_fewer_pods(machine, state, machine.versions[revision], 0)
        case PointService(name, revision):
            return _of_selector(machine, state, name, machine.versions[revision])
    return None


def _of_weight(machine: Machine, state: State, canary: int, *, before_loss: bool) -> str | None:
    status, route = machine.statuses[state.status], state.children.route
    before = route.weight if route else 0
    if canary > before and status.canary is None:
        return f"the canary's share is raised to {canary}%, but the stored status has no canary"
    if canary > before and status.canary is not None and canary > status.canary.weight:
        harm = any(entry.revision == status.canary.revision and entry.reason is Reason.HARM for entry in status.history)
        after = "after harm was written to the status" if harm and status.phase not in _IN_FLIGHT else "unasked"
        return f"the canary's share is raised to {canary}% {after}: the stored status says {status.canary.weight}%"
    raised = CANARY if canary > before else STABLE
    service = state.children.services[raised]
    if service is None or route is None or canary == before or before_loss:
        return None
    ready = {pods.version: pods.ready for pods in state.children.pods}
    if not ready.get(service.selected):
        return f"the share of {service.selected} is raised, which has no ready pod"
    if raised == CANARY and service.listed != service.selected:
        return f"the share of {service.selected} is raised, while its Service lists pods of {service.listed}"
    return None


def _of_fewer_pods(machine: Machine, state: State, version: str, replicas: int) -> str | None:
    asked = next((pods.asked for pods in state.children.pods if pods.version == version), 0)
    status = machine.statuses[state.status]
    serves = status.stable is not None and machine.versions[status.stable.revision] == version
    for place, share in _shares(state.children):
        service = state.children.services[place]
        if not share or service is None or version not in (service.selected, service.listed):
            continue
        if replicas == 0 < asked or (serves and replicas < min(asked, machine.replicas)):
            return f"{version} loses pods while the route sends {share}% of the requests there"
    return None


def _of_selector(machine: Machine, state: State, name: str, version: str) -> str | None:
    place = STABLE if name == "digits" else CANARY
    service = state.children.services[place]
    if service is None or service.selected == version:
        return None
    if any(share for where, share in _shares(state.children) if where == place):
        return f"Service {name} turns from {service.selected} to {version} while the route sends requests to it"
    return None


def of_statuses(machine: Machine, ask: Ask, old_number: int, new_number: int) -> str | None:
    """Return what is wrong with a status that is stored over another, or None."""
    old, new = machine.statuses[old_number], machine.statuses[new_number]
    return (
        _of_history(old, new)
        or _of_final_rollback(machine, ask, old, new)
        or _of_promotion(machine, old, new)
        or _of_evidence(old, new)
    )


def _of_history(old: RolloutStatus, new: RolloutStatus) -> str | None:
    known = min(len(old.history), 9)
    kept = new.history[: len(old.history)] if len(new.history) > len(old.history) else new.history[-known or None :]
    if kept != old.history[-len(kept) or None :] or len(new.history) < len(old.history):
        return "an entry of the history is taken back"
    ends = old.phase in _IN_FLIGHT or old.returning is not None
    if len(new.history) > len(old.history) + ends:
        return "one rollout has two entries in the history"
    return None


def _of_final_rollback(machine: Machine, ask: Ask, old: RolloutStatus, new: RolloutStatus) -> str | None:
    target = machine.revision(ask.version)
    is_retried = new.last_command != old.last_command
    if is_retried or new.canary is None or new.canary.revision != target or not was_rolled_back(old, target):
        return None
    is_out = old.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.HEALTHY) and old.returning is None
    if is_out and new.phase in _IN_FLIGHT:
        return f"{new.canary.model_version} was rolled back and is tried again"
    return None


def _of_promotion(machine: Machine, old: RolloutStatus, new: RolloutStatus) -> str | None:
    starts = new.phase is Phase.PROMOTING and old.phase is not Phase.PROMOTING
    if not starts or new.skipped is not None or new.promote_requested is not None:
        return None
    state = new.analysis.state if new.analysis else None
    gate = oracle.unpack(state) if state else None
    last = machine.steps[-1]
    if gate is None or gate.shown != "NonInferior" or gate.weight != last:
        return f"a promotion starts without proof at the last step's {last}%: {state}"
    return None


def _of_evidence(old: RolloutStatus, new: RolloutStatus) -> str | None:
    """The status is as of the same moment: looks that were taken before must not be taken again."""
    before, after = (status.analysis.state if status.analysis else None for status in (old, new))
    if before is None or after is None or old.step is None or new.step is None:
        return None
    if (old.step.index, old.step.since) != (new.step.index, new.step.since):
        return None
    one, other = oracle.unpack(before), oracle.unpack(after)
    if other.looks > one.looks and (other.last_end or 0.0) <= (one.last_end or 0.0):
        return "a look is counted twice"
    if (other.last_end or 0.0) < (one.last_end or 0.0):
        return "a look that was taken is forgotten"
    return None
