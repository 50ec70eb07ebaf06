"""Plays the acts on the cluster and watches them as a user would: by `kubectl` and the client's counts alone."""

from __future__ import annotations

import time

from e2e.demo.acts import FIRST_VERSION, Act
from e2e.demo.outcome import Outcome
from e2e.demo.recording import Take
from e2e.demo.sample import Sample
from e2e.demo.screen import Screen
from e2e.stage import Stage, parse_time, poll
from lossgate.api.reasons import EventReason, Phase
from lossgate.api.status import RolloutStatus

__all__ = ["Player"]

_START_SECONDS = 180.0
_WARM_UP_REQUESTS = 500


class Player:
    """Plays one act after the other on a stage and tells what happens on a screen."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self._stage = stage
        self._screen = screen
        self._told: set[str] = set()
        self._errors = 0

    def open(self) -> None:
        """Return when the first version answers the client's requests.

        Raises:
            AssertionError: It does not within minutes; tells the rollout's story.
        """
        self._stage.close()
        self._stage.open()
        self._stage.apply(self._stage.rollout(FIRST_VERSION))

        def serves() -> bool:
            return self._look().phase is Phase.HEALTHY

        poll(serves, _START_SECONDS, f"{FIRST_VERSION} serves", self._stage.story)
        self._stage.start_client()
        self._screen.say("the client sends requests through the gateway")

        def has_traffic() -> bool:
            return bool(self._stage.client_statistics()["ok"] >= _WARM_UP_REQUESTS)

        poll(has_traffic, _START_SECONDS, f"{_WARM_UP_REQUESTS} answers of {FIRST_VERSION}", self._stage.story)

    def play(self, act: Act) -> tuple[Outcome, Take]:
        """Ask for a version and return how its rollout ended, and all that was seen on the way.

        Raises:
            AssertionError: It did not end within the act's time; tells the rollout's story.
        """
        samples: list[Sample] = []
        stable = self._look().stable
        stable_version = stable.model_version if stable else "none"
        self._stage.apply(self._stage.rollout(act.version))

        def ended() -> RolloutStatus | None:
            status = self._look()
            samples.append(Sample.of(status, time.time()))
            self._screen.live(samples[-1].line())
            return status if _has_ended(status, act.version) else None

        status = poll(ended, act.limit_seconds, f"{act.version} promoted or rolled back", self._stage.story)
        outcome = self._outcome(act, status)
        return outcome, Take(act.version, stable_version, outcome.entry.result, samples)

    def close(self) -> None:
        """Stop the client; the versions and all that was written about them stay, to be looked at."""
        self._stage.kubectl("scale", "deployment/digits-client", "--replicas=0")

    def _outcome(self, act: Act, status: RolloutStatus) -> Outcome:
        statistics = self._stage.client_statistics()
        promoting = [
            parse_time(event["lastTimestamp"])
            for event in self._stage.events()
            if event["reason"] == EventReason.PROMOTING
        ]
        outcome = Outcome.of(act, status, promoting, statistics, self._errors)
        self._errors = statistics["errors"]
        for sample in statistics["error_samples"] if outcome.errors else []:
            self._screen.say(f"the client saw an error: {sample['kind']}: {sample['message']}")
        return outcome

    def _look(self) -> RolloutStatus:
        """Return the status as it is, and tell the events since the last look."""
        status = RolloutStatus.model_validate(self._stage.status())
        for event in self._stage.events():
            if event["metadata"]["uid"] not in self._told:
                self._told.add(event["metadata"]["uid"])
                at = event["lastTimestamp"][11:19]
                self._screen.event(at, event["reason"], event["message"], warning=event["type"] == "Warning")
        return status


def _has_ended(status: RolloutStatus, version: str) -> bool:
    """The entry of a rollback is written at the decision, before the canary is drained: the phase says when it is."""
    is_recorded = bool(status.history) and status.history[-1].model_version == version
    return is_recorded and status.phase in (Phase.HEALTHY, Phase.ROLLED_BACK)
