"""Every two choices together at least once, in few combinations."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

Choice = tuple[str, str]
"""A flag and what is chosen for it."""


def pairwise(flags: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Return combinations in which any two choices of two flags meet; the same ones every time."""
    missing = {
        frozenset(((one, a), (other, b)))
        for one, other in itertools.combinations(flags, 2)
        for a, b in itertools.product(flags[one], flags[other])
    }
    rows = []
    while missing:
        row = dict(sorted(min(missing, key=sorted)))
        for flag in flags:
            if flag not in row:
                row[flag] = max(flags[flag], key=lambda choice: _new((flag, choice), row, missing))
        missing -= {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}
        rows.append(row)
    return rows


def _new(choice: Choice, row: Mapping[str, str], missing: set[frozenset[Choice]]) -> int:
    return sum(frozenset((choice, other)) in missing for other in row.items())
