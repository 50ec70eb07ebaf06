"""Draws a promoted and a rolled-back rollout side by side: `python -m e2e.demo.picture RECORDING PICTURE`.

From top to bottom: the mean loss of both versions, the interval of their difference closing against the margin, and the
share of the requests that the new version gets. Each traffic step is judged on its own evidence, so that loss and
interval begin anew at every step.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from e2e.demo.acts import PROMOTED
from e2e.demo.recording import Recording, Take
from e2e.demo.sample import Sample
from lossgate.api.reasons import Phase
from lossgate.stats.config import MIN_LOOKS_HARM, MIN_LOOKS_SAFE

__all__ = ["draw"]

_VERSIONS = ("v2", "v3")
_SIZE_INCHES = (9.6, 6.4)
_FIRST_LOOK_SHOWN = 5
"""Before it, the interval is wider than any picture."""
_LEAD_SECONDS = 4.0
"""Shown before the canary's first request."""
_TAIL_SECONDS = 10.0
_TAIL_SHARE = 0.08
"""The larger of the two is shown after all requests went one way; the share is of the time up to the decision."""

_INK, _MUTED, _RULE = "#1f2933", "#6b7785", "#dde2e7"
_STABLE = "#7b8794"
_GOOD, _BAD = "#0f7b6c", "#c2410c"
_MARGIN = "#9a6700"


def draw(recording: Recording, path: Path) -> None:
    """Draw the two rollouts to a file whose suffix names the format.

    Raises:
        ValueError: The recording lacks one of them.
    """
    takes = {take.version: take for take in recording.takes}
    if missing := [version for version in _VERSIONS if version not in takes]:
        raise ValueError(f"the recording has no rollout of {', '.join(missing)}: run the demo to its end")
    with matplotlib.rc_context(_style()):
        figure, axes = plt.subplots(
            3, len(_VERSIONS), figsize=_SIZE_INCHES, sharex="col", height_ratios=[3, 4, 1.6], layout="constrained"
        )
        figure.get_layout_engine().set(w_pad=0.08, h_pad=0.05, wspace=0.04)
        for column, version in enumerate(_VERSIONS):
            _draw_take(axes[:, column], takes[version], recording)
        for row, label in enumerate(("mean loss", "difference", "canary share")):
            axes[row, 0].set_ylabel(label)
        figure.align_ylabels()
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata)
        plt.close(figure)


def _style() -> dict[str, object]:
    return {
        "svg.hashsalt": "lossgate",
        "font.family": "DejaVu Sans",
        "font.size": 11.5,
        "figure.facecolor": "white",
        "savefig.dpi": 100,
        "text.color": _INK,
        "axes.edgecolor": _RULE,
        "axes.labelcolor": _MUTED,
        "axes.titlelocation": "left",
        "axes.titlesize": 14,
        "axes.titlepad": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": "#eef1f4",
        "xtick.color": _MUTED,
        "ytick.color": _MUTED,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
    }


def _draw_take(axes: Sequence[Axes], take: Take, recording: Recording) -> None:
    promoted = take.result == PROMOTED
    colour, verdict = (_GOOD, "promoted") if promoted else (_BAD, "rolled back")
    samples = _shown(take.samples)
    start = _first_share(samples).time
    loss, delta, weight = axes
    loss.set_title(f"{take.version}: {verdict}", color=colour, fontweight="bold")
    segments = [_Segment(part, start) for part in _steps(samples) if part]
    _draw_loss(loss, segments, colour, take)
    minimum_looks = MIN_LOOKS_SAFE if promoted else MIN_LOOKS_HARM
    margins = [recording.step_margins[part.step] if promoted else recording.margin for part in segments]
    _draw_delta(delta, segments, colour, minimum_looks)
    _draw_margins(delta, segments, margins)
    _frame_delta(delta, segments, [0.0, *margins], minimum_looks)
    deciding = segments[-1].upper if promoted else segments[-1].lower
    delta.plot(segments[-1].seconds[-1], deciding[-1], "o", color=colour, markersize=7, markeredgecolor="white")
    _draw_weight(weight, samples, start, colour)
    weight.set_xlim(-_LEAD_SECONDS, samples[-1].time - start)
    weight.set_xlabel("seconds since the first request")
    for axis in axes:
        axis.axvline(_decision(samples).time - start, color=colour, linewidth=1, linestyle=(0, (1, 2)))


