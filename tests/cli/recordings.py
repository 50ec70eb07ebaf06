"""Recordings as files, and the program run on them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from lossgate.cli.main import main

START = 1_790_000_000
INTERVAL_SECONDS = 30
BASELINE = ("--baseline-mean", "0.3", "--baseline-variance", "0.7")

Row = dict[str, Any]


def time_of(look: int) -> int:
    return START + INTERVAL_SECONDS * look


def a_row(look: int, arm: str, n: float = 200, mean: float = 0.3, variance: float = 0.7, **labels: Any) -> Row:
    sums = {"n": n, "sum": n * mean, "sumsq": n * (variance + mean * mean)}
    return {"time": time_of(look), "arm": arm, **sums, **labels}


def looks(
    numbers: Iterable[int],
    stable: float = 0.3,
    canary: float | None = 0.3,
    labels: tuple[float, float] = (3800, 200),
    **columns: Any,
) -> list[Row]:
    """Looks at constant means; without a canary they are history."""
    rows = []
    for look in numbers:
        rows.append(a_row(look, "stable", labels[0], stable, **columns))
        if canary is not None:
            rows.append(a_row(look, "canary", labels[1], canary, **columns))
    return rows


def golden(x: float, count: int = 200) -> list[Row]:
    """The streams of golden value 9: sums that swing with sine and cosine."""
    rows = []
    for k in range(1, count + 1):
        stable = {"time": time_of(k), "arm": "stable", "n": 3800, "sum": 1140 + 20 * math.cos(k), "sumsq": 2900}
        canary = {"time": time_of(k), "arm": "canary", "n": 200, "sum": x + 6 * math.sin(k), "sumsq": 170}
        rows += [stable, canary]
    return rows


def without(rows: Iterable[Row], *columns: str) -> list[Row]:
    return [{name: value for name, value in row.items() if name not in columns} for row in rows]


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json_lines(rows: Iterable[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program said."""

    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The looks of `--json`."""
        return [json.loads(line) for line in self.output.splitlines()][:-1]

    @property
    def final(self) -> dict[str, Any]:
        last: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        final: dict[str, Any] = last["final"]
        return final

    @property
    def verdicts(self) -> list[str]:
        return [line["verdict"] for line in self.lines]


def run(*arguments: str, given: str | None = None) -> Answer:
    result = CliRunner().invoke(main, list(arguments), input=given, prog_name="lossgate")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def replay(folder: Path, content: str | list[Row], *options: str) -> Answer:
    """Run `lossgate replay` on a file of this content."""
    file = folder / "evidence"
    file.write_text(content if isinstance(content, str) else as_csv(content))
    return run("replay", str(file), *options)
