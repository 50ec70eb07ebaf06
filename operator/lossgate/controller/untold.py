"""Events of status writes that may have been carried out though the answer said otherwise, or never came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lossgate.controller.queue import Key
from lossgate.rollout.decision import Event

_ATTEMPTS = 8
"""Writes of one version of an object that are remembered; each failed, so they come ever more slowly."""


class Untold:
    """What happened is told once, when the object shows that it did: an event of a write that failed would be a lie."""

    def __init__(self) -> None:
        self._attempts: dict[Key, tuple[str, list[tuple[Any, Sequence[Event]]]]] = {}

    def failed(self, key: Key, body: Mapping[str, Any], status: Mapping[str, Any], events: Sequence[Event]) -> None:
        """Take note of a status that could not be written to `body`, as far as the answer tells."""
        version = body["metadata"]["resourceVersion"]
        known, attempts = self._attempts.get(key, (version, []))
        if known != version:
            attempts = []
        self._attempts[key] = version, [*attempts, (status, events)][-_ATTEMPTS:]

    def take(self, key: Key, body: Mapping[str, Any]) -> Sequence[Event]:
        """Return the events of the write that made this body, if its answer was lost."""
        version, attempts = self._attempts.get(key, ("", []))
        if version == body["metadata"]["resourceVersion"]:
            return ()  # not yet seen whether one of them was stored
        self._attempts.pop(key, None)
        return next((events for status, events in attempts if status == body.get("status")), ())

    def forget(self, key: Key) -> None:
        """Forget an object that was deleted."""
        self._attempts.pop(key, None)
