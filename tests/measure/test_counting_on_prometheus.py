"""What the counting query says about pods that are born, restart, miss scrapes and go silent, on a real Prometheus."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgate.api.reasons import Reason
from lossgate.measure.counting import LookBacks
from lossgate.measure.prometheus import PrometheusSource
from lossgate.measure.source import ArmLook, ArmReading, Baseline, Flaw, LookRequest, Missing, NonFiniteSum, Target
from tests.measure.prometheus_server import PrometheusServer
from tests.measure.requests_made import NAMES, a_baseline_request, a_request, a_scope
from tests.measure.scraped_pod import ScrapedPod

pytestmark = pytest.mark.prometheus

START = 1_700_000_010
"""On the grid of 10 s; far enough back for any clock."""
SCRAPE, INTERVAL = 5, 10
OLD = "r0"
SHORT = LookBacks(last_seconds=20, birth_seconds=90, fresh_seconds=20)

_namespaces = (f"ns{number}" for number in itertools.count())


@pytest.fixture
def namespace() -> str:
    return next(_namespaces)


@pytest.fixture
async def short_source() -> AsyncIterator[PrometheusSource]:
    source = PrometheusSource(look_backs=SHORT)
    yield source
    await source.close()


def a_pod(namespace: str, name: str = "a", revision: str = "r1", **labels: str) -> ScrapedPod:
    return ScrapedPod({"namespace": namespace, "revision": revision, "pod": name, **labels})


def scrape_times(count: int, first: int = 0) -> list[int]:
    """Scrapes fall off the grid, as real ones do."""
    return [START + 2 + SCRAPE * index for index in range(first, first + count)]


def write(prometheus: PrometheusServer, namespace: str, *pods: ScrapedPod) -> None:
    """Beside the pods, write a version that was there long before, so that births are births."""
    old = a_pod(namespace, revision=OLD)
    for seconds in range(-100, 120, SCRAPE):
        old.scrape(START + seconds)
    prometheus.write([series for pod in (old, *pods) for series in pod.series()])


async def readings(
    source: PrometheusSource, prometheus: PrometheusServer, target: Target, looks: int
) -> tuple[ArmReading, ...]:
    ends = (START, START + INTERVAL * (looks - 1))
    old = Target(target.namespace, OLD, target.matchers)
    request = a_request(prometheus.url, target, old, ends=ends, interval_seconds=INTERVAL)
    return (await source.looks(request)).arms[target]


def counted(arm: tuple[ArmReading, ...]) -> list[float | None]:
    return [reading.n if isinstance(reading, ArmLook) else None for reading in arm]


def total(arm: tuple[ArmReading, ...]) -> float:
    return sum(n for n in counted(arm) if n is not None)


async def test_a_birth_is_counted_from_zero(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    pod.serve(7)
    for at in scrape_times(4):
        pod.scrape(at)
        pod.serve(1)
    write(prometheus, namespace, pod)
    arm = await readings(source, prometheus, Target(namespace, "r1"), 4)
    assert isinstance(arm[0], Missing)
    assert counted(arm) == [None, 8, 2, 0]
    assert arm[1] == ArmLook(START + INTERVAL, 8, 4.0, 2.0, 0.0, 8.0)


async def test_a_server_that_lost_its_data_does_not_count_old_labels_again(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    stable, canary = a_pod(namespace), a_pod(namespace, revision="r2")
    for at in scrape_times(20):
        for pod in (stable, canary):
            pod.serve(1000 if at == scrape_times(1)[0] else 3)
            pod.scrape(at)
    prometheus.write(stable.series() + canary.series())
    targets = Target(namespace, "r1"), Target(namespace, "r2")
    request = a_request(prometheus.url, *targets, ends=(START, START + 60), interval_seconds=INTERVAL)
    for arm in (await source.looks(request)).arms.values():
        assert counted(arm) == [None, None, 6, 6, 6, 6, 6]
        assert isinstance(arm[1], Flaw)
        assert arm[1].reason is Reason.PARTIAL_DATA
        assert "storage was lost" in arm[1].message


async def test_a_restart_counts_from_zero_and_loses_only_that_look(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod, other = a_pod(namespace), a_pod(namespace, "b")
    for at in scrape_times(12):
        if at == scrape_times(12)[7]:
            pod.restart()
        pod.serve(10)
        other.serve(1)
        pod.scrape(at)
        other.scrape(at)
    write(prometheus, namespace, pod, other)
    arm = await readings(source, prometheus, Target(namespace, "r1"), 7)
    assert counted(arm) == [None, 22, 22, 22, 12, 22, 22]
    assert total(arm) == pod.served + other.served - 10


async def test_a_failed_scrape_is_caught_up_in_the_next_look(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    for index, at in enumerate(scrape_times(8)):
        pod.serve(3)
        if index in (4, 5):
            pod.fail_scrape(at)
        else:
            pod.scrape(at)
    write(prometheus, namespace, pod)
    arm = await readings(source, prometheus, Target(namespace, "r1"), 5)
    assert counted(arm) == [None, 6, 6, 0, 12]
    assert total(arm) == pod.served


async def test_after_a_gap_longer_than_the_look_back_one_look_is_dropped(
    short_source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    for index, at in enumerate(scrape_times(20)):
        pod.serve(3)
        if not 4 <= index < 12:
            pod.scrape(at)
    write(prometheus, namespace, pod)
    arm = await readings(short_source, prometheus, Target(namespace, "r1"), 11)
    assert counted(arm) == [None, 6, 6, 0, None, None, None, None, 6, 6, 6]
    assert isinstance(arm[4], Missing)
    back = arm[7]
    assert isinstance(back, Flaw)
    assert back.reason is Reason.STALE_SAMPLES
    assert "after a gap" in back.message
    assert total(arm) < pod.served


async def test_a_gap_of_one_pod_leaves_the_others_counted(
    short_source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod, other = a_pod(namespace), a_pod(namespace, "b")
    for index, at in enumerate(scrape_times(20)):
        pod.serve(3)
        other.serve(1)
        other.scrape(at)
        if not 4 <= index < 12:
            pod.scrape(at)
    write(prometheus, namespace, pod, other)
    arm = await readings(short_source, prometheus, Target(namespace, "r1"), 11)
    assert counted(arm)[5:9] == [2, 2, 2, 8]


async def all_readings(prometheus: PrometheusServer, target: Target) -> tuple[ArmReading, ...]:
    source = PrometheusSource(look_backs=SHORT)
    try:
        return await readings(source, prometheus, target, 11)
    finally:
        await source.close()


_EVENTS = st.sampled_from(["scrape", "scrape", "scrape", "fail", "restart", "silent", "replace"])


def is_caught_up(events: list[object]) -> bool:
    """Whether a pod never restarted, and every scrape that failed was followed by one that did not."""
    return (
        all(
            pair in (("scrape", "scrape"), ("scrape", "fail"), ("fail", "scrape"))
            for pair in itertools.pairwise(events)
        )
        and events[-1] == "scrape"
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_EVENTS, _EVENTS, st.integers(0, 50)), min_size=4, max_size=18))
def test_looks_never_add_up_to_more_than_the_truth(
    prometheus: PrometheusServer, script: list[tuple[str, str, int]]
) -> None:
    namespace = next(_namespaces)
    pods = [a_pod(namespace, "a"), a_pod(namespace, "b")]
    gone: list[ScrapedPod] = []
    for at, (*events, labels) in zip(scrape_times(len(script)), script, strict=True):
        for place, event in enumerate(events):
            pod = pods[place]
            if event == "replace":
                gone.append(pod)
                pods[place] = a_pod(namespace, f"{pod.labels['pod']}-{at}")
                pod.fail_scrape(at)
                pod = pods[place]
            if event == "restart":
                pod.restart()
            pod.serve(labels)
            if event == "fail":
                pod.fail_scrape(at)
            elif event != "silent":
                pod.scrape(at)
    write(prometheus, namespace, *gone, *pods)
    arm = asyncio.run(all_readings(prometheus, Target(namespace, "r1")))
    assert total(arm) <= sum(pod.served for pod in (*gone, *pods))
    if all(is_caught_up([row[pod] for row in script]) for pod in (0, 1)):
        assert total(arm) == sum(pod.served for pod in pods)


async def test_looks_filled_in_later_are_those_taken_in_time(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    for index, at in enumerate(scrape_times(10)):
        pod.serve(index)
        pod.scrape(at)
    write(prometheus, namespace, pod)
    target = Target(namespace, "r1")
    together = await readings(source, prometheus, target, 6)
    for reading in together:
        targets, ends = (target, Target(namespace, OLD)), (reading.end, reading.end)
        request = a_request(prometheus.url, *targets, ends=ends, interval_seconds=INTERVAL)
        assert (await source.looks(request)).arms[target] == (reading,)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("counter", [NAMES.sum, NAMES.sum_of_squares])
async def test_a_sum_that_is_no_number_is_told_as_long_as_labels_come(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str, broken: float, counter: str
) -> None:
    pod, other = a_pod(namespace), a_pod(namespace, "b")
    for index, at in enumerate(scrape_times(8)):
        if index == 4:
            pod.values[counter] = broken
        pod.serve(3)
        other.serve(2)
        pod.scrape(at)
        other.scrape(at)
    write(prometheus, namespace, pod, other)
    arm = await readings(source, prometheus, Target(namespace, "r1"), 5)
    assert counted(arm)[1:3] == [10, 10]
    for reading in arm[3:]:
        assert isinstance(reading, NonFiniteSum)
        assert reading.n == 10
        assert counter in reading.message


async def test_a_sum_that_was_no_number_before_a_restart_is_not_half_counted(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    for index, at in enumerate(scrape_times(10)):
        if index == 2:
            pod.values[NAMES.sum] = math.nan
        if index == 4:
            pod.restart()
        pod.serve(3)
        pod.scrape(at)
    write(prometheus, namespace, pod)
    arm = await readings(source, prometheus, Target(namespace, "r1"), 6)
    assert isinstance(arm[2], NonFiniteSum)
    assert isinstance(arm[3], Flaw)
    assert arm[3].reason is Reason.PARTIAL_DATA
    assert counted(arm)[4:] == [6, 6]


async def test_a_pod_without_a_sum_makes_the_data_partial(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod, bare = a_pod(namespace), a_pod(namespace, "b")
    del bare.values[NAMES.sum]
    bare.values[NAMES.count] = 3
    pod.serve(2)
    for at in scrape_times(4):
        pod.scrape(at)
        bare.scrape(at)
    write(prometheus, namespace, pod, bare)
    for reading in (await readings(source, prometheus, Target(namespace, "r1"), 3))[1:]:
        assert isinstance(reading, Flaw)
        assert reading.reason is Reason.PARTIAL_DATA
        assert "model_loss_sum can be read from 1 of the 2 series" in reading.message


async def test_a_sum_that_goes_back_without_its_count_is_no_restart(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    for index, at in enumerate(scrape_times(8)):
        pod.serve(5, loss=0.5 if index < 4 else -0.25)
        pod.scrape(at)
    write(prometheus, namespace, pod)
    arm = await readings(source, prometheus, Target(namespace, "r1"), 5)
    assert isinstance(arm[3], Flaw)
    assert arm[3].reason is Reason.COUNTERS_WENT_BACK
    assert "model_loss_sum in 1 series" in arm[3].message


async def test_a_version_whose_pods_are_no_longer_scraped_is_stale(
    prometheus: PrometheusServer, namespace: str
) -> None:
    source = PrometheusSource(look_backs=LookBacks(last_seconds=100, birth_seconds=200, fresh_seconds=15))
    pod = a_pod(namespace)
    for at in scrape_times(4):
        pod.serve(2)
        pod.scrape(at)
    write(prometheus, namespace, pod)
    arm = await readings(source, prometheus, Target(namespace, "r1"), 7)
    assert counted(arm) == [None, 4, 4, 0, None, None, None]
    assert isinstance(arm[4], Flaw)
    assert arm[4].reason is Reason.STALE_SAMPLES


async def test_series_without_a_revision_are_ambiguous_only_while_no_version_is_marked(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    unmarked = ScrapedPod({"namespace": namespace, "pod": "a"})
    marked = a_pod(namespace, "b")
    for index, at in enumerate(scrape_times(30)):
        unmarked.scrape(at)
        if index >= 4:
            marked.scrape(at)
    prometheus.write(unmarked.series() + marked.series())
    target, other = Target(namespace, "r1"), Target(namespace, "r2")
    arm = await readings(source, prometheus, other, 3)
    assert isinstance(arm[1], Flaw)
    assert arm[1].reason is Reason.AMBIGUOUS_SERIES
    assert "1 series of model_loss_count carry no label revision" in arm[1].message
    request = a_request(prometheus.url, target, other, ends=(START + 140, START + 140), interval_seconds=INTERVAL)
    arms = (await source.looks(request)).arms
    assert isinstance(arms[target][0], ArmLook)
    assert isinstance(arms[other][0], Missing)


AWKWARD = ['a"b', "a\\b", "a\nb", "a.b", "a|b", "$1", "${1}", "a{b}", "[a-z]", "ä€", "a b", "r1", ".*", "a\\.b"]


async def test_every_version_gets_its_own_series_whatever_the_values(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    targets = [Target(namespace, revision, (("model", model),)) for revision, model in itertools.pairwise(AWKWARD)]
    for number, target in enumerate(targets):
        pod = a_pod(namespace, revision=target.revision, model=dict(target.matchers)["model"])
        stranger = a_pod(f"{namespace}-other", revision=target.revision, model=dict(target.matchers)["model"])
        for at in (START, START + 5, START + 10):
            pod.scrape(at)
            stranger.scrape(at)
            pod.serve(number + 1)
            stranger.serve(1000)
        prometheus.write(pod.series() + stranger.series())
    ends = (START + INTERVAL, START + INTERVAL)
    request = LookRequest(a_scope(prometheus.url), INTERVAL, *ends, tuple(targets))
    answer = await source.looks(request)
    assert [total(answer.arms[target]) for target in targets] == [2 * (n + 1) for n in range(len(targets))]
    for target in targets:
        alone = LookRequest(a_scope(prometheus.url), INTERVAL, *ends, (target,))
        assert (await source.looks(alone)).arms[target] == answer.arms[target]


async def test_versions_of_several_namespaces_share_a_query(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    targets = [Target(f"{namespace}-{number}", f"r{number}") for number in range(50)]
    for number, target in enumerate(targets):
        pod = a_pod(target.namespace, revision=target.revision)
        pod.scrape(START)
        pod.serve(number)
        pod.scrape(START + INTERVAL)
        prometheus.write(pod.series())
    request = a_request(prometheus.url, *targets, ends=(START + INTERVAL, START + INTERVAL), interval_seconds=INTERVAL)
    arms = (await source.looks(request)).arms
    assert [total(arms[target]) for target in targets] == list(range(50))
    assert source.queries_sent == 1


async def test_the_baseline_is_the_mean_of_the_history_and_the_rate_is_that_of_now(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    for at in scrape_times(60):
        pod.serve(15, loss=0.25)
        pod.serve(5, loss=1.25)
        pod.scrape(at)
    write(prometheus, namespace, pod)
    at = scrape_times(60)[-1] + 1
    baseline = await source.baseline(a_baseline_request(prometheus.url, at, Target(namespace, "r1")))
    assert isinstance(baseline, Baseline)
    assert baseline.n == pytest.approx(pod.served, rel=0.05)
    assert baseline.total / baseline.n == pytest.approx(0.5, rel=1e-3)
    assert baseline.squares / baseline.n == pytest.approx(0.4375, rel=1e-3)
    assert baseline.labels_per_second == pytest.approx(4.0, rel=0.05)
    assert baseline.predictions_per_second == pytest.approx(4.0, rel=0.05)


async def test_the_baseline_of_versions_that_cannot_be_told_apart_is_ambiguous(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = ScrapedPod({"namespace": namespace, "pod": "a"})
    for at in scrape_times(30):
        pod.scrape(at)
    prometheus.write(pod.series())
    target = Target(namespace, "r1")
    answer = await source.baseline(a_baseline_request(prometheus.url, START + 140, target))
    assert isinstance(answer, Flaw)
    assert answer.reason is Reason.AMBIGUOUS_SERIES
    assert "lossgate.io/revision" in answer.message


async def test_the_baseline_of_a_version_never_seen_is_missing(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    baseline = await source.baseline(a_baseline_request(prometheus.url, START, Target(namespace, "r1")))
    assert isinstance(baseline, Missing)
    assert "0 series matched model_loss_count" in baseline.message
    assert f'namespace="{namespace}", revision="r1"' in baseline.message


async def test_the_baseline_of_a_sum_that_is_no_number_is_no_number(
    source: PrometheusSource, prometheus: PrometheusServer, namespace: str
) -> None:
    pod = a_pod(namespace)
    for at in scrape_times(10):
        pod.serve(3)
        pod.values[NAMES.sum] = math.nan
        pod.scrape(at)
    write(prometheus, namespace, pod)
    at = scrape_times(10)[-1]
    baseline = await source.baseline(a_baseline_request(prometheus.url, at, Target(namespace, "r1")))
    assert isinstance(baseline, NonFiniteSum)
