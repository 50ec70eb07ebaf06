from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lossgate.api import names
from lossgate.api.reasons import Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import BaselineStatus, RolloutStatus, StepStatus, Version
from lossgate.controller.access import Accesses
from lossgate.controller.children import Children
from lossgate.controller.observe import Observer
from lossgate.controller.references import References
from lossgate.controller.settings import Settings
from lossgate.measure.errors import EvidenceIncomplete, MeasurementError, Question, SourceUnavailable
from lossgate.measure.source import (
    ArmLook,
    ArmReading,
    Baseline,
    BaselineAnswer,
    BaselineRequest,
    Flaw,
    LookAnswer,
    LookRequest,
    Missing,
    NonFiniteSum,
    Target,
)
from lossgate.rollout.snapshot import (
    Absent,
    ArmSample,
    Flawed,
    HistorySeen,
    LooksSeen,
    MeasurementFailed,
    NonFinite,
    Obstacle,
    Snapshot,
)
from tests.controller.cluster import CHILD_KINDS, a_rollout
from tests.controller.fake_kube import FakeKube, Storage

NOW = 1_700_000_000.0
_V2 = RolloutSpec.model_validate(a_rollout("v2")["spec"])
STABLE, CANARY = Target("ml", "digits-1"), Target("ml", names.revision_name("digits", _V2.template, "v2"))
QUESTION = Question("http://prometheus:9090", "x", NOW)


class Source:
    """Gives one answer to everything and remembers what it was asked."""

    def __init__(self, answer: LookAnswer | BaselineAnswer | MeasurementError | None = None) -> None:
        self._answer = answer
        self.requests: list[LookRequest | BaselineRequest] = []

    async def looks(self, request: LookRequest) -> LookAnswer:
        self.requests.append(request)
        if isinstance(self._answer, MeasurementError):
            raise self._answer
        assert isinstance(self._answer, LookAnswer)
        arms = self._answer.arms
        return LookAnswer({target: arms[replace(target, matchers=())] for target in request.targets})

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        self.requests.append(request)
        if isinstance(self._answer, MeasurementError):
            raise self._answer
        assert self._answer is not None
        assert not isinstance(self._answer, LookAnswer)
        return self._answer

    async def close(self) -> None:
        """Nothing is open."""


def an_observer(source: Source, url: str | None = "http://prometheus:9090", *allowed: str) -> Observer:
    settings = Settings("lossgate", "pod-1", prometheus_url=url, prometheus_allowed=allowed)
    accesses = Accesses(settings, References(FakeKube(Storage())))
    return Observer(Children({kind: {} for kind in CHILD_KINDS}), source, settings, accesses)


def a_body(loss: dict[str, Any] | None = None, *, baseline: bool = True, due: bool = True) -> dict[str, Any]:
    """A rollout in its first step whose looks end at 1_700_000_000 and later."""
    body = a_rollout("v2", loss={"interval": "10s", "settle": "5s", **(loss or {})})
    since = NOW - 25 if due else NOW + 1000
    status = RolloutStatus(
        phase=Phase.PROGRESSING,
        stable=Version(revision=STABLE.revision, model_version="v1", weight=80),
        canary=Version(revision=CANARY.revision, model_version="v2", weight=20),
        baseline=BaselineStatus(mean=0.3, variance=0.7, labels=5000, source="x") if baseline else None,
        step=StepStatus(index=0, weight=20, since=since),
    )
    metadata = {**body["metadata"], "uid": "uid-1", "generation": 3, "resourceVersion": "7"}
    return {**body, "metadata": metadata, "status": status.to_manifest()}


def seen(observer: Observer, body: dict[str, Any], obstacle: Obstacle | None = None) -> Snapshot:
    return observer.see(body, RolloutSpec.model_validate(body["spec"]), obstacle)


async def measured(answer: LookAnswer | BaselineAnswer | MeasurementError, **options: Any) -> Any:
    observer = an_observer(Source(answer))
    return await observer.measure(seen(observer, a_body(**options)), NOW + 20)


