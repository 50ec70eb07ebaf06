"""The player watches a rollout to its end, tells each event once, and keeps what it saw."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from e2e.cluster import Cluster
from e2e.cluster.images import ImageBuilder
from e2e.cluster.progress import Progress
from e2e.demo.play import Player
from e2e.demo.screen import Screen
from e2e.stage import Stage
from tests.e2e_demo.outcomes import V3, a_status, some_statistics

STABLE = {"revision": "digits-v2", "modelVersion": "v2", "weight": 100}
BEFORE = {"phase": "Healthy", "stable": STABLE}
CANARY = {"revision": "digits-v3", "modelVersion": "v3", "weight": 20}
PROGRESSING = {"phase": "Progressing", "stable": STABLE, "canary": CANARY, "step": {"index": 0, "weight": 20}}
ENDED = a_status(V3).to_manifest()


def an_event(uid: str, reason: str) -> dict[str, Any]:
    return {
        "metadata": {"uid": uid}, "reason": reason, "message": f"{reason} it is.", "type": "Normal",
        "lastTimestamp": "1970-01-01T00:18:00Z",
    }  # fmt: skip


class ScriptedStage(Stage):
    """Shows one status after the other, the last for ever, and one more event with each."""

    def __init__(self, statuses: list[dict[str, Any]], statistics: dict[str, Any]) -> None:
        super().__init__(Cluster(kubeconfig=None, context=None, images=ImageBuilder(Progress())), "demo")
        self._statuses = statuses
        self._statistics = statistics
        self._shown = 0
        self.applied: list[str] = []

    def apply(self, body: Any, *options: str) -> str:
        self.applied.append(body["spec"]["model"]["version"])
        return "applied"

    def status(self, name: str = "digits") -> dict[str, Any]:
        self._shown += 1
        return self._statuses[min(self._shown, len(self._statuses)) - 1]

    def events(self, name: str = "digits") -> list[dict[str, Any]]:
        return [an_event(str(number), f"Event{number}") for number in range(1, self._shown + 1)]

    def client_statistics(self) -> dict[str, Any]:
        return self._statistics


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[Player, ScriptedStage, io.StringIO]]:
    """Returns a player on a scripted stage, whose waits take no time, and the log that it writes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda _: None)

    def make(statuses: list[dict[str, Any]], errors: int = 0) -> tuple[Player, ScriptedStage, io.StringIO]:
        sample = {"time": 1.0, "kind": "http", "message": "503 no healthy upstream"}
        statistics = {**some_statistics(V3, errors=errors), "error_samples": [sample] if errors else []}
        stage, log = ScriptedStage(statuses, statistics), io.StringIO()
        return Player(stage, Screen(1, Console(file=log, highlight=False))), stage, log

    return make


def test_rollback_has_ended_only_when_the_canary_is_drained(play: Any) -> None:
    deciding = {**ENDED, "phase": "RollingBack"}
    player, stage, _ = play([BEFORE, BEFORE, PROGRESSING, deciding, ENDED])
    outcome, take = player.play(V3)
    assert stage.applied == ["v3"]
    assert outcome.entry.result == "RolledBack"
    assert [sample.phase for sample in take.samples] == ["Healthy", "Progressing", "RollingBack", "RolledBack"]
    assert (take.version, take.stable_version, take.result) == ("v3", "v2", "RolledBack")


def test_each_event_is_told_once(play: Any) -> None:
    player, _, log = play([BEFORE, PROGRESSING, PROGRESSING, ENDED])
    player.play(V3)
    told = [line.split()[4] for line in log.getvalue().splitlines() if "it is." in line]
    assert told == ["Event1", "Event2", "Event3", "Event4"]


def test_errors_of_the_client_are_counted_and_told(play: Any) -> None:
    player, _, log = play([BEFORE, ENDED], errors=2)
    outcome, _ = player.play(V3)
    assert outcome.errors == 2
    assert "the client saw an error: http: 503 no healthy upstream" in log.getvalue()


def test_rollout_that_does_not_end_fails_with_its_story(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    player, _, _ = play([BEFORE, PROGRESSING])
    clock = iter(range(0, 10_000, 60))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    with pytest.raises(AssertionError, match=r"v3 promoted or rolled back: not within 240 s(.|\n)*Event1 it is"):
        player.play(V3)
