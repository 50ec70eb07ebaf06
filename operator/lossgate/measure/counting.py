"""The PromQL that counts: what counters rose by between two grid points, and the history behind the baseline.

One query serves all targets. Counters keep their metric name in the label `COUNTER`, so that one expression counts
all of them, each series on its own; every aggregate says in the label `PART` what it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lossgate.measure.errors import AmbiguousSeries, Question
from lossgate.measure.promql import is_label_name, matching_any, quoted
from lossgate.measure.source import MAX_REVISIONS, BaselineRequest, LookRequest, Scope, Target

COUNTER = "lossgate_counter"
PART = "lossgate_part"


class Part(StrEnum):
    """What one aggregate of the answer holds, by version and counter."""

    INCREMENT = "increment"
    """What the counter rose by."""
    SERIES = "series"
    """How many series the increment adds up."""
    RESTARTED = "restarted"
    """How many of them went back, so that they were counted from zero."""
    BORN = "born"
    """How many of them were never seen before, so that they were counted from zero."""
    KNOWN = "known"
    """How many series were seen well before the look."""
    NON_FINITE = "non_finite"
    """How many series stand at NaN or infinity."""
    FRESH = "fresh"
    """How many series got a sample lately."""
    UNMARKED = "unmarked"
    """How many series carry no revision at all."""
    STOOD = "stood"
    """What the counter stood at where the look began: as it stood where the one before ended, or the source forgot."""
    STANDS = "stands"
    """What it stands at where the look ends."""
    RATE = "rate"
    """What the counter rose by, per second, in the time just before."""


@dataclass(frozen=True, slots=True)
class LookBacks:
    """How far back series are looked for, in seconds."""

    last_seconds: int = 15 * 60
    """A series silent for longer has no value at a grid point: its next one is a birth or the end of a gap."""
    birth_seconds: int = 60 * 60
    """A series seen within this time before the look is no birth, so its value is not counted from zero."""
    known_seconds: int = 60
    """Births are believed where some version was seen this long before the look, and not much longer, or all series may
    be new only because the server lost its data; longer than pods take to be scraped once."""
    fresh_seconds: int = 5 * 60
    """A version none of whose series got a sample for this long is stale; Prometheus's own look-back."""


LOOK_BACKS = LookBacks()
HISTORY_SECONDS = 7 * 24 * 60 * 60
RATE_SECONDS = 10 * 60
RATE_STEP_SECONDS = 5


def look_query(request: LookRequest, look_backs: LookBacks = LOOK_BACKS) -> str:
    """Return the query whose value at a look's end holds every part of that look, for all targets of the request.

    Raises:
        AmbiguousSeries: The versions cannot be told apart by what the request says.
        ValueError: Targets with different matcher labels, or more than `MAX_REVISIONS` revisions.
    """
    scope, targets, interval = request.scope, request.targets, request.interval_seconds
    check(scope, targets, request.last_end)
    names, matchers = scope.series, _matchers(scope, targets)
    loss_names = (names.count, names.sum, names.sum_of_squares)
    every = Counters((*loss_names, names.non_finite, names.predictions), matchers)
    losses = Counters(loss_names, matchers)
    count = Counters((names.count,), matchers)
    unmarked = Counters((names.count,), _matchers(scope, targets, without_revision=True))
    now = losses.at(look_backs.last_seconds)
    before = losses.at(look_backs.last_seconds, interval)
    fresh = _named(f"count_over_time({count.selector}[{look_backs.fresh_seconds}s])", names.count)
    return _joined(
        group_labels(scope, targets),
        (
            (Part.INCREMENT, "sum", increment(every, interval, look_backs)),
            (Part.SERIES, "count", increment(losses, interval, look_backs)),
            (Part.RESTARTED, "count", f"{now} < {before}"),
            (Part.BORN, "count", births(count, interval, look_backs)),
            (Part.KNOWN, "count", count.at(look_backs.last_seconds, interval + look_backs.known_seconds)),
            (Part.STOOD, "sum", count.at(look_backs.last_seconds, interval)),
            (Part.STANDS, "sum", count.at(look_backs.last_seconds)),
            (Part.NON_FINITE, "count", f"{now} * 0 != 0"),
            (Part.FRESH, "count", fresh),
            (Part.UNMARKED, "count", unmarked.at(look_backs.last_seconds)),
        ),
    )


def baseline_query(request: BaselineRequest) -> str:
    """Return the query whose value at `request.at` holds a version's history and its present rates.

    `increase()` over a range longer than the data covers the data there is. It extrapolates to the ends of the range
    by at most a scrape interval, by the same factor for all counters of a pod, so that means are right and the number
    of labels is right to within a scrape. Rates divide by the time since the first sample, not by the whole range: a
    version that has run for a minute is not taken for a slow one.

    Raises:
        AmbiguousSeries: The versions cannot be told apart by what the request says.
    """
    scope, targets = request.scope, (request.target,)
    check(scope, targets, request.at)
    names, group = scope.series, group_labels(scope, targets)
    matchers = _matchers(scope, targets)
    losses = [Counters((name,), matchers) for name in (names.count, names.sum, names.sum_of_squares)]
    arrivals = [Counters((name,), matchers) for name in (names.count, names.predictions)]
    unmarked = Counters((names.count,), _matchers(scope, targets, without_revision=True))
    history = " or ".join(_named(f"increase({c.selector}[{HISTORY_SECONDS}s])", c.names[0]) for c in losses)
    return _joined(
        group,
        (
            (Part.INCREMENT, "sum", history),
            (Part.SERIES, "count", history),
            (Part.NON_FINITE, "count", f"({history}) * 0 != 0"),
            (Part.RATE, "sum", " or ".join(_named(_rate(c, group), c.names[0]) for c in arrivals)),
            (Part.UNMARKED, "count", unmarked.at(LOOK_BACKS.last_seconds)),
        ),
    )


