"""`lossgate plan`: what a rollout will cost, before it starts and without a cluster."""

from __future__ import annotations

import itertools
import json
import statistics
from pathlib import Path

import click

from lossgate.api.quantities import parse_duration
from lossgate.cli.exits import BadData, Question, Status
from lossgate.cli.forecast_output import as_object, show
from lossgate.cli.forecasts import Supply, foresee
from lossgate.cli.history import History, Source
from lossgate.cli.options import ABOVE_ZERO, Margins, Request, finite, given_baseline, parsed, test_options
from lossgate.cli.recorded import Recording
from lossgate.cli.rows import opened
from lossgate.stats import Baseline, Noise

DEFAULT_WEIGHTS = (5, 25, 50)
DEFAULT_INTERVAL_SECONDS = 30.0


@click.command(cls=Question)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@test_options
@click.option(
    "--step-margin",
    help="Rise that must be ruled out to leave a step but the last.  [default: 4 times the margin, at most 50%]",
)
@click.option(
    "--weight",
    "weights",
    type=click.IntRange(1, 99),
    multiple=True,
    default=DEFAULT_WEIGHTS,
    show_default=True,
    help="Canary share of a step in per cent; once for each step, in order.",
)
@click.option(
    "--labels-per-second",
    type=ABOVE_ZERO,
    callback=finite,
    help="Labels of both versions together, in place of what FILE shows.",
)
@click.option("--interval", callback=parsed(parse_duration), help="One look.  [default: FILE's, else 30s]")
@click.option(
    "--max-duration",
    callback=parsed(parse_duration),
    default="24h",
    show_default=True,
    help="Longest time of a step without a verdict.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def plan(
    context: click.Context,
    /,
    file: Path | None,
    margin: float | None,
    absolute_margin: float | None,
    step_margin: str | None,
    risk_rollback: float,
    risk_promotion: float,
    min_labels: int,
    clip: float,
    baseline_mean: float | None,
    baseline_variance: float | None,
    weights: tuple[int, ...],
    labels_per_second: float | None,
    interval: float | None,
    max_duration: float,
    as_json: bool,
) -> None:
    """Tell what a rollout will cost, in labels and time, and whether it can conclude.

    FILE is as for replay; its rows before the canary's first are the stable version's history, which tells the loss and
    how fast labels come. Without it, give --baseline-mean, --baseline-variance and --labels-per-second.

    Exit status: 0 every step can conclude, 2 some step cannot, 64 wrong use or bad data.
    """
    if any(later <= earlier for earlier, later in itertools.pairwise(weights)):
        raise click.BadParameter("every step must have a larger weight than the one before", param_hint="--weight")
    request = Request(
        margins=Margins.of(margin, absolute_margin, step_margin),
        risk_rollback=risk_rollback,
        risk_promotion=risk_promotion,
        min_labels=min_labels,
        clip=clip,
        steps=len(weights),
    )
    given = given_baseline(baseline_mean, baseline_variance)
    if file is None:
        supply = _from_options(given, labels_per_second, interval)
    else:
        supply = _from_history(file, clip, given, labels_per_second, interval)
    expected = foresee(request, supply, weights, max_duration)
    if as_json:
        click.echo(json.dumps(as_object(expected)))
    else:
        show(expected)
    context.exit(Status.INCONCLUSIVE if expected.too_long else Status.NON_INFERIOR)


def _from_options(given: Baseline | None, labels_per_second: float | None, interval: float | None) -> Supply:
    if given is None or labels_per_second is None:
        raise click.UsageError(
            "without FILE, --baseline-mean, --baseline-variance and --labels-per-second are all needed"
        )
    return Supply(given, Source.GIVEN, Noise.WITHIN_LOOK, labels_per_second, interval or DEFAULT_INTERVAL_SECONDS)


def _from_history(
    file: Path, clip: float, given: Baseline | None, labels_per_second: float | None, interval: float | None
) -> Supply:
    ends = []
    with opened(file) as lines:
        recording = Recording(lines, clip)
        noise = Noise.WITHIN_LOOK if recording.has("sumsq") else Noise.BETWEEN_LOOKS
        history = History(noise.has_squares)
        for look in recording.looks():
            if look.has_canary:
                break
            ends.append(look.moment.end)
            history.add(look.stable_arm)
    baseline = given or history.baseline()
    if baseline is None:
        raise BadData(
            f"no baseline: the {len(ends)} looks before the canary's first row have {history.whole.n:g} labels whose "
            "losses are all 0 or do not vary; give --baseline-mean and --baseline-variance"
        )
    gaps = [later - earlier for earlier, later in itertools.pairwise(ends)]
    if not gaps and (labels_per_second is None or interval is None):
        raise BadData(
            f"{len(ends)} looks before the canary's first row tell no rate; give --labels-per-second and --interval"
        )
    # The median: a gap in the recording is not a longer look.
    recorded_interval = statistics.median(gaps) if gaps else 0.0
    return Supply(
        baseline=baseline,
        source=Source.GIVEN if given else Source.HISTORY,
        noise=noise,
        labels_per_second=labels_per_second or history.whole.n / len(ends) / recorded_interval,
        interval_seconds=interval or recorded_interval,
    )
