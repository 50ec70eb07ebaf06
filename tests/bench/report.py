"""The page that a full run writes: every figure on it comes from the run."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

from tests.bench import catalogue, cells
from tests.bench.catalogue import POWER, PROMOTE_STREAMS, ROLLBACK_STREAMS, promote_cell, rollback_cell
from tests.bench.checks import Check, Row
from tests.bench.measures import Outcomes, Rate
from tests.bench.peers import AsymptoticSequence, MixtureSprt, ThresholdCounter, Welch
from tests.bench.peers_by_rank import Kayenta, RankTest
from tests.bench.prose import (
    ALSO_MEASURED,
    CALIBRATION,
    CLASSES,
    HOW_TO_READ,
    LOOKS,
    PODS,
    PROMISES,
    PROMOTIONS,
    REQUESTS,
    ROLLBACKS,
    ROLLOUTS,
    STREAMS,
)
from tests.bench.running import SEED, Results
from tests.bench.weaknesses import weaknesses

_PEERS = {
    ThresholdCounter: (cells.FIVE_FAILURES, cells.TWO_IN_A_ROW, cells.ARGO, cells.FLAGGER),
    Kayenta: (cells.KAYENTA,),
    RankTest: (cells.RANKS,),
    Welch: (cells.WELCH, cells.WELCH_ONCE),
    MixtureSprt: (cells.MSPRT,),
    AsymptoticSequence: (cells.ASYMPCS, cells.ASYMPCS_PLAIN),
}


def page(results: Results, rows: Sequence[Row]) -> str:
    """Return the page as Markdown."""
    parts = [
        HOW_TO_READ.format(seed=f"{SEED:,}"),
        PROMISES,
        _promises([row for row in rows if row.decides], "PASS", "**FAIL**"),
        ALSO_MEASURED,
        _promises([row for row in rows if not row.decides], "within", "**beyond**"),
        "## Where the gate is not the best",
        weaknesses(results),
        ROLLBACKS,
        _false_rollbacks(results),
        PROMOTIONS,
        _false_promotions(results),
        LOOKS,
        _looks_to_rollback(results),
        REQUESTS,
        _requests_served(results),
        ROLLOUTS,
        _rollouts(results),
        PODS,
        _rolled_back_and_promoted(results, catalogue.PODS),
        CLASSES,
        _rolled_back_and_promoted(results, catalogue.CLASSES),
        STREAMS,
        "## The rules",
        _rules(),
        CALIBRATION,
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in body)])


def _promises(rows: Sequence[Row], met: str, missed: str) -> str:
    return table(
        ("figure", "bound", "the gate", "", "peers on the same looks"),
        (
            (
                row.figure,
                row.bound,
                "<br>".join(f"{check.what}: {_mark(check)}" for check in row.gate),
                met if row.is_met else missed,
                "<br>".join(f"{check.what}: {check.shown}{_out(check)}" for check in row.peers) or "-",
            )
            for row in rows
        ),
    )


def _mark(check: Check) -> str:
    shown = f"{check.shown} (close)" if check.is_close else check.shown
    return shown if check.is_met else f"**{shown}**"


def _out(check: Check) -> str:
    return "" if check.is_met else f" (**out**: expected {check.low:g} to {check.high:g})"


def _in_bold(rule: str) -> str:
    return f"**{rule}**" if rule == cells.GATE else rule


def _rate(outcomes: dict[str, Outcomes], rule: str, kind: str) -> str:
    if rule not in outcomes:
        return "-"
    rate: Rate = getattr(outcomes[rule], kind)
    return str(rate)


def _false_rollbacks(results: Results) -> str:
    rules = (cells.GATE, cells.UNAGED, *cells.SINGLE_STEP_PEERS)
    of = {name: results[rollback_cell(name).name] for name in ROLLBACK_STREAMS}
    return table(
        ("rule", *of), ((_in_bold(rule), *(_rate(cell, rule, "rolled_back") for cell in of.values())) for rule in rules)
    )


def _false_promotions(results: Results) -> str:
    rules = (cells.GATE, cells.UNAGED, *catalogue.PROMOTE_PEERS)
    of = {name: results[promote_cell(name).name] for name in PROMOTE_STREAMS}
    return table(
        ("rule", *of), ((_in_bold(rule), *(_rate(cell, rule, "promoted") for cell in of.values())) for rule in rules)
    )


def _looks_to_rollback(results: Results) -> str:
    rules = (cells.GATE, *catalogue.POWER_PEERS)

    def row(case: catalogue.PowerCase) -> list[str]:
        of = results[case.name]
        gate = of[cells.GATE]
        looks = [f"{of[r].looks_to_rollback()} / {of[r].looks_to_rollback(0.8).value:,.0f}" for r in rules]
        return [
            f"{case.effect:+.0%}, share {case.share:.0%}, rate {case.rate:,.0f}",
            f"{case.fixed_looks:,.1f}",
            *(cell.replace("inf", "-") for cell in looks[:1]),
            f"{gate.looks_to_rollback().value / case.fixed_looks:.1f}",
            str(gate.labels_to_rollback()),
            *(cell.replace("never / inf", "never").replace("inf", "-") for cell in looks[1:]),
        ]

    head = ("case", "optimum", "**gate**", "over optimum", "canary labels", *catalogue.POWER_PEERS)
    return table(head, (row(case) for case in POWER))


def _requests_served(results: Results) -> str:
    rules = (cells.GATE, *catalogue.POWER_PEERS)

    def served(outcomes: Outcomes) -> str:
        mean, error = outcomes.mean_labels
        return f"{mean:,.0f} ± {error:,.0f}"

    return table(
        ("case", *map(_in_bold, rules)),
        ((case.name.removeprefix("power "), *(served(results[case.name][rule]) for rule in rules)) for case in POWER),
    )


def _rollouts(results: Results) -> str:
    def row(rollout: cells.Rollout, rule: str) -> list[str]:
        of = results[rollout.name][rule]
        rates = (of.rolled_back, of.promoted, of.undecided)
        looks = (of.looks_to_rollback(), of.looks_to_promotion())
        mean, error = of.mean_labels
        name = rollout.name.removeprefix("rollout, ") if rule == cells.GATE else ""
        return [name, _in_bold(rule), *map(str, rates), *map(str, looks), f"{mean:,.0f} ± {error:,.0f}"]

    head = (
        "truth",
        "rule",
        "rolled back",
        "promoted",
        "undecided",
        "looks to rollback",
        "to promotion",
        "canary labels",
    )
    return table(head, (row(rollout, rule) for rollout in catalogue.ROLLOUTS for rule in rollout.rules))


def _rolled_back_and_promoted(results: Results, of: Sequence[cells.Cell]) -> str:
    body = []
    for cell in of:
        for rule in cell.rules:
            found = results[cell.name][rule]
            name = cell.name.partition(", ")[2] if rule == cells.GATE else ""
            row = (found.rolled_back, found.promoted, found.looks_to_rollback(), found.looks_to_promotion())
            body.append((name, _in_bold(rule), *map(str, row)))
    return table(("case", "rule", "rolled back", "promoted", "looks to rollback", "looks to promotion"), body)


def _rules() -> str:
    return "\n\n".join(f"**{', '.join(names)}.** " + (inspect.getdoc(peer) or "") for peer, names in _PEERS.items())
