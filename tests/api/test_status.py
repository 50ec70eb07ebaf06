from __future__ import annotations

from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.api.status import Condition, Hold, RolloutStatus, StepStatus, Version


def a_status() -> RolloutStatus:
    return RolloutStatus(
        observed_generation=3,
        phase=Phase.PROGRESSING,
        stable=Version(revision="digits-a", model_version="v1", weight=95),
        step=StepStatus(index=0, weight=5, since=1_790_000_000.123),
        pause=Hold(reason=Reason.INCONCLUSIVE, since=1_790_000_000.0, message="why"),
        conditions=(
            Condition(
                type=ConditionType.READY,
                status="True",
                observed_generation=3,
                last_transition_time=1_790_000_000.9,
                reason=Reason.STABLE_SERVING,
                message="serves",
            ),
        ),
    )


def test_a_status_reads_back_as_written() -> None:
    written = a_status().to_manifest()
    assert RolloutStatus.model_validate(written).to_manifest() == written


def test_times_are_written_in_utc_and_those_of_conditions_in_whole_seconds() -> None:
    written = a_status().to_manifest()
    assert written["step"]["since"] == "2026-09-21T14:13:20.123Z"
    assert written["conditions"][0]["lastTransitionTime"] == "2026-09-21T14:13:20Z"


def test_what_is_not_known_is_not_written() -> None:
    written = RolloutStatus().to_manifest()
    assert "canary" not in written
    assert "analysis" not in written


def test_a_condition_that_was_not_said_is_none() -> None:
    assert a_status().condition(ConditionType.PROMOTED) is None
    ready = a_status().condition(ConditionType.READY)
    assert ready is not None
    assert ready.reason is Reason.STABLE_SERVING


def test_an_object_that_no_operator_has_seen_reads_as_new() -> None:
    status = RolloutStatus.model_validate({"observedGeneration": -1})
    assert status.phase is Phase.INITIALIZING
    assert status.stable is None
