from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lossgate.controller.kube import KubeError
from lossgate.controller.lease import DURATION_SECONDS, RENEW_EVERY_SECONDS, SAFETY_SECONDS, Lease
from tests.controller import virtual_time
from tests.controller.fake_kube import FakeKube, Request, Storage

PLACE = ("Lease", "lossgate", "lossgate")


class Contender:
    """A process that wants the Lease; its clock can stand still, as that of a frozen process seems to itself."""

    def __init__(self, storage: Storage, identity: str) -> None:
        self.identity = identity
        self.kube = FakeKube(storage)
        self.changes: list[bool] = []
        self.lease = Lease(self.kube, "lossgate", identity, self.changes.append, virtual_time.monotonic)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> Contender:
        self._task = asyncio.create_task(self.lease.run())
        return self

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def die(self) -> None:
        """End without handing the Lease back."""
        self.kube.refuse = _no_answer
        if self._task is not None:
            self._task.cancel()


def _no_answer(request: Request) -> KubeError:
    return KubeError(0, request.method, "no answer")


def holder(storage: Storage) -> str | None:
    found = storage.objects[PLACE]["spec"].get("holderIdentity")
    return None if found is None else str(found)


def stored_lease(identity: str, renewed: str = "2026-01-01T00:00:00.000000Z", **spec: Any) -> Storage:
    storage = Storage()
    full = {"holderIdentity": identity, "leaseDurationSeconds": DURATION_SECONDS, "renewTime": renewed, **spec}
    storage.new({"kind": "Lease", "metadata": {"name": "lossgate", "namespace": "lossgate"}, "spec": full})
    return storage


def play(scene: Callable[[], Any]) -> None:
    virtual_time.run(scene())


def test_lease_that_does_not_exist_is_created_and_held() -> None:
    async def scene() -> None:
        storage = Storage()
        one = Contender(storage, "one").start()
        await virtual_time.until(one.lease.is_held, 5)
        assert holder(storage) == "one"
        assert one.changes == [True]
        assert one.lease.has_answered
        await asyncio.sleep(3600)
        assert one.lease.is_held()
        assert one.changes == [True], "renewals are no change"
        spec = storage.objects[PLACE]["spec"]
        assert spec["leaseTransitions"] == 1
        assert datetime.fromisoformat(spec["renewTime"]) <= datetime.now(UTC)
        await one.stop()

    play(scene)


def test_lease_handed_back_is_taken_at_once() -> None:
    async def scene() -> None:
        storage = Storage()
        one = Contender(storage, "one").start()
        await virtual_time.until(one.lease.is_held, 5)
        two = Contender(storage, "two").start()
        await asyncio.sleep(60)
        assert not two.lease.is_held()
        await one.stop()
        assert not one.lease.is_held()
        assert one.changes == [True, False]
        await virtual_time.until(two.lease.is_held, 2 * RENEW_EVERY_SECONDS)
        assert storage.objects[PLACE]["spec"]["leaseTransitions"] == 2
        await two.stop()

    play(scene)


def test_lease_of_a_process_that_died_is_taken_when_it_has_run_out() -> None:
    async def scene() -> None:
        storage = Storage()
        one, two = Contender(storage, "one").start(), Contender(storage, "two")
        await virtual_time.until(one.lease.is_held, 5)
        one.die()
        two.start()
        await asyncio.sleep(DURATION_SECONDS - 1)
        assert not two.lease.is_held()
        await virtual_time.until(two.lease.is_held, 5)
        await two.stop()

    play(scene)


@pytest.mark.parametrize("renewed", ["2001-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"])
def test_clock_of_the_holder_does_not_matter(renewed: str) -> None:
    async def scene() -> None:
        storage = stored_lease("elsewhere", renewed)
        two = Contender(storage, "two").start()
        await asyncio.sleep(DURATION_SECONDS - 1)
        assert not two.lease.is_held(), "it may be alive: only what was seen here counts"
        await virtual_time.until(two.lease.is_held, 5)
        await two.stop()

    play(scene)


def test_restarted_container_of_the_same_pod_goes_on_at_once() -> None:
    async def scene() -> None:
        one = Contender(stored_lease("one"), "one").start()
        await virtual_time.until(one.lease.is_held, 1)
        await one.stop()

    play(scene)


def test_duration_that_the_holder_asked_for_is_respected() -> None:
    async def scene() -> None:
        two = Contender(stored_lease("elsewhere", leaseDurationSeconds=120), "two").start()
        await asyncio.sleep(110)
        assert not two.lease.is_held()
        await virtual_time.until(two.lease.is_held, 20)
        await two.stop()

    play(scene)


def test_lease_without_a_spec_is_free() -> None:
    async def scene() -> None:
        storage = Storage()
        storage.new({"kind": "Lease", "metadata": {"name": "lossgate", "namespace": "lossgate"}})
        one = Contender(storage, "one").start()
        await virtual_time.until(one.lease.is_held, 5)
        await one.stop()

    play(scene)


def test_holding_ends_before_another_process_can_take_over() -> None:
    async def scene() -> None:
        storage = Storage()
        one, two = Contender(storage, "one").start(), Contender(storage, "two").start()
        await virtual_time.until(one.lease.is_held, 5)
        await asyncio.sleep(30)
        one.kube.refuse = _no_answer
        cut_off = virtual_time.monotonic()
        await virtual_time.until(lambda: not one.lease.is_held(), DURATION_SECONDS)
        assert virtual_time.monotonic() - cut_off <= DURATION_SECONDS - SAFETY_SECONDS + 0.1
        assert not two.lease.is_held()
        await virtual_time.until(two.lease.is_held, DURATION_SECONDS)
        await virtual_time.until(lambda: one.changes == [True, False], RENEW_EVERY_SECONDS)
        await asyncio.gather(one.stop(), two.stop())

    play(scene)


