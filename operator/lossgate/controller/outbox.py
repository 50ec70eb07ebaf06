"""Events stand in the status that they tell of until the next one is written: whoever leads then can tell them.

A process that dies, or loses its leadership, between a status and its events loses none; a name given beforehand keeps
each from being recorded twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from lossgate.api.reasons import EventReason
from lossgate.api.status import UntoldEvent
from lossgate.rollout.decision import Event

MAX_KEPT = 8
RETELL_SECONDS = 600.0
"""Events are forgotten by the API server after an hour: old ones must not come up again when an operator starts."""


def with_events(
    manifest: Mapping[str, Any], events: Sequence[Event], name: Callable[[], str], now: float
) -> dict[str, Any]:
    """Return a status with the events that are to be told of it, in place of those of the one before."""
    rest = without_events(manifest)
    if not events:
        return rest
    kept = [
        UntoldEvent(name=name(), time=now, reason=event.reason.value, message=event.message, warning=event.warning)
        for event in events[:MAX_KEPT]
    ]
    return {**rest, "untold": [event.model_dump(mode="json", by_alias=True) for event in kept]}


def without_events(manifest: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a status without what is still to be told of it."""
    return {field: value for field, value in (manifest or {}).items() if field != "untold"}


def events_of(body: Mapping[str, Any], now: float) -> Iterator[tuple[str, Event]]:
    """Yield the names and events that a ModelRollout's status asks to have told, but for old ones."""
    for entry in (body.get("status") or {}).get("untold") or ():
        try:
            event = UntoldEvent.model_validate(entry)
            reason = EventReason(event.reason)
        except (ValidationError, ValueError):
            continue  # of another version, or damaged: the conditions say what is true
        if now < event.time + RETELL_SECONDS:
            yield event.name, Event(reason, event.message, event.warning)
