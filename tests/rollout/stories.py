"""Rollouts from start to end, and what was told of them when: no noise, the same text at every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lossgate.api.quantities import format_duration
from lossgate.api.reasons import Reason
from lossgate.rollout.decision import Event
from lossgate.rollout.snapshot import MeasurementFailed
from tests.rollout.life import LOSSES
from tests.rollout.world import World, a_spec


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and how long after the edit of the spec it was told."""

    after_seconds: float
    event: Event

    @property
    def after(self) -> str:
        return format_duration(self.after_seconds)


class Story:
    """One rollout, from the edit that starts it."""

    def __init__(self, version: str, **changes: Any) -> None:
        self.world = World(a_spec(**changes), dict(LOSSES))
        self.world.run(60, until="Healthy")
        self.world.run(600)
        self.world.events.clear()
        self.world.edit(a_spec(version, **changes))
        self.began = self.world.now
        self.told: list[Told] = []

    def goes_on(self, seconds: float, until: str | None = None) -> Story:
        """Take turns, at most until the phase is `until`."""
        end = self.world.now + seconds
        while self.world.now < end:
            self.world.turn()
            self.told += [Told(self.world.now - self.began, event) for event in self.world.events]
            self.world.events.clear()
            if until is not None and self.world.status.phase == until:
                return self
            self.world.now += 1.0
        assert until is None, f"not {until} within {seconds:.0f} s: {self.world.status}"
        return self

    def loses_prometheus(self) -> Story:
        """From now on every query fails."""
        message = "not reached: ConnectionError (http://prometheus.monitoring:9090/api/v1/query_range)"
        self.world.measurement = MeasurementFailed(Reason.METRICS_UNREACHABLE, message)
        return self

    def finds_prometheus(self) -> Story:
        """Queries are answered again."""
        self.world.measurement = None
        return self


@cache
def promoted() -> Story:
    """A better version passes both steps and takes over; ten minutes later the old one gives up its pods."""
    return Story("v2").goes_on(1).goes_on(6000, "Healthy").goes_on(620)


@cache
def rolled_back() -> Story:
    """A version whose loss is 40 % higher is found out in the first step and loses its share at once."""
    return Story("v3").goes_on(6000, "RolledBack").goes_on(60)


@cache
def catastrophe() -> Story:
    """A broken version, ten times the loss: the early guard needs a few looks."""
    return Story("v4").goes_on(6000, "RolledBack").goes_on(60)


@cache
def inconclusive() -> Story:
    """`gate.maxDuration` of 5 minutes is too short for a verdict, as was said beforehand, and nobody comes."""
    return Story("v2", gate__maxDuration="5m", gate__pauseTimeout="1h").goes_on(6000, "RolledBack").goes_on(60)


@cache
def outage() -> Story:
    """Prometheus is away for ten minutes: nothing moves, nothing is lost, and the rollout goes on."""
    story = Story("v2").goes_on(300).loses_prometheus().goes_on(600).finds_prometheus()
    return story.goes_on(6000, "Healthy")


@cache
def outage_without_end() -> Story:
    """Prometheus does not come back within `gate.holdTimeout`."""
    return Story("v2").goes_on(300).loses_prometheus().goes_on(6000, "RolledBack").goes_on(60)


STORIES: tuple[Callable[[], Story], ...] = (
    promoted,
    rolled_back,
    catastrophe,
    inconclusive,
    outage,
    outage_without_end,
)
