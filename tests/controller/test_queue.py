from __future__ import annotations

import asyncio

import pytest

from lossgate.controller.queue import Key, WorkQueue
from tests.controller import virtual_time

A, B = Key("ml", "a"), Key("ml", "b")


async def taken(queue: WorkQueue, within_seconds: float = 1000.0) -> list[tuple[float, Key]]:
    """Take and finish keys one after the other, each with the time at which it came, until none comes in time."""
    found: list[tuple[float, Key]] = []
    start = virtual_time.unix()
    while True:
        try:
            async with asyncio.timeout(within_seconds):
                key = await queue.get()
        except TimeoutError:
            return found
        found.append((virtual_time.unix() - start, key))
        queue.done(key)


def an_open_queue() -> WorkQueue:
    queue = WorkQueue(virtual_time.unix)
    queue.open()
    return queue


def test_keys_come_when_due_each_once() -> None:
    async def scene() -> None:
        queue, now = an_open_queue(), virtual_time.unix()
        queue.add(B, now + 20)
        queue.add(A, now + 10)
        queue.add(A, now + 30)
        queue.add(B)
        queue.add(B)
        assert await taken(queue) == [(0.0, B), (10.0, A)], "the earliest time of a key counts"

    virtual_time.run(scene())


def test_earlier_time_replaces_a_later_one_also_while_it_is_waited_for() -> None:
    async def scene() -> None:
        queue, now = an_open_queue(), virtual_time.unix()
        queue.add(A, now + 500)
        asyncio.get_running_loop().call_later(3, queue.add, A, now + 5)
        assert await taken(queue) == [(5.0, A)]

    virtual_time.run(scene())


def test_key_added_while_it_is_worked_on_comes_again_afterwards() -> None:
    async def scene() -> None:
        queue = an_open_queue()
        queue.add(A)
        assert await queue.get() == A
        queue.add(A)
        queue.add(B)
        assert await queue.get() == B, "others are not held up"
        assert await taken(queue, within_seconds=60) == []
        queue.done(A)
        assert await taken(queue, within_seconds=60) == [(0.0, A)]

    virtual_time.run(scene())


def test_no_key_is_worked_on_twice_at_once() -> None:
    async def scene() -> None:
        queue = an_open_queue()
        active: list[Key] = []
        turns = 0

        async def work() -> None:
            nonlocal turns
            while True:
                key = await queue.get()
                assert key not in active
                active.append(key)
                queue.add(key, virtual_time.unix() + 0.3)
                await asyncio.sleep(0.5)
                turns += 1
                active.remove(key)
                queue.done(key)

        queue.add(A)
        queue.add(B)
        workers = [asyncio.create_task(work()) for _ in range(5)]
        await asyncio.sleep(10.2)
        assert not any(worker.done() for worker in workers)
        assert turns == 40, "each key again as soon as it is done"
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    virtual_time.run(scene())


def test_closed_queue_keeps_its_keys_until_it_opens() -> None:
    async def scene() -> None:
        queue = WorkQueue(virtual_time.unix)
        queue.add(A)
        assert await taken(queue) == []
        queue.open()
        assert [key for _, key in await taken(queue)] == [A]
        queue.close()
        queue.add(B)
        assert await taken(queue) == []

    virtual_time.run(scene())


def test_queue_closed_while_a_key_is_waited_for_does_not_let_it_out() -> None:
    async def scene() -> None:
        queue = an_open_queue()
        queue.add(A, virtual_time.unix() + 10)
        asyncio.get_running_loop().call_later(5, queue.close)
        assert await taken(queue) == []

    virtual_time.run(scene())


def test_forgotten_key_does_not_come() -> None:
    async def scene() -> None:
        queue = an_open_queue()
        queue.add(A)
        queue.forget(A)
        queue.add(B)
        assert await queue.get() == B
        queue.add(B)
        queue.forget(B)
        queue.done(B)
        assert await taken(queue) == []

    virtual_time.run(scene())


def test_worker_that_is_cancelled_when_a_key_comes_ends() -> None:
    async def scene() -> None:
        queue = an_open_queue()
        worker = asyncio.create_task(queue.get())
        await asyncio.sleep(1)
        queue.add(A, virtual_time.unix() + 60)
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker

    virtual_time.run(scene())


def test_overdue_tells_how_long_the_most_overdue_key_has_waited() -> None:
    now = 1000.0
    queue = WorkQueue(lambda: now)
    queue.add(A, 990.0)
    queue.add(B, 2000.0)
    assert queue.overdue_seconds() == 0.0, "another process leads"
    queue.open()
    assert queue.overdue_seconds() == 10.0
    now = 1007.0
    assert queue.overdue_seconds() == 17.0
    queue.forget(A)
    assert queue.overdue_seconds() == 0.0


def test_what_waited_is_due_at_once_when_hastened() -> None:
    async def scene() -> None:
        queue = WorkQueue(virtual_time.unix)
        queue.add(A, virtual_time.unix() + 30)
        queue.open()
        queue.hasten()
        assert await taken(queue) == [(0.0, A)]

    virtual_time.run(scene())
