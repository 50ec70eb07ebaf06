"""The table at the end: one column per rollout."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from e2e.demo.acts import PROMOTED
from e2e.demo.outcome import Outcome
from lossgate.api.quantities import format_duration
from lossgate.stats import Cause

__all__ = ["rows", "table"]

_MEBIBYTE = 2**20
_RULES = {Cause.NONE: "-", Cause.MAIN_RULE: "main rule", Cause.GUARD: "early guard"}


def rows(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """Return the lines of the table, the name of the number first; `-` where there is none."""
    columns = [_column(outcome) for outcome in outcomes]
    return [(name, *(column[name] for column in columns)) for name in (columns[0] if columns else {})]


def table(outcomes: Sequence[Outcome], rss_bytes: float) -> Table:
    """Return the table with the memory of the operator's pod (bytes) below it."""
    shown = Table(
        box=box.SIMPLE_HEAD,
        caption=f"Operator pod: {rss_bytes / _MEBIBYTE:.0f} MiB resident",
        caption_justify="left",
    )
    shown.add_column("")
    for outcome in outcomes:
        shown.add_column(f"{outcome.act.version}\n{outcome.act.character}", justify="right")
    for row in rows(outcomes):
        shown.add_row(*row)
    return shown


def _column(outcome: Outcome) -> dict[str, str]:
    entry = outcome.entry
    delta, labels, loss = entry.delta, entry.labels, entry.mean_loss
    seconds = outcome.verdict_seconds
    return {
        "result": "promoted" if entry.result == PROMOTED else f"rolled back ({entry.reason})",
        "harm found by": _RULES[outcome.cause],
        "decided in traffic step": str(entry.step + 1),
        "looks in that step": str(entry.looks),
        "labels, canary": f"{labels.canary:,}",
        "labels, stable": f"{labels.stable:,}",
        "loss, canary": loss.canary or "-",
        "loss, stable": loss.stable or "-",
        "delta": delta.estimate or "-",
        "its bounds": f"[{delta.lower or '?'}, {delta.upper or '?'}]",
        "first canary request to verdict": "-" if seconds is None else _seconds(seconds),
        "requests answered by the worse model": f"{outcome.served:,}" if outcome.act.is_worse else "-",
        "HTTP errors seen by the client": str(outcome.errors),
    }


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 60 else format_duration(seconds)
