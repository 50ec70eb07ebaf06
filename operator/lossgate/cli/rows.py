"""Rows of recorded evidence as they are written: CSV with a header, or JSON lines with the same names."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from lossgate.cli.exits import BadData

REQUIRED = ("time", "arm", "n", "sum")
COLUMNS = (*REQUIRED, "sumsq", "label_age", "class", "pod", "step", "nonfinite")

Cells = tuple[Any, ...]
"""One row's values in the order of `COLUMNS`, as text or JSON values; None where the file has no such column."""


class BadRow(BadData):
    """A row cannot be used."""

    def __init__(self, row: int, column: str | None, what: str) -> None:
        super().__init__(f"row {row}{f', column {column}' if column else ''}: {what}")


class Written(NamedTuple):
    """The columns of a file and its rows, each with its number; the first line of the file is row 1."""

    columns: frozenset[str]
    rows: Iterator[tuple[int, Cells]]


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """Open a file of rows; "-" is standard input.

    Raises:
        BadData: It cannot be read.
    """
    if str(file) == "-":
        yield sys.stdin
        return
    try:
        lines = file.open(encoding="utf-8", newline="")
    except OSError as error:
        raise BadData(f"{file}: {error.strerror}") from None
    with lines:
        yield lines


def read(lines: TextIO) -> Written:
    """Return what is written, read as it is asked for.

    Raises:
        BadData: No rows, not UTF-8, not CSV or JSON, columns that are missing, unknown or given twice.
    """
    decoded = _decoded(lines)
    # Spreadsheets begin their exports with a byte order mark.
    first = next(decoded, "").removeprefix("\ufeff")
    if not first.strip():
        raise BadRow(1, None, f"no header: the first line names the columns, {','.join(COLUMNS)}")
    every = itertools.chain([first], decoded)
    return _json(every) if first.lstrip().startswith("{") else _csv(every)


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise BadData(f"the file is not UTF-8 text ({error}): export it as CSV or JSON lines in UTF-8") from None


def _csv(lines: Iterable[str]) -> Written:
    reader = csv.reader(lines, strict=True)
    header = [name.strip() for name in _next(reader) or []]
    for name in header:
        if header.count(name) > 1:
            raise BadRow(1, name, "the header names it twice")
    _check_names(header, 1)
    places = [header.index(name) if name in header else -1 for name in COLUMNS]
    return Written(frozenset(header), _csv_rows(reader, itemgetter(*places), len(header)))


def _csv_rows(reader: Any, in_order: itemgetter[Any], width: int) -> Iterator[tuple[int, Cells]]:
    while (cells := _next(reader)) is not None:
        if len(cells) != width:
            if not cells:
                continue
            raise BadRow(reader.line_num, None, f"it has {len(cells)} cells, the header {width}")
        cells.append(None)
        yield reader.line_num, in_order(cells)


def _next(reader: Any) -> list[Any] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        raise BadRow(reader.line_num, None, f"not CSV: {error}") from None


def _json(lines: Iterable[str]) -> Written:
    numbered = enumerate(lines, start=1)
    first = _object(*next(numbered))
    _check_names(list(first), 1)
    return Written(frozenset(first), _json_rows(first, numbered))


def _json_rows(first: dict[str, Any], numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Cells]]:
    columns = first.keys()
    yield 1, tuple(first.get(name) for name in COLUMNS)
    for row, line in numbered:
        if line.isspace():
            continue
        values = _object(row, line)
        if values.keys() != columns:
            _check_same(columns, values.keys(), row)
        yield row, tuple(map(values.get, COLUMNS))


def _object(row: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise BadRow(row, None, f"not JSON: {error}") from None
    if not isinstance(values, dict):
        raise BadRow(row, None, "every line must be one JSON object")
    for name, value in values.items():
        if isinstance(value, bool | list | dict):
            raise BadRow(row, name, f"{json.dumps(value)} is neither a number nor text")
    return values


def _check_names(names: list[str], row: int) -> None:
    for name in names:
        if name not in COLUMNS:
            raise BadRow(row, name, f"there is no such column; the columns are {', '.join(COLUMNS)}")
    for name in REQUIRED:
        if name not in names:
            raise BadRow(row, name, f"it is missing; {', '.join(REQUIRED)} are needed, the file has {', '.join(names)}")


def _check_same(columns: Iterable[str], names: Iterable[str], row: int) -> None:
    _check_names(list(names), row)
    for name in names:
        if name not in columns:
            raise BadRow(row, name, "row 1 does not have it: give it in every row, a label that is not known as null")
