"""What an edit of each field does to a rollout in flight, and why: `python -m tests.rollout.spec_edits --write`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from lossgate.api.guardrails import Guardrail
from lossgate.api.spec import Canary, OnInconclusive, RolloutSpec, Step, Traffic
from tests.docs.reference.markdown import cell, table
from tests.rollout.inputs import edited

PAGE = Path(__file__).parents[2] / "docs" / "spec-edits.md"


class Effect(Enum):
    """What becomes of the evidence of the step in flight; the value is the heading of the page."""

    REVISION = "Another revision: the rollout begins anew"
    ROLLOUT = "A new baseline: the rollout begins anew with the same canary"
    STEP = "The step begins anew"
    GUARDRAIL = "The guardrail begins anew, the loss keeps its evidence"
    KEPT = "At once, and the evidence goes on"
    NEXT = "From the next promotion, or the next time, on"


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit of one field does, why, and one edit to try."""

    effect: Effect
    why: str
    value: Any
    path: str = ""
    """The field to set, named as in Python, where it is a part of a list or of a part that may be absent."""


_ASKED = (
    "Evidence answers the question that was asked when it was gathered; a question chosen after it voids the risks."
)
_OTHER = "Losses read from elsewhere are not comparable with the baseline, nor with what was read before."
_TIME = "A deadline is no part of the test: it counts from where it began, at its new length."
_LIMIT = "Failures of another limit or query do not count; it must pass in this step before the step is left."
_GUARDRAIL: dict[str, Any] = {"name": "errors", "query": 'x{revision="$revision"}', "max": 0.01, "failureLimit": 2}


def _guardrails(**changes: object) -> tuple[Guardrail, ...]:
    told = {name: value for name, value in (_GUARDRAIL | changes).items() if value is not None}
    return (Guardrail.model_validate(told),)


def _steps(**changes: object) -> tuple[Step, ...]:
    return (Step(weight=20), Step.model_validate({"weight": 50, **changes}))


def _limit(**changes: object) -> Edit:
    return Edit(Effect.GUARDRAIL, _LIMIT, _guardrails(**changes), "guardrails")


_PRESET = {"query": None, "preset": "EnvoyGatewayErrorRate"}
_ROUTE = Traffic.model_validate({"routeRef": {"name": "digits"}})
_OTHER_GATEWAY = Traffic.model_validate({"gateway": {"parentRefs": [{"name": "other", "sectionName": "web"}]}})
_NAMED = (
    "The route is written anew, and looks begin again once a gateway has accepted it: those in between are dropped."
)

