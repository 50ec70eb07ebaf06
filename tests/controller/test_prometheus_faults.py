"""Every way in which a Prometheus can lie, fail or be late, up to what the object says, and what is left afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest

from lossgate.api.reasons import Reason
from lossgate.measure import envelope, prometheus, session
from tests.controller.prometheus_over_http import Fault, Rows, broken
from tests.controller.prometheus_stage import (
    INTERVAL,
    LOOKS_AFTER,
    LOOKS_BEFORE,
    SETTLE,
    TWO_LOOKS,
    Seed,
    Stage,
    is_held,
    play,
)
from tests.controller.scene import looks_taken, results
from tests.measure.fake_server import Answer, success

LOGIN_PAGE = Answer(200, b"<!doctype html><html>Please sign in</html>", {"Content-Type": "text/html"})


def said(status: int, error: dict[str, str] | None = None, text: bytes = b"no", **headers: str) -> Fault:
    """The fault of a server that says no."""
    body = json.dumps({"status": "error", **error}).encode() if error else text
    return lambda rows: Answer(status, body, {"Content-Type": "application/json", **headers})


def as_sent(change: Callable[[Answer], Answer]) -> Fault:
    """The fault of an answer that is changed on the way."""
    return lambda rows: change(success(rows))


def dated(seconds: float) -> Fault:
    """The fault of a server whose clock is wrong by as much."""

    def fault(rows: Rows) -> Answer:
        answer, at = success(rows), rows[-1]["values"][-1][0]
        return Answer(200, answer.body, {**answer.headers, "Date": formatdate(at + SETTLE + seconds, usegmt=True)})

    return fault


def cut(rows: Rows) -> Answer:
    """The connection is closed without a word."""
    raise ConnectionAbortedError


def valued(value: str, part: str = "increment", arm: str = "", counter: str = "") -> Fault:
    """The fault of a value in place of others."""

    def change(row: dict[str, Any]) -> None:
        if counter in row["metric"]["lossgate_counter"]:
            row["values"] = [[at, value] for at, _ in row["values"]]

    return broken(change, part, arm)


def twice(rows: Rows) -> Answer:
    return success([*rows, rows[0]])


def labelled(**labels: str) -> Fault:
    return lambda rows: success([{**row, "metric": {**row["metric"], **labels}} for row in rows])


def timed(change: Callable[[list[Any]], list[Any]]) -> Fault:
    return lambda rows: success([{**row, "values": change(row["values"])} for row in rows])


UNREACHABLE, PARTIAL, AMBIGUOUS, STALE = (
    Reason.METRICS_UNREACHABLE,
    Reason.PARTIAL_DATA,
    Reason.AMBIGUOUS_SERIES,
    Reason.STALE_SAMPLES,
)
NO_ANSWER: dict[str, tuple[Fault, Reason, str]] = {
    "400": (said(400, {"errorType": "bad_data", "error": "parse error"}), UNREACHABLE, "bad_data: parse error"),
    "401": (said(401), UNREACHABLE, "wants other credentials"),
    "403": (said(403), UNREACHABLE, "wants other credentials"),
    "404": (said(404), UNREACHABLE, "HTTP 404"),
    "422": (said(422, {"errorType": "execution", "error": "too many samples"}), UNREACHABLE, "too many samples"),
    "503": (said(503), UNREACHABLE, "HTTP 503"),
    "503-timeout": (said(503, {"errorType": "timeout", "error": "query timed out"}), UNREACHABLE, "query timed out"),
    "redirect": (said(302, Location="https://sso.example.com"), UNREACHABLE, "to a login page perhaps"),
    "login-page": (lambda rows: LOGIN_PAGE, UNREACHABLE, "a login page before it"),
    "error-with-200": (said(200, {"errorType": "execution", "error": "x"}), UNREACHABLE, "execution: x"),
    "cut-before-the-answer": (cut, UNREACHABLE, "not reached"),
    "cut-in-the-answer": (
        as_sent(lambda sent: Answer(200, sent.body[:99], {"Content-Length": "999", "Connection": "close"})),
        UNREACHABLE,
        "http://127.0.0.1",
    ),
    "truncated": (as_sent(lambda sent: Answer(200, sent.body[:-9])), UNREACHABLE, "JSON is expected"),
    "brackets": (said(200, text=b"[" * 99_999), UNREACHABLE, "JSON is expected"),
    "not-gzip": (
        as_sent(lambda sent: Answer(200, sent.body, {"Content-Encoding": "gzip"})),
        UNREACHABLE,
        "not reached",
    ),
    "huge": (said(200, text=b" " * 200_000), PARTIAL, "larger than"),
    "warnings": (lambda rows: success(rows, warnings=["store-3 is away"]), PARTIAL, "store-3 is away"),
    "vector": (lambda rows: success([], "vector"), PARTIAL, "'vector' where a matrix"),
    "no-number": (valued("many"), PARTIAL, "is no number"),
    "underscores": (valued("1_0"), PARTIAL, "is no number"),
    "moment-twice": (timed(lambda values: values * 2), PARTIAL, "two values for one moment"),
    "off-the-grid": (timed(lambda values: [[at + 3, value] for at, value in values]), PARTIAL, "was not asked for"),
    "series-twice": (twice, AMBIGUOUS, "two series where one is expected"),
    "labels-of-a-proxy": (labelled(replica="b"), AMBIGUOUS, "does not leave: replica"),
    "clock-behind": (dated(-3600), STALE, "behind the end of the look"),
    "clock-ahead": (dated(3600), STALE, "3600 s ahead of the operator's"),
}
"""No answer that can be read: the question is asked again, and every look is filled in."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are small here, so that one that is too large need not be large."""
    small_shape = replace(envelope.MANY_SERIES, max_bytes=100_000)
    monkeypatch.setattr(prometheus, "open_session", partial(session.open_session, shape=small_shape))


