"""The Lease when something is wrong around it: lost answers, edits, deletions, slow servers, and names used twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lossgate.controller.kube import KubeError
from lossgate.controller.lease import DURATION_SECONDS, RENEW_EVERY_SECONDS, Lease
from tests.controller import virtual_time
from tests.controller.fake_kube import FakeKube, Storage
from tests.controller.test_lease import PLACE, Contender, holder, play, stored_lease


class Line(FakeKube):
    """A connection that answers late, or loses the answer to the next write after it took effect."""

    answer_seconds = 0.0
    loses_next_answer = False

    async def replace(self, kind: str, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        stored = await super().replace(kind, namespace, name, body)
        await asyncio.sleep(self.answer_seconds)
        if self.loses_next_answer:
            self.loses_next_answer = False
            raise KubeError(0, "PUT", "no answer")
        return stored


def a_contender(storage: Storage, identity: str) -> tuple[Contender, Line]:
    contender, line = Contender(storage, identity), Line(storage)
    contender.kube = line
    contender.lease = Lease(line, "lossgate", identity, contender.changes.append, virtual_time.monotonic)
    return contender.start(), line


def test_renewal_whose_answer_was_lost_is_recognised_as_its_own() -> None:
    async def scene() -> None:
        one, line = a_contender(Storage(), "one")
        await virtual_time.until(one.lease.is_held, 5)
        term = one.lease.take_over
        for _ in range(5):
            line.loses_next_answer = True
            await asyncio.sleep(4 * RENEW_EVERY_SECONDS)
        assert one.lease.is_held()
        assert one.changes == [True]
        assert one.lease.take_over == term, "it is the same term"
        await one.stop()

    play(scene)


def test_api_server_that_answers_after_four_seconds_costs_no_leadership() -> None:
    async def scene() -> None:
        one, line = a_contender(Storage(), "one")
        await virtual_time.until(one.lease.is_held, 5)
        line.answer_seconds = 4.0
        for _ in range(1200):
            await asyncio.sleep(0.1)
            assert one.lease.is_held()
        assert one.changes == [True]
        await one.stop()

    play(scene)


def test_lease_that_somebody_deleted_is_made_again_at_the_next_renewal() -> None:
    async def scene() -> None:
        storage = Storage()
        one, _ = a_contender(storage, "one")
        await virtual_time.until(one.lease.is_held, 5)
        storage.remove(PLACE)
        await asyncio.sleep(RENEW_EVERY_SECONDS + 0.5)
        assert holder(storage) == "one"
        assert one.lease.is_held()
        assert one.changes == [True]
        await one.stop()

    play(scene)


def test_lease_taken_by_force_is_given_up_at_the_next_renewal_and_taken_when_it_ran_out() -> None:
    async def scene() -> None:
        storage = Storage()
        one, _ = a_contender(storage, "one")
        await virtual_time.until(one.lease.is_held, 5)
        body = storage.objects[PLACE]
        storage.put({**body, "spec": {**body["spec"], "holderIdentity": "somebody"}})
        await asyncio.sleep(RENEW_EVERY_SECONDS + 0.5)
        assert not one.lease.is_held()
        await virtual_time.until(one.lease.is_held, 2 * DURATION_SECONDS)
        assert one.lease.take_over is not None, "whoever held it may still write"
        await one.stop()

    play(scene)


def test_of_two_processes_with_one_name_the_later_leads_and_the_other_gives_way_for_good(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        storage = Storage()
        one, _ = a_contender(storage, "operator")
        await virtual_time.until(one.lease.is_held, 5)
        two, _ = a_contender(storage, "operator")
        await virtual_time.until(two.lease.is_held, 5)
        await virtual_time.until(lambda: not one.lease.is_held(), RENEW_EVERY_SECONDS + 0.5)
        for _ in range(600):
            await asyncio.sleep(0.5)
            assert (one.lease.is_held(), two.lease.is_held()) == (False, True)
        assert two.lease.take_over is not None, "the other's writes on their way are made void"
        assert "Another process leads as operator" in caplog.text
        two.die()
        await virtual_time.until(one.lease.is_held, DURATION_SECONDS + 5)
        await one.stop()

    play(scene)


def test_only_a_lease_handed_back_in_good_order_needs_no_take_over() -> None:
    async def scene() -> None:
        storage = stored_lease("elsewhere")
        one, _ = a_contender(storage, "one")
        await virtual_time.until(one.lease.is_held, 2 * DURATION_SECONDS)
        assert one.lease.take_over is not None
        await one.stop()
        two, _ = a_contender(storage, "two")
        await virtual_time.until(two.lease.is_held, 5)
        assert two.lease.take_over is not None, "the one before had no time to touch everything"
        await asyncio.sleep(3600)
        await two.stop()
        three, _ = a_contender(storage, "three")
        await virtual_time.until(three.lease.is_held, 5)
        assert three.lease.take_over is None
        await three.stop()

    play(scene)


def test_lease_is_handed_back_though_the_answer_to_the_last_renewal_was_never_read() -> None:
    async def scene() -> None:
        storage = Storage()
        one, line = a_contender(storage, "one")
        await virtual_time.until(one.lease.is_held, 5)
        line.answer_seconds = 4.0
        await asyncio.sleep(RENEW_EVERY_SECONDS + 0.5)
        line.answer_seconds = 0.0
        await one.stop()
        assert holder(storage) == ""

    play(scene)
