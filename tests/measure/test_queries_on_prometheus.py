"""Whatever labels hold, every selector of every query names the rollout's namespace, as a real Prometheus reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from lossgate.measure.access import Access
from lossgate.measure.counting import baseline_query, look_query
from lossgate.measure.promql import quoted
from lossgate.measure.source import BaselineRequest, LookRequest, Scope, SeriesNames, Target
from tests.measure.prometheus_server import PrometheusServer

pytestmark = pytest.mark.prometheus

NASTY_CHARACTERS = "\"\\\n\r\t'`{}()[]|,=~!#$%^*+?.-: \x00\x01\x07\x1b\x7f\x85\u2028\u202e\ufeff\ufffd\U0001f600é"
# No `st.text` of a union: it would merge the two alphabets, and the nasty characters would come as seldom as others.
NASTY = st.lists(st.one_of(st.sampled_from(NASTY_CHARACTERS), st.characters(codec="utf-8")), max_size=8).map("".join)
BREAKOUTS = st.sampled_from(
    [
        '"} or {namespace="other',
        '\\"} or {namespace=~".*',
        'a"} or vector(1) or up{a="',
        "a|.*",
        ".*",
        'a\n} or {b="c',
        "a\\",
        '\\\\"',
        "$1",
        "${1}",
        "# a comment",
        "a\\Q.*",
        "(?i)a",
        "[[:alpha:]]",
    ]
)
VALUES = st.one_of(BREAKOUTS, NASTY)
LABELS = st.sampled_from(["namespace", "revision", "a", "B_1", "_", "le", "by", "or", "offset", "infinite", "nan_"])
METRICS = st.one_of(st.sampled_from([*"abcdef", "app:loss:sum", "or", "_"]), VALUES)


@st.composite
def scopes(draw: st.DrawFn) -> tuple[Scope, list[str]]:
    """A scope, and names for the matchers of its targets."""
    labels = draw(st.lists(LABELS, min_size=2, max_size=5, unique=True))
    names = draw(st.lists(METRICS, min_size=5, max_size=5, unique=True))
    series = SeriesNames(*names)
    return Scope(Access("http://prometheus:9090"), series, labels[0], labels[1]), labels[2:]


@st.composite
def targets(draw: st.DrawFn, names: list[str]) -> tuple[Target, ...]:
    """Versions of one or several namespaces."""
    some = st.builds(
        lambda namespace, revision, values: Target(namespace, revision, tuple(zip(names, values, strict=True))),
        VALUES.filter(bool),
        VALUES.filter(bool),
        st.lists(VALUES, min_size=len(names), max_size=len(names)),
    )
    return tuple(draw(st.lists(some, min_size=1, max_size=3, unique=True)))


@st.composite
def queries(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    """A query, its label for namespaces, and the namespaces that it may read."""
    scope, names = draw(scopes())
    wanted = draw(targets(names))
    if draw(st.booleans()):
        query = look_query(LookRequest(scope, 30, 300, 300, wanted))
        return query, scope.namespace_label, sorted({target.namespace for target in wanted})
    query = baseline_query(BaselineRequest(scope, 300, wanted[0]))
    return query, scope.namespace_label, [wanted[0].namespace]


def selectors(node: Any) -> Iterator[dict[str, Any]]:
    """Every vector selector in a syntax tree, however deep."""
    if isinstance(node, dict):
        if node.get("type") in ("vectorSelector", "matrixSelector"):
            yield node
        for part in node.values():
            yield from selectors(part)
    elif isinstance(node, list):
        for part in node:
            yield from selectors(part)


def parsed(session: requests.Session, server: PrometheusServer, query: str) -> Any:
    answer = session.post(f"{server.url}/api/v1/parse_query", data={"query": query}, timeout=10)
    assert answer.ok, f"{answer.text} for {query!r}"
    return answer.json()["data"]


def allowed(matcher: dict[str, str], namespaces: list[str]) -> bool:
    """Whether a matcher lets exactly these namespaces through."""
    if matcher["type"] == "=":
        return [matcher["value"]] == namespaces
    unescaped = [re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) for text in _split(matcher["value"])]
    return matcher["type"] == "=~" and sorted(unescaped) == namespaces


def _split(pattern: str) -> list[str]:
    """The alternatives of a pattern in which every special character but the bars between them is escaped."""
    assert re.fullmatch(r"(?:\\[\\.+*?()|\[\]{}^$]|[^\\.+*?()\[\]{}^$])*", pattern, re.DOTALL), (
        f"not escaped: {pattern!r}"
    )
    return [match[0] for match in re.finditer(r"(?:\\.|[^\\|])+", pattern, re.DOTALL)]


def test_every_selector_names_the_namespace_whatever_labels_hold(prometheus: PrometheusServer) -> None:
    session = requests.Session()
    seen = 0

    @settings(max_examples=60)
    @given(queries())
    def check(case: tuple[str, str, list[str]]) -> None:
        nonlocal seen
        query, label, namespaces = case
        found = list(selectors(parsed(session, prometheus, query)))
        assert found
        for selector in found:
            own = [matcher for matcher in selector["matchers"] if matcher["name"] == label]
            assert len(own) == 1, "once, so that no other matcher of that label counts"
            assert allowed(own[0], namespaces), f"{own} for {namespaces}"
        seen += len(found)

    check()
    assert seen > 1000


def test_a_quoted_value_is_read_back_by_prometheus_itself(prometheus: PrometheusServer) -> None:
    session = requests.Session()

    @settings(max_examples=200)
    @given(VALUES)
    def check(value: str) -> None:
        (selector,) = selectors(parsed(session, prometheus, f'{{a={quoted(value)}, b="c"}}'))
        assert [matcher["value"] for matcher in selector["matchers"] if matcher["name"] == "a"] == [value]

    check()


@pytest.mark.parametrize("character", [chr(code) for code in (*range(0x21), 0x7F, 0x85, 0xFFFD, 0xFFFF, 0x10FFFF)])
def test_each_odd_character_is_read_back(prometheus: PrometheusServer, character: str) -> None:
    session = requests.Session()
    (selector,) = selectors(parsed(session, prometheus, f"{{a={quoted('x' + character)}}}"))
    assert selector["matchers"][0]["value"] == "x" + character
