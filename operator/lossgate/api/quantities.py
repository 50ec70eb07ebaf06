"""Quantities as users write them (`5%`, `90s`, `1h30m`), parsed once at the border into plain numbers."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

PERCENT_PATTERN = r"^[0-9]{1,5}(\.[0-9]{1,6})?%$"
DURATION_PATTERN = r"^([0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h))+$"
DECIMAL_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,12})?$"

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_MILLISECONDS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}


def parse_percent(value: Any) -> Any:
    """Return `"5%"` as 0.05; numbers pass unchanged (they are already parsed).

    Raises:
        ValueError: The text is not a number followed by `%`.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(PERCENT_PATTERN, value):
        raise ValueError(f'{value!r} is not a percentage; write a number followed by %, such as "5%"')
    return float(value[:-1]) / 100


def parse_duration(value: Any) -> Any:
    """Return `"1h30m"` as seconds; numbers pass unchanged (they are already parsed).

    Raises:
        ValueError: The text is not a sequence of numbers with the units ms, s, m or h.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError(
            f'{value!r} is not a duration; write numbers with units ms, s, m or h, such as "30s" or "1h30m"'
        )
    return sum(float(number) * _MILLISECONDS[unit] for number, unit in _DURATION_PART.findall(value)) / 1000


def parse_decimal(value: Any) -> Any:
    """Return `"0.01"` as 0.01; numbers pass unchanged (they are already parsed).

    Raises:
        ValueError: The text is not a plain decimal number.
    """
    if not isinstance(value, str):
        return value
    if not re.fullmatch(DECIMAL_PATTERN, value):
        raise ValueError(f'{value!r} is not a number in loss units; write a plain decimal in quotes, such as "0.01"')
    return float(value)


def format_percent(fraction: float, digits: int = 1) -> str:
    """Return 0.0163 as `"1.6%"`."""
    return f"{fraction * 100:.{digits}f}%"


def write_percent(fraction: float) -> str:
    """Return a fraction as a percentage that reads back as the same millionths of a per cent, such as `"25%"`."""
    return f"{format_percent(fraction, 6).rstrip('%').rstrip('0').rstrip('.')}%"


def write_duration(seconds: float) -> str:
    """Return seconds as a duration that reads back as the same milliseconds, such as `"1h30m"`; zero is `"0s"`."""
    rest, text = round(seconds * 1000), ""
    for unit, milliseconds in _MILLISECONDS.items():
        count, rest = divmod(rest, milliseconds)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def format_duration(seconds: float) -> str:
    """Return seconds as `"2h5m"`, `"3m20s"` or `"45s"`: two units at most, for people."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{secs}s" if secs else f"{minutes}m"
    return f"{secs}s"


Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(write_percent, return_type=str, when_used="json"),
    # Also numbers pass the type check, so that a rule can tell who forgot the sign what to write.
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 13}),
]
"""A fraction in Python (0.05), text with a percent sign in the API (`"5%"`)."""

Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, return_type=str, when_used="json"),
    # 16 characters hold at most 228 years: within what the API server can count.
    WithJsonSchema({"type": "string", "maxLength": 16}),
]
"""Seconds in Python (90.0), a duration in the API (`"90s"`)."""

LossUnits = Annotated[
    float,
    BeforeValidator(parse_decimal),
    WithJsonSchema({"type": "string", "maxLength": 25}),
]
"""A float in Python, a plain decimal in quotes in the API (`"0.01"`): the API has no floats with exact text."""
