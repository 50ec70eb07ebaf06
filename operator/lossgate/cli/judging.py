"""The gate on recorded evidence: every step judged afresh, as the operator does, but without a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from lossgate.cli.exits import BadData
from lossgate.cli.history import History, Source
from lossgate.cli.options import Request
from lossgate.cli.recorded import Moment, Recorded, Recording
from lossgate.rollout.evidence import MIN_BASELINE_LABELS, NON_FINITE_LOOKS
from lossgate.stats import Arm, Baseline, Cause, Gate, Increment, Judgement, Look, Noise, Verdict


class Skipped(StrEnum):
    """Why a look is no evidence."""

    NON_FINITE = "the canary's loss is not a number"
    NO_LABELS = "no label of either version"
    NO_LABELS_STABLE = "no label of the stable version"
    NO_LABELS_CANARY = "no label of the canary"


@dataclass(frozen=True)
class Judged:
    """What can be said after a look; numbers are those of the step so far.

    Attributes:
        moment: The end of the look.
        step: The step, as the file names it; empty without steps.
        index: Number of the look in the step, from 1, whether it was evidence or not.
        stable: The stable version's labels in this look.
        canary: The canary's; None if their loss was not a number.
        gate: The gate after it.
        verdict: The verdict, which stays once it is Harm or NonInferior.
        cause: What found harm: a rule of the gate, or NonFiniteLoss.
        decided: The look at which the verdict was first reached.
        skipped: Why this look is no evidence.
        nonfinite: Labels whose loss was not a number, in this look: stable, canary.
    """

    moment: Moment
    step: str
    index: int
    stable: Increment
    canary: Increment | None
    gate: Gate
    verdict: Verdict
    cause: str
    decided: Moment | None
    skipped: Skipped | None
    nonfinite: tuple[float, float]

    @cached_property
    def judgement(self) -> Judgement:
        """The gate's own judgement; its verdict knows nothing of losses that are not numbers."""
        return self.gate.judge()


