"""Events on transitions: one object per thing that happened, the same thing again within minutes is not repeated.

What flaps, with other numbers each time, is told a few times and then now and then, with how often it was left out.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lossgate.api import names
from lossgate.api.reasons import Reason
from lossgate.api.texts import shown
from lossgate.controller.kube import Kube, KubeError
from lossgate.rollout.decision import Event

MAX_MESSAGE_LENGTH = 1024
REPEAT_SECONDS = 300.0
RETRY_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
"""Waits before an event that could not be recorded is tried again; after the last one it is in the log only."""
MAX_LATE = 256
"""Events that may wait for their next try at once."""
BURST = 10
"""Events of one kind about one object that are told at once; then one in `REFILL_SECONDS`."""
REFILL_SECONDS = 300.0
_REMEMBERED_OBJECTS = 4096
_REMEMBERED_MESSAGES = 64

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Kind:
    """How many more events of one kind may be told, and how many were left out since the last one."""

    allowed: float
    at: float
    left_out: int = 0

    def may_tell(self, now: float) -> bool:
        self.allowed = min(BURST, self.allowed + (now - self.at) / REFILL_SECONDS)
        self.at = now
        if self.allowed < 1:
            self.left_out += 1
            return False
        self.allowed -= 1
        return True


@dataclass(slots=True)
class _Told:
    """What was told of one object."""

    messages: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    """When, by a digest of the message: the messages themselves may be long."""
    kinds: dict[tuple[str, bool, str], _Kind] = field(default_factory=dict)
    names: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def is_known(self, name: str) -> bool:
        """Return whether an event of that name was told, or left out; from now on it was."""
        if name in self.names:
            return True
        self.names[name] = None
        if len(self.names) > _REMEMBERED_MESSAGES:
            self.names.popitem(last=False)
        return False

    def is_repeated(self, event: Event, now: float) -> bool:
        digest = hashlib.blake2b(f"{event.reason}\n{event.message}".encode(), digest_size=16).digest()
        last = self.messages.get(digest)
        if last is not None and now < last + REPEAT_SECONDS:
            return True
        self.messages[digest] = now
        self.messages.move_to_end(digest)
        if len(self.messages) > _REMEMBERED_MESSAGES:
            self.messages.popitem(last=False)
        return False

    def kind(self, event: Event, now: float) -> _Kind:
        """Return the kind of an event; one that begins with a reason is of another kind than one with another."""
        word = event.message.partition(":")[0]
        kind = (event.reason.value, event.warning, word if word in _WORDS else "")
        return self.kinds.setdefault(kind, _Kind(BURST, now))


_WORDS = frozenset(reason.value for reason in Reason)


class EventRecorder:
    """Writes events of ModelRollouts; a failure to tell never stops a rollout."""

    def __init__(self, kube: Kube, instance: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._instance = instance
        self._monotonic = monotonic
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._named = 0
        self._late: set[asyncio.Task[None]] = set()

    async def tell(self, rollout: Mapping[str, Any], event: Event, name: str | None = None) -> None:
        """Record an event of a ModelRollout, and log the same line; one of a name that was told is not told again."""
        metadata = rollout["metadata"]
        name = name or self.name(metadata["name"])
        told, now = self._about(metadata["uid"]), self._monotonic()
        if told.is_known(name) or told.is_repeated(event, now):
            return
        kind = told.kind(event, now)
        if not kind.may_tell(now):
            _log.debug(
                "%s/%s %s, not recorded: %s", metadata["namespace"], metadata["name"], event.reason, event.message
            )
            return
        left_out, kind.left_out = kind.left_out, 0
        level = logging.WARNING if event.warning else logging.INFO
        _log.log(level, "%s/%s %s: %s", metadata["namespace"], metadata["name"], event.reason, event.message)
        body = self._body(metadata, event, name, left_out)
        try:
            await self._kube.create(body)
        except KubeError as error:
            if _is_stored(error):
                return
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

    def forget(self, uid: str) -> None:
        """Forget what was told of an object that is gone."""
        self._told.pop(uid, None)

    def _about(self, uid: str) -> _Told:
        told = self._told.setdefault(uid, _Told())
        self._told.move_to_end(uid)
        if len(self._told) > _REMEMBERED_OBJECTS:
            self._told.popitem(last=False)
        return told

    def name(self, rollout: str) -> str:
        """Return a name for the next event; `kubectl describe` shows events of one second in the order of names."""
        self._named = max(time.time_ns(), self._named + 1)
        return f"{rollout}.{self._named:016x}"

    def _body(self, metadata: Mapping[str, Any], event: Event, name: str, left_out: int) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        more = f" ({left_out} more like it since the last one were not recorded.)" if left_out else ""
        message = shown(event.message, MAX_MESSAGE_LENGTH - len(more)) + more
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
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
    return not _is_stored(error) and (error.status in (0, 200, 409, 429) or error.status >= 500)


def _is_stored(error: KubeError) -> bool:
    """Return whether an event of that name was recorded before, by this process or by one that died since."""
    return error.status == 409 and "already exists" in error.message
