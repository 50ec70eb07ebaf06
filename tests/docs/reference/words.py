"""docs/reference/status.md: phases, conditions with their reasons, and events, from the enums of the API."""

from __future__ import annotations

from lossgate.api.reasons import REASONS, UNREADABLE, ConditionType, EventReason, Phase, Reason
from tests.docs.reference import told
from tests.docs.reference.documented import members
from tests.docs.reference.markdown import GENERATED, cell, code, table

_INTRODUCTION = """
# Status: phases, conditions, reasons, events

What a ModelRollout says of itself. Programs read the conditions and nothing else: a phase is for people and may be
told apart further one day. Every condition carries `observedGeneration`, and `status.observedGeneration` is the
generation of the spec that was acted on last (-1 before the first), so that tools know what is said of which manifest.

Waiting: [with Argo CD](../gitops/argocd.md), [with Flux and Helm](../gitops/flux.md). The fields:
[modelrollout.md](modelrollout.md#status). What `kubectl describe` shows in the end: [stories.md](stories.md).
"""

_CONDITIONS = """
## Conditions

`Ready` and `Promoted` are always there once a version has served. The others come and go; one that is not there is not
True. `Stalled` and `Reconciling` are never True together.
"""

_EVENTS = """
## Events

Told once, when something changes, never once a look; the same message is not repeated within five minutes. The
operator's log has the same lines.
"""


def page() -> str:
    """Return the page."""
    phases = ([code(phase), cell(text)] for phase, text in members(Phase).items())
    return "".join(
        (
            GENERATED,
            _INTRODUCTION,
            "\n## Phases\n\n",
            table(["phase", "what it says"], phases),
            _CONDITIONS,
            *(_condition(type_, text) for type_, text in members(ConditionType).items()),
            _EVENTS,
            "\n",
            table(["event", "type", "when, and what to do"], _events()),
        )
    )


def _condition(type_: ConditionType, text: str) -> str:
    meanings = members(Reason)
    rows = ([code(reason), cell(meanings[reason])] for reason in Reason if reason in REASONS[type_])
    note = ""
    if type_ is ConditionType.MEASURED:
        unreadable = ", ".join(code(reason) for reason in Reason if reason in UNREADABLE)
        note = f"\nOnly {unreadable} use up `gate.holdTimeout`; the others use up `gate.maxDuration`.\n"
    return f"\n### {type_}\n\n{text}\n\n{table(['reason', 'when, and what to do'], rows)}{note}"


def _events() -> list[list[str]]:
    types = told.types()
    return [[code(reason), types[reason], cell(text)] for reason, text in members(EventReason).items()]
