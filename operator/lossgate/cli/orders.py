"""`lossgate promote`, `abort`, `retry`, `pause`, `resume`, `rollback`: a person's word, written on the object."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from lossgate.api import names
from lossgate.api.commands import Command, Outcome, Verb
from lossgate.api.quantities import format_duration, parse_duration
from lossgate.api.reasons import Phase
from lossgate.api.status import RolloutStatus
from lossgate.cli import manifests
from lossgate.cli.cluster import Cluster, cluster_options
from lossgate.cli.exits import Question, Status
from lossgate.cli.options import parsed
from lossgate.cli.story import status_of

POLL_SECONDS = 0.5
DOES = {
    Verb.PROMOTE: "Promote the canary now, without waiting for the proof; pods and route are waited for as ever.",
    Verb.ABORT: "Take the canary back; it is not tried again while the spec goes on asking for it.",
    Verb.RETRY: "Try a revision that was rolled back afresh, with a new baseline and a new risk budget.",
    Verb.PAUSE: "Hold the rollout where it is, until it is resumed; harm still rolls it back.",
    Verb.RESUME: "End a pause; after an inconclusive one the rollout begins anew from the first step.",
    Verb.ROLLBACK: "Go back to the version before the last promotion, at once and without analysis.",
}
ASKS_FIRST = frozenset({Verb.PROMOTE, Verb.ABORT, Verb.ROLLBACK})
_HAS_CANARY = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK)
_EXITS = """

    Without --revision, the one that the object shows now is taken, and named.

    Exit status: 0 sent (with --wait: carried out), 3 refused, 4 nobody acted on it in time, 5 not confirmed, 64 wrong
    use, 69 the API server cannot be asked or said no.
    """


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    verb: Verb
    name: str
    revision: str | None
    wait_seconds: float | None
    is_confirmed: bool


def _command(verb: Verb) -> click.Command:
    @click.argument("name")
    @click.option("--revision", help="The revision that is meant.  [default: as the object shows]")
    @cluster_options
    @click.option("--wait", is_flag=True, help="Wait until the operator has acted on it, and say what became of it.")
    @click.option("--timeout", callback=parsed(parse_duration), default="1m", show_default=True, help="Longest wait.")
    @click.option("-y", "--yes", is_flag=True, help="Do not ask.")
    @click.pass_context
    def run(
        click_context: click.Context,
        /,
        name: str,
        revision: str | None,
        namespace: str | None,
        kube_context: str | None,
        kubeconfig: str | None,
        wait: bool,
        timeout: float,
        yes: bool,
    ) -> None:
        order = Order(verb, name, revision, timeout if wait else None, yes or revision is not None)
        click_context.exit(carry_out(order, Cluster.connect(kubeconfig, kube_context, namespace)))

    run.__doc__ = DOES[verb] + _EXITS
    return click.command(verb.value, cls=Question)(run)


COMMANDS = tuple(_command(verb) for verb in Verb)


def carry_out(order: Order, cluster: Cluster, now: Callable[[], float] = time.time) -> Status:
    """Write a command on the object and return the exit status; everything is said on the way."""
    body = cluster.get(order.name)
    status = status_of(body)
    where = f"{cluster.namespace}/{order.name}"
    revision = order.revision or _meant(order.verb, body, status)
    if revision is None:
        click.echo(f"{where} is {status.phase}: there is nothing to {order.verb}.", err=True)
        return Status.REFUSED
    click.echo(f"{where}: {order.verb} {revision}{_version(status, revision)}")
    if order.verb in ASKS_FIRST and not order.is_confirmed and sys.stdin.isatty():
        click.echo(DOES[order.verb])
        if not click.confirm("Go on?"):
            click.echo("Nothing was sent.", err=True)
            return Status.DECLINED
    command = Command.of(order.verb, revision, _given(status, now()))
    cluster.annotate(order.name, names.ANNOTATION_COMMAND, command.text)
    if order.wait_seconds is None:
        click.echo(f"Sent. What became of it: kubectl lossgate status {order.name} -n {cluster.namespace}")
        return Status.DONE
    return _await(order, cluster, command, order.wait_seconds)


def _meant(verb: Verb, body: dict[str, Any], status: RolloutStatus) -> str | None:
    """Return the revision that a command without one is about, or None if there is none."""
    match verb:
        case Verb.RETRY:
            return manifests.target(body)
        case Verb.ROLLBACK:
            return status.stable.revision if status.stable and status.previous else None
    return status.canary.revision if status.canary and status.phase in _HAS_CANARY else None


def _version(status: RolloutStatus, revision: str) -> str:
    versions = (status.stable, status.canary, status.previous)
    known = next((version for version in versions if version and version.revision == revision), None)
    return f" ({known.model_version})" if known else ""


def _given(status: RolloutStatus, now: float) -> str:
    """Return the time of the command: after the last one's, also where clocks differ."""
    last = Command.parse(status.last_command.text) if status.last_command else None
    if last is not None and last.given is not None:
        now = max(now, last.given + 0.001)
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _await(order: Order, cluster: Cluster, command: Command, seconds: float) -> Status:
    deadline = time.monotonic() + seconds
    while True:
        body = cluster.get(order.name)
        acted = status_of(body).last_command
        if acted is not None and acted.text == command.text:
            click.echo(f"{acted.outcome}: {acted.message}", err=acted.outcome is Outcome.REFUSED)
            return Status.DONE if acted.outcome is Outcome.OBEYED else Status.REFUSED
        present = (body["metadata"].get("annotations") or {}).get(names.ANNOTATION_COMMAND)
        if present != command.text:
            click.echo(f"Another command took its place before it was seen: {present}", err=True)
            return Status.UNANSWERED
        if time.monotonic() >= deadline:
            click.echo(
                f"The operator has not acted on it within {format_duration(seconds)}. It will when it sees it; is it "
                "running?",
                err=True,
            )
            return Status.UNANSWERED
        time.sleep(POLL_SECONDS)