def _shown(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples from shortly before the canary's first share to shortly after all requests went one way."""
    first, decision = _first_share(samples).time, _decision(samples).time
    settled = next((s.time for s in samples if s.time >= decision and s.canary_weight_percent in (0, 100)), decision)
    tail_seconds = max(_TAIL_SECONDS, _TAIL_SHARE * (decision - first))
    return [s for s in samples if first - _LEAD_SECONDS <= s.time <= settled + tail_seconds]


def _first_share(samples: Sequence[Sample]) -> Sample:
    return next(sample for sample in samples if sample.canary_weight_percent > 0)


def _decision(samples: Sequence[Sample]) -> Sample:
    return next((s for s in samples if s.phase in (Phase.PROMOTING, Phase.ROLLING_BACK)), samples[-1])


def _steps(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Yield the samples of each traffic step up to the decision, without those that hold no numbers."""
    last = _decision(samples).time
    judged = (s for s in samples if s.time <= last and s.delta is not None and s.looks >= _FIRST_LOOK_SHOWN)
    for _, part in itertools.groupby(judged, key=lambda sample: sample.step):
        yield list(part)


class _Segment:
    """The samples of one traffic step as curves over time."""

    def __init__(self, samples: Sequence[Sample], start: float) -> None:
        self.step = samples[0].step or 0
        self.seconds = [sample.time - start for sample in samples]
        self.looks = [sample.looks for sample in samples]
        self.stable_loss = [_number(sample.stable_loss) for sample in samples]
        self.canary_loss = [_number(sample.canary_loss) for sample in samples]
        self.delta = [_number(sample.delta) for sample in samples]
        self.lower = [_number(sample.lower) for sample in samples]
        self.upper = [_number(sample.upper) for sample in samples]


def _number(value: float | None) -> float:
    """Return the value; what is not known is a gap in the curve."""
    return math.nan if value is None else value


def _draw_loss(axes: Axes, segments: Sequence[_Segment], colour: str, take: Take) -> None:
    for part in segments:
        axes.plot(part.seconds, part.stable_loss, color=_STABLE, linewidth=2)
        axes.plot(part.seconds, part.canary_loss, color=colour, linewidth=2)
    last = segments[-1]
    for value, name, ink in (
        (last.canary_loss[-1], take.version, colour),
        (last.stable_loss[-1], take.stable_version, _STABLE),
    ):
        axes.annotate(name, (last.seconds[-1], value), xytext=(6, 0), textcoords="offset points",
                      va="center", color=ink, fontweight="bold")  # fmt: skip
    axes.margins(y=0.15)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))


def _draw_delta(axes: Axes, segments: Sequence[_Segment], colour: str, minimum_looks: int) -> None:
    """Draw the interval, paler while there are too few looks for a verdict."""
    axes.axhline(0, color=_STABLE, linewidth=0.8)
    for part in segments:
        early = [looks <= minimum_looks for looks in part.looks]
        late = [looks >= minimum_looks for looks in part.looks]
        axes.fill_between(part.seconds, part.lower, part.upper, where=early, color=colour, alpha=0.13, linewidth=0)
        axes.fill_between(part.seconds, part.lower, part.upper, where=late, color=colour, alpha=0.35, linewidth=0)
        axes.plot(part.seconds, part.delta, color=colour, linewidth=2)


def _draw_margins(axes: Axes, segments: Sequence[_Segment], margins: Sequence[float]) -> None:
    """Draw what the interval must lie below, or above, for the step to end."""
    for part, margin in zip(segments, margins, strict=True):
        axes.plot([part.seconds[0], part.seconds[-1]], [margin, margin], color=_MARGIN, linewidth=1.5, dashes=(4, 2))
        axes.annotate(f"margin {margin:.0%}", (part.seconds[0], margin), xytext=(0, 3), textcoords="offset points",
                      va="bottom", color=_MARGIN, fontsize=10, fontweight="bold")  # fmt: skip


def _frame_delta(axes: Axes, segments: Sequence[_Segment], lines: Sequence[float], minimum_looks: int) -> None:
    """Show the lines and the interval once it is half-way to a verdict: the first looks tell too little to be whole."""
    axes.text(0.02, 0.03, f"no verdict before look {minimum_looks}", transform=axes.transAxes, color=_MUTED, fontsize=9)
    bounds = [
        bound
        for part in segments
        for looks, low, high in zip(part.looks, part.lower, part.upper, strict=True)
        for bound in (low, high)
        if looks >= minimum_looks / 2
    ]
    low, high = min(*lines, *bounds), max(*lines, *bounds)
    room = 0.15 * (high - low)
    axes.set_ylim(low - room, high + room)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _draw_weight(axes: Axes, samples: Sequence[Sample], start: float, colour: str) -> None:
    seconds = [sample.time - start for sample in samples]
    weights = [sample.canary_weight_percent / 100 for sample in samples]
    axes.fill_between(seconds, weights, step="post", color=colour, alpha=0.85, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def main() -> None:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m e2e.demo.picture", description="Draws the demo's rollouts.")
    parser.add_argument("recording", type=Path, help="what the demo recorded, build/demo.json")
    parser.add_argument("picture", type=Path, help="the file to write, docs/rollout.svg")
    options = parser.parse_args()
    draw(Recording.read(options.recording), options.picture)


if __name__ == "__main__":
    main()
