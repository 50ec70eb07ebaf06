"""The page about security stays short and honest."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_the_page_stays_short() -> None:
    assert len(PAGE.split()) < 1600, "two pages"


def test_what_is_not_defended_is_said() -> None:
    assert "## Not defended" in PAGE
    assert "*not tested" in PAGE
