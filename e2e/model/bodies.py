"""What a request's JSON body holds, checked."""

from __future__ import annotations

import json
from typing import Any

MAX_ID_LENGTH = 128
"""Characters in a prediction id."""


class BadRequest(ValueError):
    """The request's body is not what the path takes; the message says what to send."""


def parse_object(body: bytes, shape: str) -> dict[str, Any]:
    """Return the JSON object in a body.

    Args:
        body: As received.
        shape: What should have been sent, for the message.

    Raises:
        BadRequest: It is no JSON object.
    """
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BadRequest(f"body is not JSON ({error}): send {shape}") from None
    if not isinstance(value, dict):
        raise BadRequest(f"body is no JSON object: send {shape}")
    return value


def parse_text(value: object, name: str, max_length: int) -> str:
    """Return the value if it is a text of 1 to `max_length` characters, else raise BadRequest."""
    if not isinstance(value, str) or not 0 < len(value) <= max_length:
        raise BadRequest(f"{name} must be a text of 1 to {max_length} characters")
    return value


def parse_numbers(value: object, name: str) -> list[float]:
    """Return the value as floats if it is a list of JSON numbers (NaN and Infinity included), else raise BadRequest."""
    if not isinstance(value, list) or not all(type(number) is float or type(number) is int for number in value):
        raise BadRequest(f"{name} must be a list of numbers")
    try:
        return [float(number) for number in value]
    except OverflowError:
        raise BadRequest(f"{name} holds an integer beyond what a float can be") from None
