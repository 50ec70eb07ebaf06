"""Which events the code tells as Normal and which as Warning: read from the calls themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import lossgate.api.reasons
from lossgate.api.reasons import EventReason

_PACKAGE = Path(lossgate.api.reasons.__file__).parents[1]


def types() -> dict[EventReason, str]:
    """Return `Normal`, `Warning` or `Normal, Warning` for every event that is told anywhere.

    A reason that is handed on by other means than a call that tells it may be either.
    """
    found: dict[EventReason, set[str]] = {}
    mentioned: set[EventReason] = set()
    for file in sorted(_PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            mentioned.update(_reason(node))
            if isinstance(node, ast.Call) and _name(node.func) in ("tell", "Event"):
                for argument in node.args:
                    for reason in _reason(argument):
                        found.setdefault(reason, set()).update(_types(node))
    for reason in mentioned - found.keys():
        found[reason] = {"Normal", "Warning"}
    return {reason: ", ".join(sorted(found[reason])) for reason in EventReason if reason in found}


def _reason(node: ast.AST) -> Iterator[EventReason]:
    match node:
        case ast.Attribute(value=ast.Name(id="EventReason"), attr=name) if name in EventReason.__members__:
            yield EventReason[name]


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _types(call: ast.Call) -> set[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "warning"]
    match given:
        case []:
            return {"Normal"}
        case [ast.Constant(value=bool(warning))]:
            return {"Warning" if warning else "Normal"}
        case _:
            return {"Normal", "Warning"}
