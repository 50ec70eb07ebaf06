"""The page about security claims no proof that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_exists() -> None:
    files = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "e2e").rglob("test_*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    defined = set(re.findall(r"def (test_\w+)\(", text))
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 25
    assert named - defined == set()


def test_the_page_stays_short() -> None:
    assert len(PAGE.split()) < 1600, "two pages"


def test_what_is_not_defended_is_said() -> None:
    assert "## Not defended" in PAGE
    assert "*not tested" in PAGE
