"""What a source said before: labels that it forgot and finds again would count twice."""

from __future__ import annotations

from lossgate.api.reasons import Reason
from lossgate.api.status import Counts
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import ArmSample, ArmSeen, Flawed, LookSeen

_ROUNDING = 1e-9
"""The same samples may be added up in another order."""


def forgotten(draft: Draft, look: LookSeen) -> Flawed | None:
    """Return why a look must be left out: the source has less than it had where the last one ended, or None.

    A Prometheus that lost the end of its data, or a replica that was away, has an older sample there. The difference
    to it holds labels that were counted. One look is dropped, from whose end on the source is consistent again.
    """
    before = draft.analysis.last_counts or Counts()
    now = Counts(stable=_stands(look.stable, before.stable), canary=_stands(look.canary, before.canary))
    if now != before:
        draft.set(analysis=draft.analysis.model_copy(update={"last_counts": now}))
    for arm, known, name in ((look.stable, before.stable, "stable"), (look.canary, before.canary, "canary")):
        if not isinstance(arm, ArmSample) or known is None:
            continue
        stood = arm.stood or 0.0
        if stood < known * (1 - _ROUNDING):
            message = (
                f"{name} version: the source has {stood:.15g} labels where it had {known:.15g} at the look before: it "
                "lost data, or another replica of it answers. This look is dropped, or labels would count twice; if it "
                "comes back, let one replica answer, or a query layer that merges them"
            )
            return Flawed(Reason.PARTIAL_DATA, message)
    return None


def _stands(arm: ArmSeen, before: float | None) -> float | None:
    return arm.stands if isinstance(arm, ArmSample) else before
