"""Runs cells in parallel; the result does not depend on how many processes there are."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import numpy as np

from tests.bench.cells import AnyCell
from tests.bench.measures import Outcomes

SEED = 7_102_533
CHUNK = 250
"""Repetitions of one task; a cell's repetitions are rounded up to whole chunks."""

Results = dict[str, dict[str, Outcomes]]
"""By cell, then by rule."""


def run(
    cells: Sequence[AnyCell],
    jobs: int,
    repetitions: int | None = None,
    chunk: int = CHUNK,
    on_progress: Callable[[str, int], None] = lambda name, repetitions: None,
) -> Results:
    """Return the outcomes of all cells.

    Args:
        cells: What to run.
        jobs: Processes.
        repetitions: Of each cell; None: its own.
        chunk: Repetitions of one task.
        on_progress: Called with a cell's name and the repetitions just finished.
    """
    tasks = [(cell, part) for cell in cells for part in range(repetitions_of(cell, repetitions, chunk) // chunk)]
    parts: dict[tuple[str, int], dict[str, Outcomes]] = {}
    # A fresh process does not inherit threads that a test runner may have started.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_run_part, cell, part, chunk): (cell.name, part) for cell, part in tasks}
        for future in as_completed(futures):
            parts[futures[future]] = future.result()
            on_progress(futures[future][0], chunk)
    return {
        cell.name: {
            rule: Outcomes.joined([parts[name, part][rule] for name, part in sorted(parts) if name == cell.name])
            for rule in cell.rules
        }
        for cell in cells
    }


def repetitions_of(cell: AnyCell, repetitions: int | None, chunk: int) -> int:
    """Return how often a cell is repeated: as often as asked, else its own number, in whole chunks."""
    return -(-(repetitions or cell.repetitions) // chunk) * chunk


def _run_part(cell: AnyCell, part: int, chunk: int) -> dict[str, Outcomes]:
    seed = np.random.SeedSequence(SEED, spawn_key=(zlib.crc32(cell.name.encode()), part))
    return cell.run(np.random.Generator(np.random.SFC64(seed)), chunk)
