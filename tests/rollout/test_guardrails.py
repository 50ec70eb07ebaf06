"""What an evaluation says, what is counted, and what holds."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgate.api.guardrails import Guardrail
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.rollout import guardrails
from lossgate.rollout.guardrail_seen import NoValue, Reading, Unreadable, Value
from lossgate.rollout.guardrails import Result, judge
from tests.rollout.guarded import BAD, DOWN, EMPTY, ERRORS, FIRST_END, GOOD, UNKNOWN, Guarded, guarded
from tests.rollout.world import START, a_spec

PASSED, FAILED, NOTHING = Result.PASSED, Result.FAILED, Result.UNKNOWN
AMBIGUOUS = Unreadable(Reason.AMBIGUOUS_SERIES, "2 series")
ZERO = Value(0.0)


@pytest.mark.parametrize(
    ("limits", "canary", "stable", "expected", "reason"),
    [
        ({"max": 0.01}, Value(0.01), None, PASSED, None),
        ({"max": 0.01}, Value(0.0100001), None, FAILED, None),
        ({"max": 0.01}, ZERO, None, PASSED, None),
        ({"max": 0.01}, Value(-5.0), None, PASSED, None),
        ({"min": 3}, Value(3.0), None, PASSED, None),
        ({"min": 3}, Value(2.9), None, FAILED, None),
        ({"min": 3, "max": 4}, Value(3.5), None, PASSED, None),
        ({"min": 3, "max": 4}, Value(4.5), None, FAILED, None),
        ({"min": 3, "max": 4}, Value(2.5), None, FAILED, None),
        ({"max": 0.01}, EMPTY, None, NOTHING, Reason.PARTIAL_DATA),
        ({"max": 0.01}, DOWN, None, NOTHING, Reason.METRICS_UNREACHABLE),
        ({"max": 0.01}, AMBIGUOUS, None, NOTHING, Reason.AMBIGUOUS_SERIES),
        ({"maxRatioToStable": 1.2}, Value(1.2), Value(1.0), PASSED, None),
        ({"maxRatioToStable": 1.2}, Value(1.21), Value(1.0), FAILED, None),
        ({"maxRatioToStable": 1.2}, ZERO, Value(1.0), PASSED, None),
        ({"maxRatioToStable": 1.2}, Value(1.0), ZERO, NOTHING, Reason.PARTIAL_DATA),
        ({"maxRatioToStable": 1.2}, ZERO, ZERO, NOTHING, Reason.PARTIAL_DATA),
        ({"maxRatioToStable": 1.2}, Value(1.0), Value(-1.0), NOTHING, Reason.PARTIAL_DATA),
        ({"maxRatioToStable": 1.2}, Value(1.0), EMPTY, NOTHING, Reason.PARTIAL_DATA),
        ({"maxRatioToStable": 1.2}, Value(1.0), DOWN, NOTHING, Reason.METRICS_UNREACHABLE),
        ({"maxRatioToStable": 1.2}, Value(1.0), None, NOTHING, Reason.PARTIAL_DATA),
        ({"maxRatioToStable": 1.2}, EMPTY, Value(1.0), NOTHING, Reason.PARTIAL_DATA),
        ({"max": 0.01}, Value(math.nan), None, NOTHING, Reason.PARTIAL_DATA),
        ({"min": 0.01}, Value(math.inf), None, NOTHING, Reason.PARTIAL_DATA),
        ({"maxRatioToStable": 1.2}, Value(1.0), Value(math.nan), NOTHING, Reason.PARTIAL_DATA),
        ({"maxRatioToStable": 1.2}, Value(1.0), Value(math.inf), NOTHING, Reason.PARTIAL_DATA),
        ({"max": 2, "maxRatioToStable": 1.2}, Value(1.0), DOWN, NOTHING, Reason.METRICS_UNREACHABLE),
        ({"max": 2, "maxRatioToStable": 1.2}, Value(3.0), DOWN, FAILED, None),
        ({"max": 2, "maxRatioToStable": 1.2}, Value(1.5), Value(1.0), FAILED, None),
    ],
)
def test_what_an_evaluation_says(
    limits: dict[str, float], canary: Reading, stable: Reading | None, expected: Result, reason: Reason | None
) -> None:
    guardrail = Guardrail.model_validate({"name": "x", "query": "$revision", **limits})
    judgement = judge(guardrail, canary, stable)
    assert (judgement.result, judgement.reason) == (expected, reason)


@pytest.mark.parametrize(
    ("readings", "failures", "is_rolled_back", "is_held"),
    [
        ([], 0, False, True),
        ([GOOD], 0, False, False),
        ([BAD], 1, False, True),
        ([BAD, BAD], 2, False, True),
        ([BAD, BAD, BAD], 3, True, True),
        ([BAD, BAD, GOOD], 0, False, False),
        ([BAD, BAD, GOOD, BAD, BAD], 2, False, True),
        ([BAD, BAD, EMPTY], 2, False, True),
        ([BAD, EMPTY, BAD, DOWN, DOWN, BAD], 3, True, True),
        ([BAD, BAD, EMPTY, GOOD], 0, False, False),
        ([BAD, EMPTY, GOOD, BAD], 1, False, True),
        ([GOOD, EMPTY], 0, False, True),
        ([EMPTY] * 20, 0, False, True),
        ([DOWN] * 20, 0, False, True),
    ],
)
def test_failures_in_a_row_roll_back_and_what_is_unknown_neither_adds_nor_ends_the_row(
    readings: list[Reading], failures: int, is_rolled_back: bool, is_held: bool
) -> None:
    found = guarded().see().take(*readings)
    assert found.first.failures == failures
    assert (found.status.phase is Phase.ROLLING_BACK) == is_rolled_back
    assert is_rolled_back or (found.blocker is not None) == is_held


@given(st.lists(st.sampled_from([GOOD, BAD, *UNKNOWN]), max_size=30), st.integers(1, 6))
def test_only_as_many_known_failures_in_a_row_roll_back(readings: list[Reading], limit: int) -> None:
    known = [reading is BAD for reading in readings if isinstance(reading, Value)]
    longest = max((len(list(row)) for is_bad, row in groupby(known) if is_bad), default=0)
    found = guarded(failureLimit=limit).see()
    for reading in readings:
        if found.status.phase is Phase.PROGRESSING:
            found.take(reading)
    assert (found.status.phase is Phase.ROLLING_BACK) == (longest >= limit)
    if longest < limit:
        assert (found.blocker is None) == (bool(readings) and readings[-1] is GOOD)


@given(st.lists(st.sampled_from(UNKNOWN), max_size=40), st.sampled_from([ERRORS, {"max": None, "maxRatioToStable": 2}]))
def test_what_is_unknown_never_rolls_back_and_never_lets_a_step_be_left(
    readings: list[Reading], changes: dict[str, Any]
) -> None:
    found = guarded(**changes).see().take(*readings)
    assert found.status.phase is Phase.PROGRESSING
    assert found.blocker is not None
    assert found.first.failures == 0
    assert not any(event.reason is EventReason.ROLLING_BACK for event in found.events)


def test_same_evaluation_again_changes_nothing() -> None:
    found = guarded().take(BAD)
    before, told = found.status, len(found.events)
    for _ in range(5):
        found.see(found.an_answer(BAD))
    assert found.status == before
    assert len(found.events) == told
    found.see(found.an_answer(GOOD))
    assert found.first.failures == 1, "nor does another answer for a moment that was counted"


def test_field_report_9_traffic_that_stops_keeps_the_count_and_rolls_nothing_back() -> None:
    found = guarded().take(BAD, BAD, *[EMPTY] * 50)
    assert (found.status.phase, found.first.failures, found.first.result) == (Phase.PROGRESSING, 2, Result.UNKNOWN)
    assert found.blocker == "Guardrail errors cannot be measured: the query gave no series"
    assert found.take(BAD).first.failures == 3


def test_two_answers_for_one_moment_in_one_turn_count_once() -> None:
    found = guarded()
    found.end = FIRST_END
    found.see(found.an_answer(BAD), found.an_answer(BAD))
    assert found.first.failures == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "digits-1"},
        {"revision": "digits-9"},
        {"test": "another"},
        {"name": "latency"},
        {"end": FIRST_END - 1},
        {"end": START},
    ],
)
def test_answer_about_something_else_is_not_counted(changes: dict[str, Any]) -> None:
    found = guarded()
    found.end = FIRST_END
    found.see(found.an_answer(BAD, **changes))
    assert found.first.result == Result.PENDING
    assert found.blocker == "Guardrail errors has not been evaluated in this step"


def test_first_evaluation_waits_for_a_look_at_the_weight_in_force() -> None:
    found = guarded()
    ask = found.snapshot()
    assert guardrails.wanted(ask, FIRST_END + 4.9) == ()
    (want,) = guardrails.wanted(ask, FIRST_END + 5)
    assert want.end == FIRST_END


def test_missed_evaluations_are_not_made_up_for_but_the_newest() -> None:
    found = guarded().take(GOOD)
    (want,) = guardrails.wanted(found.snapshot(), found.now + 600)
    assert want.end == FIRST_END + 600


def test_longer_interval_is_whole_looks_within_the_step() -> None:
    found = guarded(interval="25s")
    assert guardrails.wanted(found.snapshot(), START + 10 + 30 + 4) == ()
    (want,) = guardrails.wanted(found.snapshot(), START + 10 + 30 + 5)
    assert want.end == START + 40, "three looks after the first one begins"
    found.end = want.end
    found.see(found.an_answer(GOOD))
    assert guardrails.wanted(found.snapshot(), START + 70 + 4) == ()
    (want,) = guardrails.wanted(found.snapshot(), START + 70 + 5)
    assert want.end == START + 70


def test_nothing_is_asked_without_weights_in_force() -> None:
    found = guarded()
    assert found.status.step is not None
    found.status = found.status.model_copy(update={"step": found.status.step.model_copy(update={"since": None})})
    assert guardrails.wanted(found.snapshot(), START + 1000) == ()
    found.status = found.status.model_copy(update={"phase": Phase.HEALTHY})
    assert guardrails.wanted(found.snapshot(), START + 1000) == ()


def test_step_is_held_while_its_newest_evaluation_is_under_way() -> None:
    found = guarded().take(GOOD)
    assert (found.blocker, found.is_awaited) == (None, False)
    found.end += 10
    assert found.see().is_awaited
    assert found.see(found.an_answer(GOOD)).is_awaited is False


def test_answers_that_always_come_late_hold_no_step_for_ever_but_old_ones_do_not_count() -> None:
    found = guarded().take(GOOD)
    found.end += 20
    assert (found.see().blocker, found.is_awaited) == (None, False)
    found.end += 60 + 9
    assert found.see().blocker is None
    found.end += 1
    assert found.see().blocker == "Guardrail errors has not been evaluated for 1m20s"
    assert found.see(found.an_answer(GOOD, end=found.end)).blocker is None


@pytest.mark.parametrize("edit", [{"max": 0.005}, {"query": 'y{revision="$revision"}'}, {"interval": "20s"}])
def test_edit_of_a_guardrail_starts_it_afresh(edit: dict[str, Any]) -> None:
    found = guarded().take(BAD, BAD)
    found.spec = guarded(**edit).spec
    found.see()
    assert (found.first.failures, found.first.result) == (0, Result.PENDING)
    assert found.blocker is not None


def test_edit_of_the_failure_limit_keeps_the_count() -> None:
    found = guarded(failureLimit=5).take(BAD, BAD)
    found.spec = guarded(failureLimit=3).spec
    found.take(BAD)
    assert found.status.phase is Phase.ROLLING_BACK


def test_guardrail_that_is_removed_leaves_nothing_and_one_that_is_added_holds() -> None:
    found = guarded().take(GOOD)
    found.spec = a_spec("v2", guardrails=[ERRORS, ERRORS | {"name": "latency"}])
    found.see()
    assert found.blocker == "Guardrail latency has not been evaluated in this step"
    found.spec = a_spec("v2")
    found.see()
    assert found.status.guardrails == ()
    assert found.blocker is None


def test_unreadable_source_counts_to_the_hold_timeout_and_an_empty_answer_does_not() -> None:
    held = Guarded(a_spec("v2", guardrails=[ERRORS], gate__holdTimeout="60s")).take(*[DOWN] * 6)
    assert held.status.phase is Phase.PROGRESSING
    assert held.take(DOWN).status.phase is Phase.ROLLING_BACK
    promoted = held.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert promoted.reason is Reason.UNMEASURABLE
    assert "Guardrail errors could not be read for 1m: refused" in promoted.message
    empty = Guarded(a_spec("v2", guardrails=[ERRORS], gate__holdTimeout="60s")).take(*[EMPTY] * 100)
    assert empty.status.phase is Phase.PROGRESSING


def test_answer_in_between_starts_the_hold_timeout_again() -> None:
    spec = a_spec("v2", guardrails=[ERRORS], gate__holdTimeout="60s")
    for answer in (EMPTY, GOOD, BAD):
        found = Guarded(spec).take(*[DOWN] * 6, answer, *[DOWN] * 6)
        assert found.status.phase is Phase.PROGRESSING


def test_events_tell_transitions_only() -> None:
    found = guarded().take(GOOD, GOOD, BAD, BAD, GOOD, GOOD, EMPTY, EMPTY, DOWN, GOOD, BAD, EMPTY, BAD)
    assert [event.reason for event in found.events] == [
        EventReason.GUARDRAIL_FAILING,
        EventReason.GUARDRAIL_PASSING,
        EventReason.NOT_MEASURED,
        EventReason.NOT_MEASURED,
        EventReason.MEASURED_AGAIN,
        EventReason.GUARDRAIL_FAILING,
        EventReason.NOT_MEASURED,
        EventReason.MEASURED_AGAIN,
    ]


def test_rollback_says_numbers_limit_query_and_time() -> None:
    query = 'http://prometheus:9090, query x{revision="digits-2"} at 2023-11-14T22:13:40Z'
    found = guarded(failureLimit=1).take(Value(0.0312, query))
    promoted = found.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert (promoted.status, promoted.reason) == ("False", Reason.GUARDRAIL_FAILED)
    assert promoted.message == (
        f"Guardrail errors failed 1 evaluation in a row (max 0.01): 0.0312 is above max 0.01 ({query})"
    )
    assert found.status.phase is Phase.ROLLING_BACK
    (event,) = (event for event in found.events if event.reason is EventReason.ROLLING_BACK)
    assert promoted.message in event.message


def test_status_has_the_values_as_text_and_when_they_were_so() -> None:
    found = guarded(max=None, maxRatioToStable=1.5).take(Value(0.4), stable=Value(0.3))
    first = found.status.to_manifest()["guardrails"][0]
    assert (first["value"], first["stableValue"], first["result"]) == ("0.4", "0.3", "Passed")
    assert first["evaluated"] == first["since"] == "2023-11-14T22:13:40.000Z"
    found.take(NoValue("nothing"))
    after = found.status.to_manifest()["guardrails"][0]
    assert (after["value"], after["result"], after["reason"]) == ("0.4", "Unknown", "PartialData")
    assert after["message"] == "nothing"
