"""Recorded evidence, look by look: every row checked, nothing guessed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TextIO

from lossgate.cli import rows as written
from lossgate.cli.rows import BadRow, Cells
from lossgate.cli.times import Clock, Notation
from lossgate.stats import Arm, Cell, Increment
from lossgate.stats.config import MAX_AGES

STABLE, CANARY = "stable", "canary"
SQUARES_TOLERANCE = 1e-9
"""What rounding may take from a sum of squares, relatively."""
CLIP_TOLERANCE = 1e-4
"""The clip is often given with few digits."""


class Row(NamedTuple):
    """One row, checked. `increment` is None where the canary's loss was not a number; `nonfinite` is then above 0."""

    number: int
    end: float
    arm: str
    cell: Cell
    increment: Increment | None
    step: str
    nonfinite: float


class Moment(NamedTuple):
    """The end of a look: Unix seconds, and how the file writes it (ISO 8601 in UTC, or a number)."""

    end: float
    text: str | float


@dataclass(slots=True)
class Recorded:
    """All rows of one time. `canary` is empty in the stable version's history."""

    moment: Moment
    row: int
    """Number of its first row."""
    step: str
    stable: list[tuple[Cell, Increment]] = field(default_factory=list)
    canary: list[tuple[Cell, Increment]] = field(default_factory=list)
    has_canary: bool = False
    canary_is_number: bool = True
    nonfinite_stable: float = 0.0
    nonfinite_canary: float = 0.0

    @property
    def stable_arm(self) -> Arm:
        """The stable version's evidence."""
        return Arm.from_cells(self.stable)

    @property
    def canary_arm(self) -> Arm:
        """The canary's evidence; no evidence if its loss was not a number."""
        return Arm.from_cells(self.canary)


