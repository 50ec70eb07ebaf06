"""Many rollouts share a query, and nothing but the query."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from lossgate.measure.batching import BatchingSource
from lossgate.measure.errors import AmbiguousSeries, Question, SourceUnavailable
from lossgate.measure.source import (
    MAX_REVISIONS,
    ArmLook,
    BaselineAnswer,
    BaselineRequest,
    LookAnswer,
    LookRequest,
    Missing,
    Target,
)
from tests.measure.requests_made import CANARY, STABLE, a_baseline_request, a_request

URL = "http://prometheus:9090"


@dataclass
class Recorder:
    """Answers every target with the length of its revision, and keeps what was asked."""

    asked: list[LookRequest] = field(default_factory=list)
    error: Exception | None = None
    closed: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def looks(self, request: LookRequest) -> LookAnswer:
        self.asked.append(request)
        self.reached.set()
        await self.gate.wait()
        if self.error:
            raise self.error
        arms = {
            t: tuple(ArmLook(end, len(t.revision), 0, 0, None, None) for end in request.ends) for t in request.targets
        }
        return LookAnswer(arms)

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        return Missing(request.at, None, "nothing")

    async def close(self) -> None:
        self.closed = True


def rollout(number: int) -> tuple[Target, Target]:
    return Target(f"ns{number}", "r" * (number + 1)), Target(f"ns{number}", "r" * (number + 1) + "c")


async def test_rollouts_of_one_moment_share_a_query_and_get_their_own_part() -> None:
    recorder = Recorder()
    source = BatchingSource(recorder)
    answers = await asyncio.gather(*(source.looks(a_request(URL, *rollout(n))) for n in range(10)))
    assert len(recorder.asked) == 1
    for number, answer in enumerate(answers):
        stable, canary = rollout(number)
        assert set(answer.arms) == {stable, canary}
        assert answer.arms[canary] == (ArmLook(300, number + 2, 0, 0, None, None),)


async def test_more_than_fit_go_into_several_queries_and_no_rollout_is_split() -> None:
    recorder = Recorder()
    source = BatchingSource(recorder)
    await asyncio.gather(*(source.looks(a_request(URL, *rollout(n))) for n in range(60)))
    sizes = [len(request.targets) for request in recorder.asked]
    assert sum(sizes) == 120
    assert max(sizes) <= MAX_REVISIONS
    assert len(sizes) == 3
    for number in range(60):
        assert any(set(rollout(number)) <= set(request.targets) for request in recorder.asked)


async def test_other_moments_intervals_labels_and_places_are_asked_apart() -> None:
    recorder = Recorder()
    source = BatchingSource(recorder)
    requests = [
        a_request(URL),
        a_request("http://other:9090"),
        a_request(URL, ends=(330, 330)),
        a_request(URL, ends=(300, 330)),
        a_request(URL, interval_seconds=60),
        a_request(URL, revision_label="version"),
        a_request(URL, Target("ml", "digits-1", (("model", "m"),))),
    ]
    await asyncio.gather(*map(source.looks, requests))
    assert len(recorder.asked) == len(requests)


async def test_the_same_version_asked_for_twice_is_asked_once() -> None:
    recorder = Recorder()
    source = BatchingSource(recorder)
    first, second = await asyncio.gather(source.looks(a_request()), source.looks(a_request()))
    assert first == second
    assert [request.targets for request in recorder.asked] == [(STABLE, CANARY)]


async def test_a_failed_query_fails_all_its_callers_alike_and_the_next_one_is_new() -> None:
    error = SourceUnavailable("down", Question(URL, "query", 300), "wait")
    recorder = Recorder(error=error)
    source = BatchingSource(recorder)
    asked = (source.looks(a_request(URL, *rollout(n))) for n in range(3))
    assert await asyncio.gather(*asked, return_exceptions=True) == [error] * 3
    recorder.error = None
    assert STABLE in (await source.looks(a_request())).arms


async def test_a_request_that_cannot_be_answered_fails_nobody_else() -> None:
    recorder = Recorder()
    source = BatchingSource(recorder)
    good, bad = await asyncio.gather(
        source.looks(a_request()), source.looks(a_request(URL, STABLE, Target("ml", ""))), return_exceptions=True
    )
    assert isinstance(good, LookAnswer)
    assert isinstance(bad, AmbiguousSeries)


async def test_a_caller_that_gives_up_takes_nothing_from_the_others() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    source = BatchingSource(recorder, window_seconds=0)
    leaving, staying = (asyncio.create_task(source.looks(a_request(URL, *rollout(n)))) for n in range(2))
    await recorder.reached.wait()
    leaving.cancel()
    recorder.gate.set()
    assert set((await staying).arms) == set(rollout(1))
    assert leaving.cancelled()


async def test_closing_ends_what_is_under_way() -> None:
    recorder = Recorder()
    recorder.gate.clear()
    source = BatchingSource(recorder, window_seconds=0)
    waiting = asyncio.create_task(source.looks(a_request()))
    await recorder.reached.wait()
    await source.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert recorder.closed


async def test_a_baseline_is_passed_on() -> None:
    assert await BatchingSource(Recorder()).baseline(a_baseline_request()) == Missing(300, None, "nothing")
