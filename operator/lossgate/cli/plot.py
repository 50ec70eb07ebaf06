"""Draws a replay: the losses, the interval of their difference, the margin and the verdict."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lossgate.cli.exits import BadData
from lossgate.cli.judging import Judged, Outcome, Replay
from lossgate.cli.reasons import reason
from lossgate.cli.recorded import Moment
from lossgate.cli.thinning import Thinned
from lossgate.stats import Verdict

SUFFIXES = (".svg", ".png")
POINTS = 1000
"""Looks drawn at most, evenly spaced; more than a picture has pixels."""
_FIRST_LOOK_SHOWN = 20
"""The scale is set by the interval from this look on: before, it is wider than any picture."""
_INK, _MUTED, _STABLE, _MARGIN = "#1f2933", "#6b7785", "#7b8794", "#9a6700"
_COLOURS = {Verdict.NON_INFERIOR: "#0f7b6c", Verdict.HARM: "#c2410c"}
_UNDECIDED = "#3b5b92"
_STYLE = {
    "svg.hashsalt": "lossgate",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "savefig.dpi": 100,
    "text.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#eef1f4",
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
}


def require() -> None:
    """Guarantee that pictures can be drawn.

    Raises:
        BadData: The drawing library is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise BadData("--plot needs matplotlib: pip install 'lossgate[plot]'") from None


@dataclass(frozen=True, slots=True)
class _Point:
    """One look; what is not known is NaN, a gap in the curve."""

    time: datetime
    step: str
    look: int
    stable: float
    canary: float
    mean_stable: float
    mean_canary: float
    delta: float
    lower: float
    upper: float
    step_margin: float


class Plot:
    """Takes the looks one by one and draws them at the end."""

    def __init__(self, replay: Replay, path: Path) -> None:
        self._replay, self._path = replay, path
        self._points: Thinned[_Point | None] = Thinned(POINTS)

    def look(self, judged: Judged) -> None:
        """Take the next look; numbers are worked out only for those drawn."""
        self._points.add(self._point(judged) if self._points.wants_next() else None)

    def final(self, outcome: Outcome) -> None:
        """Draw the picture.

        Raises:
            BadData: The file cannot be written.
        """
        import matplotlib
        from matplotlib.figure import Figure

        points = [point for point in self._points.items if point is not None]
        if points[-1].time != _time(outcome.last.moment):
            points.append(self._point(outcome.last))
        colour = _COLOURS.get(outcome.verdict, _UNDECIDED)
        with matplotlib.rc_context(_STYLE):
            figure = Figure(figsize=(9.6, 6.0), layout="constrained")
            loss, delta = figure.subplots(2, 1, sharex=True, height_ratios=[3, 4])
            title = f"{outcome.verdict}: {reason(outcome.last, self._replay.margins, self._replay.step_margin)}"
            loss.set_title(title, loc="left", color=colour, fontweight="bold", fontsize=11)
            segments = [list(part) for _, part in itertools.groupby(points, key=lambda point: point.step)]
            _draw_losses(loss, segments, colour)
            self._draw_delta(delta, segments, colour)
            for end in outcome.steps:
                if end.decided is not None:
                    for axes in (loss, delta):
                        axes.axvline(
                            _time(end.decided),
                            color=colour,
                            linewidth=1,
                            linestyle=(0, (1, 2)),
                        )
            try:
                figure.savefig(self._path, metadata={"Date": None} if self._path.suffix == ".svg" else None)
            except OSError as error:
                raise BadData(f"--plot {self._path}: {error.strerror}; name a file that can be written") from None

    def _point(self, judged: Judged) -> _Point:
        judgement = judged.judgement
        return _Point(
            time=_time(judged.moment),
            step=judged.step,
            look=judgement.looks,
            stable=judged.stable.total / judged.stable.n if judged.stable.n else math.nan,
            canary=judged.canary.total / judged.canary.n if judged.canary and judged.canary.n else math.nan,
            mean_stable=_number(judgement.mean_stable),
            mean_canary=_number(judgement.mean_canary),
            delta=_number(judgement.delta),
            lower=_number(judgement.lower),
            upper=_number(judgement.upper),
            step_margin=self._replay.step_margin,
        )

    def _draw_delta(self, axes: Any, segments: Sequence[Sequence[_Point]], colour: str) -> None:
        from matplotlib.ticker import PercentFormatter

        margins = self._replay.margins
        axes.axhline(0, color=_STABLE, linewidth=0.8)
        for part in segments:
            times = [point.time for point in part]
            lower, upper = [point.lower for point in part], [point.upper for point in part]
            axes.fill_between(times, lower, upper, color=colour, alpha=0.2, linewidth=0)
            axes.plot(times, [point.delta for point in part], color=colour, linewidth=1.8)
            for margin in {margins.harm, part[0].step_margin}:
                axes.plot([times[0], times[-1]], [margin, margin], color=_MARGIN, linewidth=1.4, dashes=(4, 2))
                axes.annotate(f"margin {margins.text(margin)}", (times[0], margin), xytext=(2, 3),
                              textcoords="offset points", color=_MARGIN, fontsize=9)  # fmt: skip
            if part[0].step:
                axes.annotate(f"step {part[0].step}", (times[0], 0.02), xycoords=("data", "axes fraction"),
                              color=_MUTED, fontsize=9)  # fmt: skip
        low, high = _frame(segments, [0.0, margins.harm, *(part[0].step_margin for part in segments)])
        axes.set_ylim(low, high)
        axes.set_ylabel("difference, canary - stable" + (" (loss)" if margins.absolute else ""))
        if not margins.absolute:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("time (UTC)")


def _draw_losses(axes: Any, segments: Sequence[Sequence[_Point]], colour: str) -> None:
    for index, part in enumerate(segments):
        times = [point.time for point in part]
        for name, ink, single, mean in (
            ("stable", _STABLE, [p.stable for p in part], [p.mean_stable for p in part]),
            ("canary", colour, [p.canary for p in part], [p.mean_canary for p in part]),
        ):
            axes.plot(times, single, ".", color=ink, markersize=3, alpha=0.35)
            axes.plot(times, mean, color=ink, linewidth=2, label=name if index == 0 else None)
    axes.set_ylabel("mean loss so far; dots: one look")
    axes.legend(loc="upper right", frameon=False, ncols=2)


def _frame(segments: Sequence[Sequence[_Point]], lines: Sequence[float]) -> tuple[float, float]:
    """Return the limits of an axis that shows the lines, and the interval once it has narrowed."""
    bounds = [*lines, *(bound for bound in _bounds(segments) if math.isfinite(bound))]
    low, high = min(bounds), max(bounds)
    return low - 0.12 * (high - low), high + 0.12 * (high - low)


def _bounds(segments: Sequence[Sequence[_Point]]) -> Iterator[float]:
    for part in segments:
        for point in part:
            if point.look >= min(_FIRST_LOOK_SHOWN, part[-1].look):
                yield from (point.lower, point.upper)


def _time(moment: Moment) -> datetime:
    return datetime.fromtimestamp(moment.end, UTC)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
