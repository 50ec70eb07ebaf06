"""What the source makes of servers that hang, refuse, fail, or are no Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable
from email.utils import formatdate

import pytest

from lossgate.api.reasons import Reason
from lossgate.measure import session
from lossgate.measure.access import Access
from lossgate.measure.envelope import MANY_SERIES
from lossgate.measure.errors import EvidenceIncomplete, MeasurementError, SamplesStale, SourceUnavailable
from lossgate.measure.prometheus import QUERIES_AT_ONCE_PER_URL, PrometheusSource
from lossgate.measure.source import ArmLook, Flaw, LookAnswer, Missing, NonFiniteSum
from tests.measure.fake_server import Answer, FakeServer, Request, success
from tests.measure.requests_made import CANARY, NAMES, STABLE, a_request

DEADLINE_SECONDS = 20
LOGIN_PAGE = b"<!doctype html><html><body>Please sign in</body></html>"
LOSS_COUNTERS = (NAMES.count, NAMES.sum, NAMES.sum_of_squares)


def row(part: str, counter: str, value: str, revision: str = STABLE.revision, at: float = 300) -> dict[str, object]:
    metric = {"namespace": "ml", "revision": revision, "lossgate_counter": counter, "lossgate_part": part}
    return {"metric": metric, "values": [[at, value]]}


def a_version(**increments: str) -> list[dict[str, object]]:
    values = {NAMES.count: "10", NAMES.sum: "3", NAMES.sum_of_squares: "2", **increments}
    series = [row("series", counter, "2") for counter in LOSS_COUNTERS]
    return [*series, row("fresh", NAMES.count, "2"), *(row("increment", name, value) for name, value in values.items())]


async def ask(source: PrometheusSource, answer: Callable[[Request], Answer] | Answer, path: str = "") -> LookAnswer:
    with FakeServer(answer) as server:
        return await source.looks(a_request(server.url + path))


async def failure(source: PrometheusSource, answer: Answer) -> MeasurementError:
    with FakeServer(answer) as server:
        with pytest.raises(MeasurementError) as caught:
            await source.looks(a_request(server.url))
        assert len(server.requests) == 1, "asked again behind the caller's back"
    message = str(caught.value)
    assert server.url in message
    assert "label_replace(sum by (namespace, revision" in message
    assert "at 1970-01-01T00:05:00Z" in message
    assert message.rpartition(": ")[2], "says nothing about what to do"
    return caught.value


async def test_numbers_of_a_version_and_none_of_the_other(source: PrometheusSource) -> None:
    answer = await ask(source, success(a_version(**{NAMES.predictions: "12"})))
    assert answer.arms[STABLE] == (ArmLook(300, 10, 3, 2, None, 12),)
    assert isinstance(answer.arms[CANARY][0], Missing)


async def test_an_empty_answer_is_missing_not_zero(source: PrometheusSource) -> None:
    answer = await ask(source, success([row("increment", NAMES.predictions, "7")]))
    stable, canary = answer.arms[STABLE][0], answer.arms[CANARY][0]
    assert isinstance(stable, Missing)
    assert isinstance(canary, Missing)
    assert (stable.predictions, canary.predictions) == (7, None)
    assert '0 series matched model_loss_count ({namespace="ml", revision="digits-1"}' in stable.message


async def test_the_query_travels_in_the_body(source: PrometheusSource) -> None:
    with FakeServer(success([])) as server:
        await source.looks(a_request(server.url, ends=(300, 360)))
    (request,) = server.requests
    assert request.path == "/api/v1/query_range"
    assert request.form["query"].startswith("label_replace(")
    assert {name: request.form[name] for name in ("start", "end", "step", "timeout")} == {
        "start": "300",
        "end": "360",
        "step": "30s",
        "timeout": "10s",
    }


@pytest.mark.parametrize("path", ["/prom", "/prom/", "/a/b//"])
async def test_a_prefix_stays_and_trailing_slashes_go(source: PrometheusSource, path: str) -> None:
    with FakeServer(success([])) as server:
        await source.looks(a_request(server.url + path))
    assert server.requests[0].path == path.rstrip("/") + "/api/v1/query_range"


async def test_a_server_that_hangs_is_given_up() -> None:
    source = PrometheusSource(timeout_seconds=0.1)
    with FakeServer(success([])) as server:
        server.hang.clear()
        with pytest.raises(SourceUnavailable, match="no answer in time"):
            await source.looks(a_request(server.url))
        assert len(server.requests) == 1
    await source.close()


async def test_a_server_that_hangs_does_not_keep_others_from_answering() -> None:
    source = PrometheusSource(timeout_seconds=1)
    with FakeServer(success([])) as hanging, FakeServer(success([])) as healthy:
        hanging.hang.clear()
        stuck = [asyncio.create_task(source.looks(a_request(hanging.url))) for _ in range(20)]
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.to_thread(hanging.wait_for_requests, QUERIES_AT_ONCE_PER_URL)
        await source.looks(a_request(healthy.url))
        assert not any(task.done() for task in stuck)
        results = await asyncio.gather(*stuck, return_exceptions=True)
    assert all(isinstance(result, SourceUnavailable) for result in results)
    await source.close()


async def test_a_server_that_trickles_is_given_up() -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)

    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    with session.CheckedSession(Access(url), timeout_seconds=0.2) as checked:
        async with asyncio.timeout(DEADLINE_SECONDS):
            with pytest.raises(SourceUnavailable, match="no answer in time"):
                await asyncio.to_thread(checked.request, "POST", url, params={"query": "up", "end": 300})
    server.close()


async def test_a_refused_connection_is_not_tried_again() -> None:
    source = PrometheusSource(timeout_seconds=0.5)  # Too short for the pauses between tries.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceUnavailable, match="not reached: ConnectionError"):
        await source.looks(a_request(f"http://127.0.0.1:{port}"))
    await source.close()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503])
async def test_a_status_that_is_no_success(source: PrometheusSource, status: int) -> None:
    error = await failure(source, Answer(status, b"no"))
    assert isinstance(error, SourceUnavailable)
    assert error.reason is Reason.METRICS_UNREACHABLE
    assert f"HTTP {status}" in error.what


async def test_an_error_in_an_answer_with_status_200(source: PrometheusSource) -> None:
    error = await failure(source, Answer(200, b'{"status":"error","errorType":"execution","error":"too many samples"}'))
    assert isinstance(error, SourceUnavailable)
    assert "execution: too many samples" in error.what


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, LOGIN_PAGE, {"Content-Type": "text/html"}),
        Answer(302, b"", {"Location": "/login"}),
        Answer(200, b"", {}),
        Answer(200, b"[]"),
        Answer(200, b"null"),
    ],
)
async def test_a_login_page_or_anything_else_that_is_no_prometheus(source: PrometheusSource, answer: Answer) -> None:
    error = await failure(source, answer)
    assert isinstance(error, SourceUnavailable)


async def test_warnings_make_the_data_partial(source: PrometheusSource) -> None:
    error = await failure(source, success(a_version(), warnings=["store-3 timed out"]))
    assert isinstance(error, EvidenceIncomplete)
    assert error.reason is Reason.PARTIAL_DATA
    assert "store-3 timed out" in error.what


async def test_infos_are_no_warnings(source: PrometheusSource) -> None:
    answer = await ask(source, success(a_version(), infos=["metric might not be a counter"]))
    assert isinstance(answer.arms[STABLE][0], ArmLook)


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ([300, "2"], "scalar"),
        ([], "vector"),
        ({}, "matrix"),
        ([{"metric": {}, "histograms": []}], "matrix"),
        ([{"metric": {}}], "matrix"),
        ([3], "matrix"),
        ([row("increment", NAMES.count, "ten")], "matrix"),
        ([row("increment", NAMES.count, "10", at=300.5)], "matrix"),
        ([row("increment", NAMES.count, "10", at=330)], "matrix"),
    ],
)
async def test_anything_but_numbers_at_the_times_asked_for(source: PrometheusSource, result: object, kind: str) -> None:
    error = await failure(source, success(result, kind))
    assert isinstance(error, EvidenceIncomplete)


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
@pytest.mark.parametrize("counter", LOSS_COUNTERS)
async def test_nan_and_infinity_are_never_numbers(source: PrometheusSource, value: str, counter: str) -> None:
    broken = [*a_version(**{counter: value}), row("non_finite", counter, "1")]
    reading = (await ask(source, success(broken))).arms[STABLE][0]
    assert isinstance(reading, Flaw if counter == NAMES.count else NonFiniteSum)


async def test_a_sum_that_is_no_number_is_harm_only_while_labels_come(source: PrometheusSource) -> None:
    idle = [*a_version(**{NAMES.count: "0", NAMES.sum: "NaN"}), row("non_finite", NAMES.sum, "1")]
    reading = (await ask(source, success(idle))).arms[STABLE][0]
    assert isinstance(reading, Flaw)
    assert reading.reason is Reason.PARTIAL_DATA


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
async def test_a_side_counter_that_is_no_number_tells_nothing(source: PrometheusSource, value: str) -> None:
    answer = await ask(source, success(a_version(**{NAMES.predictions: value, NAMES.non_finite: value})))
    assert answer.arms[STABLE] == (ArmLook(300, 10, 3, 2, None, None),)


@pytest.mark.parametrize("total", ["300", "-3"])
async def test_numbers_that_no_losses_can_have_are_refused(source: PrometheusSource, total: str) -> None:
    reading = (await ask(source, success(a_version(**{NAMES.sum: total})))).arms[STABLE][0]
    assert isinstance(reading, Flaw)
    assert reading.reason is Reason.COUNTERS_WENT_BACK


async def test_equal_losses_are_possible_to_the_last_bit(source: PrometheusSource) -> None:
    squares = repr(10 * math.nextafter(0.09, 0))
    reading = (await ask(source, success(a_version(**{NAMES.sum: "3.0", NAMES.sum_of_squares: squares})))).arms[STABLE][
        0
    ]
    assert isinstance(reading, ArmLook)


async def test_a_clock_that_is_behind_makes_the_look_too_early(source: PrometheusSource) -> None:
    behind = success(a_version())
    error = await failure(source, Answer(200, behind.body, {**behind.headers, "Date": formatdate(270, usegmt=True)}))
    assert isinstance(error, SamplesStale)
    assert error.reason is Reason.STALE_SAMPLES
    assert "30 s behind" in error.what


async def test_an_answer_without_end_is_cut_off(source: PrometheusSource) -> None:
    error = await failure(source, Answer(200, b" " * (MANY_SERIES.max_bytes + 1)))
    assert isinstance(error, EvidenceIncomplete)
    assert f"larger than {MANY_SERIES.max_bytes} bytes" in error.what


async def test_passwords_in_urls_are_not_shown(source: PrometheusSource) -> None:
    with FakeServer(Answer(503, b"no")) as server, pytest.raises(SourceUnavailable) as caught:
        await source.looks(a_request(server.url.replace("//", "//user:hunter2@") + "/prom?key=hunter2"))
    assert "hunter2" not in str(caught.value)


async def test_credentials_are_not_taken_from_the_environment(
    source: PrometheusSource, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with FakeServer(success([])) as server:
        await source.looks(a_request(server.url))
    assert "Authorization" not in server.requests[0].headers
