"""The text of the counting query, and what may be asked at all."""

from __future__ import annotations

from typing import Any

import pytest

from lossgate.measure.access import Access
from lossgate.measure.counting import Counters, LookBacks, baseline_query, increment, look_query
from lossgate.measure.errors import AmbiguousSeries
from lossgate.measure.source import MAX_LOOKS, MAX_REVISIONS, BaselineRequest, LookRequest, Scope, SeriesNames, Target
from tests.measure.requests_made import CANARY, STABLE, a_baseline_request, a_request, a_scope

URL = "http://prometheus:9090"


def test_the_increment_has_three_branches() -> None:
    counters = Counters(("c",), ('namespace="ml"',))
    selected = 'last_over_time({__name__="c", namespace="ml"}[900s])'
    last = f'label_replace({selected}, "lossgate_counter", "$1", "__name__", "(.+)")'
    previous = last.replace("[900s]", "[900s] offset 30s")
    before = last.replace("[900s]", "[3600s] offset 30s")
    assert increment(counters, 30, LookBacks()) == (
        f"({last} - {previous}) >= 0 or ({last} < {previous}) or ({last} unless {before})"
    )


@pytest.mark.parametrize("query", [look_query(a_request()), baseline_query(a_baseline_request())])
def test_every_selector_names_the_namespace_and_the_revision(query: str) -> None:
    selectors = [part.split("}")[0] for part in query.split("{")[1:]]
    assert selectors
    for selector in selectors:
        assert 'namespace="ml"' in selector
        assert "revision=" in selector


def test_fifty_versions_stay_within_what_proxies_let_through() -> None:
    targets = [Target(f"team-{n}", f"{'m' * 50}-{n:010}", (("model", "digits"),)) for n in range(MAX_REVISIONS)]
    assert len(look_query(a_request(URL, *targets))) < 80_000


def test_no_more_versions_than_that() -> None:
    targets = [Target("ml", f"digits-{n}") for n in range(MAX_REVISIONS + 1)]
    with pytest.raises(ValueError, match="1 to 50"):
        look_query(a_request(URL, *targets))


@pytest.mark.parametrize(
    "matchers",
    [(("namespace", "other"),), (("revision", "digits-9"),), (("model", "a"), ("model", "b")), (("a-b", "x"),)],
)
def test_a_selector_cannot_reach_other_versions(matchers: tuple[tuple[str, str], ...]) -> None:
    target = Target("ml", "digits-1", matchers)
    with pytest.raises(AmbiguousSeries):
        look_query(a_request(URL, target))
    with pytest.raises(AmbiguousSeries):
        baseline_query(a_baseline_request(URL, 300, target))


@pytest.mark.parametrize("label", ["", "__name__", "pod-revision", "namespace"])
def test_a_label_that_cannot_tell_versions_apart_is_refused(label: str) -> None:
    with pytest.raises(AmbiguousSeries, match="label"):
        look_query(a_request(revision_label=label))


@pytest.mark.parametrize("targets", [(STABLE, STABLE), (STABLE, Target("ml", "")), (Target("", "digits-1"),)])
def test_versions_that_match_the_same_series_are_refused(targets: tuple[Target, ...]) -> None:
    with pytest.raises(AmbiguousSeries, match="same series"):
        look_query(a_request(URL, *targets))


def test_targets_with_different_matcher_labels_cannot_share_a_query() -> None:
    with pytest.raises(ValueError, match="different matcher labels"):
        look_query(a_request(URL, STABLE, Target("ml", "digits-2", (("model", "m"),))))


@pytest.mark.parametrize(
    "change",
    [
        {"interval_seconds": 0},
        {"first_end": 301},
        {"last_end": 299},
        {"last_end": 270},
        {"last_end": 300 + 30 * MAX_LOOKS},
    ],
)
def test_looks_off_the_grid_or_too_many_are_refused(change: dict[str, Any]) -> None:
    given = {"interval_seconds": 30, "first_end": 300, "last_end": 300, **change}
    with pytest.raises(ValueError, match=r"looks|interval_seconds"):
        LookRequest(a_scope(), targets=(STABLE, CANARY), **given)


def test_a_dollar_in_a_metric_name_is_no_group() -> None:
    names = SeriesNames("c$1", "s", "q", "f", "p")
    query = baseline_query(BaselineRequest(Scope(Access(URL), names, "revision"), 300, STABLE))
    assert '"lossgate_counter", "c$$1", "", ""' in query


@pytest.mark.parametrize(
    "target",
    [
        Target("ml\ud800", "digits-1"),
        Target("ml", "digits-1\udfff"),
        Target("ml", "digits-1", (("model", "a\udc80"),)),
    ],
)
def test_half_a_character_is_refused_before_anything_is_asked(target: Target) -> None:
    with pytest.raises(AmbiguousSeries, match="no text that could be asked for"):
        look_query(a_request(URL, target))