def looks(stable: ArmReading, canary: ArmReading) -> LookAnswer:
    ends = (int(NOW), int(NOW) + 10)
    return LookAnswer({STABLE: (stable,) * len(ends), CANARY: (canary,) * len(ends)})


FINE = ArmLook(int(NOW), 80.0, 24.0, 60.0, 0.0, 90.0)


def test_nothing_is_asked_to_see_a_rollout() -> None:
    source = Source()
    snapshot = seen(an_observer(source), a_body())
    assert (snapshot.name, snapshot.namespace, snapshot.generation) == ("digits", "ml", 3)
    assert snapshot.status.step is not None
    assert snapshot.deployments == {}
    assert snapshot.stable_service is None
    assert snapshot.route is None
    assert snapshot.obstacle is None
    assert source.requests == []


def test_new_rollout_has_an_empty_status() -> None:
    body = {**a_body(), "status": None}
    assert seen(an_observer(Source()), body).status == RolloutStatus()


async def test_nothing_is_asked_before_a_look_is_due() -> None:
    source = Source()
    observer = an_observer(source)
    assert await observer.measure(seen(observer, a_body(due=False)), NOW) is None
    assert source.requests == []


async def test_looks_that_are_due_are_asked_for_at_the_place_that_the_spec_names() -> None:
    source = Source(looks(FINE, FINE))
    observer = an_observer(source, None, "http://theirs/prometheus")
    loss = {
        "prometheus": {"url": "http://theirs/prometheus/"},
        "selector": {"b": "2", "a": "1"},
        "labels": {"revision": "version", "namespace": "ns"},
        "series": {"count": "c", "sum": "s", "sumOfSquares": "q", "nonFinite": "n", "predictions": "p"},
    }
    await observer.measure(seen(observer, a_body(loss)), NOW + 20)
    request = source.requests[0]
    assert isinstance(request, LookRequest)
    assert request.scope.access.url == "http://theirs/prometheus"
    assert (request.scope.revision_label, request.scope.namespace_label) == ("version", "ns")
    assert (request.scope.series.count, request.scope.series.predictions) == ("c", "p")
    matchers = (("a", "1"), ("b", "2"))
    assert request.targets == (Target("ml", "digits-1", matchers), Target("ml", CANARY.revision, matchers))
    assert list(request.ends) == [1_700_000_000, 1_700_000_010], "settled 5 s ago, not before the step"


async def test_history_of_the_stable_version_is_asked_for_before_the_first_look() -> None:
    source = Source(Baseline(5000.0, 1500.0, 4000.0, 12.5, None))
    observer = an_observer(source)
    found = await observer.measure(seen(observer, a_body(baseline=False)), NOW)
    settled = int(NOW) - 5
    assert source.requests == [BaselineRequest(source.requests[0].scope, settled, STABLE)], "no clock is exact"
    assert found == HistorySeen(5000.0, 1500.0, 4000.0, labels_per_second=12.5)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Missing(0, 3.0, "0 series"), HistorySeen(0.0, 0.0, 0.0, 0.0, "0 series")),
        (Missing(0, None, "0 series"), HistorySeen(0.0, 0.0, 0.0, 0.0, "0 series")),
        (NonFiniteSum(0, 5.0, "sum is NaN"), MeasurementFailed(Reason.PARTIAL_DATA, "stable version: sum is NaN")),
        (Flaw(0, Reason.STALE_SAMPLES, "old"), MeasurementFailed(Reason.STALE_SAMPLES, "stable version: old")),
    ],
)
async def test_history_that_is_none_is_never_a_baseline(answer: BaselineAnswer, expected: object) -> None:
    assert await measured(answer, baseline=False) == expected


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (FINE, ArmSample(80.0, 24.0, 60.0, 90.0)),
        (Missing(0, 4.0, "0 series"), Absent(4.0, "0 series")),
        (NonFiniteSum(0, 5.0, "sum is NaN"), NonFinite("sum is NaN")),
        (Flaw(0, Reason.COUNTERS_WENT_BACK, "apart"), Flawed(Reason.COUNTERS_WENT_BACK, "apart")),
    ],
)
async def test_each_reading_keeps_its_meaning(reading: ArmReading, expected: object) -> None:
    found = await measured(looks(FINE, reading))
    assert isinstance(found, LooksSeen)
    assert [look.end for look in found.looks] == [NOW, NOW + 10]
    assert {look.canary for look in found.looks} == {expected}
    assert {look.stable for look in found.looks} == {ArmSample(80.0, 24.0, 60.0, 90.0)}
    swapped = await measured(looks(reading, FINE))
    assert {look.stable for look in swapped.looks} == {expected}


