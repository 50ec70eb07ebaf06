"""How the operator is set up: environment variables, read once at start."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from lossgate.api.rules import PROMETHEUS_URL_PATTERN
from lossgate.measure.access import Access


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
    prometheus_headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Headers of the operator's own queries to its default Prometheus, as all of the following are for these."""
    prometheus_token_file: str | None = None
    """File with a bearer token, read anew for every query."""
    prometheus_username_file: str | None = None
    prometheus_password_file: str | None = None
    prometheus_ca_file: str | None = None
    """File with the certificates to trust there, in PEM; by default the public authorities are."""
    http_port: int = 8080
    log_level: str = "INFO"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings of this process.

        Raises:
            ValueError: They contradict each other or cannot be read; the message names the variable.
        """
        return cls(
            namespace=environment.get("LOSSGATE_NAMESPACE") or "default",
            identity=environment.get("LOSSGATE_POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
            watch_namespaces=_split(environment.get("LOSSGATE_WATCH_NAMESPACES", "")),
            prometheus_url=_default_url(environment.get("LOSSGATE_PROMETHEUS_URL", "")),
            prometheus_allowed=tuple(_url(url) for url in _split(environment.get("LOSSGATE_PROMETHEUS_ALLOWED", ""))),
            prometheus_headers=_headers(environment.get("LOSSGATE_PROMETHEUS_HEADERS") or "{}"),
            prometheus_token_file=environment.get("LOSSGATE_PROMETHEUS_TOKEN_FILE") or None,
            prometheus_username_file=environment.get("LOSSGATE_PROMETHEUS_USERNAME_FILE") or None,
            prometheus_password_file=environment.get("LOSSGATE_PROMETHEUS_PASSWORD_FILE") or None,
            prometheus_ca_file=environment.get("LOSSGATE_PROMETHEUS_CA_FILE") or None,
            http_port=int(environment.get("LOSSGATE_HTTP_PORT") or "8080"),
            log_level=environment.get("LOSSGATE_LOG_LEVEL") or "INFO",
        )

    def __post_init__(self) -> None:
        if (self.prometheus_username_file is None) != (self.prometheus_password_file is None):
            raise ValueError(
                "set both LOSSGATE_PROMETHEUS_USERNAME_FILE and LOSSGATE_PROMETHEUS_PASSWORD_FILE, or none"
            )
        if self.prometheus_token_file is not None and self.prometheus_username_file is not None:
            raise ValueError("set LOSSGATE_PROMETHEUS_TOKEN_FILE or LOSSGATE_PROMETHEUS_USERNAME_FILE, not both")

    @property
    def has_credentials(self) -> bool:
        """Whether the operator has credentials of its own for its default Prometheus."""
        return self.prometheus_token_file is not None or self.prometheus_username_file is not None

    def allows(self, url: str) -> bool:
        """Return whether a ModelRollout may name this Prometheus: written as on the list, but for a slash at the end.

        Other spellings of a listed address are refused: what is compared is what is asked.
        """
        url = url.rstrip("/")
        return bool(url) and url in (*self.prometheus_allowed, self.prometheus_url)


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _url(text: str) -> str:
    return text.strip().rstrip("/")


def _default_url(text: str) -> str | None:
    url = _url(text)
    if url and not re.fullmatch(PROMETHEUS_URL_PATTERN, url):
        raise ValueError(
            "LOSSGATE_PROMETHEUS_URL: write the base URL of a Prometheus without user name, query or fragment; "
            "credentials are read from files"
        )
    return url or None


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    """The same headers that a ModelRollout may have; no message holds a value."""
    try:
        headers = json.loads(text)
    except ValueError:
        headers = None
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ValueError(
            'LOSSGATE_PROMETHEUS_HEADERS: write a JSON object of names and texts, such as {"X-Scope-OrgID": "ml"}'
        )
    try:
        return Access("", tuple(sorted(headers.items()))).headers
    except ValueError as error:
        raise ValueError(f"LOSSGATE_PROMETHEUS_HEADERS: {error}; credentials are read from files") from None
