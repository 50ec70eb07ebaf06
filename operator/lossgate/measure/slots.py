"""Threads end when they end: what they held is given back then, in the loop that it belongs to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


def in_loop(loop: asyncio.AbstractEventLoop, ended: Callable[[], None], job: Future[Any]) -> None:
    """Call `ended` in the loop, for a job that is done; a loop that is closed has nothing to give back to."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(ended)
