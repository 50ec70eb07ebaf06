"""A model server's counters and what a Prometheus saw of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.measure.remote_write import STALE, Sample
from tests.measure.requests_made import NAMES

COUNTERS = (NAMES.count, NAMES.sum, NAMES.sum_of_squares, NAMES.non_finite, NAMES.predictions)


@dataclass
class ScrapedPod:
    """One pod; `served` is the truth, including what was lost with a restart before any scrape saw it."""

    labels: Mapping[str, str]
    served: int = 0
    values: dict[str, float] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0.0))
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def serve(self, labels: int, loss: float = 0.5) -> None:
        """Have `labels` predictions labelled, each with this loss."""
        self.served += labels
        for counter, rise in zip(COUNTERS, (1.0, loss, loss * loss, 0.0, 1.0), strict=True):
            self.values[counter] += labels * rise

    def restart(self) -> None:
        """Begin again at zero."""
        self.values = dict.fromkeys(self.values, 0.0)

    def scrape(self, at: float) -> None:
        """Let Prometheus see the counters as they stand."""
        for counter, value in self.values.items():
            self.samples.setdefault(counter, []).append((at, value))

    def fail_scrape(self, at: float) -> None:
        """Have a scrape fail: Prometheus marks series that it knows as stale."""
        for samples in self.samples.values():
            samples.append((at, STALE))

    def series(self) -> list[tuple[Mapping[str, str], list[Sample]]]:
        """What there is to write into a Prometheus."""
        return [({"__name__": counter, **self.labels}, samples) for counter, samples in self.samples.items()]
