"""Events on transitions: one object per thing that happened, the same thing again within minutes is not repeated."""

from __future__ import annotations

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

_log = logging.getLogger(__name__)


class EventRecorder:
    """Writes events of ModelRollouts; a failure to tell never stops a rollout."""

    def __init__(self, kube: Kube, instance: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._instance = instance
        self._monotonic = monotonic
        self._told: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._named = 0

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
        try:
            await self._kube.create(self._body(metadata, event))
        except KubeError as error:
            _log.warning("Event not recorded: %s", error)

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
