"""Numbers and times in a stored status that cannot be: below zero, of another age, or yet to come."""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

from lossgate.api.status import RolloutStatus

SKEW_SECONDS = 300.0
"""Clocks of two machines differ: so much of the future is no damage."""
OLDEST = 1_577_836_800.0
"""2020, before there was anything to write a status: as the start of a deadline it would end it at once."""
MAX_PODS = 1000
"""Pods that a status may have the operator ask for, where the spec does not say how many: as many as a spec may."""
_ASKED_FOR = ("started_replicas", "settled_replicas")

_Model = TypeVar("_Model", bound=BaseModel)


def plausible(status: RolloutStatus, now: float, longest_delay_seconds: float) -> tuple[RolloutStatus, list[str]]:
    """Return the status with numbers and times that can be at `now` (Unix seconds), and the names of those changed.

    A time that cannot be becomes now, so that whatever is counted from it is waited for once more and in full.
    """
    changed: list[str] = []
    sound = _model(status, now, "", changed)
    latest = now + longest_delay_seconds
    if status.scale_down_at is not None and not OLDEST <= status.scale_down_at <= latest + SKEW_SECONDS:
        sound = sound.model_copy(update={"scale_down_at": latest})
        changed.append("scaleDownAt")
    return sound, changed


def _model(model: _Model, now: float, place: str, changed: list[str]) -> _Model:
    changes: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        sound: Any
        where = f"{place}.{field.alias}".lstrip(".")
        if name in _times(type(model)):
            sound = tuple(_time(one, now) for one in value) if isinstance(value, tuple) else _time(value, now)
        elif isinstance(value, BaseModel):
            sound = _model(value, now, where, changed)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            sound = tuple(_model(one, now, where, changed) for one in value)
        elif isinstance(value, int) and not isinstance(value, bool):
            sound = _count(name, value)
        else:
            continue
        if sound != value:
            changes[name] = sound
            if not isinstance(value, BaseModel) and where not in changed and not _is_list_of_models(value):
                changed.append(where)
    return model.model_copy(update=changes) if changes else model


def _is_list_of_models(value: Any) -> bool:
    return isinstance(value, tuple) and bool(value) and isinstance(value[0], BaseModel)


def _time(value: float | None, now: float) -> float | None:
    return value if value is None or OLDEST <= value <= now + SKEW_SECONDS else now


def _count(name: str, value: int) -> int:
    if name == "observed_generation":
        return value
    most = 100 if name == "weight" else MAX_PODS if name in _ASKED_FOR else value
    return max(0, min(value, most))


@cache
def _times(model: type[BaseModel]) -> frozenset[str]:
    """Return the fields of a part that hold times; when the pods go is a time to come, and judged apart."""
    properties = model.model_json_schema(by_alias=False)["properties"]
    found = {name for name, schema in properties.items() if "date-time" in str(schema)}
    return frozenset(found - {"scale_down_at"})
