"""Stored statuses, one number each: times are relative to now, and what no decision depends on is left out."""

from __future__ import annotations

from typing import Any

from lossgate.api.status import Analysis, RolloutStatus, StepStatus, Version
from tests.model import oracle

NOW = 1_700_000_000.0
"""The moment of every decision: when time passes, everything in the status moves back instead."""
LONG_SECONDS = 60.0
"""What is longer ago than this, is this long ago."""
DEADLINE_SECONDS = 600.0
"""The progress deadline; it passes only when the explorer says so."""


class Statuses:
    """All statuses met so far."""

    def __init__(self) -> None:
        self._known: list[RolloutStatus] = []
        self._numbers: dict[str, int] = {}
        self._later: dict[tuple[int, float], int] = {}
        self._renumbered: dict[tuple[int, int], int] = {}

    def __getitem__(self, number: int) -> RolloutStatus:
        return self._known[number]

    def number(self, status: RolloutStatus, seconds_later: float = 0.0) -> int:
        """Return the number of a status as it is seen so many seconds later, after a way through the API server."""
        text = _canonical(status, seconds_later).model_dump_json(by_alias=True, exclude_none=True)
        if text not in self._numbers:
            self._numbers[text] = len(self._known)
            self._known.append(RolloutStatus.model_validate_json(text))
        return self._numbers[text]

    def later(self, number: int, seconds: float) -> int:
        """Return the number of the status `seconds` later."""
        key = (number, seconds)
        if key not in self._later:
            self._later[key] = self.number(self[number], seconds)
        return self._later[key]

    def route_generation(self, number: int) -> int:
        """Return the generation of the route that the status remembers, 0 if none."""
        route = self[number].route
        return route.generation if route else 0

    def with_route_generation(self, number: int, generation: int) -> int:
        """Return the number of the status that remembers this generation instead."""
        key = (number, generation)
        if key not in self._renumbered:
            status, route = self[number], self[number].route
            assert route is not None
            changed = status.model_copy(update={"route": route.model_copy(update={"generation": generation})})
            self._renumbered[key] = self.number(changed)
        return self._renumbered[key]


def _canonical(status: RolloutStatus, later: float) -> RolloutStatus:
    """Deadlines that no seed lets run out keep their time; drains, looks and the way out of the old version do not."""
    return status.model_copy(
        update={
            **{name: _counted_out(getattr(status, name)) for name in ("stable", "canary", "previous")},
            "replicas": 0,
            "started": _fixed(status.started),
            "since": _fixed(status.since),
            "settled": _moved(status.settled, later),
            "scale_down_at": _moved(status.scale_down_at, later),
            "retired": tuple(entry.model_copy(update={"last_used": NOW}) for entry in status.retired),
            "contest": _at(status.contest, "since"),
            "pause": _at(status.pause, "since"),
            "promote_requested": _at(status.promote_requested, "since"),
            "returning": _at(status.returning, "since"),
            "last_command": _at(status.last_command, "time"),
            "route": _route(status),
            "step": _step(status.step, later),
            "analysis": _analysis(status.analysis, later),
            "history": tuple(entry.model_copy(update={"started": NOW, "ended": NOW}) for entry in status.history),
            "conditions": tuple(
                condition.model_copy(update={"last_transition_time": NOW, "message": ""})
                for condition in status.conditions
            ),
        }
    )


def _fixed(time: float | None) -> float | None:
    return None if time is None else NOW


def _moved(time: float | None, later: float) -> float | None:
    return None if time is None else max(time - later, NOW - LONG_SECONDS)


def _at(part: Any, field: str) -> Any:
    return None if part is None else part.model_copy(update={field: NOW})


def _counted_out(version: Version | None) -> Version | None:
    return None if version is None else version.model_copy(update={"replicas": 0, "ready_replicas": 0})


def _route(status: RolloutStatus) -> Any:
    route = status.route
    if route is None:
        return None
    return route.model_copy(
        update={
            "since": _fixed(route.since),
            "reverts": tuple(NOW for _ in route.reverts),
            "contested": _fixed(route.contested),
            "written": _fixed(route.written),
        }
    )


def _step(step: StepStatus | None, later: float) -> StepStatus | None:
    if step is None:
        return None
    unready = step.unready_since
    if unready is not None:
        unready = NOW - DEADLINE_SECONDS if unready - later <= NOW - DEADLINE_SECONDS else NOW
    return step.model_copy(
        update={
            "began": _fixed(step.began),
            "in_force": _fixed(step.in_force),
            "unready_since": unready,
            "since": _moved(step.since, later),
            "shortage": _at(step.shortage, "since"),
        }
    )


def _analysis(analysis: Analysis | None, later: float) -> Analysis | None:
    if analysis is None:
        return None
    return analysis.model_copy(
        update={
            "hold": _at(analysis.hold, "since"),
            "expected_verdict": None,
            "state": _evidence(analysis.state, later),
            "pause_state": _evidence(analysis.pause_state, later),
        }
    )


def _evidence(state: str | None, later: float) -> str | None:
    if state is None:
        return None
    gate = oracle.unpack(state)
    return oracle.pack(oracle.moved(gate, _moved(gate.last_end, later)))
