"""A status that a hand has damaged: it is mended, or a person is told what is needed; no verdict comes of it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout import stored
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import Decision
from lossgate.rollout.mending import mend
from lossgate.rollout.snapshot import Snapshot
from tests.rollout.damage import damaged
from tests.rollout.situations import SITUATIONS, situation
from tests.rollout.world import World

Damage = Callable[[dict[str, Any]], object]


def after(name: str, damage: Damage) -> tuple[World, Decision]:
    """Damage the status of a situation, and take the turn that sees it."""
    world = situation(name)
    manifest = world.status.to_manifest()
    damage(manifest)
    return world, take(world, manifest)


def take(world: World, manifest: dict[str, Any]) -> Decision:
    """Take a turn on a stored status, through the same door as the operator."""
    world.status, unread = stored.read(manifest)
    seen = world.snapshot
    world.snapshot = lambda: mend(_with(seen(), unread), world.now)  # type: ignore[method-assign]
    try:
        return world.turn()
    finally:
        world.snapshot = seen  # type: ignore[method-assign]


def _with(snapshot: Snapshot, unread: tuple[str, ...]) -> Snapshot:
    return replace(snapshot, mended=unread)


def told(world: World) -> list[EventReason]:
    return [event.reason for event in world.events]


def cut(*path: str) -> Damage:
    """Remove a part."""

    def damage(manifest: dict[str, Any]) -> None:
        for name in path[:-1]:
            manifest = manifest[name]
        del manifest[path[-1]]

    return damage


def put(value: Any, *path: str) -> Damage:
    """Write a part otherwise."""

    def damage(manifest: dict[str, Any]) -> None:
        for name in path[:-1]:
            manifest = manifest[name]
        manifest[path[-1]] = value

    return damage


FUTURE = "2099-01-01T00:00:00Z"
AFRESH, KEPT = 0, None

TABLE: list[tuple[str, Damage, Phase, int | None]] = [
    # situation, damage, phase afterwards, looks afterwards (KEPT: as before)
    ("progressing", put("Nonsense", "phase"), Phase.PROGRESSING, KEPT),
    ("progressing", cut("phase"), Phase.PROGRESSING, KEPT),
    ("progressing", put("Initializing", "phase"), Phase.PROGRESSING, KEPT),
    ("progressing", cut("canary"), Phase.PROGRESSING, AFRESH),
    ("progressing", put("", "canary", "revision"), Phase.PROGRESSING, AFRESH),
    ("progressing", cut("step"), Phase.PROGRESSING, AFRESH),
    ("progressing", cut("stable"), Phase.PROGRESSING, AFRESH),
    ("progressing", cut("baseline"), Phase.PROGRESSING, KEPT),
    ("progressing", put(-1.0, "baseline", "mean"), Phase.PROGRESSING, AFRESH),
    ("progressing", put("v1:cut", "analysis", "state"), Phase.PROGRESSING, None),
    ("progressing", put(-5, "step", "index"), Phase.PROGRESSING, KEPT),
    ("progressing", put(FUTURE, "step", "since"), Phase.PROGRESSING, KEPT),
    ("progressing", put("1970-01-01T00:00:00Z", "step", "began"), Phase.PROGRESSING, KEPT),
    ("progressing", put(FUTURE, "since"), Phase.PROGRESSING, KEPT),
    ("progressing", put(-3, "canary", "weight"), Phase.PROGRESSING, KEPT),
    ("paused by the spec", cut("canary"), Phase.PAUSED, AFRESH),
    ("inconclusive", put("Harm", "pause", "reason"), Phase.PAUSED, None),
    ("promoting", cut("canary"), Phase.PROGRESSING, AFRESH),
    ("promoting", cut("step"), Phase.PROGRESSING, AFRESH),
    ("committed", cut("step"), Phase.PROMOTING, None),
    ("rolling back", put("Nonsense", "phase"), Phase.ROLLING_BACK, None),
    ("returning", put("Nonsense", "returning", "reason"), Phase.ROLLING_BACK, None),
    ("harmed", put("Initializing", "phase"), Phase.ROLLING_BACK, None),
    ("harmed", cut("stable"), Phase.ROLLED_BACK, None),
    ("healthy", put("Nonsense", "phase"), Phase.HEALTHY, None),
    ("healthy", cut("stable"), Phase.HEALTHY, None),
    ("promoted", cut("stable"), Phase.HEALTHY, None),
]


@pytest.mark.parametrize(("name", "damage", "phase", "looks"), TABLE, ids=range(len(TABLE)))
def test_what_is_damaged_is_mended_told_once_and_never_a_verdict(
    name: str, damage: Damage, phase: Phase, looks: int | None
) -> None:
    before = situation(name).status
    world, _ = after(name, damage)
    verdicts = {EventReason.HARM_FOUND, EventReason.PROMOTING, EventReason.PROMOTED, EventReason.INCONCLUSIVE}
    assert not verdicts & set(told(world)), world.events
    assert world.status.stable is not None
    assert before.stable is not None
    assert world.status.stable.revision == before.stable.revision
    for _ in range(3):
        world.now += 1
        world.turn()
    assert world.status.phase is phase, world.events
    if looks == AFRESH and world.status.step is not None:
        assert world.status.step.looks == 0
    assert told(world).count(EventReason.STATUS_MENDED) <= 1
    assert not verdicts & set(told(world)) or name in ("inconclusive", "committed"), world.events


@pytest.mark.parametrize("name", ["progressing", "harmed", "promoted"])
def test_a_status_that_was_emptied_does_not_let_the_next_version_in_untested(name: str) -> None:
    world = situation(name)
    serving = world.services["digits"]
    take(world, {})
    assert EventReason.STATUS_MENDED in told(world)
    assert world.status.stable is not None
    assert world.status.stable.revision == serving
    assert world.status.phase in (Phase.HEALTHY, Phase.PROGRESSING)


def test_a_command_that_may_have_been_carried_out_is_not_carried_out_again() -> None:
    world = situation("paused by a command")
    world.command = f"promote {world.status.canary.revision} again"  # type: ignore[union-attr]
    manifest = world.status.to_manifest()
    del manifest["lastCommand"], manifest["canary"]
    take(world, manifest)
    assert EventReason.PROMOTING not in told(world)
    assert world.status.last_command is not None
    assert "give it again" in world.status.last_command.message


def test_where_nothing_tells_what_serves_a_person_is_asked_and_nothing_is_changed() -> None:
    world = situation("progressing")
    serving = world.services["digits"]
    del world.services["digits"]
    manifest = world.status.to_manifest()
    del manifest["stable"]
    decision = take(world, manifest)
    assert decision.writes == ()
    assert decision.due is not None
    stalled = world.status.condition(ConditionType.STALLED)
    assert stalled is not None
    assert stalled.reason is Reason.STATUS_DAMAGED
    assert "Service digits" in stalled.message
    assert told(world) == [EventReason.STALLED]
    world.turn()
    assert told(world) == [EventReason.STALLED]
    world.services["digits"] = serving
    world.turn()
    world.run(2)
    assert world.status.condition(ConditionType.STALLED) is None
    assert world.status.stable is not None
    assert world.status.stable.revision == serving


def test_a_reason_of_another_version_keeps_a_revision_out_that_was_rolled_back() -> None:
    world = situation("harmed")
    manifest = world.status.to_manifest()
    manifest["history"][-1]["reason"] = "ReasonOfLater"
    del manifest["rolledBack"]
    take(world, manifest)
    world.run(3)
    assert world.status.phase is Phase.ROLLED_BACK
    assert world.status.history[-1].result == "RolledBack"


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_sound_status_is_left_as_it_is(name: str) -> None:
    world = situation(name)
    status, unread = stored.read(world.status.to_manifest())
    assert unread == ()
    assert status == world.status
    seen = world.snapshot()
    assert mend(seen, world.now) is seen


def test_reading_takes_no_time_worth_speaking_of() -> None:
    world = situation("progressing")
    manifest = world.status.to_manifest()
    began = time.process_time()
    for _ in range(20):
        stored.read(manifest)
    assert (time.process_time() - began) / 20 < 0.02


_IN_EVERY_PHASE = ("progressing", "inconclusive", "promoting", "rolling back", "harmed", "promoted", "returning")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
@given(st.data(), st.sampled_from(_IN_EVERY_PHASE))
def test_every_status_that_the_schema_lets_in_has_a_decision(data: st.DataObject, name: str) -> None:
    world = situation(name)
    world.loss_by_version = defaultdict(lambda: 0.3, world.loss_by_version)
    words = tuple(str(revision) for revision in world.deployments)
    manifest = data.draw(damaged(world.status.to_manifest(), words))
    take(world, manifest)
    for _ in range(3):
        world.now += 10
        world.turn()
        assert decide(world.snapshot(), world.now).status.to_manifest() is not None
