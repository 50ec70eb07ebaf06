"""What can happen to a request on its way through the proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """The proxy answers by itself. With `acted` the upstream got the request first, and its answer is lost."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    acted: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer until `Proxy.release`, or until the client gives up. With `acted` the upstream got the request first.

    What was held is cut when it is released.
    """

    acted: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection is cut.

    Before the upstream sees the request (`after` is None), or after it answered and the client got `after` bytes of the
    body: with 0 not even the status line came.
    """

    after: int | None = None


@dataclass(frozen=True, slots=True)
class Slow:
    """The body trickles."""

    bytes_per_second: int


@dataclass(frozen=True, slots=True)
class Delay:
    """The upstream gets the request later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stale:
    """What the same GET was answered some time ago: by the first one (0), the second one, ... or the last one (-1).

    Where nothing was answered yet, the request is forwarded. Watches are forwarded always.
    """

    which: int = 0


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The body of the answer becomes another one."""

    change: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class EndWatch:
    """A watch ends in good order after some events; with `gone` its last one says that its version is too old."""

    after_events: int = 0
    gone: bool = False


Fault = Answer | Hang | Cut | Slow | Delay | Stale | Rewrite | EndWatch

GONE = (
    b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",'
    b'"message":"too old resource version: 1 (2)","reason":"Expired","code":410}}\n'
)
"""The event that an API server ends a watch with, whose version it no longer keeps."""
