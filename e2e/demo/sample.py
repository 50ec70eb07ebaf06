"""What a status showed at one moment, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from lossgate.api.status import RolloutStatus

__all__ = ["Sample", "fraction"]


def fraction(text: str | None) -> float | None:
    """Return `"-2.1%"` as -0.021; None stays None."""
    return None if text is None else float(Decimal(text.removesuffix("%")) / 100)


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a rollout; None where the operator could not tell yet.

    Attributes:
        time: Unix seconds.
        phase: The phase of the rollout.
        step: Position of the traffic step that is judged, from 0; None before the first.
        canary_weight_percent: Share of the requests that the new version gets.
        looks: Looks that entered the evidence of the step.
        stable_labels: Labels of the old version in the step.
        canary_labels: Labels of the new version in the step.
        stable_loss: Mean loss of the old version in the step.
        canary_loss: Mean loss of the new version in the step.
        delta: New minus old loss, as a fraction of the old.
        lower: Lower bound of delta.
        upper: Upper bound of delta.
    """

    time: float
    phase: str
    step: int | None
    canary_weight_percent: int
    looks: int
    stable_labels: int
    canary_labels: int
    stable_loss: float | None
    canary_loss: float | None
    delta: float | None
    lower: float | None
    upper: float | None

    @classmethod
    def of(cls, status: RolloutStatus, time: float) -> Sample:
        """Return what a status shows; `time` in Unix seconds."""
        step, analysis = status.step, status.analysis
        loss = analysis.mean_loss if analysis else None
        delta = analysis.delta if analysis else None
        return cls(
            time=time,
            phase=status.phase.value,
            step=step.index if step else None,
            canary_weight_percent=status.canary.weight if status.canary else 0,
            looks=step.looks if step else 0,
            stable_labels=analysis.labels.stable if analysis else 0,
            canary_labels=analysis.labels.canary if analysis else 0,
            stable_loss=float(loss.stable) if loss and loss.stable else None,
            canary_loss=float(loss.canary) if loss and loss.canary else None,
            delta=fraction(delta.estimate) if delta else None,
            lower=fraction(delta.lower) if delta else None,
            upper=fraction(delta.upper) if delta else None,
        )

    def line(self) -> str:
        """Return the moment in one line, for people who watch."""
        if self.step is None:
            return self.phase
        parts = [f"{self.phase}, canary {self.canary_weight_percent}%", f"look {self.looks}"]
        if self.canary_labels:
            parts.append(f"{self.canary_labels:,} + {self.stable_labels:,} labels")
        if self.canary_loss is not None and self.stable_loss is not None:
            parts.append(f"loss {self.canary_loss:.4f} / {self.stable_loss:.4f}")
        if self.delta is not None and self.lower is not None and self.upper is not None:
            parts.append(f"delta {self.delta:+.1%} [{self.lower:+.1%}, {self.upper:+.1%}]")
        return "  ".join(parts)
