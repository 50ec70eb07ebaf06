"""What the client has seen: answers by revision and version, and every failure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum

_SAMPLES = 20


class Failure(StrEnum):
    """How a request can fail."""

    HTTP = "http"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    BODY = "body"


@dataclass(slots=True)
class Seen:
    """Answers of one revision or version; times in unix seconds."""

    count: int
    first_seen: float
    last_seen: float


@dataclass(frozen=True, slots=True)
class ErrorSample:
    """One failed request; time in unix seconds."""

    time: float
    kind: Failure
    message: str


@dataclass(slots=True)
class Tally:
    """Counts of the client's requests, as /stats shows them.

    `errors` counts failed predictions only. Labels that never reached the joiner are no failure of the model and are
    counted apart in `labels_lost`.
    """

    sent: int = 0
    ok: int = 0
    errors: int = 0
    labels_lost: int = 0
    errors_by_kind: dict[Failure, int] = field(default_factory=lambda: dict.fromkeys(Failure, 0))
    error_samples: list[ErrorSample] = field(default_factory=list)
    by_revision: dict[str, Seen] = field(default_factory=dict)
    by_version: dict[str, Seen] = field(default_factory=dict)

    def answered(self, revision: str, version: str, now: float) -> None:
        """Count a good answer."""
        self.ok += 1
        for seen_by, name in ((self.by_revision, revision), (self.by_version, version)):
            seen = seen_by.setdefault(name, Seen(0, now, now))
            seen.count += 1
            seen.last_seen = now

    def failed(self, kind: Failure, message: str, now: float) -> None:
        """Count a failed request; the first few are kept with their messages."""
        self.errors += 1
        self.errors_by_kind[kind] += 1
        if len(self.error_samples) < _SAMPLES:
            self.error_samples.append(ErrorSample(now, kind, message))

    def lost_labels(self, count: int) -> None:
        """Count labels that could not be posted."""
        self.labels_lost += count

    def as_json(self) -> dict[str, object]:
        """Return everything as plain JSON values."""
        return asdict(self)
