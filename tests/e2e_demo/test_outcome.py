"""An outcome holds the numbers of the rollout that ended, and tells what is not as it must be."""

from __future__ import annotations

import pytest

from e2e.demo.acts import ACTS, Act
from e2e.demo.outcome import Outcome, differences
from lossgate.stats import Cause
from tests.e2e_demo.outcomes import FIRST_SEEN, V2, V3, V4, a_status, an_outcome, some_statistics


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.version)
def test_ending_as_it_must_differs_in_nothing(act: Act) -> None:
    assert differences(an_outcome(act)) == []


def test_rollback_of_the_better_version_is_a_difference() -> None:
    assert differences(an_outcome(V2, result="RolledBack", reason="Harm", rule="MainRule")) == [
        "v2 ended RolledBack (Harm) and must end Promoted"
    ]


@pytest.mark.parametrize("act", [V3, V4], ids=["v3", "v4"])
def test_promotion_of_a_worse_version_is_a_difference(act: Act) -> None:
    assert differences(an_outcome(act, result="Promoted", reason="Promoted")) == [
        f"{act.version} ended Promoted (Promoted) and must end RolledBack"
    ]


def test_rollback_for_another_reason_than_harm_is_a_difference() -> None:
    assert differences(an_outcome(V3, reason="Unmeasurable")) == ["v3 was rolled back for Unmeasurable, not for Harm"]


@pytest.mark.parametrize(("act", "other"), [(V3, Cause.GUARD), (V4, Cause.MAIN_RULE)], ids=["v3", "v4"])
def test_harm_found_by_the_other_rule_is_a_difference(act: Act, other: Cause) -> None:
    assert differences(an_outcome(act, rule=other)) == [
        f"harm of {act.version} was found by {other}, not by {act.cause}"
    ]


def test_failed_requests_are_a_difference_however_well_the_rollout_ended() -> None:
    assert differences(an_outcome(V2, errors=3)) == ["3 requests failed while v2 was tried; none may"]


def test_errors_of_earlier_rollouts_are_not_counted_again() -> None:
    outcome = Outcome.of(V3, a_status(V3), [], some_statistics(V3, errors=5), errors_before=5)
    assert outcome.errors == 0


def test_rollback_was_decided_when_its_entry_ended() -> None:
    assert an_outcome(V3).verdict_seconds == pytest.approx(90.25)


def test_promotion_was_decided_when_it_began_not_when_the_traffic_had_moved() -> None:
    assert an_outcome(V2).verdict_seconds == pytest.approx(80)


def test_seconds_are_unknown_without_an_answer_of_the_canary() -> None:
    outcome = Outcome.of(V4, a_status(V4), [], {"errors": 0, "by_revision": {}, "by_version": {}}, 0)
    assert outcome.verdict_seconds is None
    assert outcome.served == 0


def test_seconds_are_unknown_when_the_event_of_a_promotion_is_lost() -> None:
    assert Outcome.of(V2, a_status(V2), [], some_statistics(V2), 0).verdict_seconds is None
    assert Outcome.of(V2, a_status(V2), [FIRST_SEEN + 1], some_statistics(V2), 0).verdict_seconds == pytest.approx(1)
