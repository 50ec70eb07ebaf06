"""A rollout in its first step whose guardrails are evaluated one after the other, without the rest of a world."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lossgate.api.reasons import Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import BaselineStatus, GuardrailStatus, RolloutStatus, StepStatus, Version
from lossgate.rollout import guardrails
from lossgate.rollout.decision import Event
from lossgate.rollout.draft import Draft
from lossgate.rollout.guardrail_seen import GuardrailSeen, NoValue, Reading, Unreadable, Value
from lossgate.rollout.snapshot import Snapshot
from tests.rollout.world import START, a_spec

ERRORS: dict[str, Any] = {"name": "errors", "query": 'x{revision="$revision"}', "max": 0.01}
GOOD, BAD = Value(0.001), Value(0.02)
EMPTY = NoValue("the query gave no series")
DOWN = Unreadable(Reason.METRICS_UNREACHABLE, "refused")
UNKNOWN: Sequence[Reading] = (EMPTY, DOWN, Unreadable(Reason.PARTIAL_DATA, "a store is missing"))
LOOK_SECONDS = 10.0
FIRST_END = START + 20.0
"""One look after the weight is in force, the first one begins."""


def a_status() -> RolloutStatus:
    return RolloutStatus(
        phase=Phase.PROGRESSING,
        stable=Version(revision="digits-1", model_version="v1", weight=80),
        canary=Version(revision="digits-2", model_version="v2", weight=20),
        baseline=BaselineStatus(mean=0.3, variance=0.7, labels=5000, source="x"),
        step=StepStatus(index=0, weight=20, began=START, since=START),
    )


@dataclass
class Guarded:
    """Takes in one evaluation after the other; the status goes through its stored form each time, as at a restart."""

    spec: RolloutSpec
    status: RolloutStatus = field(default_factory=a_status)
    events: list[Event] = field(default_factory=list)
    end: float = FIRST_END - LOOK_SECONDS
    blocker: str | None = None
    is_awaited: bool = False

    @property
    def now(self) -> float:
        return self.end + self.spec.loss.settle_seconds

    @property
    def first(self) -> GuardrailStatus:
        return self.status.guardrails[0]

    def snapshot(self, seen: Iterable[GuardrailSeen] = ()) -> Snapshot:
        return Snapshot("digits", "ml", 1, self.spec, self.status, guardrails=tuple(seen))

    def take(self, *readings: Reading, stable: Reading | None = None) -> Guarded:
        """Take in one evaluation of the first guardrail for each reading, a look apart."""
        for reading in readings:
            self.end += LOOK_SECONDS
            self.see(self.an_answer(reading, stable=stable))
        return self

    def an_answer(self, reading: Reading, **changes: Any) -> GuardrailSeen:
        guardrail = self.spec.guardrails[0]
        test = guardrail.fingerprint(self.spec.loss.prometheus.url)
        own = {"name": guardrail.name, "test": test, "revision": "digits-2", "end": self.end, "canary": reading}
        return GuardrailSeen(**{**own, **changes})

    def see(self, *seen: GuardrailSeen) -> Guarded:
        """Take in what was seen in one turn."""
        draft = Draft(self.snapshot(seen), self.now)
        if not guardrails.rolled_back(draft):
            self.blocker, self.is_awaited = guardrails.blocker(draft), guardrails.is_awaited(draft)
        self.status = RolloutStatus.model_validate(draft.status.to_manifest())
        self.events.extend(draft.events)
        return self


def guarded(**changes: Any) -> Guarded:
    """Return a rollout with one guardrail on errors, changed as told; what is None is left out."""
    guardrail = {name: value for name, value in (ERRORS | changes).items() if value is not None}
    return Guarded(a_spec("v2", guardrails=[guardrail]))
