"""Progress lines for people who wait."""

from __future__ import annotations

import sys
import time

__all__ = ["Progress"]


class Progress:
    """Writes one line per step to standard error, with the seconds since it was made."""

    def __init__(self) -> None:
        self._start_seconds = time.monotonic()

    def say(self, text: str) -> None:
        """Write one line."""
        print(f"[{time.monotonic() - self._start_seconds:6.1f} s] {text}", file=sys.stderr, flush=True)
