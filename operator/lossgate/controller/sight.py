"""Tells whether the watch still delivers: what this process wrote must come back through it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from lossgate.controller.kube import resource_version
from lossgate.controller.queue import Key


class Sight:
    """Versions of ModelRollouts that were written and not yet seen again."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._awaited: dict[Key, tuple[int, float]] = {}

    def wrote(self, key: Key, stored: Mapping[str, Any]) -> None:
        """Expect a body, as the API server stored it, or a later one; the first one that is missing counts."""
        _, since = self._awaited.get(key, (0, self._monotonic()))
        self._awaited[key] = resource_version(stored), since

    def saw(self, key: Key, body: Mapping[str, Any]) -> None:
        """Take note of what a watch delivered: it may be behind, but it is not silent."""
        awaited = self._awaited.pop(key, None)
        if awaited is not None and resource_version(body) < awaited[0]:
            self._awaited[key] = awaited[0], self._monotonic()

    def forget(self, key: Key) -> None:
        """Expect nothing of an object that was deleted."""
        self._awaited.pop(key, None)

    def blind_seconds(self) -> float:
        """Return for how long a body that was written has not come back; 0 where none is missing."""
        if not self._awaited:
            return 0.0
        return max(0.0, self._monotonic() - min(since for _, since in self._awaited.values()))
