"""Events alone tell what became of a rollout, in order and in numbers, and nothing twice."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lossgate.api.reasons import EventReason
from tests.rollout.stories import (
    STORIES,
    Story,
    Told,
    catastrophe,
    inconclusive,
    outage,
    outage_without_end,
    promoted,
    rolled_back,
)

MAX_MESSAGE_LENGTH = 1024
"""What the API server stores of an event's message."""

BEGINNING = ["RolloutStarted", "BaselineTaken", "WeightChanged"]
BACK = ["RollingBack", "RolledBack"]
TAKE_OVER = ["StepPassed", "WeightChanged", "Promoting", "WeightChanged", "Promoted"]


def reasons(story: Story) -> list[str]:
    return [told.event.reason.value for told in story.told]


def message(story: Story, reason: EventReason) -> str:
    return next(told.event.message for told in story.told if told.event.reason is reason)


@pytest.mark.parametrize(
    ("tell", "expected"),
    [
        (promoted, [*BEGINNING, *TAKE_OVER, "ScaledDown"]),
        (rolled_back, [*BEGINNING, "HarmFound", *BACK]),
        (catastrophe, [*BEGINNING, "HarmFound", *BACK]),
        (inconclusive, [*BEGINNING[:2], "CannotConclude", BEGINNING[2], "Inconclusive", "Paused", *BACK]),
        (outage, [*BEGINNING, "NotMeasured", "MeasuredAgain", *TAKE_OVER]),
        (outage_without_end, [*BEGINNING, "NotMeasured", *BACK]),
    ],
)
def test_the_events_tell_the_story_in_order(tell: Callable[[], Story], expected: list[str]) -> None:
    assert reasons(tell()) == expected


@pytest.mark.parametrize("tell", STORIES)
def test_nothing_is_told_twice_and_everything_fits(tell: Callable[[], Story]) -> None:
    story = tell()
    events = [told.event for told in story.told]
    assert len(set(events)) == len(events)
    assert all(0 < len(event.message) <= MAX_MESSAGE_LENGTH for event in events)
    looks = sum(entry.looks for entry in story.world.status.history)
    assert len(events) <= 12, f"{looks} looks were taken, and none is an event by itself"


def numbers(text: str) -> int:
    return len(re.findall(r"-?\d+(?:\.\d+)?", text))


@pytest.mark.parametrize(
    ("tell", "reason", "words"),
    [
        (promoted, EventReason.ROLLOUT_STARTED, r"v2 \(digits-\w{8}\) against v1: steps 20%, 50%"),
        (
            promoted,
            EventReason.BASELINE_TAKEN,
            r"loss 0\.3\d+ \(variance 0\.7\d+, \d+ labels\).*26m40s.*80 looks",
        ),
        (promoted, EventReason.WEIGHT_CHANGED, r"Weight 0% -> 20% for v2"),
        (
            promoted,
            EventReason.STEP_PASSED,
            r"delta -\d+\.\d% \[-\d+\.\d%, -\d+\.\d%\], .* labels, 80 looks at 20%",
        ),
        (promoted, EventReason.PROMOTED, r"v2 replaced v1: loss 0\.\d{4} against 0\.\d{4}, delta -\d+\.\d% \["),
        (
            rolled_back,
            EventReason.HARM_FOUND,
            r"margin of 5\.0%.*delta 3\d\.\d% \[\d+\.\d%, \d+\.\d%\].* 40 looks",
        ),
        (rolled_back, EventReason.ROLLING_BACK, r"v3: weight to 0 \(Harm\)"),
        (catastrophe, EventReason.HARM_FOUND, r"Guard.*1 look at 20%"),
        (inconclusive, EventReason.CANNOT_CONCLUDE, r"gate\.maxDuration \(5m\) at 400 labels/s"),
        (inconclusive, EventReason.INCONCLUSIVE, r"within gate\.maxDuration \(5m\).*onInconclusive is Pause"),
        (inconclusive, EventReason.PAUSED, r"Resume, or edit spec\.gate or spec\.guardrails, to try again"),
        (inconclusive, EventReason.ROLLING_BACK, r"Nobody decided within gate\.pauseTimeout"),
        (outage, EventReason.NOT_MEASURED, r"MetricsUnreachable: .*http://prometheus\.monitoring:9090"),
        (outage, EventReason.MEASURED_AGAIN, r"after 9m\d+s without \(MetricsUnreachable\)"),
        (outage_without_end, EventReason.ROLLING_BACK, r"No evidence could be read for 1h: not reached"),
    ],
)
def test_each_event_has_its_numbers(tell: Callable[[], Story], reason: EventReason, words: str) -> None:
    assert re.search(words, message(tell(), reason)), message(tell(), reason)


@pytest.mark.parametrize("tell", STORIES)
def test_a_person_is_warned_only_where_something_went_wrong(tell: Callable[[], Story]) -> None:
    quiet = tell is promoted
    warned = [told for told in tell().told if told.event.warning]
    assert bool(warned) is not quiet


def test_the_forecast_comes_before_any_weight_moves() -> None:
    for tell in STORIES:
        order = reasons(tell())
        assert order.index("BaselineTaken") < order.index("WeightChanged")


def test_what_happened_when_can_be_read_off() -> None:
    times: list[Told] = outage_without_end().told
    lost, back = times[-3].after_seconds, times[-2].after_seconds
    assert 3600 <= back - lost <= 3660, "gate.holdTimeout"