def test_renewal_counts_from_when_it_was_asked_for_not_from_when_the_answer_came() -> None:
    async def scene() -> None:
        one = Contender(Storage(), "one")
        answer_seconds = DURATION_SECONDS - SAFETY_SECONDS - 1.0

        class SlowAnswers(FakeKube):
            async def replace(self, kind: str, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
                stored = await super().replace(kind, namespace, name, body)
                await asyncio.sleep(answer_seconds)
                self.refuse = _no_answer
                return stored

        one.kube = SlowAnswers(one.kube.storage)
        one.lease = Lease(one.kube, "lossgate", "one", one.changes.append, virtual_time.monotonic)
        one.start()
        await virtual_time.until(one.lease.is_held, DURATION_SECONDS)
        assert virtual_time.monotonic() >= answer_seconds
        await asyncio.sleep(1.0)
        assert not one.lease.is_held()
        await one.stop()

    play(scene)


def test_leader_that_was_frozen_does_not_hold_when_it_wakes() -> None:
    async def scene() -> None:
        one = Contender(Storage(), "one").start()
        await virtual_time.until(one.lease.is_held, 5)
        one.die()
        await asyncio.sleep(DURATION_SECONDS - SAFETY_SECONDS)
        assert not one.lease.is_held(), "told by the clock alone, without asking anybody"

    play(scene)


def test_renewal_that_somebody_overtook_is_repeated() -> None:
    async def scene() -> None:
        storage = Storage()
        one = Contender(storage, "one").start()
        await virtual_time.until(one.lease.is_held, 5)
        labels = {"team": "ml"}
        body = storage.objects[PLACE]
        storage.put({**body, "metadata": {**body["metadata"], "labels": labels}})
        await asyncio.sleep(60)
        assert one.lease.is_held()
        assert one.changes == [True]
        assert storage.objects[PLACE]["metadata"]["labels"] == labels
        await one.stop()

    play(scene)


def test_lease_that_was_taken_away_by_hand_is_given_up() -> None:
    async def scene() -> None:
        storage = Storage()
        one = Contender(storage, "one").start()
        await virtual_time.until(one.lease.is_held, 5)
        body = storage.objects[PLACE]
        storage.put({**body, "spec": {**body["spec"], "holderIdentity": "somebody"}})
        await virtual_time.until(lambda: one.changes == [True, False], 3 * RENEW_EVERY_SECONDS)
        assert holder(storage) == "somebody"
        await one.stop()
        assert holder(storage) == "somebody", "nothing is handed back that is not held"

    play(scene)


def test_unreachable_api_server_is_tried_again() -> None:
    async def scene() -> None:
        one = Contender(Storage(), "one")
        one.kube.refuse = _no_answer
        one.start()
        await asyncio.sleep(300)
        assert not one.lease.has_answered
        assert one.changes == []
        one.kube.refuse = lambda request: None
        await virtual_time.until(one.lease.is_held, 5)
        await one.stop()

    play(scene)


@pytest.mark.parametrize("seed", range(12))
def test_two_processes_never_hold_at_once(seed: int) -> None:
    """Requests are lost before or after they took effect, come late, processes are cut off, die and return."""

    async def scene() -> None:
        chance = random.Random(seed)
        storage = Storage()
        contenders = [_Unlucky(storage, f"pod-{number}", chance).start() for number in range(3)]
        terms = 0
        for _ in range(4000):
            await asyncio.sleep(0.5)
            holding = [contender.identity for contender in contenders if contender.lease.is_held()]
            assert len(holding) <= 1, f"seed {seed}: {holding} at {virtual_time.monotonic():.1f} s"
            terms += bool(holding)
            if chance.random() < 0.01:
                number = chance.randrange(len(contenders))
                contenders[number].die()
                contenders[number] = _Unlucky(storage, f"pod-{chance.random()}", chance).start()
        assert terms > 1000, "somebody leads most of the time"
        await asyncio.gather(*(contender.stop() for contender in contenders))

    play(scene)


class _Unlucky(Contender):
    def __init__(self, storage: Storage, identity: str, chance: random.Random) -> None:
        super().__init__(storage, identity)
        self.kube = _BadLine(storage, chance)
        self.lease = Lease(self.kube, "lossgate", identity, self.changes.append, virtual_time.monotonic)

    def start(self) -> _Unlucky:
        super().start()
        return self


class _BadLine(FakeKube):
    """A connection on which requests and answers are late, at most as late as a request may take, or lost."""

    def __init__(self, storage: Storage, chance: random.Random) -> None:
        super().__init__(storage)
        self._chance = chance
        self._cut_until = 0.0

    async def replace(self, kind: str, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._travel()
        stored = await super().replace(kind, namespace, name, body)
        await self._travel()
        return stored

    async def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        await self._travel()
        found = await super().get(kind, namespace, name)
        await self._travel()
        return found

    async def _travel(self) -> None:
        if self._chance.random() < 0.02:
            self._cut_until = virtual_time.monotonic() + self._chance.uniform(0, 40)
        late = self._chance.random() < 0.1
        await asyncio.sleep(self._chance.uniform(0, 7 if late else 0.2))
        if virtual_time.monotonic() < self._cut_until:
            raise KubeError(0, "", "no answer")
