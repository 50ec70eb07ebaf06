"""`lossgate revision`: what the revision of a manifest will be called."""

from __future__ import annotations

from pathlib import Path

import click

from lossgate.cli import manifests
from lossgate.cli.exits import Question


@click.command(cls=Question)
@click.option(
    "-f",
    "--filename",
    "file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Manifest, YAML or JSON; - reads the standard input.",
)
def revision(file: Path) -> None:
    """Print what the revision that a manifest asks for will be called; no cluster is asked.

    One line for each ModelRollout of the file. It is the name of the Deployment, and what commands and the annotation
    lossgate.io/skip-analysis take.

    Exit status: 0, or 64 for wrong use or bad data.
    """
    for rollout in manifests.rollouts(file):
        click.echo(manifests.target(rollout))