def check(scope: Scope, targets: Sequence[Target], at: float) -> None:
    """Guarantee that every target of a query gets the series of its own version only.

    Raises:
        AmbiguousSeries: The versions cannot be told apart by these labels.
        ValueError: Targets with different matcher labels, or more than `MAX_REVISIONS` revisions.
    """
    if not 0 < len({(t.namespace, t.revision) for t in targets}) <= MAX_REVISIONS:
        raise ValueError(f"{len(targets)} targets asked for: ask for 1 to {MAX_REVISIONS} at once")
    labels = group_labels(scope, targets)
    if any(group_labels(scope, [target]) != labels for target in targets):
        raise ValueError("targets with different matcher labels cannot share a query: ask for them apart")
    question = Question(scope.access.url, "not sent", at)
    for label in labels:
        if not is_label_name(label) or label.startswith("__"):
            what = f"{label!r} is no label name, so versions cannot be told apart by it"
            raise AmbiguousSeries(what, question, "write a label that the loss series carry, such as revision")
    if len(set(labels)) < len(labels):
        what = f"the labels {', '.join(labels)} name one label twice"
        raise AmbiguousSeries(
            what, question, "namespace and revision are matched already: take them out of the selector"
        )
    if len(set(targets)) < len(targets) or any(not t.namespace or not t.revision for t in targets):
        what = "two versions, or one without a name, match the same series"
        raise AmbiguousSeries(what, question, "ask for every version once, by namespace and revision")
    if not all(_is_text(value) for t in targets for value in (t.namespace, t.revision, *(v for _, v in t.matchers))):
        what = "a value holds half of a character, which is no text that could be asked for"
        raise AmbiguousSeries(what, question, "write the values of loss.selector in UTF-8")


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def group_labels(scope: Scope, targets: Sequence[Target]) -> tuple[str, ...]:
    """Return the labels whose values identify a target in the answer: namespace, revision, then the matchers'."""
    return (scope.namespace_label, scope.revision_label, *(name for name, _ in targets[0].matchers))


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters by metric name, within matchers."""

    names: tuple[str, ...]
    matchers: tuple[str, ...]

    @property
    def selector(self) -> str:
        """The series of these counters."""
        return "{" + ", ".join((matching_any("__name__", self.names), *self.matchers)) + "}"

    def at(self, look_back_seconds: int, offset_seconds: int = 0) -> str:
        """Return the last value of each series within the look-back, with its metric name in the label `COUNTER`.

        Arithmetic ignores metric names, so without that label the counters of one pod would be one series.
        """
        offset = f" offset {offset_seconds}s" if offset_seconds else ""
        last = f"last_over_time({self.selector}[{look_back_seconds}s]{offset})"
        return f'label_replace({last}, "{COUNTER}", "$1", "__name__", "(.+)")'


def increment(counters: Counters, interval_seconds: int, look_backs: LookBacks) -> str:
    """Return what each series rose by in the interval: never more than the truth.

    The difference; a restarted series from zero; a series never seen before from zero; a series that comes back after
    a gap not at all. A NaN satisfies no comparison, so a series that is or was NaN is left out as well.
    """
    last = counters.at(look_backs.last_seconds)
    previous = counters.at(look_backs.last_seconds, interval_seconds)
    return f"({last} - {previous}) >= 0 or ({last} < {previous}) or ({births(counters, interval_seconds, look_backs)})"


def births(counters: Counters, interval_seconds: int, look_backs: LookBacks) -> str:
    """Return the value of each series that was never seen before the interval."""
    return f"{counters.at(look_backs.last_seconds)} unless {counters.at(look_backs.birth_seconds, interval_seconds)}"


def _rate(counter: Counters, group: tuple[str, ...]) -> str:
    labels = ", ".join(group)
    risen = f"sum by ({labels}) (increase({counter.selector}[{RATE_SECONDS}s]))"
    first_sample = f"min_over_time(timestamp({counter.selector})[{RATE_SECONDS}s:{RATE_STEP_SECONDS}s])"
    return f"{risen} / ((time() - min by ({labels}) ({first_sample})) > 0)"


def _named(expression: str, counter: str) -> str:
    return f'label_replace({expression}, "{COUNTER}", {_literal(counter)}, "", "")'


def _literal(text: str) -> str:
    """A `$` in the replacement of label_replace would name a group."""
    return quoted(text.replace("$", "$$"))


def _joined(group: tuple[str, ...], aggregates: Iterable[tuple[Part, str, str]]) -> str:
    labels = ", ".join((*group, COUNTER))
    return "\nor ".join(
        f'label_replace({function} by ({labels}) ({expression}), "{PART}", "{part}", "", "")'
        for part, function, expression in aggregates
    )


def _matchers(scope: Scope, targets: Sequence[Target], *, without_revision: bool = False) -> tuple[str, ...]:
    """Every query names the namespace; the product of the alternatives is wider than the targets, never narrower."""
    revisions = [""] if without_revision else [target.revision for target in targets]
    own = (
        matching_any(name, (target.matchers[i][1] for target in targets))
        for i, (name, _) in enumerate(targets[0].matchers)
    )
    return (
        matching_any(scope.namespace_label, (target.namespace for target in targets)),
        matching_any(scope.revision_label, revisions),
        *own,
    )
