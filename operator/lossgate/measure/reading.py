"""Reads the parts of a counting query's answer as numbers of one version, or as the reason why there are none."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lossgate.api.reasons import Reason
from lossgate.measure.counting import COUNTER, PART, Part, group_labels
from lossgate.measure.envelope import Row, shown
from lossgate.measure.errors import AmbiguousSeries, Question, shown_time
from lossgate.measure.source import (
    ArmLook,
    ArmReading,
    Baseline,
    BaselineAnswer,
    BaselineRequest,
    Flaw,
    LookAnswer,
    LookRequest,
    Missing,
    NonFiniteSum,
    Scope,
    Target,
)

_CONTRADICTION = 1e-3
"""Rounding of large counters stays far below this share of the squared mean; a contradiction does not."""


def read_looks(rows: Iterable[Row], request: LookRequest) -> LookAnswer:
    """Return one reading per target and look; a target is given only the rows that carry exactly its labels."""
    cells = _cells(rows, group_labels(request.scope, request.targets))
    siblings: dict[_Key, list[_Cells]] = {}
    for target in request.targets:
        siblings.setdefault(_key(target, revision=""), []).append(cells.get(_key(target), {}))
    arms = {}
    for target in request.targets:
        neighbours = _key(target, revision="")
        surroundings = _Surroundings(siblings[neighbours], cells.get(neighbours, {}))
        arm = _Arm(request.scope, target, cells.get(_key(target), {}), surroundings)
        arms[target] = tuple(arm.look(end) for end in request.ends)
    return LookAnswer(arms)


def read_baseline(rows: Iterable[Row], request: BaselineRequest) -> BaselineAnswer:
    """Return the history of the one version that was asked for."""
    cells = _cells(rows, group_labels(request.scope, [request.target]))
    own = cells.get(_key(request.target), {})
    surroundings = _Surroundings([own], cells.get(_key(request.target, revision=""), {}))
    return _Arm(request.scope, request.target, own, surroundings).history(request.at)


def check_rows(rows: Iterable[Row], group: Sequence[str], question: Question) -> None:
    """Guarantee that each row is one that was asked for, and that no two say the same thing of the same version.

    Raises:
        AmbiguousSeries: More labels than the query leaves, or two rows where one is expected: one would be believed.
    """
    asked, seen = {*group, COUNTER, PART}, set[tuple[str, ...]]()
    remedy = "whatever answers between here and Prometheus must hand on the answer as it is, without labels of its own"
    for row in rows:
        others = sorted(row.labels.keys() - asked)
        if others or row.labels.get(PART) not in _PARTS or not row.labels.get(COUNTER):
            what = f"a series with labels that the query does not leave: {shown(', '.join(others)) or 'too few'}"
            raise AmbiguousSeries(what, question, remedy)
        key = tuple(row.labels.get(label, "") for label in (*group, COUNTER, PART))
        if key in seen:
            what = f"two series where one is expected: {row.labels[PART]} of {shown(row.labels[COUNTER])}"
            raise AmbiguousSeries(what, question, remedy)
        seen.add(key)


_PARTS = frozenset(str(part) for part in Part)
_Key = tuple[str, ...]
_Cells = Mapping[tuple[str, str], Mapping[int, float]]


def _cells(rows: Iterable[Row], group: Sequence[str]) -> dict[_Key, dict[tuple[str, str], Mapping[int, float]]]:
    """Values by version, then by part and counter. A label that a series lacks is the same as an empty one."""
    found: dict[_Key, dict[tuple[str, str], Mapping[int, float]]] = {}
    for row in rows:
        key = tuple(row.labels.get(label, "") for label in group)
        found.setdefault(key, {})[row.labels.get(PART, ""), row.labels.get(COUNTER, "")] = row.values
    return found


def _key(target: Target, revision: str | None = None) -> _Key:
    revision = target.revision if revision is None else revision
    return (target.namespace, revision, *(value for _, value in target.matchers))


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What was seen in the same namespace, under the same matchers: of all versions, and of none in particular."""

    versions: Sequence[_Cells]
    unmarked: _Cells

    def seen_before(self, counter: str, end: int) -> bool:
        return any(version.get((Part.KNOWN, counter), {}).get(end) for version in self.versions)

    def without_revision(self, counter: str, end: int) -> float:
        """Series that carry no revision, as long as none carries one: others may share the namespace."""
        if any(self.versions):
            return 0.0
        return self.unmarked.get((Part.UNMARKED, counter), {}).get(end, 0.0)


