"""The operator's memory is read from its own metrics."""

from __future__ import annotations

import pytest

from e2e.demo.footprint import resident_bytes_in


def test_resident_memory_is_found_among_other_metrics() -> None:
    text = (
        "# TYPE process_virtual_memory_bytes gauge\nprocess_virtual_memory_bytes 3.1e+08\n"
        "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1.01089280e+08\n"
    )
    assert resident_bytes_in(text) == 101_089_280


def test_metrics_without_it_are_an_error_not_zero() -> None:
    with pytest.raises(AssertionError, match="lack process_resident_memory_bytes"):
        resident_bytes_in("up 1\n")
