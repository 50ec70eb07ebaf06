"""`spec.steps`: the traffic steps, each judged on its own evidence, and the margins that they are left at."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field
from pydantic.config import JsonDict

from lossgate.api.part import Part
from lossgate.api.quantities import DECIMAL_PATTERN, DURATION_PATTERN, PERCENT_PATTERN, LossUnits, Percent, Seconds
from lossgate.api.rules import lasts, rule, rules, says

EARLY_STEP_MARGIN_FACTOR = 4.0
MAX_EARLY_STEP_MARGIN = 0.5


class Step(Part):
    """One traffic step: judged on its own evidence."""

    weight: int = Field(
        ge=1,
        le=99,
        description="Share of the requests that the canary gets in this step, in per cent.",
        json_schema_extra=says(
            "write a share from 1 to 99 per cent; all traffic comes with the promotion after the last step"
        ),
    )
    min_duration_seconds: Seconds | None = Field(
        default=None,
        alias="minDuration",
        description="Shortest time at this weight before the step is left upwards, whatever was shown before. Harm "
        "still takes the version back at once. Counts from when the weight is first in force.",
        json_schema_extra=lasts("0s", "2160h", such_as="1h"),
    )
    margin: Percent | None = Field(
        default=None,
        description="How large a rise of the mean loss must be ruled out to leave this step upwards, relative to the "
        "stable version's, where the gate has a relative margin. By default four times gate.margin, at most 50%, and "
        "in the last step gate.margin; never more than in the step before.",
        json_schema_extra=rules(
            rule(
                f"type(self) == string && self.matches(r'{PERCENT_PATTERN}') && self.matches('[1-9]')",
                'write a percentage above 0 with its sign, such as "20%"',
            )
        ),
    )
    absolute_margin: LossUnits | None = Field(
        default=None,
        alias="absoluteMargin",
        description="The same in loss units, where the gate has an absoluteMargin: a decimal number in quotes. By "
        "default four times gate.absoluteMargin, at most half the stable version's loss, and in the last step "
        "gate.absoluteMargin; never more than in the step before.",
        json_schema_extra=rules(
            rule(
                f"self.matches(r'{DECIMAL_PATTERN}') && self.matches('[1-9]')",
                'write a decimal number above 0 in quotes, in loss units, such as "0.04"',
            )
        ),
    )

    @property
    def own_margin(self) -> float | None:
        """The margin that the step names itself, in the gate's own units."""
        return self.margin if self.absolute_margin is None else self.absolute_margin


def margins(steps: Sequence[Step], harm_margin: float, ceiling: float) -> list[float]:
    """Return the harm that must be ruled out to leave each step upwards, never more than in the step before.

    Args:
        steps: The steps in order.
        harm_margin: The margin of the gate.
        ceiling: The most that a step is left at which names no margin itself, unless the gate's is larger.
    """
    early = max(harm_margin, min(EARLY_STEP_MARGIN_FACTOR * harm_margin, ceiling))
    found: list[float] = []
    for step in steps:
        is_last = step is steps[-1]
        margin = step.own_margin or (harm_margin if is_last else early)
        found.append(min([margin, *found[-1:], *([harm_margin] if is_last else [])]))
    return found


_ORDER = "write margins that do not rise from step to step: a step with more traffic must not be easier to leave"
_UNITS = (("margin", PERCENT_PATTERN, "5.0"), ("absoluteMargin", DECIMAL_PATTERN, None))
"""Field, pattern, and the gate's margin where it names none."""


def _number(text: str) -> str:
    return f"double({text}.replace('%', ''))"


def _malformed(field: str, pattern: str) -> str:
    """What is no number is refused at its own place; a second complaint would only add noise."""
    of_step = f"!(type(step.{field}) == string && step.{field}.matches(r'{pattern}'))"
    return f"self.exists(step, has(step.{field}) && {of_step})"


def _falling(field: str, pattern: str) -> JsonDict:
    mine, others = _number(f"step.{field}"), _number(f"other.{field}")
    falls = f"other.weight <= step.weight || !has(other.{field}) || {others} <= {mine}"
    return rule(
        f"self.all(step, !has(step.{field}) || self.all(other, {falls})) || {_malformed(field, pattern)}", _ORDER
    )


STEPS_RULES: JsonDict = rules(
    rule(
        "self.map(step, step.weight).isSorted() && self.all(step, self.exists_one(other, other.weight == step.weight))",
        "write weights that rise from step to step, each once, such as 5, 25, 50",
    ),
    *(_falling(field, pattern) for field, pattern, _ in _UNITS),
)
"""What can be said of the steps alone."""


def _within_gate(field: str, pattern: str, default: str | None) -> JsonDict:
    """The last step asks for the gate's margin or less; after a step that names no margin none is looser than that."""
    gate = _number(f"self.gate.{field}")
    gate = f"(has(self.gate.{field}) ? {gate} : {default})" if default else gate
    own = _number(f"step.{field}")
    early = f"{own} <= {EARLY_STEP_MARGIN_FACTOR} * {gate}" + (
        f" && {own} <= {MAX_EARLY_STEP_MARGIN * 100}" if default else ""
    )
    is_last = "!self.steps.exists(other, other.weight > step.weight)"
    follows_default = f"self.steps.exists(other, other.weight < step.weight && !has(other.{field}))"
    within = f"{own} <= {gate} || !{is_last} && ({early} || !{follows_default})"
    malformed = _malformed(field, pattern).replace("self.", "self.steps.", 1)
    return rule(
        f"self.steps.all(step, !has(step.{field}) || {within}) || {malformed}",
        f"write at most gate.{field} as {field} of the last step, which decides on the promotion, and at most four "
        "times that in a step after one that names none",
        ".steps",
        judges=("steps", f"gate.{field}"),
    )


SPEC_RULES: tuple[JsonDict, ...] = (
    rule(
        "self.steps.all(step, has(self.gate.absoluteMargin) ? !has(step.margin) : !has(step.absoluteMargin))",
        "write the margins of steps in the unit of the gate: margin beside gate.margin, absoluteMargin beside "
        "gate.absoluteMargin",
        ".steps",
        judges=("steps", "gate.absoluteMargin"),
    ),
    *(_within_gate(*unit) for unit in _UNITS),
    rule(
        "self.steps.all(step, !has(step.minDuration) || duration(step.minDuration) <= duration(self.gate.maxDuration) "
        f"|| !step.minDuration.matches(r'{DURATION_PATTERN}')) "
        f"|| !self.gate.maxDuration.matches(r'{DURATION_PATTERN}')",
        "write a minDuration that is not longer than gate.maxDuration, after which a step is inconclusive",
        ".steps",
        judges=("steps", "gate.maxDuration"),
    ),
)
"""What steps and gate must be together."""
