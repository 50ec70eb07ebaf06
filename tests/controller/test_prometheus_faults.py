"""Every way in which a Prometheus can lie, fail or be late, up to what the object says, and what is left afterwards."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import pytest

from lossgate.api import names
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.measure import session
from lossgate.measure.source import LookRequest
from lossgate.stats import unpack
from tests.controller import virtual_time
from tests.controller.cluster import Cluster, a_rollout
from tests.controller.fake_kube import Storage
from tests.controller.operator_process import OperatorProcess
from tests.controller.prometheus_over_http import Fault, OverHTTP, Rows, broken, serve
from tests.controller.scene import looks_taken, results
from tests.measure.fake_server import Answer, success

INTERVAL, SETTLE = 10, 5
TWO_LOOKS = 2 * INTERVAL + SETTLE
LOOKS_BEFORE, LOOKS_AFTER = 3, 9
LOGIN_PAGE = Answer(200, b"<!doctype html><html>Please sign in</html>", {"Content-Type": "text/html"})


@dataclass
class Seed:
    """What is stored at one moment, so that no test has to live through all before it."""

    storage: Storage
    seconds: float


class Stage:
    """The real reconciler and the real source; in between, a server whose answers are the truth or a fault."""

    def __init__(self, seed: Seed | None = None) -> None:
        self.cluster = Cluster(v2=0.25, v4=3.0)
        if seed is not None:
            self.cluster.storage.objects = copy.deepcopy(seed.storage.objects)
            self.cluster.storage.version, self.cluster.storage.uids = seed.storage.version, seed.storage.uids
        self.source = OverHTTP(self.cluster.source)
        self.server = serve(self.source)
        self.begin()

    def begin(self) -> None:
        """Have an operator process; another one takes over from it."""
        self.cluster.on_rollout = self.cluster.on_child = None
        settings = dict(source=self.source, allowed=(self.server.url,))
        self.process = OperatorProcess(self.cluster, **settings)  # type: ignore[arg-type]

    def apply(self, version: str, **spec: Any) -> None:
        loss = {"interval": f"{INTERVAL}s", "settle": f"{SETTLE}s", "prometheus": {"url": self.server.url}}
        self.cluster.apply(a_rollout(version, loss=loss, **spec))

    async def until_looks(self, count: int) -> None:
        await self.process.run(lambda: looks_taken(self.cluster) >= count, 300)

    def measured(self) -> tuple[str, Reason, str]:
        found = self.cluster.status.condition(ConditionType.MEASURED)
        assert found is not None
        return found.status, found.reason, found.message

    def told(self) -> list[str]:
        """Events so far, by reason."""
        return [body["reason"] for body in self.cluster.storage.of_kind("Event")]

    def evidence(self) -> tuple[Any, ...]:
        """All that is known of the step, but for the moments of the looks."""
        analysis = self.cluster.status.analysis
        assert analysis is not None
        return analysis.labels, analysis.mean_loss, analysis.delta, analysis.harm, analysis.safety

    def looks_lost(self) -> int:
        """Looks since the weights were in force that are no part of the evidence."""
        analysis, first = self.cluster.status.analysis, self.looks_asked()[0].first_end
        assert analysis is not None
        assert analysis.state is not None
        last = unpack(analysis.state).last_end
        assert last is not None
        return int((last - first) / INTERVAL) + 1 - looks_taken(self.cluster)

    def looks_asked(self) -> list[LookRequest]:
        return [request for request in self.source.asked if isinstance(request, LookRequest)]


def play(scene: Callable[[Stage], Awaitable[None]], seed: Seed | None = None) -> None:
    """Run a scene, from a seed's moment on."""

    async def all_of_it() -> None:
        stage = Stage(seed)
        with stage.server:
            if seed is None:
                stage.apply("v1")
            else:
                await asyncio.sleep(seed.seconds)
                stage.apply(seed.storage.objects[names.KIND, "ml", "digits"]["spec"]["model"]["version"])
            stage.process.start()
            await scene(stage)

    virtual_time.run(all_of_it())


@pytest.fixture(scope="module")
def healthy() -> Seed:
    """The first version serves."""
    seeds: list[Seed] = []

    async def scene(stage: Stage) -> None:
        await stage.process.run(lambda: stage.cluster.status.phase is Phase.HEALTHY)
        await stage.process.rest()
        seeds.append(Seed(stage.cluster.storage, virtual_time.monotonic()))

    play(scene)
    return seeds[0]


@pytest.fixture(scope="module")
def undisturbed(healthy: Seed) -> dict[int, tuple[Any, ...]]:
    """The evidence by the number of looks, in a run without faults."""
    found: dict[int, tuple[Any, ...]] = {}

    async def scene(stage: Stage) -> None:
        stage.apply("v2")
        for count in range(1, LOOKS_AFTER + 8):
            await stage.until_looks(count)
            found[looks_taken(stage.cluster)] = stage.evidence()

    play(scene, healthy)
    return found


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


def is_held(stage: Stage, reason: Reason, words: str) -> None:
    """Fail unless the object says why nothing is measured, in the condition and in an event."""
    status, found, message = stage.measured()
    assert (status, found) == ("False", reason), message
    assert words in message
    assert EventReason.NOT_MEASURED in stage.told() or found is Reason.NO_BASELINE


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are small here, so that one that is too large need not be large."""
    monkeypatch.setattr(session, "MAX_ANSWER_BYTES", 100_000)


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
