"""All cells of the benchmark, by the question they answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from lossgate.stats.mixture import FIXED_SAMPLE_EFFECT
from tests.bench import cells
from tests.bench.cells import AnyCell, Cell, Evidence, Rollout
from tests.bench.groups import ClassStream, PodStream
from tests.bench.losses import MEAN, gamma, lognormal
from tests.bench.streams import Ages, Autoregressive, Bursts, Stream

STEPS = ((0, 0.05), (167, 0.25), (334, 0.5))
LATE_IS_BAD = Ages((0.5, 0.3, 0.2), (0.6, 1.0, 2.0), ((0, 4), (5, 49), (50, 249)))
"""Labels that come late have the higher losses."""
BAD_NEWS_FIRST = Ages((0.85 / 1.85, 1.0 / 1.85), (2.0, 0.15), ((0, 4), (50, 249)))
"""As when complaints arrive at once and silence counts as a right answer later."""
COMMON = Autoregressive(0.9, 0.2, shared=True)
PER_ARM, PER_ARM_90 = Autoregressive(0.5, 0.1), Autoregressive(0.9, 0.05)

ROLLBACK_STREAMS: dict[str, Stream] = {
    "iid": Stream(),
    "common": Stream(noise=COMMON),
    "perarm": Stream(noise=PER_ARM),
    "perarm90": Stream(noise=PER_ARM_90),
    "simpson": Stream(shares=STEPS, drift=0.5),
    "lag": Stream(ages=LATE_IS_BAD),
    "bad news first": Stream(ages=BAD_NEWS_FIRST),
    "rate 200": Stream(rate=200.0),
    "gamma": Stream(loss=gamma()),
    "lognormal": Stream(loss=lognormal()),
    "AR(.7) sd 15 %": Stream(shares=((0, 0.1),), noise=Autoregressive(0.7, 0.15)),
    "AR(.9) sd 8 %": Stream(shares=((0, 0.1),), noise=Autoregressive(0.9, 0.08)),
    "bursts x2": Stream(shares=((0, 0.1),), noise=Bursts(2.0, 0.03, 10.0)),
}
"""No effect, margin 0: every rollback is false."""

PROMOTE_STREAMS: dict[str, Stream] = {
    "iid": Stream(),
    "common": Stream(noise=COMMON),
    "perarm": Stream(noise=PER_ARM),
    "perarm90": Stream(noise=PER_ARM_90),
    "simpson_down": Stream(shares=STEPS, drift=-0.5),
    "lag": Stream(ages=LATE_IS_BAD),
    "lag_steps": Stream(shares=STEPS, ages=LATE_IS_BAD),
    "lag_late": Stream(ages=LATE_IS_BAD),
    "rate 200": Stream(rate=200.0),
    "gamma": Stream(loss=gamma()),
    "lognormal": Stream(loss=lognormal()),
}
"""The effect is the margin: every promotion is false. In lag_late all of it is in the late labels."""

PROMOTE_PEERS = (cells.RANKS, cells.WELCH_ONCE, cells.WELCH, cells.MSPRT, cells.ASYMPCS_PLAIN, cells.ASYMPCS)
POWER_PEERS = (cells.ASYMPCS, cells.MSPRT, cells.TWO_IN_A_ROW, cells.FIVE_FAILURES, cells.KAYENTA)


@dataclass(frozen=True, slots=True)
class PowerCase:
    """A canary that is worse from the first label on: share, rate and relative effect."""

    share: float
    rate: float
    effect: float

    @property
    def name(self) -> str:
        """Name of its cell."""
        return f"power {self.effect:+.0%}, share {self.share:.0%}, rate {self.rate:.0f}"

    @property
    def fixed_looks(self) -> float:
        """Looks of the fixed-sample optimum: the one-look Welch test at 5 % with a power of 80 %."""
        return optimal_looks(self.share, self.rate, self.effect)

    @property
    def cell(self) -> Cell:
        """The cell: margin 0, and six times the optimum, at least 60 looks."""
        looks = max(60, math.ceil(6 * self.fixed_looks))
        stream = Stream(looks=looks, rate=self.rate, shares=((0, self.share),), effect=(self.effect,))
        return Cell(self.name, stream, (cells.GATE, *POWER_PEERS), margin=0.0)


FIVE_PERCENT = PowerCase(0.05, 4000.0, 0.05)
TEN_PERCENT = PowerCase(0.05, 4000.0, 0.10)
TWENTY_PERCENT = PowerCase(0.05, 4000.0, 0.20)
HALF_AS_MUCH_AGAIN = PowerCase(0.05, 4000.0, 0.50)
THREE_TIMES = PowerCase(0.05, 4000.0, 2.0)
HALF_AS_MUCH_AGAIN_SPARSE = PowerCase(0.05, 200.0, 0.50)
THREE_TIMES_SPARSE = PowerCase(0.05, 200.0, 2.0)
POWER = (
    FIVE_PERCENT,
    TEN_PERCENT,
    TWENTY_PERCENT,
    HALF_AS_MUCH_AGAIN,
    THREE_TIMES,
    PowerCase(0.25, 4000.0, 0.05),
    HALF_AS_MUCH_AGAIN_SPARSE,
    THREE_TIMES_SPARSE,
)
LATE_HARM = Cell(
    "power +10 %, late labels bad",
    Stream(ages=LATE_IS_BAD, effect=(0.1,)),
    (cells.GATE, cells.UNAGED, cells.WELCH, cells.FIVE_FAILURES),
    margin=0.0,
)
TIME_TO_PROMOTE = tuple(
    Cell(f"promote at margin {margin:.0%}", Stream(), (cells.GATE, cells.ASYMPCS), margin, margin)
    for margin in (0.05, 0.10)
)


def optimal_looks(share: float, rate: float, effect: float) -> float:
    """Return the looks of a one-look, one-sided Welch test at 5 % with a power of 80 %."""
    loss = Stream().loss
    (_, canary), (_, stable) = loss.moments(loss.factor(1.0 + effect)), loss.moments(1.0)
    per_look = canary / (rate * share) + stable / (rate * (1.0 - share))
    return FIXED_SAMPLE_EFFECT**2 * per_look / (effect * MEAN) ** 2


def rollback_cell(name: str) -> Cell:
    """Return the cell in which every rollback is false."""
    stream = ROLLBACK_STREAMS[name]
    unaged = (cells.UNAGED,) if stream.strata > 1 else ()
    rules = (cells.GATE, *unaged, *cells.SINGLE_STEP_PEERS)
    return Cell(f"rollback tail, {name}", stream, rules, margin=0.0, repetitions=4000)


def promote_cell(name: str, margin: float = 0.05) -> Cell:
    """Return the cell in which every promotion is false."""
    stream = PROMOTE_STREAMS[name]
    late = margin / (LATE_IS_BAD.shares[-1] * LATE_IS_BAD.levels[-1])
    effect = (0.0, 0.0, late) if name == "lag_late" else (margin,)
    unaged = (cells.UNAGED,) if stream.strata > 1 else ()
    rules = (cells.GATE, *unaged, *PROMOTE_PEERS)
    return Cell(
        f"promote tail, {name}, margin {margin:.0%}",
        replace(stream, effect=effect),
        rules,
        margin,
        margin,
        repetitions=4000,
    )


def rollout(name: str, effect: float, noise: Autoregressive | None = None) -> Rollout:
    """Return a rollout 5 -> 25 -> 50 %, at most 500 looks a step; only the last step is left at the gate's margin."""
    stream = Stream(effect=(effect,)) if noise is None else Stream(effect=(effect,), noise=noise)
    rules = (cells.GATE, cells.FLAGGER, cells.ARGO, cells.WELCH)
    return Rollout(
        f"rollout, {name}",
        tuple(
            Cell("", replace(stream, shares=((0, share),)), rules, 0.05, step_margin, steps=3)
            for share, step_margin in ((0.05, 0.2), (0.25, 0.2), (0.5, 0.05))
        ),
    )


