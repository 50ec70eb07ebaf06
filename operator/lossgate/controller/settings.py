"""How the operator is set up: environment variables, read once at start."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's settings; every field has an environment variable of the chart behind it."""

    namespace: str
    """Where the operator runs and its Lease lives."""
    identity: str
    """Who holds the Lease: the pod, so that a restarted container goes on at once."""
    watch_namespaces: tuple[str, ...] = ()
    """Empty for the whole cluster."""
    prometheus_url: str | None = None
    """Source of ModelRollouts that name none."""
    prometheus_allowed: tuple[str, ...] = ()
    """URLs that a ModelRollout may name, besides the default."""
    http_port: int = 8080
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process."""
        return cls(
            namespace=environment.get("LOSSGATE_NAMESPACE") or "default",
            identity=environment.get("LOSSGATE_POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
            watch_namespaces=_split(environment.get("LOSSGATE_WATCH_NAMESPACES", "")),
            prometheus_url=_url(environment.get("LOSSGATE_PROMETHEUS_URL", "")) or None,
            prometheus_allowed=tuple(_url(url) for url in _split(environment.get("LOSSGATE_PROMETHEUS_ALLOWED", ""))),
            http_port=int(environment.get("LOSSGATE_HTTP_PORT") or "8080"),
            log_level=environment.get("LOSSGATE_LOG_LEVEL") or "INFO",
        )

    def allows(self, url: str) -> bool:
        """Return whether a ModelRollout may name this Prometheus."""
        return _url(url) in (*self.prometheus_allowed, self.prometheus_url)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _url(text: str) -> str:
    return text.strip().rstrip("/")
