"""What is made of the answer to one query, and what becomes of servers that give none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import formatdate

import pytest

from lossgate.api.reasons import Reason
from lossgate.measure import instant
from lossgate.measure.access import Access
from lossgate.measure.errors import MeasurementError
from lossgate.measure.instant import PrometheusInstant
from lossgate.measure.prometheus import PrometheusSource
from lossgate.measure.source import InstantAnswer, InstantRequest, NoNumber, Number
from tests.measure.fake_server import Answer, FakeServer, success
from tests.measure.prometheus_server import PrometheusServer
from tests.measure.requests_made import a_request

AT = 1_700_000_000
QUERY = 'p99{revision="digits-2"}'


@pytest.fixture
async def numbers() -> AsyncIterator[PrometheusInstant]:
    source = PrometheusInstant()
    yield source
    await source.close()


def one(value: str, at: float = AT) -> dict[str, object]:
    return {"metric": {}, "value": [at, value]}


def ask(url: str, *, token: str | None = None) -> InstantRequest:
    return InstantRequest(Access(url, token=token), QUERY, AT)


async def told(source: PrometheusInstant, answer: Answer) -> InstantAnswer:
    with FakeServer(answer) as server:
        return await source.instant(ask(server.url))


async def failure(source: PrometheusInstant, answer: Answer) -> MeasurementError:
    with FakeServer(answer) as server:
        with pytest.raises(MeasurementError) as caught:
            await source.instant(ask(server.url))
        assert len(server.requests) == 1, "asked again behind the caller's back"
    assert f"{server.url}/api/v1/query, query {QUERY} at 2023-11-14T22:13:20Z" in str(caught.value).replace(
        f"({server.url},", f"({server.url}/api/v1/query,"
    ), "field report 6: what was asked, where and for when"
    return caught.value


async def test_one_series_is_a_number(numbers: PrometheusInstant) -> None:
    with FakeServer(success([one("0.25")], "vector")) as server:
        assert await numbers.instant(ask(server.url + "/prom/")) == Number(0.25)
    (request,) = server.requests
    assert request.path == "/prom/api/v1/query"
    assert request.form == {"query": QUERY, "time": str(AT), "timeout": "10s"}


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
async def test_what_is_no_number_is_nothing(numbers: PrometheusInstant, value: str) -> None:
    answer = await told(numbers, success([one(value)], "vector"))
    assert isinstance(answer, NoNumber)
    assert f"query {QUERY} at 2023-11-14T22:13:20Z" in answer.message


async def test_field_report_4_empty_answer_is_nothing_and_names_the_query(numbers: PrometheusInstant) -> None:
    answer = await told(numbers, success([], "vector"))
    assert isinstance(answer, NoNumber)
    assert answer.message.startswith("the query gave no series")
    assert QUERY in answer.message


async def test_field_report_5_only_one_series_is_a_number(numbers: PrometheusInstant) -> None:
    error = await failure(numbers, success([one("1"), one("1")], "vector"))
    assert error.reason is Reason.AMBIGUOUS_SERIES
    assert "2 series where one is expected" in str(error)


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ([AT, "1"], "scalar"),
        ([AT, "text"], "string"),
        ([{"metric": {}, "values": [[AT, "1"]]}], "matrix"),
        ({}, "vector"),
        ([3], "vector"),
        ([{"metric": {}}], "vector"),
        ([{"metric": {}, "histogram": [AT, {}]}], "vector"),
        ([one("many")], "vector"),
        ([one("1", at=AT + 1)], "vector"),
    ],
)
async def test_another_kind_of_answer_is_not_read(numbers: PrometheusInstant, result: object, kind: str) -> None:
    error = await failure(numbers, success(result, kind))
    assert error.reason is Reason.PARTIAL_DATA


async def test_warnings_make_the_answer_partial(numbers: PrometheusInstant) -> None:
    error = await failure(numbers, success([one("1")], "vector", warnings=["store-3 timed out"]))
    assert error.reason is Reason.PARTIAL_DATA


async def test_large_answer_is_cut_off(numbers: PrometheusInstant) -> None:
    error = await failure(numbers, Answer(200, b" " * 1_000_000))
    assert "aggregate in the query" in str(error)


async def test_server_that_has_not_reached_the_moment_is_not_believed(numbers: PrometheusInstant) -> None:
    behind = success([one("1")], "vector")
    headers = {**behind.headers, "Date": formatdate(AT - 30, usegmt=True)}
    error = await failure(numbers, Answer(200, behind.body, headers))
    assert error.reason is Reason.STALE_SAMPLES


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 422, 429, 500, 503])
async def test_refusal_is_a_reason(numbers: PrometheusInstant, status: int) -> None:
    error = await failure(numbers, Answer(status, b"no"))
    assert error.reason is Reason.METRICS_UNREACHABLE


async def test_credentials_go_with_their_own_questions_only(numbers: PrometheusInstant) -> None:
    with FakeServer(success([one("1")], "vector")) as server:
        for token in ("a", None, "b"):
            await numbers.instant(ask(server.url, token=token))
    sent = [request.headers.get("Authorization") for request in server.requests]
    assert sent == ["Bearer a", None, "Bearer b"]


async def test_query_that_hangs_is_given_up_and_keeps_no_look_waiting() -> None:
    numbers, looks = PrometheusInstant(timeout_seconds=2), PrometheusSource()
    with FakeServer(success([])) as hanging, FakeServer(success([])) as healthy:
        hanging.hang.clear()
        stuck = [
            asyncio.create_task(numbers.instant(ask(hanging.url))) for _ in range(instant.QUERIES_AT_ONCE_PER_URL + 5)
        ]
        await asyncio.to_thread(hanging.wait_for_requests, instant.QUERIES_AT_ONCE_PER_URL)
        await looks.looks(a_request(healthy.url))
        assert not any(task.done() for task in stuck)
        results = await asyncio.gather(*stuck, return_exceptions=True)
    assert {getattr(result, "reason", None) for result in results} == {Reason.METRICS_UNREACHABLE}
    await numbers.close()
    await looks.close()


@pytest.mark.prometheus
async def test_real_prometheus_answers_for_that_moment(
    numbers: PrometheusInstant, prometheus: PrometheusServer
) -> None:
    samples = [(AT - 30 + 10 * step, float(step)) for step in range(5)]
    prometheus.write([({"__name__": "kpi", "namespace": "instant", "revision": "digits-2"}, samples)])
    own = '{namespace="instant", revision="digits-2"}'
    for query, expected in [
        (f"kpi{own}", Number(3.0)),
        (f"increase(kpi{own}[20s])", Number(2.0)),
        (f"kpi{own} / 0 * 0", "the query gave nan"),
        (f"kpi{own} > 100", "the query gave no series"),
    ]:
        answer = await numbers.instant(InstantRequest(Access(prometheus.url), query, AT))
        assert answer == expected or (isinstance(answer, NoNumber) and answer.message.startswith(str(expected)))
    for query, reason in [
        ("kpi{", Reason.METRICS_UNREACHABLE),
        (f"scalar(kpi{own})", Reason.PARTIAL_DATA),
        (f"kpi{own}[1m]", Reason.PARTIAL_DATA),
        (f'kpi{own} or label_replace(kpi{own}, "a", "$1", "namespace", "(.*)")', Reason.AMBIGUOUS_SERIES),
    ]:
        with pytest.raises(MeasurementError) as caught:
            await numbers.instant(InstantRequest(Access(prometheus.url), query, AT))
        assert caught.value.reason is reason
