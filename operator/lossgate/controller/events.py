"""Events on transitions: one object per thing that happened, the same thing again within minutes is not repeated."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lossgate.api import names
from lossgate.controller.kube import Kube, KubeError
from lossgate.rollout.decision import Event

MAX_MESSAGE_LENGTH = 1024
REPEAT_SECONDS = 300.0
_REMEMBERED = 4096
RETRY_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
"""Waits before an event that could not be recorded is tried again; after the last one it is in the log only."""
MAX_LATE = 256
"""Events that may wait for their next try at once."""

_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes events of ModelRollouts; a failure to tell never stops a rollout."""

    def __init__(self, kube: Kube, instance: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._instance = instance
        self._monotonic = monotonic
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._named = 0
        self._late: set[asyncio.Task[None]] = set()

    async def tell(self, rollout: Mapping[str, Any], event: Event) -> None:
        """Record an event of a ModelRollout, and log the same line."""
        metadata = rollout["metadata"]
        key = (metadata["uid"], event.reason.value, event.message)
        last = self._told.get(key)
        if last is not None and self._monotonic() < last + REPEAT_SECONDS:
            return
        self._told[key] = self._monotonic()
        self._told.move_to_end(key)
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        level = logging.WARNING if event.warning else logging.INFO
        _log.log(level, "%s/%s %s: %s", metadata["namespace"], metadata["name"], event.reason, event.message)
        body = self._body(metadata, event)
        try:
            await self._kube.create(body)
        except KubeError as error:
            _log.warning("Event not recorded: %s", error)
            if _may_pass(error) and len(self._late) < MAX_LATE:
                task = asyncio.create_task(self._record_later(body))
                self._late.add(task)
                task.add_done_callback(self._late.discard)

    async def close(self) -> None:
        """Give up what could not be recorded yet."""
        late = tuple(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _record_later(self, body: dict[str, Any]) -> None:
        """No turn waits for this; what was stored though its answer was lost exists by then, once."""
        for seconds in RETRY_SECONDS:
            await asyncio.sleep(seconds)
            try:
                await self._kube.create(body)
            except KubeError as error:
                if not _may_pass(error):
                    return
            else:
                return

    def _name(self, rollout: str) -> str:
        """Names sort by time: `kubectl describe` shows events of one second in the order of their names."""
        self._named = max(time.time_ns(), self._named + 1)
        return f"{rollout}.{self._named:016x}"

    def _body(self, metadata: Mapping[str, Any], event: Event) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        message = event.message
        if len(message) > MAX_MESSAGE_LENGTH:
            message = message[: MAX_MESSAGE_LENGTH - 1] + "…"
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self._name(metadata["name"]), "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason.value,
            "message": message,
            "source": {"component": names.CONTROLLER},
            "reportingComponent": names.CONTROLLER,
            "reportingInstance": self._instance,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }


def _may_pass(error: KubeError) -> bool:
    """Return whether trying again may help; an event that exists by now is refused as such."""
    is_stored = error.status == 409 and "already exists" in error.message
    return not is_stored and (error.status in (0, 200, 409, 429) or error.status >= 500)
