"""Benchmark of the engine: `python -m tests.bench.engine_speed [--beside FOLDER]` says what a look costs.

Each figure is processor time without garbage collection, and a multiple of the least that any engine has to do: to
merge count, mean and sum of squares of both versions, on arrays that are at hand (`merged`), timed in turns with it.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from rich.console import Console
from rich.progress import track
from rich.table import Table

from lossgate.stats import Gate, pack, unpack
from tests.bench.engine_states import (
    CLASSES_AND_AGES,
    EVERYTHING,
    PLAIN,
    Feed,
    after,
    leapt,
    look_as_array,
    many_gates,
    many_tests,
    merged,
)

REPEATS = 21
ROUNDS = 3
"""Of both engines in turns, where two are compared."""
ROLLOUTS = 1000
LOOKS_BEFORE = 128
LOOKS_TIMED = 64
"""A whole period of the ladder's lower levels, so that looks that close many blocks count as often as they come."""
FAR = (10, 1_000, 100_000)
SIZES = (100, 10_000, 2_000_000)
_LEAST_SECONDS = 0.01

Action = Callable[[], object]
State = Callable[[Feed, int], Gate]


@dataclass(frozen=True, slots=True)
class Case:
    """What is timed: calls that each do `units` of something, and the plain update that goes with one of them."""

    name: str
    action: Action
    plain: Action
    units: int = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of one unit, and as a multiple of the plain update timed right after it (the median)."""

    name: str
    best: float
    median: float
    ratio: float


def cost(case: Case, repeats: int = REPEATS) -> Cost:
    """Return what a case costs; the plain update is timed in turns with it, so that both meet the same machine."""
    ours, plain, was_on = [], [], gc.isenabled()
    gc.disable()
    try:
        calls, plain_calls = _calls(case.action), _calls(case.plain)
        for _ in range(repeats):
            ours.append(_seconds(case.action, calls) / case.units * 1e6)
            plain.append(_seconds(case.plain, plain_calls) * 1e6)
    finally:
        if was_on:
            gc.enable()
    return Cost(case.name, min(ours), median(ours), median(a / b for a, b in zip(ours, plain, strict=True)))


def look_case(name: str, feed: Feed, looks_before: int = LOOKS_BEFORE, state: State = after) -> Case:
    """Return the case of looks one after the other, each followed by the question for the verdict."""
    gate = state(feed, looks_before)
    looks = [feed.look(float(looks_before + k)) for k in range(1, LOOKS_TIMED + 1)]

    def observe() -> None:
        latest = gate
        for look in looks:
            latest = latest.observe(look)
            latest.verdict()

    return Case(name, observe, _plain(feed), LOOKS_TIMED)


def judge_case(name: str, feed: Feed) -> Case:
    """Return the case of the verdict with all numbers behind it."""
    return Case(name, after(feed, LOOKS_BEFORE).judge, _plain(feed))


def restart_case(name: str, feed: Feed) -> Case:
    """Return the case of a state that is written, and read by a process that has not read it yet."""
    gate = after(feed, LOOKS_BEFORE)
    return Case(name, lambda: unpack.__wrapped__(pack(gate)), _plain(feed))


def rollouts_cases(rollouts: int = ROLLOUTS) -> tuple[Case, Case]:
    """Return the cases of one look of each of many rollouts: one by one, and side by side."""
    bank, look = many_tests(rollouts)
    gates = many_gates(bank, look)
    merge_one, merge_all = merged(look[:, :, :1]), merged(look)

    def one_by_one() -> None:
        for gate, its_look in gates:
            gate.observe(its_look).verdict()

    def merge_one_by_one() -> None:
        for _ in range(rollouts):
            merge_one()

    return (
        Case(f"a look of {rollouts:,} rollouts, one by one", one_by_one, merge_one_by_one),
        Case(f"a look of {rollouts:,} rollouts, side by side", lambda: bank.advance(look), merge_all),
    )


def import_cost(plain: Action, repeats: int = 7) -> Cost:
    """Return what the import costs a fresh process, by the clock on the wall."""
    program = "import time; t = time.perf_counter(); import lossgate.stats; print(time.perf_counter() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout) * 1e6
        for _ in range(repeats)
    ]
    calls = _calls(plain)
    update = median(_seconds(plain, calls) for _ in range(REPEATS)) * 1e6
    return Cost("import in a fresh process", min(times), median(times), median(times) / update)


def all_costs(progress: Callable[[Sequence[Callable[[], Cost]]], Sequence[Callable[[], Cost]]]) -> list[Cost]:
    """Return the costs of everything."""
    one_by_one, side_by_side = rollouts_cases()
    cases = [
        look_case("look and verdict, plain", PLAIN),
        look_case("look and verdict, 10 classes and 5 ages", CLASSES_AND_AGES),
        look_case("look and verdict, 16 classes, 8 ages and 40 pods", EVERYTHING),
        judge_case("judgement, plain", PLAIN),
        judge_case("judgement, 10 classes and 5 ages", CLASSES_AND_AGES),
        one_by_one,
        side_by_side,
        restart_case("written and read, plain", PLAIN),
        restart_case("written and read, 10 classes and 5 ages", CLASSES_AND_AGES),
        *(look_case(f"plain look after {looks:,}", PLAIN, looks, leapt) for looks in FAR),
        *(
            look_case(f"look with 10 classes and 5 ages after {looks:,}", CLASSES_AND_AGES, looks, leapt)
            for looks in FAR
        ),
    ]
    tasks: list[Callable[[], Cost]] = [lambda case=case: cost(case) for case in cases]  # type: ignore[misc]
    tasks.append(lambda: import_cost(_plain(PLAIN)))
    return [task() for task in progress(tasks)]


def packed_sizes() -> list[tuple[str, int]]:
    """Return how many characters the state has after so many looks."""
    feeds = {"plain": PLAIN, "16 classes, 8 ages, 40 pods": EVERYTHING}
    return [
        (f"{name}, after {looks:,} looks", len(pack(leapt(feed, looks))))
        for name, feed in feeds.items()
        for looks in SIZES
    ]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--beside", metavar="FOLDER", help="folder with another copy of the package `lossgate`, measured in turns"
    )
    parser.add_argument("--json", action="store_true", help="print the costs as JSON instead of the tables")
    chosen = parser.parse_args(arguments)
    if chosen.json:
        print(json.dumps([asdict(found) for found in all_costs(lambda tasks: tasks)]))
        return 0
    console = Console()
    if chosen.beside:
        _print_beside(console, chosen.beside)
        return 0
    costs = all_costs(lambda tasks: list(track(tasks, "measuring", console=console, transient=True)))
    table = Table("what", "best, µs", "median, µs", "plain updates", title=f"Best and median of {REPEATS}")
    _justify(table)
    for found in costs:
        table.add_row(found.name, f"{found.best:,.1f}", f"{found.median:,.1f}", f"{found.ratio:,.1f}")
    console.print(table)
    sizes = Table("state", "characters", title="Packed")
    _justify(sizes)
    for name, size in packed_sizes():
        sizes.add_row(name, f"{size:,}")
    console.print(sizes)
    return 0


def _print_beside(console: Console, folder: str) -> None:
    """Print two comparisons; where they disagree, the machine was too busy for either to be believed."""
    here, there = [], []
    for _ in track(range(ROUNDS), "measuring both", console=console, transient=True):
        there.append(_costs_of(folder))
        here.append(_costs_of(None))
    head = ("there", "here", "here / there")
    table = Table("what", *(f"best, µs\n{name}" for name in head), *(f"plain updates\n{name}" for name in head))
    _justify(table)
    for ours, theirs in zip(zip(*here, strict=True), zip(*there, strict=True), strict=True):
        best, their_best = min(found.best for found in ours), min(found.best for found in theirs)
        ratio, their_ratio = median(found.ratio for found in ours), median(found.ratio for found in theirs)
        numbers = (f"{their_best:,.1f}", f"{best:,.1f}", f"{best / their_best:.2f}")
        table.add_row(ours[0].name, *numbers, f"{their_ratio:,.1f}", f"{ratio:,.1f}", f"{ratio / their_ratio:.2f}")
    console.print(table)


def _costs_of(folder: str | None) -> list[Cost]:
    """Return the costs with the package from a folder, or with this one, in a process of its own."""
    environment = dict(os.environ) if folder is None else {**os.environ, "PYTHONPATH": os.path.abspath(folder)}
    program = [sys.executable, "-m", "tests.bench.engine_speed", "--json"]
    text = subprocess.run(program, check=True, capture_output=True, text=True, env=environment).stdout
    return [Cost(**found) for found in json.loads(text)]


def _justify(table: Table) -> None:
    for column in table.columns[1:]:
        column.justify = "right"


def _plain(feed: Feed) -> Action:
    return merged(look_as_array(feed))


def _calls(action: Action) -> int:
    """Return how many calls make a time that the clock can tell."""
    return max(1, math.ceil(_LEAST_SECONDS / max(_seconds(action, 1), 1e-6)))


def _seconds(action: Action, calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        action()
    return (time.process_time() - start) / calls


if __name__ == "__main__":
    sys.exit(main())
