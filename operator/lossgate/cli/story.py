"""What a person needs to know of a rollout at night: where it stands, why, what is awaited, and what can be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from lossgate.api import names
from lossgate.api.commands import Command
from lossgate.api.quantities import format_duration
from lossgate.api.reasons import UNREADABLE, ConditionType, Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import RolloutStatus, Version
from lossgate.cli.exits import BadData

EVENTS = 6
"""Events told at most, the last ones."""


@dataclass(frozen=True)
class Served:
    """One version, and its part in the rollout."""

    role: str
    version: Version


@dataclass(frozen=True)
class Story:
    """The facts; `lines` of a topic are sentences in order."""

    namespace: str
    name: str
    phase: Phase
    since: float | None
    versions: tuple[Served, ...]
    topics: Mapping[str, tuple[str, ...]]
    events: tuple[str, ...]
    status: RolloutStatus

    def as_object(self) -> dict[str, Any]:
        """Return the story as plain data; the numbers are those of the status."""
        stored = self.status.to_manifest()
        return {
            "namespace": self.namespace,
            "name": self.name,
            "phase": self.phase.value,
            "versions": [
                {"role": served.role, **served.version.model_dump(mode="json", by_alias=True)}
                for served in self.versions
            ],
            **{topic: list(lines) for topic, lines in self.topics.items()},
            **{key: stored[key] for key in ("step", "lastCommand", "conditions") if key in stored},
            "analysis": {key: value for key, value in (stored.get("analysis") or {}).items() if key != "state"},
            "events": list(self.events),
        }


def status_of(body: Mapping[str, Any]) -> RolloutStatus:
    """Return the status of a ModelRollout.

    Raises:
        BadData: It is not one that this program can read.
    """
    try:
        return RolloutStatus.model_validate(body.get("status") or {})
    except ValidationError as error:
        raise BadData(f"the status cannot be read; is this program older than the operator? {error}") from error


def tell(body: Mapping[str, Any], events: Sequence[Mapping[str, Any]], now: float) -> Story:
    """Return the story of a ModelRollout as stored, with its events, as of `now` (Unix seconds).

    Raises:
        BadData: The object cannot be read.
    """
    status = status_of(body)
    try:
        spec = RolloutSpec.model_validate(body["spec"])
        metadata = body["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "default")
    except (KeyError, TypeError, ValidationError) as error:
        raise BadData(f"this is no {names.KIND} that can be read: {error}") from error
    topics = {
        "why": tuple(_why(body, status)),
        "evidence": tuple(_evidence(spec, status, now)),
        "awaits": tuple(_awaits(spec, status, now)),
        "next": tuple(_next(status)),
        "command": tuple(_command(body, status, now)),
    }
    return Story(
        namespace=namespace,
        name=name,
        phase=status.phase,
        since=status.since,
        versions=tuple(_versions(status)),
        topics=topics,
        events=tuple(_event(event, now) for event in events[-EVENTS:]),
        status=status,
    )


def moment(unix_seconds: float, now: float) -> str:
    """Return a time for people: absolute, and how far it is from now."""
    text = datetime.fromtimestamp(int(unix_seconds), UTC).isoformat().replace("+00:00", "Z")
    distance = unix_seconds - now
    return f"{text} ({f'in {format_duration(distance)}' if distance > 0 else f'{format_duration(-distance)} ago'})"


def _versions(status: RolloutStatus) -> Iterator[Served]:
    told = set()
    for role in ("stable", "canary", "previous"):
        version: Version | None = getattr(status, role)
        if version is not None and version.revision not in told:
            told.add(version.revision)
            yield Served(role, version)


def _why(body: Mapping[str, Any], status: RolloutStatus) -> Iterator[str]:
    generation = body["metadata"].get("generation", 0)
    if status.observed_generation < generation:
        yield "The operator has not acted on the last edit of the spec yet; if that lasts, see whether it runs."
    for type_, worrying in (
        (ConditionType.STALLED, "True"),
        (ConditionType.READY, "False"),
        (ConditionType.MEASURED, "False"),
    ):
        found = status.condition(type_)
        if found is not None and found.status == worrying:
            yield f"{type_}={found.status} {found.reason}: {found.message}"
    promoted = status.condition(ConditionType.PROMOTED)
    if promoted is not None:
        yield f"Promoted={promoted.status} {promoted.reason}: {promoted.message}"


def _evidence(spec: RolloutSpec, status: RolloutStatus, now: float) -> Iterator[str]:
    step, analysis = status.step, status.analysis
    if step is None or status.canary is None:
        return
    since = f", in force since {moment(step.since, now)}" if step.since is not None else ", not in force"
    yield f"Step {step.index + 1} of {len(spec.steps)}: {step.weight}% of the requests{since}."
    if status.skipped is not None:
        yield "No analysis: the annotation lossgate.io/skip-analysis names the canary."
    elif analysis is not None and step.looks:
        mean, delta = analysis.mean_loss, analysis.delta
        yield f"{step.looks} looks, labels: canary {analysis.labels.canary}, stable {analysis.labels.stable}."
        yield (
            f"Loss: canary {mean.canary or '?'}, stable {mean.stable or '?'}; "
            f"delta {delta.estimate or '?'} [{delta.lower or '?'}, {delta.upper or '?'}], positive is worse."
        )
        yield (
            f"Verdict {analysis.verdict}: {analysis.harm or '?'} of the evidence for harm, "
            f"{analysis.safety or '?'} of that for leaving the step."
        )


def _awaits(spec: RolloutSpec, status: RolloutStatus, now: float) -> Iterator[str]:
    match status.phase:
        case Phase.INITIALIZING:
            yield "Ready pods of the first version, and a gateway that accepts the route."
        case Phase.PROGRESSING:
            yield from _awaits_of_a_step(spec, status, now)
        case Phase.PAUSED if status.pause is not None:
            yield f"A person: {status.pause.message}"
            if status.pause.reason is Reason.INCONCLUSIVE:
                end = status.pause.since + spec.gate.pause_timeout_seconds
                yield f"If nobody decides, it is rolled back at {moment(end, now)} (gate.pauseTimeout)."
        case Phase.PROMOTING:
            yield "All pods of the canary, then the hand-over to it."
        case Phase.ROLLING_BACK:
            what = "All pods of the version to go back to" if status.returning else "The route at weight 0"
            yield f"{what}, then a few seconds for requests under way."
    if status.scale_down_at is not None and status.previous is not None:
        yield f"{status.previous.model_version} gives up its pods at {moment(status.scale_down_at, now)}."


def _awaits_of_a_step(spec: RolloutSpec, status: RolloutStatus, now: float) -> Iterator[str]:
    step, analysis = status.step, status.analysis
    if step is None:
        return
    hold = analysis.hold if analysis else None
    if hold is not None and hold.reason in UNREADABLE:
        yield f"Evidence; without any it is rolled back at {moment(hold.since + spec.gate.hold_timeout_seconds, now)}."
    elif step.since is None:
        yield "Ready pods for the step, and a gateway that accepts the route at its weight."
    elif analysis is not None and analysis.expected_verdict:
        yield f"A verdict: {analysis.expected_verdict}."
    if step.began is not None and status.skipped is None:
        end = step.began + spec.gate.max_duration_seconds + spec.loss.label_delay_seconds
        yield f"At the latest at {moment(end, now)} (gate.maxDuration), then {spec.gate.on_inconclusive}."


def _next(status: RolloutStatus) -> Iterator[str]:
    """Return the commands that would be carried out now, and what each does."""
    match status.phase:
        case Phase.PROGRESSING | Phase.PAUSED:
            yield "promote: take it now, without the proof"
            yield "abort: take it back"
            yield "pause: wait as it is" if status.phase is Phase.PROGRESSING else "resume: go on"
        case Phase.PROMOTING if status.canary is not None and status.canary.weight < 100:
            yield "abort: take it back"
        case Phase.ROLLING_BACK if status.returning and status.canary and status.canary.weight < 100:
            yield "abort: stay with the version that serves"
        case Phase.ROLLED_BACK:
            yield "retry: try it afresh; or edit the spec"
    if status.phase in (Phase.HEALTHY, Phase.ROLLED_BACK) and status.previous is not None:
        yield f"rollback: go back to {status.previous.model_version}"


def _command(body: Mapping[str, Any], status: RolloutStatus, now: float) -> Iterator[str]:
    given = Command.parse((body["metadata"].get("annotations") or {}).get(names.ANNOTATION_COMMAND))
    last = status.last_command
    if last is not None:
        yield f"{last.text}: {last.outcome} at {moment(last.time, now)}: {last.message}"
    if given is not None and (last is None or given.text != last.text):
        yield f"{given.text}: not acted on yet; if that lasts, see whether the operator runs."


def _event(event: Mapping[str, Any], now: float) -> str:
    when = event.get("lastTimestamp") or event.get("eventTime")
    age = f"{format_duration(max(now - datetime.fromisoformat(when).timestamp(), 0))} ago" if when else "?"
    return f"{age:>9}  {event.get('type', ''):<7}  {event.get('reason', '')}: {event.get('message', '')}"