@pytest.mark.parametrize("name", NO_ANSWER)
def test_looks_without_an_answer_hold_and_are_filled_in(
    name: str, healthy: Seed, undisturbed: dict[int, tuple[Any, ...]]
) -> None:
    fault, reason, words = NO_ANSWER[name]

    async def scene(stage: Stage) -> None:
        stage.apply("v2")
        await stage.until_looks(LOOKS_BEFORE)
        before, weights = stage.evidence(), stage.cluster.weights
        stage.source.fault = fault
        await stage.process.rest(TWO_LOOKS)
        is_held(stage, reason, words)
        assert stage.evidence() == before
        assert stage.cluster.weights == weights == (80, 20)
        stage.source.fault = None
        await stage.until_looks(LOOKS_AFTER)
        assert stage.measured()[:2] == ("True", Reason.LOOKING)
        assert stage.evidence() == undisturbed[looks_taken(stage.cluster)]
        assert stage.looks_lost() == 0

    play(scene, healthy)


SAMPLE = (
    "422",
    "login-page",
    "cut-in-the-answer",
    "warnings",
    "no-number",
    "series-twice",
    "clock-behind",
    "clock-ahead",
)


@pytest.mark.parametrize(
    "name", [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.soak) for name in NO_ANSWER]
)
def test_baseline_without_an_answer_keeps_all_weight_where_it_is(
    name: str, healthy: Seed, undisturbed: dict[int, tuple[Any, ...]]
) -> None:
    fault, reason, words = NO_ANSWER[name]

    async def scene(stage: Stage) -> None:
        stage.source.fault = fault
        stage.apply("v2")
        await stage.process.rest(TWO_LOOKS)
        is_held(stage, reason, words)
        assert stage.cluster.weights == (100, 0)
        assert not stage.looks_asked()
        stage.source.fault = None
        await stage.until_looks(LOOKS_BEFORE)
        assert stage.cluster.weights == (80, 20)
        assert stage.evidence() == undisturbed[looks_taken(stage.cluster)]

    play(scene, healthy)