@dataclass(frozen=True, slots=True)
class _Arm:
    scope: Scope
    target: Target
    cells: _Cells
    surroundings: _Surroundings

    def look(self, end: int) -> ArmReading:
        """Numbers only if all three loss counters come from the same series, moved together and are possible."""
        names = self.scope.series
        n = self._value(Part.INCREMENT, names.count, end)
        problem: NonFiniteSum | Flaw | None = self._uncountable(end)
        if problem:
            return problem
        if n is None:
            return self._without_count(end)
        problem = self._stale(end) or self._unlike(end, n) or self._restarted_apart(end) or self._born_anew(end)
        if problem:
            return problem
        total = self._value(Part.INCREMENT, names.sum, end) or 0.0
        squares = self._value(Part.INCREMENT, names.sum_of_squares, end) or 0.0
        if self._impossible(n, total, squares):
            what = f"{n:g} labels cannot have losses that add up to {total:g} and, squared, to {squares:g}"
            return self._flaw(end, Reason.COUNTERS_WENT_BACK, f"{what}: export one batch's counters together")
        non_finite = self._number(Part.INCREMENT, names.non_finite, end)
        stood, stands = (self._number(part, names.count, end) for part in (Part.STOOD, Part.STANDS))
        return ArmLook(end, n, total, squares, non_finite, self._predictions(end), stood, stands)

    def history(self, at: int) -> BaselineAnswer:
        names = self.scope.series
        n = self._value(Part.INCREMENT, names.count, at)
        labels_rate, predictions_rate = (self._number(Part.RATE, name, at) for name in (names.count, names.predictions))
        problem: NonFiniteSum | Flaw | None = self._uncountable(at)
        if problem:
            return problem
        if n is None:
            return self._unmarked(at) or Missing(at, predictions_rate, self._none_matched(at))
        problem = self._unlike(at, n)
        if problem:
            return problem
        total = self._value(Part.INCREMENT, names.sum, at) or 0.0
        squares = self._value(Part.INCREMENT, names.sum_of_squares, at) or 0.0
        return Baseline(n, total, squares, labels_rate, predictions_rate)

    def _uncountable(self, end: int) -> Flaw | None:
        count = self.scope.series.count
        is_number = math.isfinite(self._value(Part.INCREMENT, count, end) or 0.0)
        if is_number and not self._value(Part.NON_FINITE, count, end):
            return None
        return self._flaw(end, Reason.PARTIAL_DATA, f"{count} is NaN or infinite: fix what exports it")

    def _stale(self, end: int) -> Flaw | None:
        if self._value(Part.FRESH, self.scope.series.count, end) is not None:
            return None
        return self._flaw(end, Reason.STALE_SAMPLES, "no sample came lately: see whether its pods run and are scraped")

    def _without_count(self, end: int) -> ArmReading:
        names = self.scope.series
        if self._value(Part.FRESH, names.count, end) is not None:
            what = "its counters came back after a gap, or from values that were no numbers"
            return self._flaw(end, Reason.STALE_SAMPLES, f"{what}; this look is dropped, the next one counts")
        return self._unmarked(end) or Missing(end, self._predictions(end), self._none_matched(end))

    def _unmarked(self, end: int) -> Flaw | None:
        count = self.scope.series.count
        unmarked = self.surroundings.without_revision(count, end)
        if not unmarked:
            return None
        what = f"{unmarked:g} series of {count} carry no label {self.scope.revision_label}"
        remedy = "so versions cannot be told apart: relabel them from the pod label lossgate.io/revision"
        return self._flaw(end, Reason.AMBIGUOUS_SERIES, f"{what}, {remedy}")

    def _unlike(self, end: int, n: float) -> NonFiniteSum | Flaw | None:
        names = self.scope.series
        for name in (names.sum, names.sum_of_squares):
            if n > 0 and self._value(Part.NON_FINITE, name, end):
                return NonFiniteSum(end, n, f"{n:g} labels came and {name} is NaN or infinite: {self._place(end)}")
        expected = self._value(Part.SERIES, names.count, end) or 0.0
        for name in (names.sum, names.sum_of_squares):
            found = self._value(Part.SERIES, name, end) or 0.0
            value = self._value(Part.INCREMENT, name, end)
            if found != expected or value is None or not math.isfinite(value):
                what = f"{name} can be read from {found:g} of the {expected:g} series that have {names.count}"
                return self._flaw(end, Reason.PARTIAL_DATA, f"{what}: export both from the same pods, as numbers")
        return None

    def _restarted_apart(self, end: int) -> Flaw | None:
        names = self.scope.series
        counters = (names.count, names.sum, names.sum_of_squares)
        restarted = {name: self._value(Part.RESTARTED, name, end) or 0.0 for name in counters}
        if len(set(restarted.values())) == 1:
            return None
        what = ", ".join(f"{name} in {count:g} series" for name, count in restarted.items())
        remedy = "a restart sets all back, and losses are never negative; this look is dropped"
        return self._flaw(end, Reason.COUNTERS_WENT_BACK, f"counters went back apart ({what}): {remedy}")

    def _born_anew(self, end: int) -> Flaw | None:
        """A server that lost its data sees old counters for the first time; counted from zero they would be twice."""
        count = self.scope.series.count
        if not self._value(Part.BORN, count, end) or self.surroundings.seen_before(count, end):
            return None
        what = "all series of all versions are new to the source, so old counts cannot be told from new ones"
        return self._flaw(end, Reason.PARTIAL_DATA, f"{what}; this look is dropped, see whether its storage was lost")

    @staticmethod
    def _impossible(n: float, total: float, squares: float) -> bool:
        """Cauchy and Schwarz: the square of a sum is at most n times the sum of squares."""
        return min(n, total, squares) < 0 or n * squares < total * total * (1 - _CONTRADICTION)

    def _value(self, part: Part, counter: str, end: int) -> float | None:
        return self.cells.get((part, counter), {}).get(end)

    def _number(self, part: Part, counter: str, end: int) -> float | None:
        value = self._value(part, counter, end)
        return value if value is not None and math.isfinite(value) else None

    def _predictions(self, end: int) -> float | None:
        return self._number(Part.INCREMENT, self.scope.series.predictions, end)

    def _flaw(self, end: int, reason: Reason, what: str) -> Flaw:
        return Flaw(end, reason, f"{what} ({self._place(end)})")

    def _none_matched(self, end: int) -> str:
        return f"0 series matched {self.scope.series.count} ({self._place(end)})"

    def _place(self, end: int) -> str:
        own = ", ".join(f'{name}="{value}"' for name, value in zip(self._labels(), _key(self.target), strict=True))
        return f"{{{own}}} at {shown_time(end)}"

    def _labels(self) -> tuple[str, ...]:
        return group_labels(self.scope, [self.target])
