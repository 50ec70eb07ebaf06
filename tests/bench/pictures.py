"""Draws the two pictures of docs/statistics.md: `python -m tests.bench.pictures FOLDER`.

Both come from seeded streams that go through the real engine; what their captions count is counted here. The seed was
set once and not chosen among others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter
from numpy.typing import NDArray
from scipy.stats import ttest_ind_from_stats

from lossgate.stats import Arm, Gate, GateConfig, Increment, Judgement, Look, Verdict
from lossgate.stats.arrays import Array
from lossgate.stats.bank import Bank
from lossgate.stats.config import MIN_LOOKS_HARM, MIN_LOOKS_SAFE
from lossgate.stats.rules import Rules
from tests.bench.losses import BASELINE
from tests.bench.peers import FIRST_LOOK, RISK
from tests.bench.streams import Stream

PEEKING, VERDICT = "statistics-peeking.svg", "statistics-verdict.svg"
SEED = 7_102_533
STREAMS = 200
STEPS_PERCENT = (5, 25, 50)
MARGIN, EARLY_MARGIN = 0.05, 0.20
EFFECT = 0.10
"""The drawn canary is worse by this."""
MAX_LOOKS = 500

_INK, _MUTED, _RULE = "#1f2933", "#6b7785", "#dde2e7"
_GATE, _HARM, _MARGIN = "#0f7b6c", "#c2410c", "#9a6700"
_DATA_AND_AXES = ("data", "axes fraction")
_STYLE = {
    "svg.hashsalt": "lossgate",
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "figure.facecolor": "white",
    "text.color": _INK,
    "axes.edgecolor": _RULE,
    "axes.labelcolor": _MUTED,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
}


@dataclass(frozen=True, slots=True, eq=False)
class Peeking:
    """Pairs of equal versions, looked at all the time.

    Attributes:
        p: Welch's one-sided p value of all labels so far, shape (looks, streams).
        is_called: Whether the gate, at a margin of 0, has found harm by then, same shape.
        shown: Of the streams whose p value fell below .05 and ends above it, the one where it was smallest.
        harm: The gate's evidence for harm in that stream as a share of what is needed; NaN while there is none.
    """

    p: Array
    is_called: NDArray[np.bool_]
    shown: int
    harm: Array

    @property
    def was_below(self) -> NDArray[np.bool_]:
        """Whether the p value has been below .05 at any look so far, shape (looks, streams)."""
        below = self.p < RISK
        below[: FIRST_LOOK - 1] = False
        seen: NDArray[np.bool_] = np.logical_or.accumulate(below)
        return seen

    @property
    def caption(self) -> str:
        """What happened in all streams."""
        ever, last = int(self.was_below[-1].sum()), int((self.p[-1] < RISK).sum())
        looks, streams = self.p.shape
        return (
            f"{streams} pairs of equal versions, {looks} looks each. p was below .05 at some look in {ever} of them, "
            f"at the last look in {last}.\nThe gate, at a margin of 0, found harm in {int(self.is_called[-1].sum())}. "
            "Left: of the streams that p called worse and took back, the one with the smallest p."
        )


class JudgedLook(NamedTuple):
    """One look of a rollout."""

    step: int
    look_of_step: int
    judgement: Judgement


def peeking(streams: int = STREAMS, looks: int = MAX_LOOKS, seed: int = SEED) -> Peeking:
    """Look at pairs of equal versions, at 5 % canary share, with the p value and with the gate.

    Raises:
        ValueError: In no stream p called a version worse and took it back; more streams are needed.
    """
    draw = np.random.Generator(np.random.SFC64(seed))
    observed = [look.whole for look in Stream(looks=looks).runs(draw, streams)]
    config = GateConfig(margin=0.0, step_margin=MARGIN)
    bank = Bank.start(Rules.side_by_side(config, BASELINE, tests=streams), strata=1)
    called = []
    for moments in observed:
        bank = bank.advance(moments[:, None])
        called.append(bank.harm)
    p, is_called = _welch_p(np.cumsum(observed, axis=0)), np.array(called)
    found = Peeking(p, is_called, shown=-1, harm=np.empty(0))
    came_back = found.was_below[-1] & (p[-1] > RISK)
    if not came_back.any():
        raise ValueError(f"in none of {streams} streams p fell below {RISK} and came back: take more streams")
    shown = int(np.argmin(np.where(came_back, p[FIRST_LOOK - 1 :].min(axis=0), 1.0)))
    judgements = _judged(config, (moments[:, shown] for moments in observed), lambda judgement: False)
    harm = np.array([np.nan if judgement.harm is None else judgement.harm for judgement in judgements])
    return Peeking(p, is_called, shown, harm)


def rollout(seed: int = SEED) -> list[JudgedLook]:
    """Judge a canary that is 10 % worse, step by step, until it is rolled back or promoted."""
    draw = np.random.Generator(np.random.SFC64(seed))
    judged: list[JudgedLook] = []
    for step, percent in enumerate(STEPS_PERCENT):
        stream = Stream(looks=MAX_LOOKS, shares=((0, percent / 100),), effect=(EFFECT,))
        config = GateConfig(margin=MARGIN, step_margin=_step_margin(step), steps=len(STEPS_PERCENT))
        moments = (observation.whole[:, 0] for observation in stream.runs(draw, tests=1))
        judgements = _judged(config, moments, lambda judgement: judgement.verdict is not Verdict.CONTINUE)
        judged += [JudgedLook(step, look, judgement) for look, judgement in enumerate(judgements, 1)]
        if judged[-1].judgement.verdict is not Verdict.NON_INFERIOR:
            break
    return judged


def draw_peeking(found: Peeking, path: Path) -> None:
    """Draw what the p value and the gate said of equal versions."""
    looks = np.arange(1, len(found.p) + 1)
    with _figure(path, found.caption) as figure:
        places: dict[str, Axes] = figure.subplot_mosaic([["p", "all"], ["harm", "all"]], width_ratios=[1.25, 1])
        p, harm, total = places["p"], places["harm"], places["all"]
        values = found.p[:, found.shown]
        p.plot(looks, values, color=_HARM, linewidth=1.4)
        is_worse = (values < RISK) & (looks >= FIRST_LOOK)
        p.fill_between(looks, values, RISK, where=is_worse, color=_HARM, alpha=0.35, linewidth=0)
        p.axhline(RISK, color=_MARGIN, linewidth=1.2, dashes=(4, 2))
        p.set_yscale("log")
        p.set_yticks([0.001, 0.01, 0.05, 0.5])
        p.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        p.minorticks_off()
        p.set_title("One pair: the p value, looked at all the time")
        p.text(looks[-1], 0.001, "below .05: called worse", ha="right", va="center", color=_MARGIN)
        harm.plot(looks, found.harm, color=_GATE, linewidth=1.4)
        harm.axhline(1.0, color=_MARGIN, linewidth=1.2, dashes=(4, 2))
        harm.annotate("needed for a rollback", (looks[-1], 1.0), xytext=(0, -4), textcoords="offset points",
                      ha="right", va="top", color=_MARGIN)  # fmt: skip
        harm.set_ylim(-0.03, 1.15)
        harm.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        harm.set_title("The same labels: the gate's evidence for harm")
        harm.set_xlabel("look")
        p.sharex(harm)
        p.tick_params(labelbottom=False)
        for name, is_called, colour in (("p value", found.was_below, _HARM), ("gate", found.is_called, _GATE)):
            shares = is_called.mean(axis=1)
            total.plot(looks, shares, color=colour, linewidth=2)
            total.annotate(name, (looks[-1], shares[-1]), xytext=(0, 5), textcoords="offset points",
                           ha="right", color=colour, fontweight="bold")  # fmt: skip
        total.axhline(RISK, color=_MARGIN, linewidth=1.2, dashes=(4, 2))
        total.annotate("promised: at most 5 %", (looks[-1], RISK), xytext=(0, 4), textcoords="offset points",
                       ha="right", color=_MARGIN)  # fmt: skip
        total.set_ylim(-0.01, None)
        total.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        total.set_title("All pairs: share called worse so far")
        total.set_xlabel("look")


def draw_verdict(judged: list[JudgedLook], path: Path) -> None:
    """Draw one rollout: the interval of the difference closing against the margins, and the evidence."""
    with _figure(path, verdict_caption(judged)) as figure:
        delta, evidence = figure.subplots(2, 1, sharex=True, height_ratios=[5, 3])
        for step in range(judged[-1].step + 1):
            part = [look.judgement for look in judged if look.step == step]
            begin = sum(look.step < step for look in judged)
            looks = np.arange(begin + 1.0, begin + len(part) + 1.0)
            _draw_interval(delta, looks, part, _step_margin(step))
            _draw_evidence(evidence, looks, part)
            delta.annotate(f"canary at {STEPS_PERCENT[step]} %", (begin + 1, 1.0), xycoords=_DATA_AND_AXES,
                           xytext=(3, -2), textcoords="offset points", va="top", color=_MUTED)  # fmt: skip
            verdict = part[-1].verdict
            for axes in (delta, evidence):
                axes.axvline(looks[-1], color=_colour(verdict), linewidth=1)
            delta.annotate(f"{verdict}, look {len(part)}", (looks[-1], 0.02), xycoords=_DATA_AND_AXES,
                           xytext=(-4, 0), textcoords="offset points", ha="right", fontweight="bold",
                           color=_colour(verdict))  # fmt: skip
        for name, margin in {"margin": MARGIN, "step's margin": _step_margin(judged[-1].step)}.items():
            delta.annotate(f"{name} {_percent(margin)}", (len(judged), margin), xytext=(5, 0),
                           textcoords="offset points", va="center", color=_MARGIN)  # fmt: skip
        delta.axhline(0.0, color=_MUTED, linewidth=0.8)
        delta.set_xlim(0, 1.15 * len(judged))
        delta.set_ylim(-0.30, 0.50)
        delta.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        delta.set_ylabel("canary - stable")
        delta.set_title("delta and its interval")
        evidence.axhline(1.0, color=_MARGIN, linewidth=1.2, dashes=(4, 2))
        evidence.set_ylim(-0.05, 1.6)
        evidence.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        evidence.set_ylabel("of what is needed")
        evidence.set_title("evidence")
        evidence.set_xlabel("look")
        for name, colour, height in (("harm", _HARM, 0.15), ("safety", _GATE, 0.6)):
            evidence.annotate(name, (len(judged), height), xytext=(5, 0), textcoords="offset points", va="center",
                              color=colour, fontweight="bold")  # fmt: skip
        figure.align_ylabels()


def verdict_caption(judged: list[JudgedLook]) -> str:
    """Return what became of each step."""
    said = [f"A canary that is {_percent(EFFECT)} worse, margin {_percent(MARGIN)}."]
    for step in range(judged[-1].step + 1):
        end = [look for look in judged if look.step == step][-1]
        match end.judgement.verdict:
            case Verdict.NON_INFERIOR:
                what = f"a rise above {_percent(_step_margin(step))} is ruled out, the step is left"
            case Verdict.HARM:
                what = f"the whole interval is above {_percent(MARGIN)}, rollback"
            case _:
                what = "nothing is shown"
        said.append(f"At {STEPS_PERCENT[step]} % of the traffic, look {end.look_of_step}: {what}.")
    pale = f"Pale: too early to count, before look {MIN_LOOKS_HARM} for harm and {MIN_LOOKS_SAFE} for safety."
    return "\n".join([" ".join(said[:2]), " ".join(said[2:]), pale])


def _draw_interval(axes: Axes, looks: Array, judgements: list[Judgement], step_margin: float) -> None:
    estimate, lower, upper = (
        _numbers(judgements, lambda judgement: judgement.delta),
        _numbers(judgements, lambda judgement: judgement.lower),
        _numbers(judgements, lambda judgement: judgement.upper),
    )
    for part, strength in _early_and_late(MIN_LOOKS_HARM):
        axes.fill_between(looks[part], lower[part], upper[part], color=_GATE, alpha=0.3 * strength, linewidth=0)
        axes.plot(looks[part], estimate[part], color=_GATE, alpha=strength, linewidth=1.8)
    for margin in (MARGIN, step_margin):
        axes.plot([looks[0], looks[-1]], [margin, margin], color=_MARGIN, linewidth=1.2, dashes=(4, 2))


def _draw_evidence(axes: Axes, looks: Array, judgements: list[Judgement]) -> None:
    for number, least, colour in (
        (lambda judgement: judgement.harm, MIN_LOOKS_HARM, _HARM),
        (lambda judgement: judgement.safety, MIN_LOOKS_SAFE, _GATE),
    ):
        values = _numbers(judgements, number)
        for part, strength in _early_and_late(least):
            axes.plot(looks[part], values[part], color=colour, alpha=strength, linewidth=1.6)


def _early_and_late(least: int) -> tuple[tuple[slice, float], ...]:
    """Return the looks that are too early to count and the others, which share one, and how strongly to draw them."""
    return (slice(0, least), 0.35), (slice(least - 1, None), 1.0)


def _colour(verdict: Verdict) -> str:
    return _HARM if verdict is Verdict.HARM else _GATE


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _step_margin(step: int) -> float:
    return MARGIN if step == len(STEPS_PERCENT) - 1 else EARLY_MARGIN


def _numbers(judgements: list[Judgement], number: Callable[[Judgement], float | None]) -> Array:
    values = (number(judgement) for judgement in judgements)
    return np.array([np.nan if value is None else value for value in values])


def _judged(config: GateConfig, looks: Iterator[Array], is_last: Callable[[Judgement], bool]) -> list[Judgement]:
    """Return what the gate says after each look, up to the one that `is_last`; looks have shape (6,)."""
    gate, judgements = Gate.start(config, BASELINE), list[Judgement]()
    for end, (canary_n, canary_sum, canary_squares, n, total, squares) in enumerate(looks, 1):
        stable, canary = Increment(n, total, squares), Increment(canary_n, canary_sum, canary_squares)
        gate = gate.observe(Look(float(end), Arm.of(stable), Arm.of(canary)))
        judgements.append(gate.judge())
        if is_last(judgements[-1]):
            break
    return judgements


def _welch_p(totals: Array) -> Array:
    """Return Welch's p value that the canary is worse, from totals of shape (looks, 6, streams)."""
    n, losses, squares = totals.reshape(len(totals), 2, 3, -1).transpose(2, 1, 0, 3)
    mean, deviation = losses / n, np.sqrt((squares - losses * losses / n) / (n - 1.0))
    canary, stable = zip(mean, deviation, n, strict=True)
    return np.asarray(ttest_ind_from_stats(*canary, *stable, equal_var=False, alternative="greater").pvalue)


@contextmanager
def _figure(path: Path, caption: str) -> Iterator[Figure]:
    """Give a figure to draw on, and save it with its caption; equal figures make equal files."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 5.6), layout="constrained")
        yield figure
        figure.supxlabel(caption, x=0.01, ha="left", fontsize=10, color=_INK)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def main() -> None:
    """Draw both pictures into a folder."""
    if len(sys.argv) != 2:
        sys.exit("Usage: python -m tests.bench.pictures FOLDER")
    folder = Path(sys.argv[1])
    found, judged = peeking(), rollout()
    draw_peeking(found, folder / PEEKING)
    draw_verdict(judged, folder / VERDICT)
    for name, caption in ((PEEKING, found.caption), (VERDICT, verdict_caption(judged))):
        print(f"Wrote {folder / name}: {' '.join(caption.split())}")


if __name__ == "__main__":
    main()
