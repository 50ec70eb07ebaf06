"""What people see while the demo runs: chapters, lines and one live line at the bottom; plain lines in a log."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console, RenderableType
from rich.status import Status
from rich.text import Text

from e2e.cluster.progress import Progress

__all__ = ["Screen"]

_LOG_LIVE_SECONDS = 15.0
_LOG_WIDTH = 110


class Screen(Progress):
    """Writes to standard output, every line with the seconds since the start.

    On a terminal the live line is redrawn in place; elsewhere it is written now and then as a line of its own.
    """

    def __init__(self, chapters: int, console: Console | None = None) -> None:
        """Create a screen for a demo of so many chapters."""
        super().__init__()
        self.console = console or Console(highlight=False)
        if not self.console.is_terminal:
            self.console.width = _LOG_WIDTH
        self._chapters = chapters
        self._chapter = 0
        self._title = ""
        self._live_written = self._start_seconds
        self._status: Status | None = self.console.status("") if self.console.is_interactive else None

    def __enter__(self) -> Screen:
        """Show the live line."""
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the live line away."""
        if self._status:
            self._status.stop()

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start_seconds

    def chapter(self, title: str) -> None:
        """Begin the next chapter."""
        self._chapter += 1
        self._title = f"{self._chapter}/{self._chapters} {title}"
        self.show(Text())
        self._line(Text(self._title, style="bold"))
        self.live("")

    def say(self, text: str) -> None:
        """Write one line."""
        self._line(Text(text, style="dim"))

    def event(self, time_of_day: str, reason: str, message: str, *, warning: bool) -> None:
        """Write an event of a ModelRollout."""
        style = "bold yellow" if warning else "bold green"
        self._line(Text.assemble(f"{time_of_day} ", (reason, style), f" {message}"))

    def live(self, text: str) -> None:
        """Replace the live line."""
        if self._status:
            self._status.update(Text.assemble((self._title, "bold"), f"  {self.elapsed_seconds:.0f} s  {text}"))
        elif text and time.monotonic() >= self._live_written + _LOG_LIVE_SECONDS:
            self._live_written = time.monotonic()
            self._line(Text(f"  {text}"))

    def show(self, what: RenderableType) -> None:
        """Write text or a table as it is."""
        self.console.print(what)

    def _line(self, text: Text) -> None:
        stamp = Text(f"[{self.elapsed_seconds:6.1f} s] ", style="dim")
        self.console.print(stamp, text, sep="", soft_wrap=not self.console.is_terminal)
