"""A change that is no new model comes in on ready pods alone, while an annotation names its revision."""

from __future__ import annotations

from lossgate.api import names
from lossgate.api.reasons import ConditionType, EventReason, Reason
from lossgate.api.status import Analysis
from lossgate.rollout.draft import Draft

DWELL_SECONDS = 15.0
"""How long a step is held with its weight in force: pods that die of real requests are seen before it is left."""


def is_on(draft: Draft) -> bool:
    """Return whether the canary comes in without analysis."""
    return draft.status.skipped is not None and draft.status.skipped == draft.canary.revision


def is_revoked(draft: Draft) -> bool:
    """Return whether the canary came so far without analysis and is to be judged now."""
    return is_on(draft) and not _is_asked_for(draft)


def follow(draft: Draft) -> None:
    """Take up what the annotation says of the canary, in the middle of a rollout as well.

    Evidence that was gathered is dropped with the analysis. Where analysis begins, it begins with the first step: of
    the steps before nothing is known.
    """
    if _is_asked_for(draft) == is_on(draft):
        return
    version = draft.canary.model_version
    if _is_asked_for(draft):
        step = draft.step.model_copy(update={"looks": 0})
        draft.set(skipped=draft.canary.revision, baseline=None, analysis=Analysis(), step=step)
        message = f"{version} ({draft.canary.revision}) comes in without analysis: {names.ANNOTATION_SKIP_ANALYSIS}."
        draft.tell(EventReason.ANALYSIS_SKIPPED, message)
    else:
        draft.set(skipped=None)
        draft.begin_step(0)
        message = f"{names.ANNOTATION_SKIP_ANALYSIS} does not name {draft.canary.revision} any more"
        draft.tell(EventReason.ANALYSIS_RESUMED, f"{version} is judged from the first step on: {message}.")
    if draft.status.pause is None:
        describe(draft)


def describe(draft: Draft) -> None:
    """Say in the condition Promoted how the canary is brought in."""
    version = draft.canary.model_version
    if is_on(draft):
        message = f"{version} comes in without analysis; each step waits for ready pods alone."
        draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSIS_SKIPPED, message)
    else:
        draft.condition(ConditionType.PROMOTED, None, Reason.ANALYSING, f"{version} is being judged.")


def has_dwelt(draft: Draft) -> bool:
    """Return whether the step was held long enough, with its weight in force, to be left without analysis."""
    since = draft.status.step.since if draft.status.step else None
    return is_on(draft) and since is not None and draft.now >= since + DWELL_SECONDS


def _is_asked_for(draft: Draft) -> bool:
    return draft.snapshot.skip_analysis == draft.canary.revision
