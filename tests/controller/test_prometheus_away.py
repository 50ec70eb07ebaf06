"""Guardrails under the faults of a Prometheus, and what goes on without one: restarts, patience, the ways out."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from lossgate.api.reasons import ConditionType, Phase, Reason
from tests.controller.prometheus_over_http import Fault, Rows, a_number
from tests.controller.prometheus_stage import (
    INTERVAL,
    LOOKS_AFTER,
    LOOKS_BEFORE,
    SETTLE,
    TWO_LOOKS,
    Seed,
    Stage,
    play,
)
from tests.controller.scene import looks_taken, results
from tests.controller.test_prometheus_faults import AMBIGUOUS, LOGIN_PAGE, NO_EVIDENCE, PARTIAL, STALE, UNREACHABLE
from tests.measure.fake_server import Answer, success

GUARDRAIL = {"name": "errors", "query": 'errors{revision="$revision"}', "max": 0.01}


def number(result: object, kind: str = "vector", **more: object) -> Callable[[int], Answer]:
    return lambda at: success(result, kind, **more)


def valued_number(*values: str, seconds_off: int = 0) -> Callable[[int], Answer]:
    return lambda at: success([{"metric": {}, "value": [at + seconds_off, value]} for value in values], "vector")


NO_NUMBER: dict[str, tuple[Callable[[int], Answer], Reason, str]] = {
    "422": (lambda at: Answer(422, b"too many samples"), UNREACHABLE, "HTTP 422"),
    "login-page": (lambda at: LOGIN_PAGE, UNREACHABLE, "a login page before it"),
    "brackets": (lambda at: Answer(200, b"[" * 99_999), UNREACHABLE, "JSON is expected"),
    "warnings": (number([], warnings=["store-3 is away"]), PARTIAL, "store-3 is away"),
    "empty": (number([]), PARTIAL, "the query gave no series"),
    "several": (valued_number("0", "0"), AMBIGUOUS, "2 series where one is expected"),
    "scalar": (number([0, "0"], "scalar"), PARTIAL, "'scalar' where a vector"),
    "nan": (valued_number("NaN"), PARTIAL, "the query gave nan"),
    "infinite": (valued_number("-Inf"), PARTIAL, "the query gave -inf"),
    "underscores": (valued_number("0_0"), PARTIAL, "is no number"),
    "another-moment": (valued_number("0", seconds_off=-300), PARTIAL, "was not asked for"),
    "clock-behind": (
        lambda at: Answer(200, valued_number("0")(at).body, {"Date": formatdate(at - 3600, usegmt=True)}),
        STALE,
        "3600 s behind",
    ),
}


@pytest.mark.parametrize("name", NO_NUMBER)
def test_guardrail_without_a_number_is_unknown_and_delays_no_look(
    name: str, healthy: Seed, undisturbed: dict[int, tuple[Any, ...]]
) -> None:
    answer, reason, words = NO_NUMBER[name]

    async def scene(stage: Stage) -> None:
        stage.source.number = answer
        stage.apply("v2", guardrails=[GUARDRAIL])
        await stage.until_looks(LOOKS_BEFORE)
        await stage.process.rest(SETTLE)
        (guardrail,) = stage.cluster.status.guardrails
        assert (guardrail.result, guardrail.failures) == ("Unknown", 0), "neither passed nor failed"
        is_measured, found, message = stage.measured()
        assert (is_measured, found) == ("False", reason)
        assert words in message
        stage.source.number = a_number
        await stage.until_looks(LOOKS_BEFORE + 2)
        await stage.process.rest(SETTLE)
        assert stage.cluster.status.guardrails[0].result == "Passed"
        assert stage.measured()[:2] == ("True", Reason.LOOKING)
        assert stage.evidence() == undisturbed[looks_taken(stage.cluster)]
        assert stage.looks_lost() == 0

    play(scene, healthy)


def down(rows: Rows) -> Answer:
    return Answer(503, b"starting")


def test_operator_that_restarts_while_prometheus_is_away_goes_on_holding(
    healthy: Seed, undisturbed: dict[int, tuple[Any, ...]]
) -> None:
    async def scene(stage: Stage) -> None:
        stage.apply("v2")
        await stage.until_looks(LOOKS_BEFORE)
        stage.source.fault = down
        await stage.process.rest(TWO_LOOKS)
        before = stage.cluster.status.analysis
        assert before is not None
        stage.begin()
        stage.process.start()
        await stage.process.rest(TWO_LOOKS)
        after = stage.cluster.status.analysis
        assert after is not None
        assert before.hold is not None
        assert after.hold is not None
        assert after.hold.since == before.hold.since, "the time without evidence is the object's, not the process's"
        assert after.state == before.state
        assert stage.cluster.weights == (80, 20)
        stage.source.fault = None
        await stage.until_looks(LOOKS_AFTER)
        assert stage.evidence() == undisturbed[looks_taken(stage.cluster)]
        assert stage.looks_lost() == 0

    play(scene, healthy)


@pytest.mark.parametrize(("fault", "is_rolled_back"), [(down, True), (NO_EVIDENCE["empty"][0], False)])
def test_only_a_source_that_cannot_be_read_ends_the_patience(fault: Fault, is_rolled_back: bool, healthy: Seed) -> None:
    """Field report 9: no traffic is not a failure."""

    async def scene(stage: Stage) -> None:
        stage.apply("v2", gate={"holdTimeout": "90s"})
        await stage.until_looks(LOOKS_BEFORE)
        stage.source.fault = fault
        await stage.process.rest(75)
        assert stage.cluster.weights == (80, 20)
        await stage.process.rest(150)
        assert results(stage.cluster) == (["RolledBack"] if is_rolled_back else [])
        if is_rolled_back:
            assert stage.cluster.weights == (100, 0), "a rollback needs no Prometheus"
            promoted = stage.cluster.status.condition(ConditionType.PROMOTED)
            assert promoted is not None
            assert promoted.reason is Reason.UNMEASURABLE
            assert "HTTP 503" in promoted.message

    play(scene, healthy)


def test_way_back_asks_nothing_of_a_prometheus_that_is_away(healthy: Seed) -> None:
    async def scene(stage: Stage) -> None:
        stage.apply("v2")
        await stage.until_looks(LOOKS_BEFORE)
        stage.source.fault = down
        asked = len(stage.source.asked)
        await stage.process.rest(INTERVAL + SETTLE)
        assert len(stage.source.asked) > asked
        asked = len(stage.source.asked)
        stage.apply("v1")
        await stage.process.run(lambda: stage.cluster.weights == (100, 0), 3)
        await stage.process.run(lambda: stage.cluster.status.phase is Phase.HEALTHY, 120)
        assert len(stage.source.asked) == asked

    play(scene, healthy)


def test_promotion_goes_on_without_prometheus_and_says_that_it_is_away(healthy: Seed) -> None:
    """What was shown stays shown; harm could not be found any more, and nobody is kept waiting for it."""

    async def scene(stage: Stage) -> None:
        stage.apply("v2", steps=[{"weight": 50}])
        await stage.until_looks(79)
        await stage.process.run(lambda: stage.cluster.status.phase is Phase.PROMOTING, 120)
        stage.source.fault = down
        await stage.process.run(lambda: results(stage.cluster) == ["Promoted"], 600)
        assert stage.cluster.status.stable is not None
        assert stage.cluster.status.stable.model_version == "v2"

    play(scene, healthy)
