"""Writes the chart's README: its head from `README.md.in`, its table from the comments in `values.yaml`.

`python -m tests.chart.readme --write` after a change of either.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "charts" / "lossgate"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the chart, as a person reads of it."""

    path: str
    default: Any
    comment: str


def values(text: str) -> Iterator[Value]:
    """Yield every value of a `values.yaml`; a mapping whose keys have no comments is one value."""
    yield from _values(yaml.compose(text), text.splitlines(), "")


def readme(chart: Path = CHART) -> str:
    """Return the text of the README."""
    facts = yaml.safe_load((chart / "Chart.yaml").read_text())
    rows = [f"| `{value.path}` | `{_short(value.default)}` | {value.comment} |" for value in _documented(chart)]
    text = (chart / "README.md.in").read_text()
    for name in ("version", "appVersion", "kubeVersion"):
        text = text.replace(f"{{{{{name}}}}}", str(facts[name]).removesuffix("-0"))
    return text.replace("{{values}}", "\n".join(["| value | default | what it does |", "| --- | --- | --- |", *rows]))


def _documented(chart: Path) -> Iterator[Value]:
    for value in values((chart / "values.yaml").read_text()):
        if not value.comment:
            raise ValueError(f"values.yaml: {value.path} has no comment above it")
        yield value


def _values(node: yaml.Node | None, lines: list[str], parent: str) -> Iterator[Value]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"values.yaml: {parent or 'the whole'} is no mapping")
    for key, value in node.value:
        path = f"{parent}.{key.value}" if parent else str(key.value)
        comment = _comment(lines, key.start_mark.line, key.start_mark.column)
        is_block = isinstance(value, yaml.MappingNode) and value.value
        if is_block and not comment:
            yield from _values(value, lines, path)
        else:
            yield Value(path, yaml.SafeLoader("").construct_object(value, deep=True), comment)


def _comment(lines: list[str], line: int, column: int) -> str:
    """Return the comment right above a key, as one line."""
    start = " " * column + "# "
    first = line
    while first > 0 and lines[first - 1].startswith(start):
        first -= 1
    return " ".join(text.removeprefix(start).strip() for text in lines[first:line])


def _short(default: Any) -> str:
    return json.dumps(default)


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        (CHART / "README.md").write_text(readme())
    else:
        sys.stdout.write(readme())
