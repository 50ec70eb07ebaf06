"""Benchmark of the gate's decisions: `python -m tests.bench.decision_quality [--quick] [--write PAGE]`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from tests.bench.acceptance import acceptance
from tests.bench.catalogue import FULL
from tests.bench.cells import AnyCell
from tests.bench.promises import PROMISES, quick_cells
from tests.bench.report import page
from tests.bench.running import CHUNK, Results, repetitions_of, run


def main(arguments: list[str] | None = None) -> int:
    """Run, print what was promised and what was found, and return 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what the tests guard, by binomial bounds")
    parser.add_argument(
        "--reps", type=int, help="repetitions of each cell; below 1000 a figure may miss its bound by chance"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all processors)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the page, e.g. docs/decision-quality.md")
    chosen = parser.parse_args(arguments)
    if chosen.quick and chosen.write:
        parser.error("--write needs the full run: leave --quick out")
    for name in ("reps", "jobs"):
        value = getattr(chosen, name)
        if value is not None and value < 1:
            parser.error(f"--{name} is {value}: it must be at least 1")
    console = Console()
    cells = quick_cells() if chosen.quick else FULL
    results = _run_with_bar(console, cells, chosen.jobs, chosen.reps)
    if chosen.quick:
        return _print(console, [(p.text, p.bound(results), p.found(results), p.is_kept(results)) for p in PROMISES])
    rows = acceptance(results)
    if chosen.write:
        chosen.write.write_text(page(results, rows))
        console.print(f"Wrote {chosen.write}")
    return _print(
        console,
        [
            (row.figure, row.bound, "\n".join(f"{check.what}: {check.shown}" for check in row.gate), row.is_met)
            for row in rows
            if row.decides
        ],
    )


def _run_with_bar(console: Console, cells: tuple[AnyCell, ...], jobs: int, repetitions: int | None) -> Results:
    columns = (TextColumn("{task.description:<42.42}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        total = sum(repetitions_of(cell, repetitions, CHUNK) for cell in cells)
        bar = progress.add_task("starting", total=total)

        def advance(name: str, done: int) -> None:
            progress.update(bar, advance=done, description=name)

        return run(cells, jobs, repetitions, on_progress=advance)


def _print(console: Console, rows: list[tuple[str, str, str, bool]]) -> int:
    table = Table("promise", "bound", "found", "")
    for figure, bound, found, is_kept in rows:
        table.add_row(figure, bound, found, "[green]PASS" if is_kept else "[red]FAIL", end_section=True)
    console.print(table)
    broken = sum(not is_kept for *_, is_kept in rows)
    console.print(f"{broken} of {len(rows)} promises are broken" if broken else f"All {len(rows)} promises are kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