EDITS: Mapping[str, Edit] = {
    "model.version": Edit(Effect.REVISION, "It is another version: nothing is known of it yet.", "v3"),
    "template": Edit(
        Effect.REVISION,
        "Other pods may predict otherwise; for a change that is no new model there is `lossgate.io/skip-analysis`.",
        {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "model", "ports": []}]}},
    ),
    "loss.prometheus.url": Edit(Effect.ROLLOUT, _OTHER, "http://other:9090"),
    "loss.prometheus.headers": Edit(Effect.ROLLOUT, f"Another tenant is another source. {_OTHER}", {"X-Scope": "b"}),
    "loss.selector": Edit(Effect.ROLLOUT, _OTHER, {"model": "digits"}),
    **{
        f"loss.series.{name}": Edit(Effect.ROLLOUT, _OTHER, "other_total")
        for name in ("count", "sum", "sum_of_squares", "non_finite", "predictions")
    },
    **{f"loss.labels.{name}": Edit(Effect.ROLLOUT, _OTHER, "other") for name in ("revision", "namespace")},
    "steps.weight": Edit(
        Effect.STEP,
        "Another share is another load and another split. The rollout goes on at the heaviest step that is not above "
        "its present weight: an edit alone never sends more to a canary, except that the first step needs no proof.",
        _steps(weight=40),
        "steps",
    ),
    "steps.margin": Edit(Effect.STEP, _ASKED, _steps(margin="3%"), "steps"),
    "steps.absolute_margin": Edit(Effect.STEP, _ASKED, _steps(absoluteMargin="0.01"), "steps"),
    "gate.margin": Edit(Effect.STEP, _ASKED, 0.04),
    "gate.absolute_margin": Edit(Effect.STEP, _ASKED, 0.01),
    "gate.risk.rollback": Edit(Effect.STEP, _ASKED, 0.01),
    "gate.risk.promotion": Edit(Effect.STEP, _ASKED, 0.01),
    "gate.guard_excess": Edit(Effect.STEP, _ASKED, 0.5),
    "gate.min_labels": Edit(Effect.STEP, _ASKED, 600),
    "loss.interval_seconds": Edit(
        Effect.STEP,
        "Noise is learned look by look, at the time scale of looks: looks of another length are of another noise.",
        20.0,
    ),
    "guardrails.name": _limit(name="failures"),
    "guardrails.query": _limit(query='y{revision="$revision"}'),
    "guardrails.preset": _limit(**_PRESET),
    "guardrails.max": _limit(max=0.02),
    "guardrails.min": _limit(min=-1),
    "guardrails.max_ratio_to_stable": _limit(maxRatioToStable=2),
    "guardrails.interval_seconds": _limit(interval="20s"),
    "guardrails.failure_limit": Edit(
        Effect.KEPT,
        "The same evaluations are counted; how many in a row roll back is a matter of patience.",
        _guardrails(failureLimit=3),
        "guardrails",
    ),
    "replicas": Edit(Effect.KEPT, "An autoscaler does it all the time, and a pod more is no other version.", 8),
    "canary.replicas": Edit(
        Effect.KEPT, "The share of the requests stays; only the pods follow.", Canary(replicas=2), "canary"
    ),
    "canary.max_surge": Edit(
        Effect.KEPT,
        "The share of the requests stays; only the pods follow.",
        Canary.model_validate({"maxSurge": 1}),
        "canary",
    ),
    "service.port": Edit(Effect.KEPT, "Both versions are reached in the same new way.", 8080),
    "service.target_port": Edit(Effect.KEPT, "Both versions are reached in the same new way.", 8080),
    "traffic.gateway.parent_refs.name": Edit(Effect.KEPT, _NAMED, _OTHER_GATEWAY, "traffic"),
    "traffic.gateway.parent_refs.namespace": Edit(Effect.KEPT, _NAMED, _OTHER_GATEWAY, "traffic"),
    "traffic.gateway.parent_refs.section_name": Edit(Effect.KEPT, _NAMED, _OTHER_GATEWAY, "traffic"),
    "traffic.gateway.hostnames": Edit(Effect.KEPT, _NAMED, _OTHER_GATEWAY, "traffic"),
    "traffic.route_ref.name": Edit(Effect.KEPT, _NAMED, _ROUTE, "traffic"),
    "traffic.route_ref.rule_name": Edit(Effect.KEPT, _NAMED, _ROUTE, "traffic"),
    "steps.min_duration_seconds": Edit(
        Effect.KEPT, "It only delays: what is shown stays shown.", _steps(minDuration="10m"), "steps"
    ),
    "loss.settle_seconds": Edit(
        Effect.KEPT, "Looks end on the same grid, each counted once; they are only read sooner or later.", 8.0
    ),
    "loss.label_delay_seconds": Edit(Effect.KEPT, _TIME, 60.0),
    "loss.prometheus.secret_ref.name": Edit(Effect.KEPT, "The same numbers behind other credentials.", None, "-"),
    "loss.prometheus.secret_ref.allow_http": Edit(Effect.KEPT, "The same numbers behind other credentials.", None, "-"),
    "loss.prometheus.ca_ref.kind": Edit(Effect.KEPT, "The same numbers behind other certificates.", None, "-"),
    "loss.prometheus.ca_ref.name": Edit(Effect.KEPT, "The same numbers behind other certificates.", None, "-"),
    "loss.prometheus.ca_ref.key": Edit(Effect.KEPT, "The same numbers behind other certificates.", None, "-"),
    "gate.max_duration_seconds": Edit(Effect.KEPT, _TIME, 7200.0),
    "gate.hold_timeout_seconds": Edit(Effect.KEPT, _TIME, 7200.0),
    "gate.pause_timeout_seconds": Edit(Effect.KEPT, _TIME, 7200.0),
    "gate.on_inconclusive": Edit(
        Effect.KEPT,
        "It says what follows, not what is tested. `Rollback` also ends an inconclusive pause; `Promote` waits for the "
        "next time.",
        OnInconclusive.ROLLBACK,
    ),
    "progress_deadline_seconds": Edit(Effect.KEPT, _TIME, 900),
    "revision_history_limit": Edit(Effect.KEPT, "Only Deployments without pods go, or stay.", 1),
    "paused": Edit(
        Effect.KEPT,
        "The rollout waits at its weight and goes on gathering evidence; the wait does not "
        "count against `gate.maxDuration`.",
        True,
    ),
    "scale_down_delay_seconds": Edit(
        Effect.NEXT, "When the old version goes is decided when the new one takes over.", 60.0
    ),
}
"""By field, named as in Python; items of lists have no number."""


