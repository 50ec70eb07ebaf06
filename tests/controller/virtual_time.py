"""An event loop whose clock jumps to the next timer, so that hours pass in a test without waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

START = 1_700_000_000.0
"""Unix seconds when the loop's clock is 0."""

_T = TypeVar("_T")


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("every task waits for something that nobody will do")
        self.now += max(timeout, 0.0)
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)


def monotonic() -> float:
    """Return the loop's own clock."""
    return asyncio.get_running_loop().time()


def unix() -> float:
    """Return the loop's time as Unix seconds."""
    return START + monotonic()


async def until(happened: Callable[[], bool], within_seconds: float = 60.0, every_seconds: float = 0.05) -> None:
    """Let virtual time pass until something is so; fail if it does not come about in time."""
    deadline = monotonic() + within_seconds
    while not happened():
        assert monotonic() < deadline, f"did not come about within {within_seconds:.0f} s"
        await asyncio.sleep(every_seconds)
