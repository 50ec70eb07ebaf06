"""`lossgate status`: the story of one rollout."""

from __future__ import annotations

import json
import shutil
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from lossgate.cli import manifests
from lossgate.cli.cluster import Cluster, cluster_options
from lossgate.cli.exits import Question, Unavailable
from lossgate.cli.story import Story, moment, tell

_TITLES = {"why": "Why", "evidence": "Evidence", "awaits": "Awaits", "next": "You can", "command": "Command"}
_INDENT = 10


@click.command(cls=Question)
@click.argument("name", required=False)
@click.option(
    "-f",
    "--filename",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Tell of a saved object, YAML or JSON, in place of one in the cluster; - reads the standard input.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
@cluster_options
def status(
    name: str | None,
    file: Path | None,
    output: str,
    namespace: str | None,
    kube_context: str | None,
    kubeconfig: str | None,
) -> None:
    """Tell where a rollout stands, why, what is awaited, and what can be done.

    Exit status: 0, 64 for wrong use or bad data, 69 if the API server cannot be asked or said no.
    """
    if (name is None) == (file is None):
        raise click.UsageError("give the NAME of a ModelRollout, or --filename")
    if file is not None:
        stories = [tell(body, (), time.time()) for body in manifests.rollouts(file)]
    else:
        stories = [_ask(Cluster.connect(kubeconfig, kube_context, namespace), str(name))]
    for story in stories:
        match output:
            case "json":
                click.echo(json.dumps(story.as_object()))
            case "yaml":
                click.echo(yaml.safe_dump(story.as_object(), sort_keys=False, explicit_start=True), nl=False)
            case _:
                click.echo("\n".join(text(story, time.time(), shutil.get_terminal_size().columns)))


def text(story: Story, now: float, width: int) -> Iterator[str]:
    """Return the story as lines of at most `width` characters."""
    since = f" since {moment(story.since, now)}" if story.since is not None else ""
    yield f"{story.namespace}/{story.name}: {story.phase}{since}"
    yield ""
    yield from _table(story)
    for topic, lines in story.topics.items():
        if lines:
            yield ""
            yield from _paragraph(_TITLES[topic], lines, width)
    if story.events:
        yield ""
        yield "Events"
        for event in story.events:
            yield from textwrap.wrap(event, width, initial_indent="  ", subsequent_indent=" " * 22)


def _ask(cluster: Cluster, name: str) -> Story:
    body: dict[str, Any] = cluster.get(name)
    try:
        events = cluster.events(body["metadata"]["uid"])
    except Unavailable as error:
        click.echo(f"Without events: {error.message}", err=True)
        events = []
    return tell(body, events, time.time())


def _table(story: Story) -> Iterator[str]:
    rows = [("VERSION", "REVISION", "PART", "WEIGHT", "READY")]
    rows += [
        (
            served.version.model_version,
            served.version.revision,
            served.role,
            f"{served.version.weight}%",
            f"{served.version.ready_replicas}/{served.version.replicas}",
        )
        for served in story.versions
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        yield "  ".join(cell.ljust(wide) for cell, wide in zip(row, widths, strict=True)).rstrip()


def _paragraph(title: str, lines: tuple[str, ...], width: int) -> Iterator[str]:
    head = title.ljust(_INDENT)
    for line in lines:
        yield from textwrap.wrap(line, width, initial_indent=head, subsequent_indent=" " * (_INDENT + 2))
        head = " " * _INDENT
