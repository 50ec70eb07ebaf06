"""A decision in the making: the status as it will be, and what will be told."""

from __future__ import annotations

from typing import Any

from lossgate.api.quantities import format_duration
from lossgate.api.reasons import REASONS, UNREADABLE, ConditionType, EventReason, Phase, Reason
from lossgate.api.status import Analysis, Condition, Hold, RolloutStatus, StepStatus, Version
from lossgate.rollout.decision import Event
from lossgate.rollout.snapshot import Snapshot


class Draft:
    """Collects the changes of one decision; nothing outside sees it before it is complete."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.snapshot = snapshot
        self.now = now
        self.status: RolloutStatus = snapshot.status
        self.events: list[Event] = []

    def set(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def tell(self, reason: EventReason, message: str, *, warning: bool = False) -> None:
        """Add an event."""
        self.events.append(Event(reason, message, warning))

    def enter(self, phase: Phase) -> None:
        """Change the phase; drain delays start anew."""
        self.set(phase=phase, since=self.now, settled=None)

    @property
    def stable(self) -> Version:
        """The stable version; there is one in every phase that asks."""
        if self.status.stable is None:
            raise AssertionError(f"phase {self.status.phase} without a stable version")
        return self.status.stable

    @property
    def canary(self) -> Version:
        """The canary; there is one in every phase that asks."""
        if self.status.canary is None:
            raise AssertionError(f"phase {self.status.phase} without a canary")
        return self.status.canary

    @property
    def step(self) -> StepStatus:
        """The step in flight; there is one in every phase that asks."""
        if self.status.step is None:
            raise AssertionError(f"phase {self.status.phase} without a step")
        return self.status.step

    @property
    def analysis(self) -> Analysis:
        """The evidence of the step so far."""
        return self.status.analysis or Analysis()

    def weigh(self, canary_weight: int) -> None:
        """Decide the split: `canary_weight` per cent to the canary, the rest to the stable version."""
        self.set(
            stable=self.stable.model_copy(update={"weight": 100 - canary_weight}),
            canary=self.canary.model_copy(update={"weight": canary_weight}),
            settled=None,
        )

    def begin_step(self, index: int) -> None:
        """Start a step with no evidence: what was seen before it says nothing about it."""
        weight = self.snapshot.spec.steps[index].weight
        self.set(step=StepStatus(index=index, weight=weight, began=self.now), analysis=Analysis(), guardrails=())

    def hold(self, reason: Reason, message: str, in_short: str = "") -> None:
        """Say that no evidence comes in; told once per reason."""
        before = self.analysis.hold
        same_kind = before is not None and (before.reason in UNREADABLE) == (reason in UNREADABLE)
        since = before.since if before is not None and same_kind else self.now
        if before is None or before.reason is not reason:
            warning = reason is not Reason.NO_BASELINE  # awaited at the start of every rollout
            self.tell(EventReason.NOT_MEASURED, f"{reason}: {in_short or message}", warning=warning)
        hold = Hold(reason=reason, since=since, message=message)
        self.set(analysis=self.analysis.model_copy(update={"hold": hold}))

    def release(self) -> None:
        """Say that evidence comes in again."""
        before = self.analysis.hold
        if before is not None:
            waited = format_duration(self.now - before.since)
            self.tell(EventReason.MEASURED_AGAIN, f"Evidence comes in again after {waited} without ({before.reason}).")
            self.set(analysis=self.analysis.model_copy(update={"hold": None}))

    def condition(self, type_: ConditionType, value: bool | None, reason: Reason, message: str) -> None:
        """Set a condition; its transition time moves only when its value does. None says Unknown.

        Raises:
            ValueError: The reason is none of that condition: what people read would not be what is documented.
        """
        if reason not in REASONS[type_]:
            raise ValueError(f"{reason} is no reason of {type_}: see REASONS")
        text = {True: "True", False: "False", None: "Unknown"}[value]
        before = self.status.condition(type_)
        since = before.last_transition_time if before and before.status == text else self.now
        condition = Condition(
            type=type_,
            status=text,
            observed_generation=self.snapshot.generation,
            last_transition_time=since,
            reason=reason,
            message=message,
        )
        others = tuple(other for other in self.status.conditions if other.type != type_)
        ordered = sorted((*others, condition), key=lambda item: list(ConditionType).index(item.type))
        self.set(conditions=tuple(ordered))

    def drop_condition(self, type_: ConditionType) -> None:
        """Remove a condition."""
        self.set(conditions=tuple(condition for condition in self.status.conditions if condition.type != type_))
