"""Feeds what was measured to the gate and puts the gate's answer, in words and numbers, on the status."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass

from lossgate.api.quantities import format_duration, format_percent
from lossgate.api.reasons import EventReason, Phase, Reason
from lossgate.api.spec import Loss, RolloutSpec
from lossgate.api.status import Analysis, BaselineStatus, Delta, LabelCounts, Pair
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import (
    Absent,
    ArmSample,
    ArmSeen,
    Flawed,
    HistorySeen,
    LookSeen,
    LooksSeen,
    MeasurementFailed,
    NonFinite,
)
from lossgate.stats import (
    Arm,
    Baseline,
    Gate,
    GateConfig,
    Increment,
    Judgement,
    Look,
    Verdict,
    forecast,
    pack,
    unpack,
)

MIN_BASELINE_LABELS = 1000
NON_FINITE_LOOKS = 2
"""Looks in a row with a canary loss that is not a number before it counts as harm."""
LOSS_CLIP = 13.815510557964274
"""-log(1e-6): the largest loss of one label; the instrument clips there."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What the evidence says now; `harm` names the reason to roll back, if there is one."""

    may_leave_step: bool = False
    harm: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Readable:
    """A look with labels of both versions."""


def source_fingerprint(loss: Loss) -> str:
    """Return a short text that changes when the loss is read from somewhere else.

    Another tenant is another source, other credentials are not: a Secret is renewed, or renamed, in the middle of
    rollouts.
    """
    prometheus = loss.prometheus
    parts = [prometheus.url, dict(loss.selector), loss.series.model_dump(), loss.labels.model_dump()]
    if prometheus.headers:
        parts.append({name.lower(): value for name, value in prometheus.headers.items()})
    elif prometheus.url is None and prometheus.brings_its_own:
        parts.append("without the operator's headers")
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def gate_config(spec: RolloutSpec, index: int, baseline_mean: float) -> GateConfig:
    """Return what is tested in step `index`."""
    return GateConfig(
        margin=spec.gate.harm_margin,
        step_margin=spec.step_margin(index, baseline_mean),
        absolute=spec.gate.is_absolute,
        rollback_risk=spec.gate.risk.rollback,
        promotion_risk=spec.gate.risk.promotion,
        steps=len(spec.steps),
        guard_excess=spec.gate.guard_excess,
        min_labels=float(spec.gate.min_labels),
        clip=LOSS_CLIP,
    )


def drop_unreadable(draft: Draft) -> None:
    """Let evidence that this program cannot read be gathered anew: damaged, or another version's.

    Nothing is lost while Prometheus still has the looks of the step.
    """
    try:
        for state in (draft.analysis.state, draft.analysis.pause_state):
            if state is not None:
                unpack(state)
    except ValueError as error:
        draft.set(analysis=Analysis(expected_verdict=draft.analysis.expected_verdict, hold=draft.analysis.hold))
        draft.tell(
            EventReason.EVIDENCE_RESTARTED,
            f"The evidence of this step is gathered anew from its first look on: {error}.",
            warning=True,
        )


def take_in(draft: Draft) -> Finding:
    """Put the measurement of this moment into the evidence and return what the evidence says."""
    measurement = draft.snapshot.measurement
    if isinstance(measurement, MeasurementFailed):
        draft.hold(measurement.reason, measurement.message, measurement.in_short)
    elif isinstance(measurement, HistorySeen) and draft.status.baseline is None:
        _freeze_baseline(draft, measurement)
    elif isinstance(measurement, LooksSeen) and draft.status.baseline is not None:
        return _take_looks(draft, measurement, draft.status.baseline)
    return _standing(draft)


def _standing(draft: Draft) -> Finding:
    """What was shown stays shown; a step is left only while evidence can still come in."""
    return Finding(may_leave_step=draft.analysis.verdict == Verdict.NON_INFERIOR and draft.analysis.hold is None)


def _freeze_baseline(draft: Draft, seen: HistorySeen) -> None:
    if seen.n < MIN_BASELINE_LABELS:
        message = (
            f"{int(seen.n)}/{MIN_BASELINE_LABELS} labels of the stable version so far; "
            f"its loss must be known before the canary gets traffic ({seen.labels_per_second:.3g} labels/s)"
            + (f"; {seen.message}" if seen.message else "")
        )
        draft.hold(Reason.NO_BASELINE, message)
        return
    mean = seen.total / seen.n
    variance = max(seen.squares / seen.n - mean * mean, 0.0) * seen.n / (seen.n - 1)
    if mean <= 0 or variance <= 0:
        draft.hold(Reason.NO_BASELINE, f"the stable version's loss has mean {mean:.6g} and variance {variance:.6g}")
        return
    source = source_fingerprint(draft.snapshot.spec.loss)
    baseline = BaselineStatus(mean=mean, variance=variance, labels=math.floor(seen.n), source=source)
    draft.release()
    draft.set(baseline=baseline)
    _tell_forecast(draft, baseline, seen.labels_per_second)


