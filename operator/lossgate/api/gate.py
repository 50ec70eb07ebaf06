"""`spec.gate`: what must be shown before the canary gets more traffic, and what takes it back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from lossgate.api.part import Part
from lossgate.api.quantities import DECIMAL_PATTERN, PERCENT_PATTERN, LossUnits, Percent, Seconds
from lossgate.api.rules import lasts, rule, rules, says

Probability = Annotated[
    float,
    Field(
        gt=0,
        le=0.5,
        json_schema_extra=says("write a probability above 0 and at most 0.5, such as 0.05"),
    ),
]


class Risk(Part):
    """How often the gate may be wrong."""

    rollback: Probability = Field(
        default=0.05,
        description="Highest probability that a version that is not worse than the margin is rolled back, over the "
        "whole rollout.",
    )
    promotion: Probability = Field(
        default=0.05, description="Highest probability that a version worse than the margin is promoted."
    )


class OnInconclusive(StrEnum):
    """What happens when a step ends without a verdict."""

    PAUSE = "Pause"
    ROLLBACK = "Rollback"
    PROMOTE = "Promote"


class Gate(Part):
    """What must be shown before the canary gets more traffic, and what takes it back."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.margin) && has(self.absoluteMargin))",
                "write margin or absoluteMargin, not both: margin is relative to the stable version's loss, "
                "absoluteMargin is in loss units",
                judges=("margin", "absoluteMargin"),
            )
        )
    )

    margin: Percent | None = Field(
        default=None,
        description="Tolerated rise of the mean loss, relative to the stable version's, always with a percent sign. A "
        'version is rolled back when shown to be worse than this and promoted when shown not to be. "5%" where '
        "absoluteMargin is not given.",
        json_schema_extra=rules(
            rule(
                f"type(self) == string && self.matches(r'{PERCENT_PATTERN}') && self.matches('[1-9]')",
                'write a percentage above 0 with its sign, such as "5%": no version can be shown to be no worse than '
                "a margin of 0",
            )
        ),
    )
    absolute_margin: LossUnits | None = Field(
        default=None,
        alias="absoluteMargin",
        description="Tolerated rise of the mean loss in loss units, in place of margin: a decimal number in quotes.",
        json_schema_extra=rules(
            rule(
                f"self.matches(r'{DECIMAL_PATTERN}') && self.matches('[1-9]')",
                'write a decimal number above 0 in quotes, in loss units, such as "0.01"; for a percentage use margin',
            )
        ),
    )
    risk: Risk = Field(default=Risk(), description="How often the gate may be wrong.")
    guard_excess: Percent = Field(
        default=0.25,
        alias="guardExcess",
        description="The early guard, which needs neither many looks nor minLabels, takes a version back whose loss is "
        "shown to be above the margin and this share of the stable version's loss besides.",
        json_schema_extra=rules(
            rule(
                f"type(self) == string && self.matches(r'{PERCENT_PATTERN}') && self.matches('[1-9]') "
                "&& double(self.replace('%', '')) <= 1000.0",
                'write a percentage above 0 and at most 1000% with its sign, such as "25%"',
            )
        ),
    )
    min_labels: int = Field(
        default=500,
        ge=100,
        le=100_000_000,
        alias="minLabels",
        description="Labels of the canary without which a step gives no verdict. Only the early guard against a much "
        "larger loss does not wait for them.",
        json_schema_extra=says("write a number of labels from 100 to 100000000"),
    )
    max_duration_seconds: Seconds = Field(
        default=86400.0,
        alias="maxDuration",
        description="Longest time in one step without a verdict; then the step is inconclusive.",
        json_schema_extra=lasts("1s", "2160h", such_as="24h"),
    )
    on_inconclusive: OnInconclusive = Field(
        default=OnInconclusive.PAUSE,
        alias="onInconclusive",
        description="What an inconclusive step leads to. Pause goes back to the first step's weight and waits for a "
        "person. Promote takes the risk that nothing was shown.",
    )
    pause_timeout_seconds: Seconds = Field(
        default=86400.0,
        alias="pauseTimeout",
        description="How long a pause for an inconclusive step waits for a person; then the canary is rolled back.",
        json_schema_extra=lasts("1s", "2160h", such_as="24h"),
    )
    hold_timeout_seconds: Seconds = Field(
        default=3600.0,
        alias="holdTimeout",
        description="How long losses may be impossible to read before the canary is rolled back. Missing traffic or "
        "labels do not count: they use up maxDuration.",
        json_schema_extra=lasts("1s", "2160h", such_as="1h"),
    )

    @property
    def is_absolute(self) -> bool:
        """Whether the margin is in loss units rather than relative to the stable mean."""
        return self.absolute_margin is not None

    @property
    def harm_margin(self) -> float:
        """The margin in its own units: loss units if absolute, else a fraction of the stable mean (default 5 %)."""
        if self.absolute_margin is not None:
            return self.absolute_margin
        return 0.05 if self.margin is None else self.margin
