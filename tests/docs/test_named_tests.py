"""Pages that name tests as proof claim none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("page", "least"), [("security.md", 25), ("failures.md", 25)])
def test_every_test_that_the_page_names_exists(page: str, least: int) -> None:
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "e2e").rglob("test_*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    defined = set(re.findall(r"def (test_\w+)\(", text))
    prose = (ROOT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", prose))
    assert len(named) >= least
    assert named - defined == set()
    assert all((ROOT / path).exists() for path in re.findall(r"`(e2e/test_\w+\.py)`", prose))