def _tell_forecast(draft: Draft, baseline: BaselineStatus, labels_per_second: float) -> None:
    spec, interval = draft.snapshot.spec, draft.snapshot.spec.loss.interval_seconds
    expected, too_long = [], []
    total_seconds = 0.0
    for index, step in enumerate(spec.steps):
        share = step.weight / 100
        labels = labels_per_second * interval
        plan = forecast(
            gate_config(spec, index, baseline.mean),
            Baseline(baseline.mean, baseline.variance, baseline.labels),
            labels * (1 - share),
            labels * share,
        )
        looks = plan.non_inferior_if_equal.looks
        seconds = looks * interval
        total_seconds += seconds
        expected.append(f"{step.weight}%: {_lasting(seconds)} ({looks:.0f} looks)")
        if seconds > spec.gate.max_duration_seconds:
            too_long.append(f"{step.weight}%")
    message = f"about {_lasting(total_seconds)} if the versions are equal; " + ", ".join(expected)
    draft.set(analysis=draft.analysis.model_copy(update={"expected_verdict": message}))
    draft.tell(
        EventReason.BASELINE_TAKEN,
        f"Stable loss {baseline.mean:.4f} (variance {baseline.variance:.4f}, {baseline.labels:.0f} labels) is the "
        f"baseline. Verdict expected in {message}.",
    )
    if too_long:
        draft.tell(
            EventReason.CANNOT_CONCLUDE,
            f"Step {', '.join(too_long)} needs longer than gate.maxDuration "
            f"({format_duration(spec.gate.max_duration_seconds)}) at {labels_per_second:.3g} labels/s. "
            "A larger weight, a larger gate.margin or a longer gate.maxDuration would help.",
            warning=True,
        )


def _lasting(seconds: float) -> str:
    return format_duration(seconds) if math.isfinite(seconds) else "for ever, as no label comes at present"


def _take_looks(draft: Draft, seen: LooksSeen, baseline: BaselineStatus) -> Finding:
    gate, news = _gate(draft, baseline), None
    for look in seen.looks:
        gate, harm, said = _take_look(draft, gate, look)
        news = said or news
        if harm is not None or gate.verdict() is Verdict.HARM:
            judgement = gate.judge()
            _publish(draft, gate, judgement)
            return harm or Finding(harm=Reason.HARM, message=_harm_message(draft, judgement))
    _say(draft, news)
    if is_paused_without_verdict(draft):
        draft.set(analysis=draft.analysis.model_copy(update={"pause_state": pack(gate)}))
    else:
        _publish(draft, gate, gate.judge())
    return _standing(draft)


def is_paused_without_verdict(draft: Draft) -> bool:
    """Return whether looks can only show harm: what a pause shows is no part of a step at another weight."""
    pause = draft.status.pause
    return draft.status.phase is Phase.PAUSED and pause is not None and pause.reason is Reason.INCONCLUSIVE


def _say(draft: Draft, news: Flawed | Readable | None) -> None:
    """Say how the last look was; those before it, in a backlog, are history."""
    if isinstance(news, Flawed):
        draft.hold(news.reason, news.message)
    elif news is not None:
        draft.release()


def _gate(draft: Draft, baseline: BaselineStatus) -> Gate:
    state = draft.analysis.pause_state if is_paused_without_verdict(draft) else draft.analysis.state
    if state is not None:
        return unpack(state)
    config = gate_config(draft.snapshot.spec, draft.step.index, baseline.mean)
    return Gate.start(config, Baseline(baseline.mean, baseline.variance, baseline.labels))


def _take_look(draft: Draft, gate: Gate, look: LookSeen) -> tuple[Gate, Finding | None, Flawed | Readable | None]:
    for arm, name in ((look.stable, "stable"), (look.canary, "canary")):
        if isinstance(arm, Flawed):
            return gate.skip(look.end), None, Flawed(arm.reason, f"{name} version: {arm.message}")
    if isinstance(look.stable, NonFinite):
        return gate.skip(look.end), None, Flawed(Reason.PARTIAL_DATA, f"stable version: {look.stable.message}")
    if isinstance(look.canary, NonFinite):
        return *_take_non_finite(draft, gate, look.end, look.canary), None
    draft.set(analysis=draft.analysis.model_copy(update={"non_finite_looks": 0}))
    gate = gate.observe(Look(look.end, _arm(look.stable), _arm(look.canary)))
    if gate.verdict() is Verdict.HOLD:
        return gate, None, Flawed(*_why_empty(look))
    has_labels = _labels(look.stable) > 0 and _labels(look.canary) > 0
    return gate, None, Readable() if has_labels else None


