"""Random lives of a rollout: what people, pods, routes and Prometheus do, in any order, and what must hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lossgate.api.commands import Verb
from lossgate.api.names import Revision
from lossgate.api.reasons import REASONS, ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import OnInconclusive
from lossgate.api.status import RolloutStatus
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import Decision, Event, PointService, ScaleDeployment, SetWeights, Write
from lossgate.rollout.guardrail_seen import Reading, Unreadable, Value
from lossgate.rollout.snapshot import MeasurementFailed, Obstacle
from lossgate.stats import unpack
from tests.rollout.inputs import edited
from tests.rollout.situations import GUARDRAIL, revision_meant
from tests.rollout.world import World, a_spec

LOSSES = {"v1": 0.30, "v2": 0.25, "v3": 0.30, "v4": 3.0, "v5": 0.29}
BRISK = {
    "gate__maxDuration": "20m",
    "gate__pauseTimeout": "10m",
    "gate__holdTimeout": "3m",
    "scaleDownDelay": "1m",
    "progressDeadlineSeconds": 120,
    "steps": [{"weight": 20}, {"weight": 50}],
}
FINAL = {Reason.HARM, Reason.NON_FINITE_LOSS, Reason.GUARDRAIL_FAILED, Reason.UNMEASURABLE, Reason.PROGRESS_DEADLINE}
AT_REST = (Phase.HEALTHY, Phase.ROLLED_BACK)


@dataclass
class Witness(World):
    """A world that looks at each decision and each write, and objects."""

    retried: set[str] = field(default_factory=set)
    """Revisions that a person let try again since they were rolled back."""
    out: set[str] = field(default_factory=set)

    def turn(self) -> Decision:
        before = self.status
        self.before = before
        decision = super().turn()
        self._check_books()
        self._check_words(decision)
        self._check_finality(decision)
        self._check_promotion(before, decision)
        self._check_evidence(before)
        return decision

    def settle(self) -> None:
        """Decide the same moment again until nothing is left to write; nothing may be told twice."""
        told: list[Event] = []
        for _ in range(8):
            before = self.status
            decision = decide(self.snapshot(), self.now)
            self.status = RolloutStatus.model_validate(decision.status.to_manifest())
            for write in decision.writes:
                self.apply(write)
            told += decision.events
            if self.status == before and not decision.writes:
                break
        else:
            raise AssertionError(f"no rest at {self.now}: {decision}")
        assert len(set(told)) == len(told), told
        self.events.extend(told)

    def apply(self, write: Write) -> None:
        match write:
            case SetWeights():
                self._check_weights(write)
            case PointService(service, revision):
                self._check_service(service, revision)
            case ScaleDeployment(revision, replicas):
                self._check_size(revision, replicas)
        super().apply(write)

    def _share(self, service: str) -> int:
        weights = self.weights or (100, 0)
        return weights[0] if service == "digits" else weights[1]

    def _ready(self, revision: str | None) -> int:
        seen = self.deployments.get(Revision(revision or ""))
        return seen.ready_replicas if seen else 0

    def _check_weights(self, write: SetWeights) -> None:
        assert write.stable + write.canary == 100
        if self.weights is None:
            return
        sides = zip(("digits", "digits-canary"), self.weights, (write.stable, write.canary), strict=True)
        for service, before, after in sides:
            rises_to_nothing = after > before and self._ready(self.services.get(service)) == 0
            assert not rises_to_nothing or self.spec.replicas == 0, f"{self.weights} -> {write}: nobody at {service}"

    def _check_service(self, service: str, revision: str) -> None:
        before = self.services.get(service)
        moves = before is not None and before != revision and self._share(service) > 0 and self._ready(before) > 0
        assert not moves or self._ready(revision) > 0, f"{service} leads from {before} to {revision}, without pods"

    def _check_size(self, revision: str, replicas: int) -> None:
        if replicas == 0 and self.spec.replicas != 0:
            served = [name for name, to in self.services.items() if to == revision and self._share(name) > 0]
            assert not served or self._ready(revision) == 0, f"{revision} serves {served} and loses its pods"

    def _check_books(self) -> None:
        stable, canary = self.status.stable, self.status.canary
        assert stable is not None
        assert stable.weight + (canary.weight if canary else 0) == 100
        assert canary is None or canary.revision != stable.revision

    def _check_words(self, decision: Decision) -> None:
        """Each reason is one of its condition's, and so is documented; the status is what is stored of it."""
        for condition in self.status.conditions:
            assert condition.reason in REASONS[condition.type]
        assert self.status.to_manifest() == decision.status.to_manifest()
        assert len(set(decision.events)) == len(decision.events)

    def _check_finality(self, decision: Decision) -> None:
        """A verdict stands until the revision is retried, as far as the history reaches."""
        last = self.status.last_command
        if any(event.reason is EventReason.COMMAND_OBEYED for event in decision.events) and last is not None:
            verb, revision = last.text.split()[:2]
            if verb == Verb.RETRY:
                self.out.discard(revision)
        for entry in self.status.history[-1:]:
            if entry.result == "RolledBack" and entry.reason in FINAL and entry.ended == self.now:
                self.out.add(entry.revision)
            if entry.result == "Promoted":
                self.out.discard(entry.revision)
        known = {entry.revision for entry in self.status.history} | {self.status.rolled_back or ""}
        started = any(event.reason is EventReason.ROLLOUT_STARTED for event in decision.events)
        if started and self.status.canary is not None:
            again = self.status.canary.revision
            assert again not in self.out & known, f"{again} was rolled back and is tried again"

    def _check_promotion(self, before: RolloutStatus, decision: Decision) -> None:
        """All requests go to a canary for one of four reasons only."""
        was = before.canary.weight if before.canary else 0
        now, status = self.status.canary.weight if self.status.canary else 0, self.status
        if now != 100 or was == 100 or status.returning is not None:
            return
        analysis, last_step = status.analysis, status.step
        assert last_step is not None
        is_proven = (
            analysis is not None
            and analysis.verdict == "NonInferior"
            and analysis.state is not None
            and unpack(analysis.state).config.step_margin <= self.spec.gate.harm_margin
            and last_step.weight == self.spec.steps[-1].weight
        )
        ordered, skipped = status.promote_requested is not None, status.skipped is not None
        policy = self.unproven_is_allowed
        assert is_proven or ordered or skipped or policy, f"{decision.events}: {analysis}"

    @property
    def unproven_is_allowed(self) -> bool:
        return any(
            event.reason is EventReason.INCONCLUSIVE and "onInconclusive is Promote" in event.message
            for event in self.events[-40:]
        )

    def _check_evidence(self, before: RolloutStatus) -> None:
        """No look of a step began before its weights were in force."""
        step, analysis = self.status.step, self.status.analysis
        old = before.step
        if step is None or analysis is None or analysis.state is None or old is None:
            return
        is_other = (step.index, step.weight, step.began) != (old.index, old.weight, old.began)
        if is_other and step.began == self.now:
            raise AssertionError(f"a step that begins has evidence: {step}")


