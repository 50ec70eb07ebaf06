"""Holds every build to the most important promises; the full benchmark is `python -m tests.bench.decision_quality`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.bench.catalogue import THREE_TIMES_SPARSE
from tests.bench.cells import GATE, PODLESS, UNAGED
from tests.bench.promises import PROMISES, Promise, quick_cells
from tests.bench.running import Results, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results() -> Results:
    return run(quick_cells(), jobs=2)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.text)
def test_promise_is_kept(promise: Promise, results: Results) -> None:
    assert promise.is_kept(results), f"{promise.found(results)}, but {promise.bound(results)}"


@pytest.mark.parametrize(
    ("name", "rule"), [("false rollback, bad news first", UNAGED), ("false rollback, lasting pod effects", PODLESS)]
)
def test_promise_is_seen_to_be_broken_without_the_part_that_keeps_it(name: str, rule: str) -> None:
    promise = next(promise for promise in PROMISES if promise.text == name)
    broken = run([replace(promise.cell, rules=(rule,))], jobs=2)[promise.cell.name][rule]
    assert not promise.is_kept({promise.cell.name: {GATE: broken}})


def test_figures_do_not_depend_on_the_number_of_processes() -> None:
    cell = THREE_TIMES_SPARSE.cell
    alone, together = (run([cell], jobs, repetitions=40, chunk=10)[cell.name] for jobs in (1, 2))
    for rule in cell.rules:
        np.testing.assert_array_equal(alone[rule].harm_look, together[rule].harm_look)
        np.testing.assert_array_equal(alone[rule].labels, together[rule].labels)