def _take_non_finite(draft: Draft, gate: Gate, end: float, seen: NonFinite) -> tuple[Gate, Finding | None]:
    in_a_row = draft.analysis.non_finite_looks + 1
    draft.set(analysis=draft.analysis.model_copy(update={"non_finite_looks": in_a_row}))
    if in_a_row < NON_FINITE_LOOKS:
        return gate.skip(end), None
    message = f"The canary's loss was not a number for {in_a_row} looks in a row while labels arrived: {seen.message}"
    return gate.skip(end), Finding(harm=Reason.NON_FINITE_LOSS, message=message)


def _arm(arm: ArmSeen) -> Arm:
    if isinstance(arm, ArmSample):
        return Arm.of(Increment(arm.n, arm.total, arm.squares))
    return Arm({})


def _labels(arm: ArmSeen) -> float:
    return arm.n if isinstance(arm, ArmSample) else 0.0


def _why_empty(look: LookSeen) -> tuple[Reason, str]:
    for arm, name in ((look.canary, "canary"), (look.stable, "stable")):
        if _labels(arm) > 0:
            continue
        predictions = arm.predictions if isinstance(arm, ArmSample | Absent) else None
        if predictions:
            return Reason.NO_LABELS, f"the {name} version predicts ({predictions:.0f} in this look), no label comes"
        if isinstance(arm, Absent):
            return Reason.NO_TRAFFIC, f"{name} version: {arm.message}"
        return Reason.NO_TRAFFIC, f"the {name} version gets neither requests nor labels"
    return Reason.NO_LABELS, "too few looks with labels in both versions"


def _publish(draft: Draft, gate: Gate, judgement: Judgement) -> None:
    absolute = gate.config.absolute
    analysis = Analysis(
        verdict=judgement.verdict.value,
        labels=LabelCounts(stable=int(judgement.labels_stable), canary=int(judgement.labels_canary)),
        mean_loss=Pair(stable=_loss(judgement.mean_stable), canary=_loss(judgement.mean_canary)),
        delta=Delta(
            estimate=_delta(judgement.delta, absolute),
            lower=_delta(judgement.lower, absolute),
            upper=_delta(judgement.upper, absolute),
        ),
        harm=_share(judgement.harm),
        safety=_share(judgement.safety),
        hold=draft.analysis.hold,
        expected_verdict=_expected(draft, judgement),
        non_finite_looks=draft.analysis.non_finite_looks,
        state=pack(gate),
    )
    draft.set(analysis=analysis, step=draft.step.model_copy(update={"looks": gate.looks}))


def _expected(draft: Draft, judgement: Judgement) -> str | None:
    if judgement.verdict in (Verdict.HARM, Verdict.NON_INFERIOR):
        return None
    if judgement.looks_needed is None:
        return draft.analysis.expected_verdict
    seconds = max(judgement.looks_needed - judgement.looks, 0) * draft.snapshot.spec.loss.interval_seconds
    return f"about {judgement.looks_needed:.0f} looks in all ({format_duration(seconds)} more)"


def _loss(mean: float | None) -> str | None:
    return None if mean is None else f"{mean:.4f}"


def _delta(value: float | None, absolute: bool) -> str | None:
    if value is None:
        return None
    return f"{value:.4f}" if absolute else format_percent(value)


def _share(evidence: float | None) -> str | None:
    return None if evidence is None else format_percent(evidence, 0)


def summary(draft: Draft) -> str:
    """Return the evidence of the step in one line, for events and conditions."""
    analysis, looks = draft.analysis, draft.step.looks
    mean, delta, labels = analysis.mean_loss, analysis.delta, analysis.labels
    return (
        f"canary loss {mean.canary or 'unknown'}, stable {mean.stable or 'unknown'}, "
        f"delta {delta.estimate or 'unknown'} [{delta.lower or '?'}, {delta.upper or '?'}], "
        f"{labels.canary} + {labels.stable} labels, {looks} look{'' if looks == 1 else 's'} at {draft.canary.weight}%"
    )


def _harm_message(draft: Draft, judgement: Judgement) -> str:
    margin = _delta(draft.snapshot.spec.gate.harm_margin, draft.snapshot.spec.gate.is_absolute)
    return f"Worse than the margin of {margin} ({judgement.cause.value}): {summary(draft)}"


def is_other_test(draft: Draft, baseline_mean: float) -> bool:
    """Return whether the spec now asks for another test than the one whose evidence is kept."""
    state = draft.analysis.state
    if state is None:
        return False
    return unpack(state).config != gate_config(draft.snapshot.spec, draft.step.index, baseline_mean)
