"""Records reach the joiner whatever happens on the way, and those that do not are counted."""

from __future__ import annotations

from aiohttp.test_utils import TestServer

from e2e.model.records import RecordSender
from tests.e2e_model.receiver import Receiver


def a_record(number: int) -> dict[str, object]:
    return {"id": str(number)}


async def test_sends_everything_in_order_in_batches() -> None:
    receiver, lost = Receiver("/labels"), list[int]()
    async with TestServer(receiver.app) as server:
        sender = RecordSender(str(server.make_url("/labels")), "labels", lost.append)
        for number in range(2500):
            sender.add(a_record(number))
        async with sender.running():
            await receiver.got(3)
    assert [len(body["labels"]) for body in receiver.bodies] == [1000, 1000, 500]
    assert [record for body in receiver.bodies for record in body["labels"]] == [a_record(i) for i in range(2500)]
    assert lost == []


async def test_sends_what_still_waits_when_it_ends() -> None:
    receiver, lost = Receiver("/labels"), list[int]()
    async with TestServer(receiver.app) as server:
        sender = RecordSender(str(server.make_url("/labels")), "labels", lost.append)
        async with sender.running():
            sender.add(a_record(1))
    assert receiver.bodies == [{"labels": [a_record(1)]}]


async def test_tries_again_after_a_server_error() -> None:
    receiver, lost = Receiver("/labels", 503, 500), list[int]()
    async with TestServer(receiver.app) as server:
        sender = RecordSender(str(server.make_url("/labels")), "labels", lost.append)
        sender.add(a_record(1))
        async with sender.running():
            await receiver.got(1)
    assert receiver.bodies == [{"labels": [a_record(1)]}]
    assert lost == []


async def test_a_batch_refused_for_good_is_counted_and_holds_nothing_up() -> None:
    receiver, lost = Receiver("/labels", 400), list[int]()
    async with TestServer(receiver.app) as server:
        sender = RecordSender(str(server.make_url("/labels")), "labels", lost.append)
        for number in range(1001):
            sender.add(a_record(number))
        async with sender.running():
            await receiver.got(1)
    assert receiver.bodies == [{"labels": [a_record(1000)]}]
    assert lost == [1000]


async def test_the_oldest_go_when_nobody_takes_them() -> None:
    lost = list[int]()
    receiver = Receiver("/labels")
    server = TestServer(receiver.app)
    await server.start_server()
    url = str(server.make_url("/labels"))
    await server.close()
    sender = RecordSender(url, "labels", lost.append, capacity=2)
    async with sender.running():
        for number in range(5):
            sender.add(a_record(number))
    assert sum(lost) == 3
