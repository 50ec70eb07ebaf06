"""Where a Prometheus is, and how to be let in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Access:
    """A Prometheus and how to be let in."""

    url: str