@dataclass(frozen=True, slots=True)
class StepEnd:
    """How a step ended."""

    step: str
    verdict: Verdict
    looks: int
    decided: Moment | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a replay ended.

    Attributes:
        verdict: NonInferior, Harm, Hold or Inconclusive.
        last: The last look that was judged.
        steps: Every step that was judged, the last one too.
        baseline: What was frozen; its variance plays no part where squared losses are not known.
        source: Where it comes from.
        nonfinite: Labels whose loss was not a number, in all looks: stable, canary.
    """

    verdict: Verdict
    last: Judged
    steps: tuple[StepEnd, ...]
    baseline: Baseline
    source: Source
    nonfinite: tuple[float, float]


class _Step:
    """One step while it is judged."""

    def __init__(self, name: str, gate: Gate) -> None:
        self.name = name
        self._gate = gate
        self._index = 0
        self._nonfinite_looks = 0
        self._verdict = Verdict.CONTINUE
        self._cause: str = Cause.NONE
        self._decided: Moment | None = None

    def take(self, look: Recorded, stable: Arm, canary: Arm) -> Judged:
        """Return what can be said after the next look."""
        self._index += 1
        looks = self._gate.looks
        if look.canary_is_number:
            self._nonfinite_looks = 0
            self._gate = self._gate.observe(Look(look.moment.end, stable, canary))
        else:
            self._nonfinite_looks += 1
            self._gate = self._gate.skip(look.moment.end)
        self._judge(look.moment)
        skipped = None if self._gate.looks > looks else _why_skipped(look, stable, canary)
        return Judged(
            moment=look.moment,
            step=self.name,
            index=self._index,
            stable=stable.total,
            canary=canary.total if look.canary_is_number else None,
            gate=self._gate,
            verdict=self._verdict,
            cause=self._cause,
            decided=self._decided,
            skipped=skipped,
            nonfinite=(look.nonfinite_stable, look.nonfinite_canary),
        )

    def _judge(self, moment: Moment) -> None:
        """Let Harm stay for good, and NonInferior unless harm is found."""
        before, found = self._verdict, self._gate.verdict()
        if before is Verdict.HARM:
            return
        if found is not Verdict.HARM and self._nonfinite_looks >= NON_FINITE_LOOKS:
            found, self._cause = Verdict.HARM, "NonFiniteLoss"
        elif found is Verdict.HARM:
            self._cause = self._gate.cause
        elif before is Verdict.NON_INFERIOR:
            return
        self._verdict = found
        if found is not before:
            self._decided = moment if found in (Verdict.HARM, Verdict.NON_INFERIOR) else None


class Replay:
    """A test on a recording: iterate over `looks` to the end, then ask for the `outcome`."""

    def __init__(
        self, recording: Recording, request: Request, given: Baseline | None, tell: Callable[[str], None]
    ) -> None:
        """Prepare it.

        Args:
            recording: The evidence.
            request: The test that is asked for.
            given: A baseline in place of the stable version's history.
            tell: Takes what the user should know besides the verdict.
        """
        self._recording, self._request, self._given, self._tell = recording, request, given, tell
        self.margins = request.margins
        self.has_step, self.has_nonfinite = recording.has("step"), recording.has("nonfinite")
        self.noise = Noise.WITHIN_LOOK if recording.has("sumsq") else Noise.BETWEEN_LOOKS
        self._history = History(self.noise.has_squares)
        self._baseline: tuple[Baseline, Source] | None = None
        self._last: Judged | None = None
        self._ended: list[StepEnd] = []
        self._nonfinite = (0.0, 0.0)

    def looks(self) -> Iterator[Judged]:
        """Yield what can be said after each look.

        Raises:
            BadData: The recording cannot be used.
        """
        step: _Step | None = None
        for look in self._recording.looks():
            stable = look.stable_arm
            if not look.has_canary:
                self._history.add(stable)
                continue
            if step is None or step.name != look.step:
                if not self._may_go_on(look):
                    return
                step = _Step(look.step, self._start(stable))
            self._last = step.take(look, stable, look.canary_arm)
            stable_nonfinite, canary_nonfinite = self._last.nonfinite
            self._nonfinite = (self._nonfinite[0] + stable_nonfinite, self._nonfinite[1] + canary_nonfinite)
            yield self._last

    @cached_property
    def outcome(self) -> Outcome:
        """How it ended.

        Raises:
            BadData: There was no canary.
        """
        if self._last is None or self._baseline is None:
            raise BadData("column arm: no row of the canary in the whole file, so there is nothing to judge")
        verdict = self._last.verdict
        steps = (*self._ended, _end(self._last))
        if verdict is Verdict.NON_INFERIOR and self.has_step and len(steps) < self._request.steps:
            self._tell(
                f"the file ends after step {self._last.step}, {len(steps)} of {self._request.steps}: that step may be "
                "left, but only the last one can show that the canary is within the margin"
            )
            verdict = Verdict.INCONCLUSIVE
        if verdict is Verdict.CONTINUE:
            verdict = Verdict.INCONCLUSIVE
        return Outcome(verdict, self._last, steps, *self._baseline, self._nonfinite)

    @property
    def step_margin(self) -> float:
        """What must be ruled out to leave the present step: the margin itself in the last of several steps."""
        margins, index = self._request.margins, len(self._ended) + 1
        is_last = self.has_step and 1 < self._request.steps <= index
        return margins.harm if margins.step is None or is_last else margins.step

    def _may_go_on(self, look: Recorded) -> bool:
        """Return whether the next step is judged at all: only if the one before could be left."""
        if self._last is None:
            return True
        if self._last.verdict is not Verdict.NON_INFERIOR:
            self._tell(
                f"step {self._last.step} ended with {self._last.verdict}: nothing is read from row {look.row} on"
            )
            return False
        self._ended.append(_end(self._last))
        if len(self._ended) == self._request.steps:
            self._tell(
                f"the file has more steps than --steps {self._request.steps}, over which the rollback risk is split: "
                "pass the number of all"
            )
        return True

    def _start(self, first: Arm) -> Gate:
        if self._baseline is None:
            self._baseline = self._freeze(first)
        config = self._request.config(self.step_margin, self.noise, self._recording.has("label_age"))
        return Gate.start(config, self._baseline[0])

    def _freeze(self, first: Arm) -> tuple[Baseline, Source]:
        if self._given is not None:
            return self._given, Source.GIVEN
        source = Source.HISTORY
        if self._history.whole.n == 0:
            source = Source.FIRST_LOOK
            self._history.add(first)
            self._tell(
                "no rows before the canary's first and no --baseline-mean: the baseline is the first look's stable arm"
            )
        if self._history.whole.n < MIN_BASELINE_LABELS:
            self._tell(
                f"the baseline has {self._history.whole.n:.0f} labels; the operator waits for {MIN_BASELINE_LABELS}"
            )
        baseline = self._history.baseline()
        if baseline is None and not self.noise.has_squares and self._history.whole.total > 0:
            # Without squared losses there is no early guard, and nothing else asks for the variance.
            mean = self._history.whole.total / self._history.whole.n
            baseline = Baseline(mean, mean * mean, self._history.whole.n)
        if baseline is None:
            raise BadData(
                f"no baseline: the stable version's {source} has {self._history.whole.n:g} labels whose losses are all "
                "0 or do not vary; give --baseline-mean and --baseline-variance"
            )
        return baseline, source


def _end(last: Judged) -> StepEnd:
    return StepEnd(last.step, last.verdict, last.gate.looks, last.decided)


def _why_skipped(look: Recorded, stable: Arm, canary: Arm) -> Skipped | None:
    """Return why a look was no evidence; None if its versions have no label age in common, or tell none."""
    if not look.canary_is_number:
        return Skipped.NON_FINITE
    has_stable, has_canary = stable.total.n > 0, canary.total.n > 0
    if has_stable and has_canary:
        return None
    if has_stable:
        return Skipped.NO_LABELS_CANARY
    return Skipped.NO_LABELS_STABLE if has_canary else Skipped.NO_LABELS
