"""What can happen to a rollout: each input of the truth table changes a world that is in some situation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lossgate.api.commands import Verb
from lossgate.api.names import Revision
from lossgate.api.reasons import Phase, Reason
from lossgate.api.spec import Canary, Gate, Guardrail, Loss, OnInconclusive, Step
from lossgate.rollout.guardrail_seen import Unreadable, Value
from lossgate.rollout.snapshot import MeasurementFailed, NonFinite, Obstacle
from tests.rollout.situations import GUARDRAIL, break_pods, revision_meant, situation
from tests.rollout.world import World

NO_CANARY = "there is no canary"
NO_PREVIOUS = "no version was replaced yet"
NOT_JUDGED = "nothing is judged"
IN_FLIGHT = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING)
LATER = "2027-01-01T00:00:00Z"


class CannotOccurError(Exception):
    """The input has no meaning in that situation; its text says why."""


@dataclass(frozen=True, slots=True)
class Input:
    """One thing that happens, and for how long it is watched."""

    name: str
    apply: Callable[[World], None]
    seconds: int = 3


def edited(spec: Any, path: str, value: object) -> Any:
    """Return a spec with one field, named as in Python, set otherwise."""
    name, _, rest = path.partition(".")
    part = getattr(spec, name)
    assert isinstance(spec, BaseModel)
    return spec.model_copy(update={name: edited(part, rest, value) if rest else value})


def edit(path: str, value: object) -> Callable[[World], None]:
    """Return an edit of one field of the spec."""
    return lambda world: world.edit(edited(world.spec, path, value))


def _to(version: Callable[[World], str | None], why_not: str) -> Callable[[World], None]:
    def apply(world: World) -> None:
        asked = version(world)
        if asked is None:
            raise CannotOccurError(why_not)
        world.loss_by_version.setdefault(asked, 0.3)
        world.edit(edited(world.spec, "model.version", asked))

    return apply


def _stable(world: World) -> str | None:
    return world.status.stable.model_version if world.status.stable else None


def _previous(world: World) -> str | None:
    return world.status.previous.model_version if world.status.previous else None


def _out(world: World) -> str | None:
    """Leave in the history that v4 was rolled back for harm."""
    if world.status.stable is None or world.status.phase is Phase.INITIALIZING:
        return None
    entry = situation("harmed").status.history[-1]
    world.status = world.status.model_copy(update={"history": (entry, *world.status.history)})
    return "v4"


def command(verb: Verb) -> Callable[[World], None]:
    """Return a command for the revision that it is meant for."""

    def apply(world: World) -> None:
        world.command = f"{verb} {revision_meant(world, verb)} {LATER}"

    return apply


def _command_for_another(world: World) -> None:
    world.command = f"promote digits-00000000 {LATER}"


def _old_command(world: World) -> None:
    last = world.status.last_command
    if last is None:
        raise CannotOccurError("no command was given yet")
    newer = last.model_copy(update={"text": f"pause digits-1 {LATER}"})
    world.status = world.status.model_copy(update={"last_command": newer})
    world.command = f"abort {revision_meant(world, Verb.ABORT)} 2026-01-01T00:00:00Z"


def _judged(world: World) -> None:
    if world.status.phase not in IN_FLIGHT or world.status.canary is None:
        raise CannotOccurError(NOT_JUDGED)


def _harm(world: World) -> None:
    _judged(world)
    assert world.status.canary is not None
    world.loss_by_version[world.status.canary.model_version] = 6.0


def _measured(answer: Any) -> Callable[[World], None]:
    def apply(world: World) -> None:
        _judged(world)
        world.measurement = answer

    return apply


def _not_a_number(world: World) -> None:
    _judged(world)
    world.draws["canary"] = NonFinite("sum is NaN")


def _no_labels(world: World) -> None:
    _judged(world)
    world.silent = (0.0, world.now + 1e6)


def _analysis(world: World, **changes: object) -> None:
    _judged(world)
    if world.status.analysis is None:
        raise CannotOccurError(NOT_JUDGED)
    world.status = world.status.model_copy(update={"analysis": world.status.analysis.model_copy(update=changes)})


def _shown_safe(world: World) -> None:
    if world.status.baseline is None:
        raise CannotOccurError("there is no evidence")
    _analysis(world, verdict="NonInferior")


def _step(world: World, **changes: object) -> None:
    _judged(world)
    assert world.status.step is not None
    world.status = world.status.model_copy(update={"step": world.status.step.model_copy(update=changes)})


def _overdue(policy: OnInconclusive) -> Callable[[World], None]:
    def apply(world: World) -> None:
        _step(world, began=world.now - world.spec.gate.max_duration_seconds)
        world.edit(edited(world.spec, "gate.on_inconclusive", policy))

    return apply


def _held_too_long(world: World) -> None:
    hold = world.status.analysis.hold if world.status.analysis else None
    if hold is None or hold.reason is not Reason.METRICS_UNREACHABLE:
        raise CannotOccurError("the losses can be read")
    _analysis(world, hold=hold.model_copy(update={"since": world.now - world.spec.gate.hold_timeout_seconds}))


def _pause_too_long(world: World) -> None:
    pause = world.status.pause
    if pause is None:
        raise CannotOccurError("it is not paused")
    since = world.now - world.spec.gate.pause_timeout_seconds
    world.status = world.status.model_copy(update={"pause": pause.model_copy(update={"since": since})})


def _unready_too_long(world: World) -> None:
    _canary_loses_pods(world)
    _step(world, unready_since=world.now - world.spec.progress_deadline_seconds)


def _scale_down(world: World) -> None:
    if world.status.scale_down_at is None:
        raise CannotOccurError("no version waits for it")
    world.status = world.status.model_copy(update={"scale_down_at": world.now})


def _revision(world: World, field: str) -> Revision:
    version = getattr(world.status, field)
    if version is None or Revision(version.revision) not in world.deployments:
        raise CannotOccurError(NO_CANARY if field == "canary" else NO_PREVIOUS)
    return Revision(version.revision)


def _canary_loses_pods(world: World) -> None:
    if world.status.phase not in (*IN_FLIGHT, Phase.ROLLING_BACK):
        raise CannotOccurError("it has none")
    break_pods(world, _revision(world, "canary"))


def _deleted(field: str) -> Callable[[World], None]:
    return lambda world: world.deployments.__delitem__(_revision(world, field))


def _service_deleted(name: str) -> Callable[[World], None]:
    def apply(world: World) -> None:
        if name not in world.services:
            raise CannotOccurError("there is none yet")
        del world.services[name]

    return apply


def _route(world: World) -> None:
    if world.weights is None:
        raise CannotOccurError("there is none yet")


def _route_deleted(world: World) -> None:
    _route(world)
    world.weights = None


def _route_edited(world: World) -> None:
    _route(world)
    world.set_route(60, 40)


def _route_unaccepted(world: World) -> None:
    _route(world)
    world.route_accepted = False


def _route_refused(world: World) -> None:
    _route_unaccepted(world)
    world.route_refused_since = world.now - 60


def _route_fault(world: World) -> None:
    world.route_fault = Obstacle(Reason.ROUTE_NOT_FOUND, "HTTPRoute digits is gone")


def _contested(world: World) -> None:
    if world.status.route is None:
        raise CannotOccurError("there is none yet")
    times = tuple(world.now - seconds for seconds in (40, 30, 20, 10))
    route = world.status.route.model_copy(update={"contested": world.now - 10, "reverts": times, "since": None})
    world.status = world.status.model_copy(update={"route": route})
    world.set_route(50, 50)


def _guardrail(reading: Any) -> Callable[[World], None]:
    def apply(world: World) -> None:
        _judged(world)
        world.edit(edited(world.spec, "guardrails", (Guardrail.model_validate(GUARDRAIL),)))
        world.readings["errors"] = reading

    return apply


def _skip(world: World) -> None:
    if world.status.canary is None:
        raise CannotOccurError(NO_CANARY)
    world.skip_analysis = world.status.canary.revision


def _skip_no_more(world: World) -> None:
    if world.skip_analysis is None:
        raise CannotOccurError("it is not there")
    world.skip_analysis = None


def _template_refused(world: World) -> None:
    world.obstacle = Obstacle(Reason.TEMPLATE_INVALID, "image: Required value")


def nothing(world: World) -> None:
    """Let time go on."""


_DOWN = MeasurementFailed(Reason.METRICS_UNREACHABLE, "connection refused")
_NOT_ALLOWED = MeasurementFailed(Reason.METRICS_UNREACHABLE, "spec.loss.prometheus.url is not on the operator's list")
_STEPS = (Step(weight=20), Step(weight=50), Step(weight=80))

INPUTS: Mapping[str, tuple[Input, ...]] = {
    "The spec asks for another version": (
        Input("a version that was never seen", _to(lambda _: "v9", "")),
        Input("the stable version", _to(_stable, "nothing serves yet")),
        Input("the version before the last promotion", _to(_previous, NO_PREVIOUS)),
        Input("a version that was rolled back for harm", _to(_out, "nothing serves yet"), 12),
    ),
    "The spec is edited": (
        Input("`paused: true`", edit("paused", True)),
        Input("`paused: false`", edit("paused", False)),
        Input("`replicas: 0`", edit("replicas", 0)),
        Input("`replicas: 8`", edit("replicas", 8)),
        Input("no `replicas`", edit("replicas", None)),
        Input("`canary.replicas: 3`", edit("canary", Canary(replicas=3))),
        Input("`gate.margin: 4%`", edit("gate", Gate.model_validate({"margin": "4%"}))),
        Input("another step, `80`, at the end", edit("steps", _STEPS)),
        Input("the step of 20 % is gone", edit("steps", (Step(weight=10), Step(weight=60)))),
        Input("`gate.pauseTimeout: 72h`", edit("gate.pause_timeout_seconds", 259200.0)),
        Input("`gate.onInconclusive: Rollback`", edit("gate.on_inconclusive", OnInconclusive.ROLLBACK)),
        Input("`loss.selector`", edit("loss.selector", {"model": "digits"})),
        Input("`loss.interval: 20s`", edit("loss", Loss.model_validate({"interval": "20s", "settle": "5s"}))),
        Input("a template that the API server refuses", _template_refused),
    ),
    "A person commands": (
        *(Input(f"`{verb}`", command(verb)) for verb in Verb),
        Input("any of them for another revision", _command_for_another),
        Input("one that is older than the last", _old_command),
        Input("`skip-analysis` names the canary", _skip),
        Input("`skip-analysis` is removed", _skip_no_more),
    ),
    "What is measured": (
        Input("harm", _harm, 60),
        Input("losses of the canary that are no numbers", _not_a_number, 60),
        Input("no labels", _no_labels, 60),
        Input("non-inferiority in this step", _shown_safe, 1),
        Input("Prometheus does not answer", _measured(_DOWN), 40),
        Input("Prometheus is not allowed", _measured(_NOT_ALLOWED), 40),
        Input("a guardrail fails", _guardrail(Value(0.5)), 40),
        Input("a guardrail cannot be read", _guardrail(Unreadable(Reason.METRICS_UNREACHABLE, "refused")), 40),
    ),
    "Time passes": (
        Input("`maxDuration`, `onInconclusive: Pause`", _overdue(OnInconclusive.PAUSE)),
        Input("`maxDuration`, `onInconclusive: Rollback`", _overdue(OnInconclusive.ROLLBACK)),
        Input("`maxDuration`, `onInconclusive: Promote`", _overdue(OnInconclusive.PROMOTE)),
        Input("`holdTimeout`", _held_too_long),
        Input("`pauseTimeout`", _pause_too_long),
        Input("`progressDeadlineSeconds` without a ready pod", _unready_too_long),
        Input("`scaleDownDelay`", _scale_down),
    ),
    "Things break": (
        Input("the canary loses its pods", _canary_loses_pods),
        Input("the stable version loses its pods", lambda world: break_pods(world, _revision(world, "stable"))),
        Input("the canary's Deployment is deleted", _deleted("canary")),
        Input("the stable version's Deployment is deleted", _deleted("stable")),
        Input("the previous version's Deployment is deleted", _deleted("previous")),
        Input("the Service `digits` is deleted", _service_deleted("digits")),
        Input("the Service `digits-canary` is deleted", _service_deleted("digits-canary")),
        Input("the route is deleted", _route_deleted),
        Input("somebody sets the weights 60/40", _route_edited),
        Input("somebody sets them again and again", _contested),
        Input("no gateway has accepted the route", _route_unaccepted),
        Input("a gateway refuses the route", _route_refused),
        Input("your own route is missing", _route_fault),
    ),
}
NOTHING = Input("nothing", nothing)
