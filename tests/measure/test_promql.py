"""Values in PromQL text are values, whatever they hold."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgate.measure.promql import is_label_name, matching_any, quoted

# Everything that could end a string, a pattern or a group, far more often than chance would have it.
# No `st.text` of a union: it would merge the two alphabets, and make them as seldom as all others.
NASTY = st.lists(
    st.one_of(st.sampled_from('"\\\n|.*+?()[]{}^$`\ufffd'), st.characters(codec="utf-8")), max_size=12
).map("".join)


def unquoted(text: str) -> str:
    """What Prometheus reads: Go's double-quoted string, as far as it is made use of."""
    assert re.fullmatch(r'"(?:[^"\\\n]|\\["\\n]|\\ufffd)*"', text), f"not one string: {text}"
    return re.sub(r"\\(ufffd|.)", lambda match: {"n": "\n", "ufffd": "\ufffd"}.get(match[1], match[1]), text[1:-1])


@given(NASTY)
def test_a_quoted_value_is_one_string_that_reads_back(value: str) -> None:
    assert unquoted(quoted(value)) == value


@given(st.sets(NASTY, min_size=1, max_size=5), NASTY)
def test_a_matcher_takes_exactly_its_values(values: set[str], other: str) -> None:
    name, equals, text = re.fullmatch(r"(label)(=~?)(.*)", matching_any("label", values), re.DOTALL).groups()  # type: ignore[union-attr]
    assert name == "label"
    for candidate in values | {other, *(value + "x" for value in values)}:
        found = re.fullmatch(unquoted(text), candidate) is not None if equals == "=~" else unquoted(text) == candidate
        assert found == (candidate in values)


def test_order_and_repetition_do_not_change_the_text() -> None:
    assert matching_any("a", ["y", "x", "y"]) == matching_any("a", ["x", "y"]) == 'a=~"x|y"'


@pytest.mark.parametrize("name", ["", "inf", "NaN", "1a", "a-b", "a b", "a.b", 'a"', "ä", "a\n"])
def test_what_is_no_label_name(name: str) -> None:
    assert not is_label_name(name)


def test_what_is_a_label_name() -> None:
    assert is_label_name("lossgate_io_Revision2")