class Recording:
    """A file of recorded evidence: its columns, and its looks in the order of time, read as they are asked for."""

    def __init__(self, lines: TextIO, clip: float) -> None:
        """Read the header.

        Args:
            lines: The file.
            clip: Largest loss that one label can have; rows that deny it are refused.

        Raises:
            BadData: The header cannot be used.
        """
        self.columns, self._rows = written.read(lines)
        self._has_squares = "sumsq" in self.columns
        self._has_nonfinite = "nonfinite" in self.columns
        self._clip = clip * (1.0 + CLIP_TOLERANCE)
        self._clock = Clock()
        self._cells: dict[tuple[object, ...], Cell] = {}
        self._ages: set[str] = set()
        self.row_beyond_clip: int | None = None
        """The first row whose squares are too large for losses that are at most the clip."""

    def has(self, column: str) -> bool:
        """Return whether the file has an optional column."""
        return column in self.columns

    @property
    def lacks_time_zone(self) -> bool:
        """Whether the times read so far are taken for UTC because they tell no zone."""
        return self._clock.notation is Notation.ISO_WITHOUT_ZONE

    def looks(self) -> Iterator[Recorded]:
        """Yield the looks: first the stable version's history, then those with a canary.

        Raises:
            BadRow: A row cannot be used.
        """
        before: Recorded | None = None
        canary_seen = False
        for _, group in itertools.groupby(map(self._row, self._rows), key=_end):
            look = self._look(group)
            if before is not None and look.moment.end < before.moment.end:
                raise BadRow(look.row, "time", f"{look.moment.text} comes after {before.moment.text}: sort by time")
            self._check_arms(look, canary_seen)
            canary_seen = canary_seen or look.has_canary
            before = look
            yield look

    def _look(self, rows: Iterable[Row]) -> Recorded:
        first, *rest = rows
        look = Recorded(Moment(first.end, self._clock.text(first.end)), first.number, first.step)
        seen: dict[tuple[str, Cell], int] = {}
        for row in (first, *rest):
            if row.step != look.step:
                raise BadRow(row.number, "step", f"{row.step!r}, but row {look.row} of the same time has {look.step!r}")
            other = seen.setdefault((row.arm, row.cell), row.number)
            if other != row.number:
                raise BadRow(row.number, "time", f"row {other} has the same time, arm and labels: add the two up")
            if row.arm == STABLE:
                look.nonfinite_stable += row.nonfinite
                if row.increment is not None:
                    look.stable.append((row.cell, row.increment))
                continue
            look.has_canary = True
            look.nonfinite_canary += row.nonfinite
            if row.increment is None:
                look.canary_is_number = False
            else:
                look.canary.append((row.cell, row.increment))
        return look

    def _check_arms(self, look: Recorded, canary_seen: bool) -> None:
        missing = None
        if not look.stable:
            missing = STABLE
        elif canary_seen and not look.has_canary:
            missing = CANARY
        if missing:
            raise BadRow(
                look.row,
                "arm",
                f"no row of the {missing} version at {look.moment.text}: write one with n, sum and sumsq 0 if no "
                "label came, or leave the time out",
            )
        if look.has_canary and self.has("step") and not look.step:
            raise BadRow(look.row, "step", "empty; only the history before the canary's first row has no step")

    def _row(self, numbered: tuple[int, Cells]) -> Row:
        number, (time, arm, raw_n, raw_total, raw_squares, age, label_class, pod, step, raw_nonfinite) = numbered
        try:
            end = self._clock.read(time)
        except ValueError as error:
            raise BadRow(number, "time", str(error)) from None
        if arm not in (STABLE, CANARY):
            raise BadRow(number, "arm", f"{arm!r} is neither {STABLE} nor {CANARY}")
        n, total = _number(number, "n", raw_n), _number(number, "sum", raw_total)
        squares = _number(number, "sumsq", raw_squares) if self._has_squares else 0.0
        nonfinite = _number(number, "nonfinite", raw_nonfinite) if self._has_nonfinite else 0.0
        if not (0.0 <= nonfinite <= n < math.inf and self._is_possible(n, total, squares)):
            _explain_count(number, "n", n)
            _explain_count(number, "nonfinite", nonfinite)
            if nonfinite > n:
                raise BadRow(number, "nonfinite", f"{nonfinite:g} of {n:g} labels")
            if arm == CANARY and nonfinite > 0 and not math.isfinite(total):
                return Row(number, end, arm, self._cell(number, age, label_class, pod), None, _text(step), nonfinite)
            self._explain(number, n, total, squares)
        if squares > total * self._clip:
            self.row_beyond_clip = self.row_beyond_clip or number
        cell = self._cell(number, age, label_class, pod)
        return Row(number, end, arm, cell, Increment(n, total, squares), _text(step), nonfinite)

    def _is_possible(self, n: float, total: float, squares: float) -> bool:
        """Return whether losses between 0 and the clip can have these sums; NaN makes every comparison false."""
        if not 0.0 <= total <= n * self._clip:
            return False
        if not self._has_squares:
            return True
        if n == 0:
            return squares == 0
        return total * total * (1.0 - SQUARES_TOLERANCE) <= n * squares < math.inf

    def _explain(self, number: int, n: float, total: float, squares: float) -> None:
        """Raise for the first thing that is wrong with these sums."""
        for column, value in (("sum", total), ("sumsq", squares)):
            _explain_count(number, column, value)
        if n == 0:
            column = "sum" if total > 0 else "sumsq"
            raise BadRow(number, column, f"{max(total, squares):g} from no label: n is 0")
        if total > n * self._clip:
            raise BadRow(
                number,
                "sum",
                f"the mean loss {total / n:g} is above the clip: losses must be clipped before they are added up; pass "
                "the clip that was used as --clip",
            )
        raise BadRow(number, "sumsq", f"{squares:.10g} is below sum²/n = {total * total / n:.10g}: no losses add up so")

    def _cell(self, number: int, *labels: object) -> Cell:
        known = self._cells.get(labels)
        if known is not None:
            return known
        cell = self._cells[labels] = Cell(*map(_text, labels))
        self._ages.add(cell.age)
        if len(self._ages - {""}) > MAX_AGES:
            raise BadRow(number, "label_age", f"{cell.age!r} is the {MAX_AGES + 1}th label age: use at most {MAX_AGES}")
        return cell


def _number(number: int, column: str, raw: object) -> float:
    try:
        return float(raw)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        shown = "empty" if raw in (None, "") else f"{raw!r} is not a number"
        raise BadRow(number, column, shown) from None


def _explain_count(number: int, column: str, value: float) -> None:
    if not math.isfinite(value):
        raise BadRow(number, column, f"{value} is not a finite number")
    if value < 0:
        raise BadRow(number, column, f"{value:g} is negative; counters that went back are no evidence")


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _end(row: Row) -> float:
    return row.end
