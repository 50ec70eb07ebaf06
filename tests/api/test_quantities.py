from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lossgate.api import quantities


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("1h30m", 5400.0), ("500ms", 0.5), ("0s", 0.0), ("1.5m", 90.0), ("1m30s", 90.0), ("72h", 259200.0)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert quantities.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "s", "-5s", "5 s", "5d", "1h30", "s5", "30s ", "٣s", "1000000s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as"):
        quantities.parse_duration(text)


@given(st.integers(min_value=0, max_value=3_600_000 * 10_000))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert quantities.parse_duration(quantities.write_duration(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(86400.0, "24h"), (90.0, "1m30s"), (0.5, "500ms"), (0.0, "0s")])
def test_a_duration_is_written_in_its_largest_units(seconds: float, text: str) -> None:
    assert quantities.write_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(7501.0, "2h5m"), (7200.0, "2h"), (200.0, "3m20s"), (180.0, "3m"), (45.4, "45s"), (0.0, "0s")]
)
def test_people_read_two_units_at_most(seconds: float, text: str) -> None:
    assert quantities.format_duration(seconds) == text


@pytest.mark.parametrize(("text", "fraction"), [("5%", 0.05), ("0.25%", 0.0025), ("0%", 0.0), ("150%", 1.5)])
def test_a_percentage_is_read_as_a_fraction(text: str, fraction: float) -> None:
    assert quantities.parse_percent(text) == pytest.approx(fraction, rel=1e-15)


@pytest.mark.parametrize("text", ["5", "%", "5 %", "-5%", ".5%", "5%%", "1e2%", "nan%", "five%"])
def test_what_is_no_percentage_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match='such as "5%"'):
        quantities.parse_percent(text)


@pytest.mark.parametrize("text", ["", "-0.01", "1e-2", "0,01", "5%", "nan", "inf", "."])
def test_what_is_no_decimal_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r'such as "0\.01"'):
        quantities.parse_decimal(text)


def test_a_decimal_in_quotes_is_read() -> None:
    assert quantities.parse_decimal("0.01") == 0.01
