"""docs/reference/stories.md: what `kubectl describe` shows of rollouts that ended in one way or another."""

from __future__ import annotations

import inspect
import textwrap

from tests.docs.reference.markdown import GENERATED
from tests.rollout.stories import STORIES, Story

_INTRODUCTION = """
# What `kubectl describe` shows

The events of whole rollouts, as the operator tells them: simulated, with a look every 10 s, a margin of 5 %, 400 labels
a second, and steps of 20 % and 50 %. *After* counts from the edit of the spec. Each event is told once; what each means
is in [status.md](status.md#events).
"""
_WIDTH = 118


def page() -> str:
    """Return the page."""
    return "".join((GENERATED, _INTRODUCTION, *(_story(tell.__name__, tell) for tell in STORIES)))


def _story(name: str, tell: object) -> str:
    assert callable(tell)
    title = name.replace("_", " ").capitalize()
    return f"\n## {title}\n\n{inspect.getdoc(tell)}\n\n```\n{_events(tell())}```\n"


def _events(story: Story) -> str:
    lines = [f"{'TYPE':9}{'REASON':20}{'AFTER':10}MESSAGE\n"]
    for told in story.told:
        kind = "Warning" if told.event.warning else "Normal"
        start = f"{kind:9}{told.event.reason:20}{told.after:10}"
        lines.append(textwrap.fill(told.event.message, _WIDTH, initial_indent=start, subsequent_indent=" " * 39) + "\n")
    return "".join(lines)