@pytest.mark.parametrize("baseline", [True, False])
@pytest.mark.parametrize("error", [SourceUnavailable, EvidenceIncomplete])
async def test_failure_of_the_source_is_a_reason_and_no_number(error: type[MeasurementError], baseline: bool) -> None:
    found = await measured(error("refused", QUESTION, "start it"), baseline=baseline)
    assert isinstance(found, MeasurementFailed)
    assert found.reason is error.reason
    assert "refused" in found.message
    assert "start it" in found.message


@pytest.mark.parametrize(
    "url", ["http://elsewhere:9090", "http://prometheus:9090.evil.example", "http://prometheus:9091"]
)
async def test_url_that_is_not_allowed_is_never_asked(url: str) -> None:
    source = Source()
    observer = an_observer(source, "http://prometheus:9090", "http://second:9090")
    snapshot = seen(observer, a_body({"prometheus": {"url": url}}))
    assert snapshot.obstacle is not None
    assert snapshot.obstacle.reason is Reason.PROMETHEUS_NOT_ALLOWED
    assert url in snapshot.obstacle.message
    assert "http://second:9090" in snapshot.obstacle.message
    found = await observer.measure(snapshot, NOW + 20)
    assert isinstance(found, MeasurementFailed)
    assert found.reason is Reason.METRICS_UNREACHABLE
    assert source.requests == []


@pytest.mark.parametrize("url", ["http://prometheus:9090", "http://prometheus:9090/", "http://second:9090"])
def test_urls_of_the_operator_are_allowed(url: str) -> None:
    observer = an_observer(Source(), "http://prometheus:9090", "http://second:9090")
    assert seen(observer, a_body({"prometheus": {"url": url}})).obstacle is None


async def test_no_prometheus_at_all_is_said() -> None:
    observer = an_observer(Source(), None)
    snapshot = seen(observer, a_body())
    assert snapshot.obstacle is not None
    assert "spec.loss.prometheus.url" in snapshot.obstacle.message
    assert isinstance(await observer.measure(snapshot, NOW + 20), MeasurementFailed)


def test_refused_write_is_seen_where_the_source_is_fine() -> None:
    obstacle = Obstacle(Reason.TEMPLATE_INVALID, "no image")
    assert seen(an_observer(Source()), a_body(), obstacle).obstacle == obstacle


async def test_nothing_is_asked_about_a_canary_that_is_not_wanted_any_more() -> None:
    source = Source()
    observer = an_observer(source)
    body = a_body()
    aborted = {**body, "spec": {**body["spec"], "model": {"version": "v1"}}}
    assert await observer.measure(seen(observer, aborted), NOW + 20) is None
    assert source.requests == [], "a server that hangs would keep the way back waiting"


async def test_defect_in_measuring_holds_and_keeps_no_turn_from_its_decision(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = await measured(Missing(int(NOW), None, "of another kind than the question"))
    assert isinstance(found, MeasurementFailed)
    assert found.reason is Reason.METRICS_UNREACHABLE
    assert "the operator failed at it: " in found.message
    assert "ml/digits: not measured" in caplog.text
