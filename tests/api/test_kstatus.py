"""What `helm --wait`, Flux and other users of kstatus see over the whole life of rollouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from lossgate.api.reasons import Phase
from tests.api.kstatus import Kstatus, compute
from tests.rollout import life
from tests.rollout.life import Moment

Life = Callable[[], Iterator[Moment]]


def a_condition(type_: str, status: str) -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": "Reason", "message": ""}


def an_object(*conditions: tuple[str, str], generation: int = 2, observed: int | None = 2) -> dict[str, Any]:
    status: dict[str, Any] = {"conditions": [a_condition(*condition) for condition in conditions]}
    if observed is not None:
        status["observedGeneration"] = observed
    return {"metadata": {"generation": generation}, "status": status}


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (an_object(("Ready", "True")), Kstatus.CURRENT),
        (an_object(("Ready", "False")), Kstatus.IN_PROGRESS),
        (an_object(("Ready", "Unknown")), Kstatus.IN_PROGRESS),
        (an_object(), Kstatus.CURRENT),
        (an_object(observed=None), Kstatus.CURRENT),
        (an_object(("Ready", "True"), observed=1), Kstatus.IN_PROGRESS),
        (an_object(("Stalled", "True"), observed=1), Kstatus.IN_PROGRESS),
        (an_object(("Ready", "True"), ("Stalled", "True")), Kstatus.FAILED),
        (an_object(("Ready", "True"), ("Stalled", "False")), Kstatus.CURRENT),
        (an_object(("Ready", "True"), ("Reconciling", "True")), Kstatus.IN_PROGRESS),
        (an_object(("Stalled", "True"), ("Reconciling", "True")), Kstatus.FAILED),
        (an_object(("Reconciling", "True"), ("Stalled", "True")), Kstatus.IN_PROGRESS),
        ({"metadata": {"generation": 1}, "status": {}}, Kstatus.CURRENT),
        ({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}, Kstatus.IN_PROGRESS),
        ({"metadata": {"generation": 1, "deletionTimestamp": "2026-01-01T00:00:00Z"}}, Kstatus.TERMINATING),
    ],
)
def test_the_rules_are_those_of_kstatus(obj: dict[str, Any], expected: Kstatus) -> None:
    assert compute(obj) is expected


def conditions(moment: Moment) -> dict[str, str]:
    return {item["type"]: item["status"] for item in moment.manifest["status"].get("conditions", [])}


def expected(moment: Moment) -> Kstatus:
    """What the design promises, said without kstatus."""
    metadata, status = moment.manifest["metadata"], moment.manifest["status"]
    if status["observedGeneration"] != metadata["generation"]:
        return Kstatus.IN_PROGRESS
    if conditions(moment).get("Stalled") == "True":
        return Kstatus.FAILED
    serves = moment.served and status["stable"]["readyReplicas"] > 0
    return Kstatus.CURRENT if serves else Kstatus.IN_PROGRESS


@pytest.mark.parametrize("a_life", life.LIVES, ids=lambda a_life: a_life.__name__)
def test_every_moment_of_a_life_is_what_the_design_says(a_life: Life) -> None:
    for moment in a_life():
        assert compute(moment.manifest) is expected(moment), moment
        both = {type_ for type_, status in conditions(moment).items() if status == "True"} & {"Stalled", "Reconciling"}
        assert len(both) <= 1, "tools take the first that they meet"


def seen(a_life: Life) -> list[Kstatus]:
    """What a tool that waits saw, each once."""
    states = [compute(moment.manifest) for moment in a_life()]
    return states[:1] + [after for before, after in pairwise(states) if after is not before]


@pytest.mark.parametrize(
    ("a_life", "states"),
    [
        (life.first_version, ["InProgress", "Current"]),
        (life.first_version_refused, ["InProgress", "Failed", "Current"]),
        (life.promoted, ["InProgress", "Current"]),
        (life.rolled_back, ["InProgress", "Current", "InProgress", "Current"]),
        (life.stalled, ["InProgress", "Failed", "Current"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_a_tool_that_waits_sees(a_life: Life, states: list[str]) -> None:
    assert seen(a_life) == states


def test_a_rollout_of_hours_is_waited_for_no_longer_than_one_turn() -> None:
    waited = [moment for moment in life.promoted() if compute(moment.manifest) is not Kstatus.CURRENT]
    assert len(waited) == 1, "the edit itself, before the operator's next turn"


def test_no_pod_of_the_stable_version_is_never_current() -> None:
    moments = [moment for moment in life.stable_unavailable() if conditions(moment).get("Ready") == "False"]
    assert len(moments) > 50
    assert {compute(moment.manifest) for moment in moments} <= {Kstatus.IN_PROGRESS, Kstatus.FAILED}


def test_deletion_is_terminating_whatever_the_status_says() -> None:
    for moment in life.first_version():
        metadata = {**moment.manifest["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
        assert compute({**moment.manifest, "metadata": metadata}) is Kstatus.TERMINATING


def test_the_lives_visit_every_phase() -> None:
    lives = (life.first_version, life.paused, life.rolled_back)
    assert {moment.phase for a_life in lives for moment in a_life()} == set(Phase)
