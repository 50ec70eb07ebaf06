from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

import lossgate.api.reasons
from lossgate.api.reasons import REASONS, UNREADABLE, ConditionType, Reason
from lossgate.rollout.draft import Draft
from tests.rollout.world import World, a_spec

PACKAGE = Path(lossgate.api.reasons.__file__).parents[1]


def test_every_condition_has_reasons_and_every_reason_a_condition() -> None:
    assert REASONS.keys() == set(ConditionType)
    assert all(REASONS.values())
    assert frozenset().union(*REASONS.values()) == set(Reason)


def test_a_source_that_cannot_be_read_is_a_reason_of_measured() -> None:
    assert REASONS[ConditionType.MEASURED] > UNREADABLE


def test_no_reason_is_promised_that_nothing_shows() -> None:
    used = {
        name
        for file in PACKAGE.rglob("*.py")
        if file.name != "reasons.py"
        for name in re.findall(r"(?<!Event)Reason\.([A-Z_]+)", file.read_text(encoding="utf-8"))
    }
    assert {Reason[name] for name in used} == set(Reason)


@pytest.mark.parametrize(("type_", "reason"), list(product(ConditionType, Reason)))
def test_a_decision_says_of_a_condition_only_what_is_documented(type_: ConditionType, reason: Reason) -> None:
    draft = Draft(World(a_spec()).snapshot(), now=0.0)
    if reason in REASONS[type_]:
        draft.condition(type_, True, reason, "message")
        assert draft.status.condition(type_) is not None
    else:
        with pytest.raises(ValueError, match=f"{reason} is no reason of {type_}"):
            draft.condition(type_, True, reason, "message")