Action = Callable[[Witness, random.Random], None]


def _revision(world: Witness, chance: random.Random) -> Revision | None:
    return chance.choice(sorted(world.deployments)) if world.deployments else None


def _version(world: Witness, chance: random.Random) -> None:
    world.edit(edited(world.spec, "model.version", chance.choice(sorted(LOSSES))))


def _edit(world: Witness, chance: random.Random) -> None:
    fields: Mapping[str, tuple[object, ...]] = {
        "paused": (True, False),
        "replicas": (0, 1, 4, 4, 8, None),
        "steps": (
            a_spec(steps=[{"weight": 20}]).steps,
            a_spec(steps=[{"weight": 10}, {"weight": 60}]).steps,
            a_spec().steps,
        ),
        "gate.margin": (0.04, 0.05, 0.2),
        "gate.on_inconclusive": tuple(OnInconclusive),
        "gate.max_duration_seconds": (60.0, 1200.0),
        "gate.pause_timeout_seconds": (300.0, 600.0),
        "gate.min_labels": (500, 600),
        "loss.selector": ({}, {"model": "digits"}),
        "loss.interval_seconds": (10.0, 20.0),
        "canary.max_surge": (1, "50%", None),
        "guardrails": ((), a_spec(guardrails=[GUARDRAIL]).guardrails),
        "scale_down_delay_seconds": (0.0, 60.0),
        "revision_history_limit": (0, 3),
    }
    name = chance.choice(sorted(fields))
    world.edit(edited(world.spec, name, chance.choice(fields[name])))


def _command(world: Witness, chance: random.Random) -> None:
    verb = chance.choice(list(Verb))
    if world.status.stable is None:
        return
    right = revision_meant(world, verb)
    other = _revision(world, chance) or right
    world.command = f"{verb} {right if chance.random() < 0.8 else other} {world.now:.0f}-{chance.random()}"


def _pods(world: Witness, chance: random.Random) -> None:
    name = _revision(world, chance)
    if name is not None:
        (world.broken.add if chance.random() < 0.5 else world.broken.discard)(name)
        world._resize(world.deployments[name])


