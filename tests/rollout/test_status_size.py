"""The status stays small: it is written at every look, and the store takes no more than 1.5 MiB of an object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lossgate.api.commands import MAX_TEXT_LENGTH, Outcome
from lossgate.api.guardrails import MAX_GUARDRAILS
from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.api.status import (
    Condition,
    GuardrailStatus,
    Hold,
    LastCommand,
    RetiredRevision,
    RolloutStatus,
)
from lossgate.api.texts import MAX_CHARACTERS, MAX_MESSAGE_CHARACTERS, shown
from lossgate.controller.outbox import MAX_KEPT
from lossgate.rollout.decide import decide
from lossgate.rollout.guardrail_seen import Unreadable
from lossgate.rollout.guardrails import SHOWN_CHARACTERS
from lossgate.rollout.retention import MAX_REMEMBERED
from lossgate.rollout.rollback import HISTORY_LENGTH
from lossgate.rollout.snapshot import MeasurementFailed, Obstacle
from lossgate.stats import pack
from tests.bench.engine_states import Feed, leapt
from tests.rollout.situations import situation
from tests.rollout.world import World, a_spec

LOOKS = 100_000
HOSTILE = "the answer of a proxy " * 500
KIB = 1024


def size(status: RolloutStatus) -> int:
    return len(json.dumps(status.to_manifest(), separators=(",", ":")).encode())


def filled(world: World, guardrails: int, state: str) -> RolloutStatus:
    """Return a status with all lists full and all texts at their longest."""
    status, now = world.status, world.now
    message = shown(HOSTILE, MAX_MESSAGE_CHARACTERS)
    last = world.status.history[-1] if world.status.history else situation("harmed").status.history[-1]
    hold = Hold(reason=Reason.METRICS_UNREACHABLE, since=now, message=message)
    assert status.analysis is not None
    each = shown(HOSTILE, max(120, SHOWN_CHARACTERS // guardrails))
    return status.model_copy(
        update={
            "analysis": status.analysis.model_copy(update={"state": state, "hold": hold}),
            "pause": Hold(reason=Reason.REQUESTED, since=now, message=message),
            "history": (last,) * HISTORY_LENGTH,
            "retired": tuple(
                RetiredRevision(revision=f"digits-{number:08x}", model_version="v2", last_used=now)
                for number in range(world.spec.revision_history_limit + 1)
            ),
            "last_command": LastCommand(
                text="x" * MAX_TEXT_LENGTH, time=now, outcome=Outcome.REFUSED, message=shown(HOSTILE)
            ),
            "guardrails": tuple(
                GuardrailStatus(
                    name=f"{number:02d}" * 10,
                    result="Unknown",
                    value="1.23456e-05",
                    stable_value="1.23456e-05",
                    failures=20,
                    since=now,
                    evaluated=now,
                    unreadable_since=now,
                    reason=Reason.METRICS_UNREACHABLE,
                    message=each,
                    test="0123456789ab",
                )
                for number in range(guardrails)
            ),
            "conditions": tuple(
                Condition(
                    type=type_,
                    status="False",
                    last_transition_time=now,
                    reason=Reason.STABLE_UNAVAILABLE,
                    message=message,
                )
                for type_ in ConditionType
                if type_ is not ConditionType.RECONCILING  # never beside Stalled
            ),
        }
    )


@pytest.mark.parametrize(
    ("feed", "guardrails", "most"),
    [
        (Feed(), 1, 16 * KIB),
        (Feed(ages=8), 4, 19 * KIB),
        (Feed(ages=8), MAX_GUARDRAILS, 23 * KIB),
        (Feed(classes=16, ages=8), MAX_GUARDRAILS, 64 * KIB),
    ],
    ids=["one guardrail", "ages", "ages, 16 guardrails", "16 classes, ages, 16 guardrails"],
)
def test_status_is_small_after_100000_looks_with_every_list_full_and_every_text_at_its_longest(
    feed: Feed, guardrails: int, most: int
) -> None:
    status = filled(situation("progressing"), guardrails, pack(leapt(feed, LOOKS)))
    print(size(status), "bytes")
    assert size(status) < most


def hostile(world: World) -> World:
    world.obstacle = Obstacle(Reason.TEMPLATE_INVALID, HOSTILE)
    world.measurement = MeasurementFailed(Reason.METRICS_UNREACHABLE, HOSTILE)
    return world


def texts(manifest: Any) -> list[str]:
    if isinstance(manifest, dict):
        return [text for part in manifest.values() for text in texts(part)]
    if isinstance(manifest, list):
        return [text for part in manifest for text in texts(part)]
    return [manifest] if isinstance(manifest, str) else []


def test_what_comes_from_outside_is_cut_before_it_gets_to_the_status() -> None:
    world = hostile(situation("progressing"))
    for _ in range(12):
        world.turn()
        world.now += 5
    manifest = world.status.to_manifest()
    manifest["analysis"].pop("state", None)
    assert max(map(len, texts(manifest))) <= MAX_MESSAGE_CHARACTERS
    assert world.status.phase is Phase.PROGRESSING


def test_what_guardrails_say_shares_one_room() -> None:
    names = [f"g{number}" for number in range(MAX_GUARDRAILS)]
    world = situation("healthy")
    world.readings = {name: Unreadable(Reason.METRICS_UNREACHABLE, HOSTILE) for name in names}
    world.edit(a_spec("v2", guardrails=[{"name": name, "query": "vector(1)", "max": 1} for name in names]))
    world.run(45)
    said = [guardrail.message or "" for guardrail in world.status.guardrails]
    assert len(said) == MAX_GUARDRAILS
    assert any(said)
    assert sum(map(len, said)) <= max(SHOWN_CHARACTERS, 120 * MAX_GUARDRAILS)
    assert all(len(text) <= MAX_MESSAGE_CHARACTERS for text in texts(world.status.to_manifest()["conditions"]))


def test_a_text_of_one_line_and_no_longer_than_it_may_be_stays_as_it_is() -> None:
    assert shown("as it came") == "as it came"
    assert len(shown(HOSTILE)) == MAX_CHARACTERS
    assert shown("two\n  lines") == "two lines"


def test_a_status_that_was_cut_once_is_not_news_at_the_next_turn() -> None:
    world = hostile(situation("progressing"))
    world.turn()
    world.events.clear()
    for _ in range(3):
        decision = decide(world.snapshot(), world.now)
        assert decision.events == ()
        assert decision.status == world.status


LISTS = {
    "retired": MAX_REMEMBERED,
    "history": HISTORY_LENGTH,
    "guardrails": MAX_GUARDRAILS,
    "untold": MAX_KEPT,
    "conditions": len(ConditionType),
    "route.reverts": 4,
}
"""Every list in the status, and how long it can become."""


def test_every_list_of_the_status_has_a_longest_length() -> None:
    found = set(_lists(RolloutStatus.model_json_schema(), ""))
    assert found == set(LISTS), "say here what bounds a new list, and see to it that something does"


def _lists(schema: dict[str, Any], place: str, root: dict[str, Any] | None = None) -> list[str]:
    root = root or schema
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if schema.get("type") == "array":
        return [place.lstrip("."), *_lists(schema["items"], f"{place}[]", root)]
    parts = [(f"{place}.{name}", part) for name, part in schema.get("properties", {}).items()]
    parts += [(place, part) for part in schema.get("anyOf", ())]
    return [name for where, part in parts for name in _lists(part, where, root)]
