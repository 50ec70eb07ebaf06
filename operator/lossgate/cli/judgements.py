"""What a replay says as JSON lines: one object a look, and one with the outcome."""

from __future__ import annotations

import json
from typing import Any, Protocol

import click

from lossgate.cli.history import Source
from lossgate.cli.judging import Judged, Outcome, Replay, StepEnd
from lossgate.cli.reasons import reason
from lossgate.stats import Cause, ClassJudgement, Verdict


class Output(Protocol):
    """Takes the looks one by one, then the end."""

    def look(self, judged: Judged) -> None:
        """Take the next look."""

    def final(self, outcome: Outcome) -> None:
        """Take the outcome."""


class JsonLines:
    """One JSON object a look, and a last one with the outcome; what is not known is null."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def look(self, judged: Judged) -> None:
        """Write the look."""
        click.echo(json.dumps(self._line(judged, judged.verdict)))

    def final(self, outcome: Outcome) -> None:
        """Write the outcome: the numbers of the last look, and what only the end can tell."""
        last, judgement = outcome.last, outcome.last.judgement
        line = self._line(last, outcome.verdict)
        if self._replay.has_nonfinite:
            line["nonfinite_stable"], line["nonfinite_canary"] = outcome.nonfinite
        line |= {
            "cause": None if last.cause == Cause.NONE else last.cause,
            "decided": None if last.decided is None else last.decided.text,
            "looks": judgement.looks,
            "looks_needed": judgement.looks_needed,
            "design_effect": judgement.design_effect,
            "effective_labels": judgement.effective_labels,
            "coverage": judgement.coverage,
            "pods": judgement.pods,
            "noise": judgement.noise.value,
            "promise": judgement.noise.promise,
            "classes": [_class(item) for item in judgement.classes],
            "failing_class": judgement.failing_class,
            "absolute": self._replay.margins.absolute,
            "margin": self._replay.margins.harm,
            "step_margin": self._replay.step_margin,
            "baseline": {
                "mean": outcome.baseline.mean,
                "variance": outcome.baseline.variance if self._replay.noise.has_squares else None,
                "labels": None if outcome.source is Source.GIVEN else outcome.baseline.labels,
                "source": outcome.source.value,
            },
        }
        if self._replay.has_step:
            line["steps"] = [_step(end) for end in outcome.steps]
        click.echo(json.dumps({"final": line}))

    def _line(self, judged: Judged, verdict: Verdict) -> dict[str, Any]:
        judgement = judged.judgement
        line: dict[str, Any] = {
            "time": judged.moment.text,
            "n_stable": judgement.labels_stable,
            "n_canary": judgement.labels_canary,
            "mean_stable": judgement.mean_stable,
            "mean_canary": judgement.mean_canary,
            "delta": judgement.delta,
            "lower": judgement.lower,
            "upper": judgement.upper,
            "harm": judgement.harm,
            "safety": judgement.safety,
            "verdict": verdict.value,
            "reason": reason(judged, self._replay.margins, self._replay.step_margin),
        }
        if self._replay.has_step:
            line["step"] = judged.step
        if self._replay.has_nonfinite:
            line["nonfinite_stable"], line["nonfinite_canary"] = judged.nonfinite
        return line


def _class(item: ClassJudgement) -> dict[str, Any]:
    return {
        "name": item.name,
        "verdict": item.verdict.value,
        "n_stable": item.labels_stable,
        "n_canary": item.labels_canary,
        "delta": item.delta,
        "lower": item.lower,
        "upper": item.upper,
        "harm": item.harm,
        "safety": item.safety,
    }


def _step(end: StepEnd) -> dict[str, Any]:
    return {
        "step": end.step,
        "verdict": end.verdict.value,
        "looks": end.looks,
        "decided": None if end.decided is None else end.decided.text,
    }
