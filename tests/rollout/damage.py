"""Statuses damaged by hand, as the schema of the CRD lets them in."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from lossgate.api import crd
from lossgate.api.reasons import Phase, Reason

_TIMES = (
    "1970-01-01T00:00:00Z",
    "2023-11-14T22:13:20Z",
    "2023-11-14T22:43:20.000Z",
    "2099-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2016-12-31T23:59:60Z",
)
_KNOWN = ("Continue", "NonInferior", "Promoted", "RolledBack", *Phase, *Reason)
_WORDS = ("", "v1", "nonsense", "promote x", "v1:AAAA", "é" * 40, *_KNOWN)
_WHOLE = (-(2**63), -1, 0, 1, 2, 20, 50, 100, 101, 2**31, 2**63 - 1)
_NUMBERS = (-1.0, 0.0, 1e-300, 0.3, 0.7, 1000.0, 1e308)


def status_schema() -> dict[str, Any]:
    """Return the schema of `status` as the API server has it."""
    schema = crd.build()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return dict(schema["properties"]["status"])


def values(schema: dict[str, Any], words: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Return values that the schema lets in, `words` among them; parts may be missing."""
    match schema.get("type"):
        case "object":
            parts = {name: values(part, words) for name, part in schema.get("properties", {}).items()}
            required = {name: parts.pop(name) for name in schema.get("required", ())}
            return st.fixed_dictionaries(required, optional=parts)
        case "array":
            return st.lists(values(schema["items"], words), max_size=3)
        case "integer":
            return st.sampled_from(_WHOLE)
        case "number":
            return st.sampled_from(_NUMBERS)
        case "boolean":
            return st.booleans()
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return st.sampled_from(_TIMES if schema.get("format") == "date-time" else (*_WORDS, *words))


@st.composite
def damaged(draw: st.DrawFn, manifest: dict[str, Any], words: tuple[str, ...]) -> dict[str, Any]:
    """Return a status with one to three of its parts removed, or replaced by what the schema lets in."""
    status, schema = copy.deepcopy(manifest), status_schema()
    for _ in range(draw(st.integers(1, 3))):
        holder, part = status, schema
        while True:
            name = draw(st.sampled_from(sorted(part["properties"])))
            inner = part["properties"][name]
            if inner["type"] != "object" or not isinstance(holder.get(name), dict) or draw(st.booleans()):
                break
            holder, part = holder[name], inner
        if name in holder and name not in part.get("required", ()) and draw(st.booleans()):
            del holder[name]
        else:
            holder[name] = draw(values(inner, words))
    return status
