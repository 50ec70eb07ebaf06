"""The table says of each rollout what people ask for, also where little is known."""

from __future__ import annotations

import io

from rich.console import Console

from e2e.demo import report
from e2e.demo.outcome import Outcome
from tests.e2e_demo.outcomes import V2, V3, V4, a_status, an_outcome


def test_each_rollout_is_a_column() -> None:
    assert report.rows([an_outcome(V2), an_outcome(V3), an_outcome(V4)]) == [
        ("result", "promoted", "rolled back (Harm)", "rolled back (Harm)"),
        ("harm found by", "-", "main rule", "early guard"),
        ("decided in traffic step", "2", "2", "2"),
        ("looks in that step", "80", "80", "80"),
        ("labels, canary", "9,900", "9,900", "9,900"),
        ("labels, stable", "10,100", "10,100", "10,100"),
        ("loss, canary", "0.7221", "0.7221", "0.7221"),
        ("loss, stable", "0.4012", "0.4012", "0.4012"),
        ("delta", "80.1%", "80.1%", "80.1%"),
        ("its bounds", "[6.2%, 160.0%]", "[6.2%, 160.0%]", "[6.2%, 160.0%]"),
        ("first canary request to verdict", "1m20s", "1m30s", "1m30s"),
        ("requests answered by the worse model", "-", "1,234", "1,234"),
        ("HTTP errors seen by the client", "0", "0", "0"),
    ]


def test_what_is_not_known_is_no_number() -> None:
    status = a_status(V4)
    entry = status.history[-1].model_copy(update={"delta": status.history[-1].delta.model_copy(update={"lower": None})})
    status = status.model_copy(update={"history": (entry,)})
    outcome = Outcome.of(V4, status, [], {"errors": 0, "by_revision": {}, "by_version": {}}, 0)
    rows = dict(row for row in report.rows([outcome]) if len(row) == 2)
    assert rows["its bounds"] == "[?, 160.0%]"
    assert rows["first canary request to verdict"] == "-"


def test_bounds_and_memory_are_printed_as_they_are() -> None:
    console = Console(file=io.StringIO(), width=110)
    console.print(report.table([an_outcome(V2), an_outcome(V3), an_outcome(V4)], rss_bytes=96.4 * 2**20))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "[6.2%, 160.0%]" in text
    assert "Operator pod: 96 MiB resident" in text
