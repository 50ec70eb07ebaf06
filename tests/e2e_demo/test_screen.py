"""In a log every line stands alone; on a terminal the live line is redrawn in place."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from e2e.demo.screen import Screen


class Clock:
    """Stands in for `time.monotonic`."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that the screen reads, standing still until moved."""
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def a_log() -> tuple[Screen, io.StringIO]:
    file = io.StringIO()
    return Screen(2, Console(file=file, highlight=False)), file


def test_log_has_plain_whole_lines_with_seconds(clock: Clock) -> None:
    screen, file = a_log()
    message = "Worse than the margin: delta 80.1% [6.2%, 160.0%], " + "very " * 30 + "long"
    with screen:
        screen.chapter("v3: overconfident")
        clock.seconds += 12.34
        screen.event("12:00:01", "HarmFound", message, warning=True)
    assert file.getvalue().splitlines() == [
        "",
        "[   0.0 s] 1/2 v3: overconfident",
        f"[  12.3 s] 12:00:01 HarmFound {message}",
    ]


def test_log_shows_the_live_line_now_and_then_only(clock: Clock) -> None:
    screen, file = a_log()
    with screen:
        for look in range(40):
            clock.seconds += 1
            screen.live(f"look {look}")
    assert [line.split("look ")[1] for line in file.getvalue().splitlines()] == ["14", "29"]


def test_terminal_shows_the_live_line_and_takes_it_away(clock: Clock) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, force_interactive=True, width=100, highlight=False)
    with Screen(1, console) as screen:
        screen.chapter("v2: a little better")
        screen.live("look 17")
    text = file.getvalue()
    assert "look 17" in text
    assert text.endswith("\x1b[?25h\r\x1b[1A\x1b[2K"), "the cursor is back and the line is erased"