def only(keep: Callable[[dict[str, Any]], bool]) -> Fault:
    """The fault of an answer that lacks some rows."""
    return lambda rows: success([row for row in rows if keep(row)])


def of_stable(rows: Rows) -> Answer:
    """The answer without the version that was asked for last: the canary."""
    last = rows[-1]["metric"]["revision"]
    return success([row for row in rows if row["metric"]["revision"] != last])


def of_nobody(rows: Rows) -> Answer:
    """The answer with another revision in place of the canary's."""
    last = rows[-1]["metric"]["revision"]
    labels = ({**row["metric"], "revision": "digits-x"} for row in rows)
    return success(
        [
            {**row, "metric": other} if row["metric"]["revision"] == last else row
            for row, other in zip(rows, labels, strict=True)
        ]
    )


NO_EVIDENCE: dict[str, tuple[Fault, Reason, str]] = {
    "empty": (lambda rows: success([]), Reason.NO_TRAFFIC, "0 series matched model_loss_count"),
    "empty-with-infos": (lambda rows: success([], infos=["no counter"]), Reason.NO_TRAFFIC, "0 series matched"),
    "one-version-only": (of_stable, Reason.NO_TRAFFIC, "canary version: 0 series matched"),
    "other-revision": (of_nobody, Reason.NO_TRAFFIC, "canary version: 0 series matched"),
    "points-missing": (timed(lambda values: []), Reason.NO_TRAFFIC, "0 series matched"),
    "count-nan": (valued("NaN", counter="count"), PARTIAL, "is NaN or infinite"),
    "count-infinite": (valued("+Inf", counter="count"), PARTIAL, "is NaN or infinite"),
    "count-minus-infinite": (valued("-Inf", counter="count"), PARTIAL, "is NaN or infinite"),
    "sum-nan": (valued("NaN", counter="loss_sum"), PARTIAL, "model_loss_sum can be read from"),
    "negative": (valued("-7"), Reason.COUNTERS_WENT_BACK, "-7 labels cannot have losses"),
    "sum-negative": (valued("-7", counter="loss_sum"), Reason.COUNTERS_WENT_BACK, "add up to -7"),
    "sum-missing": (only(lambda row: "loss_sum" not in row["metric"]["lossgate_counter"]), PARTIAL, "of the 2 series"),
    "not-fresh": (only(lambda row: row["metric"]["lossgate_part"] != "fresh"), STALE, "no sample came lately"),
    "no-labels": (valued("0", counter="loss"), Reason.NO_LABELS, "no label comes"),
}
"""An answer that is read, and holds nothing to judge by."""


@pytest.mark.parametrize("name", NO_EVIDENCE)
def test_looks_without_evidence_hold_and_are_left_out(
    name: str, healthy: Seed, undisturbed: dict[int, tuple[Any, ...]]
) -> None:
    fault, reason, words = NO_EVIDENCE[name]
    enough = 10 if name == "no-labels" else 2
    """A look without labels is nothing unusual where there are few."""

    async def scene(stage: Stage) -> None:
        stage.apply("v2")
        await stage.until_looks(LOOKS_BEFORE)
        stage.source.fault = fault
        await stage.process.rest(enough * INTERVAL + SETTLE)
        is_held(stage, reason, words)
        assert looks_taken(stage.cluster) == LOOKS_BEFORE
        assert stage.cluster.weights == (80, 20)
        stage.source.fault = None
        await stage.until_looks(LOOKS_AFTER)
        assert stage.measured()[:2] == ("True", Reason.LOOKING)
        labels, *comparison = stage.evidence()
        counted, *expected = undisturbed[looks_taken(stage.cluster)]
        assert comparison == expected
        assert labels.canary == counted.canary
        assert labels == counted or fault in (of_stable, of_nobody), "what the stable version alone tells is kept"
        assert stage.looks_lost() in (enough, enough + 1)
        assert results(stage.cluster) == []

    play(scene, healthy)
