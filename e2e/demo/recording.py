"""The demo's measurements over time in a file, from which the picture is drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from e2e.demo.sample import Sample

__all__ = ["Recording", "Take"]


@dataclass(frozen=True, slots=True)
class Take:
    """One rollout over time.

    Attributes:
        version: The version that was tried.
        stable_version: The version that it was tried against.
        result: How it ended.
        samples: What was seen, oldest first.
    """

    version: str
    stable_version: str
    result: str
    samples: Sequence[Sample]


@dataclass(frozen=True, slots=True)
class Recording:
    """All rollouts of a demo.

    Attributes:
        margin: The tolerated rise of the mean loss, as a fraction.
        step_margins: The rise that must be ruled out to leave each traffic step, as fractions.
        takes: The rollouts in the order in which they were played.
    """

    margin: float
    step_margins: Sequence[float]
    takes: Sequence[Take]

    def write(self, path: Path) -> None:
        """Write the file, and its folder if need be."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Return what `write` wrote."""
        found = json.loads(path.read_text())
        takes = [
            Take(**{**take, "samples": [Sample(**sample) for sample in take["samples"]]}) for take in found["takes"]
        ]
        return cls(found["margin"], found["step_margins"], takes)
