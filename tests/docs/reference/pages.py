"""The pages that need nothing but the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.docs.reference import fields, metrics, stories, words

PAGES: Mapping[str, Callable[[], str]] = {
    "modelrollout.md": fields.page,
    "status.md": words.page,
    "metrics.md": metrics.page,
    "stories.md": stories.page,
}
"""What writes each file of docs/reference."""
