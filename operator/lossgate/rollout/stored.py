"""Reads a status as it is stored, whoever wrote it: what cannot be read is named, and stops nothing else."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from lossgate.api.reasons import Reason
from lossgate.api.status import RolloutStatus

_Place = tuple[str | int, ...]


def read(manifest: Mapping[str, Any] | None) -> tuple[RolloutStatus, tuple[str, ...]]:
    """Return the status without the parts that cannot be read, and the names of these.

    Another version of the operator may have written words that this one does not know, and people edit. A rollout in
    the history whose reason is not known keeps its place: a revision that was rolled back stays out.
    """
    rest, unread = copy.deepcopy(dict(manifest or {})), list[str]()
    while True:
        try:
            return RolloutStatus.model_validate(rest), tuple(unread)
        except ValidationError as error:
            places = {_reach(rest, fault["loc"]) for fault in error.errors(include_url=False, include_input=False)}
        # The last of a list first, so that the places of the others stay what they are.
        for place in sorted(places, key=lambda place: [str(key).zfill(9) for key in place], reverse=True):
            name = ".".join(map(str, place)) or "all of it"
            if name not in unread:
                unread.append(name)
            _drop(rest, place)


def _reach(manifest: Any, location: Sequence[str | int]) -> _Place:
    """Return as much of a place as there is: where a part is missing, the whole that lacks it is at fault."""
    place: list[str | int] = []
    for key in location:
        try:
            manifest = manifest[key]
        except (KeyError, IndexError, TypeError):
            break
        place.append(key)
    # A condition is said anew at every turn, so that half of one is worth nothing.
    return tuple(place[:2] if place[:1] == ["conditions"] else place)


def _drop(manifest: dict[str, Any], place: _Place) -> None:
    if not place:
        manifest.clear()
        return
    holder: Any = manifest
    for key in place[:-1]:
        holder = holder[key]
    if place[0] == "history" and place[-1] == "reason":
        holder["reason"] = Reason.STATUS_DAMAGED.value
    else:
        del holder[place[-1]]