EQUAL = rollout("equal, iid", 0.0)
EQUAL_PER_ARM = rollout("equal, perarm", 0.0, PER_ARM)
AT_MARGIN = rollout("+5 % = margin, iid", 0.05)
AT_MARGIN_PER_ARM_90 = rollout("+5 % = margin, perarm90", 0.05, PER_ARM_90)
TEN_PERCENT_WORSE = rollout("+10 %, iid", 0.10)
PAST_MARGIN = (TEN_PERCENT_WORSE, rollout("+20 %, iid", 0.20), rollout("x3, iid", 2.0))
ROLLOUTS = (
    EQUAL,
    EQUAL_PER_ARM,
    rollout("equal, perarm90", 0.0, PER_ARM_90),
    AT_MARGIN,
    AT_MARGIN_PER_ARM_90,
    *PAST_MARGIN,
)
LAST_STEP = Cell(
    "harm +10 % from the last step on",
    Stream(looks=350, shares=((0, 0.05), (75, 0.25), (150, 0.5)), effect=(0.10,), effect_from=150),
    (cells.GATE, cells.CONTINUED),
    steps=3,
    judged_from=150,
)


def _pods(name: str, stream: Evidence, margin: float = 0.0) -> Cell:
    return Cell(f"pods, {name}", stream, (cells.GATE, cells.PODLESS), margin, margin or 0.05)


LASTING_PODS = _pods("19 + 1, lasting sd 5 %", PodStream())
LASTING_PODS_AT_MARGIN = _pods("19 + 1, lasting sd 5 %, at the margin", PodStream(effect=0.05), margin=0.05)
ONE_WORSE_POD = _pods("19 + 1, lasting sd 5 %, +20 %", PodStream(effect=0.2))
TWO_WORSE_PODS = _pods("18 + 2, lasting sd 5 %, +20 %", PodStream(stable_pods=18, canary_pods=2, effect=0.2))
PODS = (
    _pods("no pod effect", PodStream(sd=0.0)),
    LASTING_PODS,
    LASTING_PODS_AT_MARGIN,
    _pods("18 + 2, lasting sd 5 %", PodStream(stable_pods=18, canary_pods=2)),
    _pods("no pod effect, +20 %", PodStream(sd=0.0, effect=0.2, looks=100)),
    ONE_WORSE_POD,
    TWO_WORSE_PODS,
)


def _classes(name: str, stream: ClassStream, margin: float) -> Cell:
    return Cell(f"classes, {name}", stream, (cells.GATE, cells.CLASSLESS), class_margin=margin)


CLASSES_AT_MARGIN = _classes("all 16 at the margin", ClassStream((0.05,) * 16), 0.05)
ONE_RUINED = _classes("one ruined at equal mean", ClassStream.one_ruined(16, 2.0), 0.5)
CLASSES = (CLASSES_AT_MARGIN, _classes("no harm", ClassStream((0.0,) * 16), 0.5), ONE_RUINED)

FULL: tuple[AnyCell, ...] = (
    *map(rollback_cell, ROLLBACK_STREAMS),
    *map(promote_cell, PROMOTE_STREAMS),
    *(promote_cell(name, 0.02) for name in ("iid", "perarm90", "lag_late")),
    *(case.cell for case in POWER),
    LATE_HARM,
    *TIME_TO_PROMOTE,
    *ROLLOUTS,
    LAST_STEP,
    *PODS,
    *CLASSES,
)
