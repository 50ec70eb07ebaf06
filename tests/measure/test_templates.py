"""What is put into a user's query, and what cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgate.measure.templates import resolve

VALUES = {"namespace": "ml", "revision": "digits-84b1aa02", "interval": "30s"}


def test_names_after_a_dollar_are_replaced_wherever_they_stand() -> None:
    query = "sum(rate(x{namespace=\"$namespace\", revision='$revision', pod=~`$revision-.+`}[$interval]))"
    assert resolve(query, VALUES) == (
        "sum(rate(x{namespace=\"ml\", revision='digits-84b1aa02', pod=~`digits-84b1aa02-.+`}[30s]))"
    )


@pytest.mark.parametrize(
    "query",
    [
        'label_replace(x, "a", "$1", "b", "(.*)")',
        'label_replace(x, "a", "$1-$2", "b", "(.*)-(.*)$")',
        'x{pod=~"a$|b"}',
        'label_replace(x, "a", "${name}", "b", "(?P<name>.*)")',
        'label_replace(x, "a", "$$", "b", "")',
        "",
    ],
)
def test_every_other_dollar_is_left_alone(query: str) -> None:
    assert resolve(query, VALUES) == query


@pytest.mark.parametrize("name", ["revisions", "Revision", "_revision", "pod", "__rate_interval"])
def test_name_that_stands_for_nothing_is_never_sent(name: str) -> None:
    with pytest.raises(ValueError, match=rf"\${name} stands for nothing"):
        resolve(f'x{{a="${name}"}}', VALUES)


@pytest.mark.parametrize(
    "value", ['a"} or x{', "a'", "a`", "a\\", "a\nb", "a b", "", "a|b", ".*", "$namespace", "-", "a)"]
)
def test_value_that_could_be_more_than_a_value_is_never_sent(value: str) -> None:
    with pytest.raises(ValueError, match="which is no plain name"):
        resolve('x{revision="$revision"}', VALUES | {"revision": value})


@given(st.text(max_size=20))
def test_no_value_breaks_out(value: str) -> None:
    try:
        query = resolve('x{a="$revision"}', {"revision": value})
    except ValueError:
        return
    assert query == f'x{{a="{value}"}}'
    assert not set(value) & set("\"'`\\\n{}()[],=~|*+?^$ ")