def fields(model: type[BaseModel] = RolloutSpec, parent: str = "") -> Iterator[tuple[str, str]]:
    """Yield each field of the spec that has no parts of its own: its path in Python and in the API."""
    for name, field in model.model_fields.items():
        parts = [part for part in _parts(field.annotation) if part.model_fields]
        alias = field.alias or name
        if not parts:
            yield f"{parent}{name}", alias
        for part in parts:
            for path, shown in fields(part, f"{parent}{name}."):
                yield path, f"{alias}.{shown}"


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def tried(spec: RolloutSpec, path: str) -> RolloutSpec | None:
    """Return the spec after one edit of the field; None where it takes effect outside of what is decided."""
    edit = EDITS[path]
    if edit.path == "-":
        return None
    changed: RolloutSpec = edited(spec, edit.path or path, edit.value)
    return changed


_INTRODUCTION = """<!-- Generated by `python -m tests.rollout.spec_edits --write`: change what it describes. -->

# Editing the spec while a rollout runs

Every field may be edited at any time; none is refused because a rollout is in flight. What matters is what becomes of
the evidence. Each line below is tried by a test that edits the field in the middle of a step. Where evidence starts
afresh, an event `EvidenceRestarted` says so, with the reason; a rollout that begins anew with another revision says
`CanaryReplaced`.

Where a step was inconclusive and waits for a person, an edit of `gate` (its margins, risks, `guardExcess`,
`minLabels` or `maxDuration`), of `steps`, of `guardrails`, or of where or how often the loss is read is taken as
another try: from the first step, with a new risk budget. Edits of the timeouts only move the timeouts.

A promotion that waits, such as for room, is taken back to its step by an edit under the first three headings, by
another last step, and by `paused: true`. Not one that a person ordered: it needs no proof. Once everything is routed
to the new version only the stable version's template and version still count, which take it back.
"""


def page() -> str:
    """Return the page."""
    shown = dict(fields())
    parts = [_INTRODUCTION]
    for effect in Effect:
        rows: dict[str, list[str]] = {}
        for path, edit in EDITS.items():
            if edit.effect is effect:
                rows.setdefault(edit.why, []).append(f"`{shown[path]}`")
        body = table(("field", "why"), ((", ".join(names), cell(why)) for why, names in rows.items()))
        parts.append(f"\n## {effect.value}\n\n{body}")
    return "".join(parts)


if __name__ == "__main__":
    if "--write" not in sys.argv:
        sys.exit("say --write")
    PAGE.write_text(page(), encoding="utf-8")
