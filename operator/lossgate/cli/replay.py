"""`lossgate replay`: the gate on recorded evidence, no cluster needed."""

from __future__ import annotations

from pathlib import Path

import click

from lossgate.cli import plot as picture
from lossgate.cli.exits import BadData, Question, Status
from lossgate.cli.judgements import JsonLines, Output
from lossgate.cli.judging import Replay
from lossgate.cli.options import DEFAULT_CLASS_MARGIN, Margins, Request, given_baseline, same_unit, test_options
from lossgate.cli.recorded import Recording
from lossgate.cli.rows import opened
from lossgate.cli.table import Table
from lossgate.stats import ClassTests


@click.command(cls=Question)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@test_options
@click.option("--step-margin", help="Rise that must be ruled out to leave a step but the last.  [default: the margin]")
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Steps of the rollout, over which the rollback risk is split.",
)
@click.option("--class", "classes", multiple=True, help="Test this class by itself as well; may be given again.")
@click.option("--class-margin", help="Margin of the classes.  [default: 10%]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a look, then the outcome.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw to this file, .svg or .png.")
@click.pass_context
def replay(
    context: click.Context,
    /,
    file: Path,
    margin: float | None,
    absolute_margin: float | None,
    step_margin: str | None,
    risk_rollback: float,
    risk_promotion: float,
    steps: int,
    min_labels: int,
    clip: float,
    baseline_mean: float | None,
    baseline_variance: float | None,
    classes: tuple[str, ...],
    class_margin: str | None,
    as_json: bool,
    plot: Path | None,
) -> None:
    """Judge recorded evidence as the operator would have.

    FILE is CSV or JSON lines ("-" reads standard input) with the columns time, arm (stable or canary), n, sum, sumsq
    and, if there are, label_age, class, pod, step, nonfinite: one row per version, look and bucket, in the order of
    time. Rows before the canary's first are the stable version's history, from which the baseline is taken.

    Exit status: 0 NonInferior, 1 Harm, 2 Inconclusive or Hold, 64 wrong use or bad data.
    """
    margins = Margins.of(margin, absolute_margin, step_margin)
    request = Request(
        margins=margins,
        risk_rollback=risk_rollback,
        risk_promotion=risk_promotion,
        min_labels=min_labels,
        clip=clip,
        steps=steps,
        classes=classes,
        class_margin=_class_margin(classes, class_margin, margins),
    )
    given = given_baseline(baseline_mean, baseline_variance)
    if plot is not None:
        if plot.suffix not in picture.SUFFIXES:
            raise click.BadParameter(f"{plot} ends neither in .svg nor in .png", param_hint="--plot")
        if not plot.parent.is_dir():
            raise click.BadParameter(f"{plot}: there is no folder {plot.parent}", param_hint="--plot")
        picture.require()
    with opened(file) as lines:
        recording = Recording(lines, clip)
        _tell_columns(recording, classes)
        run = Replay(recording, request, given, _tell)
        outputs: list[Output] = [JsonLines(run) if as_json else Table(run)]
        if plot is not None:
            outputs.append(picture.Plot(run, plot))
        for judged in run.looks():
            for output in outputs:
                output.look(judged)
    outcome = run.outcome
    _tell_flaws(recording)
    for output in reversed(outputs):
        output.final(outcome)
    context.exit(Status.of(outcome.verdict))


def _class_margin(classes: tuple[str, ...], class_margin: str | None, margins: Margins) -> float | None:
    """Return the margin of the listed classes, or None without any."""
    if not classes:
        if class_margin is not None:
            raise click.UsageError("--class-margin without --class: list the classes to test")
        return None
    if class_margin is None and margins.absolute:
        raise click.UsageError("with --absolute-margin, --class needs a --class-margin in loss units")
    value = (
        DEFAULT_CLASS_MARGIN if class_margin is None else same_unit("--class-margin", class_margin, margins.absolute)
    )
    try:
        ClassTests(classes, value, value)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--class") from None
    return value


def _tell_columns(recording: Recording, classes: tuple[str, ...]) -> None:
    if not recording.has("sumsq"):
        _tell("no column sumsq: the variance is taken from the looks' scatter, and there is no early guard")
    if recording.has("class") and not classes:
        _tell("column class: no class is tested by itself, as none is listed with --class")
    if classes and not recording.has("class"):
        raise BadData(f"column class: missing, but --class {classes[0]} asks for it")


def _tell_flaws(recording: Recording) -> None:
    if recording.lacks_time_zone:
        _tell("times without a time zone are taken for UTC")
    if recording.row_beyond_clip is not None:
        _tell(
            f"row {recording.row_beyond_clip}, column sumsq: some loss must be above the clip; the early guard's "
            "promise holds only if --clip is where losses were clipped"
        )


def _tell(text: str) -> None:
    click.echo(f"note: {text}", err=True)
