"""Which events the code tells as Normal and which as Warning: read from the calls themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import lossgate.api.reasons
from lossgate.api.reasons import EventReason

_PACKAGE = Path(lossgate.api.reasons.__file__).parents[1]


def types() -> dict[EventReason, str]:
    """Return `Normal`, `Warning` or `Normal, Warning` for every event that is told anywhere."""
    found: dict[EventReason, set[str]] = {}
    for file in sorted(_PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                for reason in _reasons(node):
                    found.setdefault(reason, set()).update(_types(node))
    return {reason: ", ".join(sorted(found[reason])) for reason in EventReason if reason in found}


def _reasons(call: ast.Call) -> Iterator[EventReason]:
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        for node in ast.walk(argument):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "EventReason":
                yield EventReason[node.attr]


def _types(call: ast.Call) -> set[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "warning"]
    match given:
        case []:
            return {"Normal"}
        case [ast.Constant(value=bool(warning))]:
            return {"Warning" if warning else "Normal"}
        case _:
            return {"Normal", "Warning"}