def _room(world: Witness, chance: random.Random) -> None:
    world.room = chance.choice([1, 2, 3, 99])
    for seen in list(world.deployments.values()):
        world._resize(seen)


def _delete(world: Witness, chance: random.Random) -> None:
    match chance.randrange(4):
        case 0:
            world.services.pop(chance.choice(["digits", "digits-canary"]), None)
        case 1:
            world.weights = None
        case _:
            name = _revision(world, chance)
            if name is not None:
                del world.deployments[name]


def _route(world: Witness, chance: random.Random) -> None:
    match chance.randrange(4):
        case 0 if world.weights is not None:
            world.set_route(50, 50)
        case 1:
            world.route_accepted = not world.route_accepted
        case 2:
            gone = Obstacle(Reason.ROUTE_NOT_FOUND, "HTTPRoute digits is gone")
            world.route_fault = None if world.route_fault else gone
        case _:
            world.route_refused_since = None if world.route_refused_since else world.now


def _source(world: Witness, chance: random.Random) -> None:
    down = MeasurementFailed(Reason.METRICS_UNREACHABLE, "connection refused")
    world.measurement = None if world.measurement else chance.choice([down, None])
    if chance.random() < 0.3:
        world.silent = (world.now, world.now + chance.choice([60, 600]))
    if chance.random() < 0.3:
        readings: list[Reading] = [Value(0.0), Value(1.0), Unreadable(Reason.PARTIAL_DATA, "a store is missing")]
        world.readings["errors"] = chance.choice(readings)


def _skip(world: Witness, chance: random.Random) -> None:
    world.skip_analysis = world.snapshot().target if chance.random() < 0.5 else None


ACTIONS: tuple[tuple[Action, int], ...] = (
    (_version, 3),
    (_edit, 4),
    (_command, 4),
    (_pods, 3),
    (_room, 1),
    (_delete, 2),
    (_route, 2),
    (_source, 2),
    (_skip, 1),
)


def play(seed: int, actions: int) -> Witness:
    """Return a world after so many actions at random moments; every turn on the way was looked at."""
    chance = random.Random(seed)
    world = Witness(a_spec("v1", **BRISK), dict(LOSSES), seed=seed, labels_per_second=1000.0)
    world.run(30, until=Phase.HEALTHY)
    world.now += 600
    kinds, weights = zip(*ACTIONS, strict=True)
    for _ in range(actions):
        chance.choices(kinds, weights)[0](world, chance)
        for _ in range(chance.choice([1, 1, 2, 5, 20])):
            world.turn()
            if chance.random() < 0.2:
                world.settle()
            world.now += chance.choice([1.0, 1.0, 7.0, 30.0])
    return world


def heal(world: Witness) -> None:
    """Let everything outside be well again, and a person pause nothing."""
    world.broken.clear()
    world.readings.clear()
    world.measurement = world.route_fault = world.route_refused_since = world.skip_analysis = world.command = None
    world.route_accepted, world.room, world.silent = True, 99, (0.0, 0.0)
    for seen in list(world.deployments.values()):
        world._resize(seen)
    world.edit(edited(edited(world.spec, "paused", False), "replicas", 4))


def comes_to_rest(world: Witness, seconds: float = 4 * 3600.0) -> bool:
    """Let time go on in a healthy world; return whether the rollout ends, or says what a person must do."""
    end = world.now + seconds
    while world.now < end:
        world.turn()
        if world.status.phase in AT_REST and world.weights == (100, 0):
            return True
        if (exit_named := _exit_named(world)) is not None:
            _take(world, exit_named)
        world.now += 10.0
    return False


def _exit_named(world: Witness) -> str | None:
    """Return the way out that the status names to a person."""
    status = world.status
    pause = status.pause
    if status.phase is Phase.PAUSED and pause is not None and pause.reason is Reason.REQUESTED:
        assert "resume" in pause.message
        return "resume"
    stable, ready = status.stable, status.condition(ConditionType.READY)
    assert stable is not None
    if ready is None or ready.status != "False":
        return None
    if Revision(stable.revision) not in world.deployments and stable.revision != world.snapshot().target:
        said = " ".join(condition.message for condition in status.conditions)
        assert f"apply {stable.model_version} again" in said, said
        return f"apply {stable.model_version}"
    return None


def _take(world: Witness, way: str) -> None:
    if way == "resume":
        world.command = f"resume {revision_meant(world, Verb.RESUME)} {world.now:.0f}"
        return
    world.edit(edited(world.spec, "model.version", way.split()[1]))
