"""How the operator is put together: what kopf is told to watch, and in which order it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import kopf

from lossgate.api import names
from lossgate.controller.operator import CHILD_RESOURCES, Operator, _configure
from lossgate.controller.queue import Key
from lossgate.controller.settings import Settings


def an_operator(**settings: Any) -> Operator:
    return Operator(Settings("lossgate", "pod-1", prometheus_url="http://prometheus:9090", **settings))


def test_only_events_are_watched_so_that_no_finalizer_and_no_annotation_is_written() -> None:
    registry = an_operator()._registry()
    assert registry._watching.get_all_handlers()
    assert not registry._changing.get_all_handlers()
    assert not registry._spawning.get_all_handlers()
    assert not registry._webhooks.get_all_handlers()


def test_children_are_found_by_their_label_and_routes_all() -> None:
    registry = an_operator()._registry()
    handlers = {str(handler.id): handler for handler in registry._watching.get_all_handlers()}
    for kind in CHILD_RESOURCES:
        assert handlers[f"{kind}-changed"].labels == {names.LABEL_ROLLOUT: kopf.PRESENT}
    assert not handlers["HTTPRoute-changed"].labels
    assert {handler.id for handler in registry._indexing.get_all_handlers()} == {*CHILD_RESOURCES, "HTTPRoute"}


def test_kopf_stays_quiet_bounded_and_within_the_rights_of_its_mode() -> None:
    for namespaced in (True, False):
        settings = kopf.OperatorSettings()
        _configure(settings, namespaced=namespaced)
        assert settings.scanning.disabled is namespaced
        assert not settings.posting.enabled
        assert settings.networking.request_timeout == 30
        assert (settings.watching.server_timeout, settings.watching.client_timeout) == (300, 310)


def test_queue_is_open_only_while_this_process_leads() -> None:
    async def scene() -> None:
        operator = an_operator()
        key = Key("ml", "digits")
        operator._queue.add(key)
        operator._led(True)
        assert await operator._queue.get() == key
        operator._led(False)
        operator._queue.add(key)
        waiting = asyncio.create_task(operator._queue.get())
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(scene())


async def test_workers_end_before_the_lease_is_handed_back() -> None:
    ended: list[str] = []

    async def runs(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # a turn cut short still has a word to say
            ended.append(name)

    operator = an_operator()
    operator._workers = [asyncio.create_task(runs("worker")) for _ in range(3)]
    operator._renewal = [asyncio.create_task(runs("lease"))]
    await asyncio.sleep(0)
    await operator._stop()
    assert ended == ["worker", "worker", "worker", "lease"]
