"""What an edit of the spec does to a rollout in flight: which evidence it ends, why, and where the rollout goes on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from lossgate.api.reasons import EventReason
from lossgate.api.spec import RolloutSpec, Step
from lossgate.api.status import Analysis
from lossgate.rollout import evidence
from lossgate.rollout.draft import Draft

_FINGERPRINT_FORMAT = "v2:"
_POLICIES = {"on_inconclusive", "pause_timeout_seconds", "hold_timeout_seconds"}
"""Fields of the gate that say what follows, not what is tested."""


@dataclass(frozen=True, slots=True)
class Restart:
    """Evidence must be gathered afresh, in the step at `index`."""

    index: int
    why: str
    baseline: bool = False
    """Whether the baseline is another one as well."""


def restart(draft: Draft) -> Restart | None:
    """Return why the evidence at hand says nothing about what the spec asks for now; None if it does."""
    spec, baseline, step = draft.snapshot.spec, draft.status.baseline, draft.step
    if baseline is not None and baseline.source != evidence.source_fingerprint(spec.loss):
        return Restart(0, "spec.loss reads it from elsewhere, so there is a new baseline, from the first step", True)
    if draft.status.promote_requested is not None:
        return None  # whatever is asked now, harm alone still counts
    index = place(spec.steps, step.weight)
    weight = spec.steps[index].weight
    if weight != step.weight:
        return Restart(index, f"spec.steps has no step of {step.weight}% any more; {weight}% is judged")
    if step.interval_seconds not in (None, spec.loss.interval_seconds) and step.looks > 0:
        return Restart(index, "looks of another spec.loss.interval are as noisy as their length makes them")
    if baseline is not None and evidence.is_other_test(draft, index, baseline.mean):
        return Restart(index, "spec.gate or spec.steps asks for another test, to be answered by looks taken after it")
    return None


def place(steps: tuple[Step, ...], weight: int) -> int:
    """Return the position of the step to be in at this weight: an edit alone never sends more to a canary.

    Only the first step may be heavier, as it needs no proof.
    """
    return max((index for index, step in enumerate(steps) if step.weight <= weight), default=0)


def begin_again(draft: Draft, again: Restart) -> None:
    """Begin the step at that place without evidence; where its weight is in force, looks begin from now on."""
    before = draft.step
    _tell(draft, again)
    draft.begin_step(again.index)
    if again.baseline:
        draft.set(baseline=None)
    elif draft.step.weight == before.weight:
        since = draft.now if before.since else None
        draft.set(step=draft.step.model_copy(update={"since": since, "in_force": since}))


def forget(draft: Draft, again: Restart) -> None:
    """Drop evidence and baseline and stay in the step: a person decided to promote, and harm alone still counts."""
    _tell(draft, again)
    since = draft.now if draft.step.since else None
    draft.drop_looks()
    step = draft.step.model_copy(update={"looks": 0, "since": since})
    draft.set(baseline=None, analysis=Analysis(), guardrails=(), step=step)


def _tell(draft: Draft, again: Restart) -> None:
    if again.baseline or draft.step.looks > 0:
        draft.tell(EventReason.EVIDENCE_RESTARTED, f"The evidence is gathered anew after an edit: {again.why}.")


def is_test_edited(draft: Draft) -> bool:
    """Return whether the test was edited since the pause; one that another version wrote down cannot be compared.

    That is no edit, and the pause goes on: an upgrade must not try again what nobody asked for.
    """
    now, before = fingerprint(draft.snapshot.spec), draft.status.paused_test
    if before is not None and before.startswith(_FINGERPRINT_FORMAT):
        return before != now
    draft.set(paused_test=now)
    return False


def fingerprint(spec: RolloutSpec) -> str:
    """Return a short text that changes with what an inconclusive step was asked: an edit of it is another try.

    Fields at their defaults are left out, so that a later version, which has more of them, has the same text.
    """
    gate = spec.gate.model_dump_json(exclude=_POLICIES, exclude_defaults=True)
    parts = [part.model_dump_json(exclude_defaults=True) for part in (*spec.steps, *spec.guardrails)]
    read = [evidence.source_fingerprint(spec.loss), str(spec.loss.interval_seconds)]
    return _FINGERPRINT_FORMAT + hashlib.sha256("|".join([gate, *parts, *read]).encode()).hexdigest()[:12]
