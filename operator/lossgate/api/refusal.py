"""What an API server says of a request that it refuses."""

from __future__ import annotations

import json
from collections.abc import Mapping


def in_words(body: str | bytes | None, status: object, reason: object) -> str:
    """Return the server's own message, if the body is a `metav1.Status`; a proxy in between may send anything."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        answer = None
    if isinstance(answer, Mapping) and answer.get("message"):
        return str(answer["message"])
    return f"HTTP {status} {reason}"
