"""One look as labelled rows, and what each test sees of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mpmath import mpf

from lossgate.stats import Arm, Cell, Increment, Look
from tests.stats.reference_numbers import Number
from tests.stats.reference_pods import NO_LOOK, PodRow
from tests.stats.reference_strata import Pair, Row

MAX_EMPTY_LOOKS = 10

Cells = Sequence[tuple[Cell, Increment]]


class CellLook(NamedTuple):
    """One look as labelled rows."""

    end: float
    stable: Cells
    canary: Cells

    def for_engine(self) -> Look:
        return Look(self.end, Arm.from_cells(self.stable), Arm.from_cells(self.canary))


def kind(look: CellLook, by_age: bool) -> str:
    """Return whether a look is taken, is empty (nothing to compare), or lacks the ages it should tell."""
    if by_age and any(not cell.age and row.n > 0 for cell, row in [*look.stable, *look.canary]):
        return "ages missing"
    return "taken" if any(pair.both for pair in age_row(look).values()) else "empty"


def hold(kinds: Sequence[str], looks: Sequence[CellLook]) -> str | None:
    """Return why nothing can be concluded after these looks, if so."""
    if "ages missing" in kinds:
        last = len(kinds) - 1 - kinds[::-1].index("ages missing")
        if not any(cell.age and row.n > 0 for look in looks[last + 1 :] for cell, row in [*look.stable, *look.canary]):
            return "AgesMissing"
    told = [(kind, look) for kind, look in zip(kinds, looks, strict=True) if kind != "ages missing"]
    if len(told) < MAX_EMPTY_LOOKS or any(kind != "empty" for kind, _ in told[-MAX_EMPTY_LOOKS:]):
        return None
    stable, canary = (any(row.n > 0 for _, row in arm) for arm in (told[-1][1].stable, told[-1][1].canary))
    return "NoLabelsCanary" if stable and not canary else "NoLabelsStable" if canary and not stable else "NoLabels"


def _total(cells: Cells) -> tuple[Number, Number, Number]:
    rows = [row for _, row in cells]
    return (
        sum((mpf(row.n) for row in rows), mpf(0)),
        sum((mpf(row.total) for row in rows), mpf(0)),
        sum((mpf(row.squares) for row in rows), mpf(0)),
    )


def age_row(look: CellLook) -> Row:
    return {age: _pair(look, "age", age) for age in _ages(look)}


def class_row(look: CellLook, name: str) -> Row:
    """Return what a class has over all ages."""
    return {name: _pair(look, "label_class", name)}


def _pair(look: CellLook, label: str, value: str) -> Pair:
    """Return what both arms have; canary labels without stable ones beside them count for nothing."""
    stable = _total([each for each in look.stable if getattr(each[0], label) == value])
    canary = _total([each for each in look.canary if getattr(each[0], label) == value]) if stable[0] > 0 else _total([])
    return Pair(*canary, *stable)


def _ages(look: CellLook) -> set[str]:
    return {cell.age for cell, _ in [*look.stable, *look.canary]}


def pod_row(look: CellLook) -> PodRow:
    if not any(pair.both for pair in age_row(look).values()):
        return NO_LOOK
    residuals: dict[str, Number] = {}
    dfs: dict[str, Number] = {}
    for age in {cell.age for cell, _ in look.stable}:
        told = [each for each in look.stable if each[0].age == age and each[0].pod]
        n, total, _ = _total(told)
        for pod in {cell.pod for cell, row in told}:
            own, own_total, _ = _total([each for each in told if each[0].pod == pod])
            if own > 0:
                residuals[pod] = residuals.get(pod, mpf(0)) + own_total - own * total / n
                dfs[pod] = dfs.get(pod, mpf(0)) + own * (1 - own / n)
    canary_pods = {cell.pod for cell, row in look.canary if cell.pod and row.n > 0}
    return PodRow(residuals, dfs, _total(look.stable)[0], len(canary_pods), True)
