"""docs/reference/refused.md: what a real API server says to manifests that are wrong.

The rows are the ones of `test_admission.py`, in whose order they stand; its tests hold the page against the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.docs.reference.markdown import GENERATED, cell, code, table

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "refused.md"

_INTRODUCTION = """
# What is refused, and in which words

Each line is a manifest that the API server refused in a test, and what `kubectl` shows: the field, what was written,
and what to write instead. Fields that the left column leaves out were right. [modelrollout.md](modelrollout.md) has all
fields.

"""
_PREFIX = re.compile(r'^The ModelRollout "[^"]*" is invalid: ?')
_REST = "Invalid value: null: some validation rules were not checked because the object was invalid"


def row(changes: Mapping[str, Any], answer: str) -> str:
    """Return the line of the page for what was written and what the API server answered."""
    return table_row(code(cell(_written(changes))), "<br>".join(cell(words) for words in messages(answer)))


def table_row(*cells: str) -> str:
    """Return a line of the table."""
    return f"| {' | '.join(cells)} |\n"


def messages(answer: str) -> list[str]:
    """Return what was said of each field, without what the API server adds of itself, in an order that stays."""
    text = _PREFIX.sub("", answer.strip())
    lines = [line.strip().removeprefix("* ") for line in text.splitlines() if line.strip()]
    return sorted(line for line in lines if _REST not in line)


def page(rows: Iterable[str]) -> str:
    """Return the page with these lines."""
    return GENERATED + _INTRODUCTION + table(["written in `spec`", "refused with"], []) + "".join(rows)


def _written(changes: Mapping[str, Any]) -> str:
    """Return the changes as YAML people would write on one line."""
    return ", ".join(f"{name}: {_value(value)}" for name, value in changes.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_value(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
