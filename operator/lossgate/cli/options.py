"""What the commands that answer a question are told: margins, risks and baseline, with the defaults of the spec."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from lossgate.api.quantities import format_percent, parse_decimal, parse_percent
from lossgate.stats import Baseline, ClassTests, GateConfig, Noise

DEFAULT_MARGIN = 0.05
DEFAULT_CLASS_MARGIN = 0.1
DEFAULT_CLIP = -math.log(1e-6)


Parser = Callable[[Any], Any]


def quantity(value: str, parse: Parser) -> float:
    """Return an amount above 0 that is written as in the spec, such as `5%` or `30s`.

    Raises:
        ValueError: It is written in another way, or is 0.
    """
    amount = float(parse(value))
    if amount <= 0:
        raise ValueError(f"{value} is not above 0")
    return amount


def parsed(parse: Parser) -> Callable[[click.Context, click.Parameter, str | None], float | None]:
    """Return a callback that turns an option's text into an amount."""

    def callback(context: click.Context, option: click.Parameter, value: str | None) -> float | None:
        try:
            return None if value is None else quantity(value, parse)
        except ValueError as error:
            raise click.BadParameter(str(error), context, option) from None

    return callback


def finite(context: click.Context, option: click.Parameter, value: float | None) -> float | None:
    """Refuse NaN and infinity, which no range excludes."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number", context, option)
    return value


PROBABILITY = click.FloatRange(0, 0.5, min_open=True)
ABOVE_ZERO = click.FloatRange(0, min_open=True)


@dataclass(frozen=True, slots=True)
class Margins:
    """What is tolerated, as fractions of the stable mean or, if `absolute`, in loss units.

    `step` is None where it was not given.
    """

    harm: float
    step: float | None
    absolute: bool

    @classmethod
    def of(cls, margin: float | None, absolute_margin: float | None, step_margin: str | None) -> Margins:
        """Return what the options say.

        Raises:
            click.UsageError: Both margins are given, or the step's has another unit than they.
        """
        if margin is not None and absolute_margin is not None:
            raise click.UsageError("give --margin, which is relative, or --absolute-margin, in loss units, not both")
        absolute = absolute_margin is not None
        harm = absolute_margin if absolute_margin is not None else DEFAULT_MARGIN if margin is None else margin
        return cls(harm, None if step_margin is None else same_unit("--step-margin", step_margin, absolute), absolute)

    def text(self, value: float) -> str:
        """Return a margin or a difference for people."""
        return difference_text(value, self.absolute)


def same_unit(option: str, value: str, absolute: bool) -> float:
    """Return a margin that has the unit of the main one.

    Raises:
        click.BadParameter: It has another, or is not above 0.
    """
    try:
        return quantity(value, parse_decimal if absolute else parse_percent)
    except ValueError as error:
        unit = "in loss units, as --absolute-margin is" if absolute else "a percentage, as --margin is"
        raise click.BadParameter(f"{error}; it must be {unit}", param_hint=option) from None


def difference_text(value: float, absolute: bool) -> str:
    """Return a difference of losses for people: loss units, or per cent of the stable loss."""
    return f"{value:.4f}" if absolute else format_percent(value)


def given_baseline(mean: float | None, variance: float | None) -> Baseline | None:
    """Return the baseline that the options give, or None.

    Raises:
        click.UsageError: Only one of the two is given.
    """
    if (mean is None) != (variance is None):
        raise click.UsageError("give --baseline-mean and --baseline-variance together, or neither")
    return None if mean is None or variance is None else Baseline(mean, variance, 0.0)


@dataclass(frozen=True, slots=True)
class Request:
    """The test that is asked for, whatever the data turn out to hold."""

    margins: Margins
    risk_rollback: float
    risk_promotion: float
    min_labels: int
    clip: float
    steps: int
    classes: tuple[str, ...] = ()
    class_margin: float | None = None

    def config(self, step_margin: float, noise: Noise, by_age: bool = False) -> GateConfig:
        """Return the configuration of one step's gate."""
        return GateConfig(
            margin=self.margins.harm,
            step_margin=step_margin,
            absolute=self.margins.absolute,
            rollback_risk=self.risk_rollback,
            promotion_risk=self.risk_promotion,
            steps=self.steps,
            min_labels=float(self.min_labels),
            clip=self.clip,
            noise=noise,
            by_age=by_age,
            per_class=self._class_tests(step_margin),
        )

    def _class_tests(self, step_margin: float) -> ClassTests | None:
        if not self.classes or self.class_margin is None:
            return None
        # No class has to show more than the whole in the same step.
        return ClassTests(self.classes, self.class_margin, max(self.class_margin, step_margin))


def test_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every question shares."""
    for option in reversed(
        (
            click.option(
                "--margin",
                callback=parsed(parse_percent),
                help="Tolerated rise of the mean loss, such as 5%.  [default: 5%]",
            ),
            click.option(
                "--absolute-margin", callback=parsed(parse_decimal), help="The same in loss units, such as 0.01."
            ),
            click.option(
                "--risk-rollback",
                type=PROBABILITY,
                callback=finite,
                default=0.05,
                show_default=True,
                help="Chance of a wrong rollback over all steps.",
            ),
            click.option(
                "--risk-promotion",
                type=PROBABILITY,
                callback=finite,
                default=0.05,
                show_default=True,
                help="Chance of a wrong promotion.",
            ),
            click.option(
                "--min-labels",
                type=click.IntRange(1),
                default=500,
                show_default=True,
                help="Canary labels below which only the early guard gives a verdict.",
            ),
            click.option(
                "--clip",
                type=ABOVE_ZERO,
                callback=finite,
                default=DEFAULT_CLIP,
                help="Largest loss of one label: where losses were clipped before they were added up.  [default: "
                "-log(1e-6), 13.8155]",
            ),
            click.option(
                "--baseline-mean",
                type=ABOVE_ZERO,
                callback=finite,
                help="Mean loss of the stable version, in place of its history.",
            ),
            click.option(
                "--baseline-variance", type=ABOVE_ZERO, callback=finite, help="Variance of the loss of one label."
            ),
        )
    ):
        command = option(command)
    return command
