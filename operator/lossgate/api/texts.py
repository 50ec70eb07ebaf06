"""Text from outside, such as an API server's words or a page that a proxy sent: short enough for a status."""

from __future__ import annotations

MAX_CHARACTERS = 512
"""Of one text from outside this much is shown: enough for the sentence that says what is wrong."""


MAX_MESSAGE_CHARACTERS = 640
"""Of a condition's message, and of what it is made from: what happened, where and what to do."""


def shown(text: str, most: int = MAX_CHARACTERS) -> str:
    """Return the text in one line, cut at its end to at most so many characters, without what no text may hold."""
    line = " ".join(text.encode(errors="replace").decode().split())  # JSON can hold halves of characters.
    return line if len(line) <= most else line[: most - 1] + "…"
