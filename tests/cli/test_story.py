"""The story of a rollout, as a person reads it in a terminal of 100 columns."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from lossgate.api.commands import Outcome
from lossgate.api.reasons import Phase
from lossgate.api.status import LastCommand
from lossgate.cli.main import main
from lossgate.cli.status import text
from lossgate.cli.story import tell
from tests import rollouts
from tests.apiserver import as_json
from tests.rollout.situations import SITUATIONS, situation
from tests.rollout.world import World

WIDTH = 100


def object_of(world: World) -> dict[str, Any]:
    body = rollouts.changed({"steps": [{"weight": 20}, {"weight": 50}]})
    body["metadata"]["generation"] = world.generation
    return {**body, "status": world.status.to_manifest()}


def story(world: World, events: tuple[dict[str, Any], ...] = (), width: int = WIDTH) -> list[str]:
    return list(text(tell(object_of(world), events, world.now), world.now, width))


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize("width", [WIDTH, 80])
def test_story_of_every_situation_fits_the_terminal_and_says_what_can_be_done(name: str, width: int) -> None:
    world = situation(name)
    lines = story(world, width=width)
    assert lines[0].startswith(f"default/digits: {world.status.phase}")
    assert max(map(len, lines)) <= width
    assert not any(word in "\n".join(lines) for word in ("None", "null", "Traceback"))
    if world.status.phase not in (Phase.HEALTHY, Phase.INITIALIZING, Phase.ROLLING_BACK) and name != "committed":
        assert any(line.startswith("You can") for line in lines)


def test_story_of_a_rollout_in_its_first_step() -> None:
    world = situation("progressing")
    event = {
        "lastTimestamp": "2023-11-14T22:24:00Z",
        "type": "Normal",
        "reason": "WeightChanged",
        "message": "0% -> 20%",
    }
    lines = "\n".join(story(world, (event,)))
    assert "Evidence  Step 1 of 2: 20% of the requests, in force since " in lines
    assert "          3 looks, labels: canary 2400, stable 9600." in lines
    assert "Awaits    A verdict: " in lines
    assert "(gate.maxDuration), then Pause." in lines
    assert "You can   promote: take it now, without the proof" in lines
    assert "Normal   WeightChanged: 0% -> 20%" in lines


def test_story_of_a_version_that_replaced_another_says_until_when_the_way_back_is_short() -> None:
    lines = "\n".join(story(situation("promoted")))
    assert "v1 gives up its pods at " in lines
    assert "You can   rollback: go back to v1" in lines
    assert "by order of a person, without the proof" in lines


def test_last_command_and_one_that_waits_are_told() -> None:
    world = situation("progressing")
    last = LastCommand(text="promote digits-x", time=world.now, outcome=Outcome.REFUSED, message="not that one.")
    world.status = world.status.model_copy(update={"last_command": last})
    body = object_of(world)
    body["metadata"]["annotations"] = {"lossgate.io/command": "abort  digits-y"}
    lines = "\n".join(text(tell(body, (), world.now), world.now, WIDTH))
    assert "Command   promote digits-x: Refused at " in lines
    assert "abort digits-y: not acted on yet" in lines


def test_saved_object_needs_no_cluster() -> None:
    saved = as_json([object_of(situation("inconclusive")), object_of(situation("promoted"))])
    done = CliRunner().invoke(main, ["status", "-f", "-"], input=saved, env={"KUBECONFIG": "/nowhere"})
    assert done.exit_code == 0
    assert "(gate.pauseTimeout)" in done.stdout
    assert "default/digits: Healthy" in done.stdout


def test_object_that_no_operator_has_seen() -> None:
    done = CliRunner().invoke(main, ["status", "-f", "-"], input=as_json(rollouts.minimal()))
    assert done.exit_code == 0
    assert "default/digits: Initializing" in done.stdout


@pytest.mark.parametrize("arguments", [["status"], ["status", "digits", "-f", "-"]])
def test_either_a_name_or_a_file(arguments: list[str]) -> None:
    done = CliRunner().invoke(main, arguments, input="")
    assert done.exit_code == 64
    assert "give the NAME of a ModelRollout, or --filename" in done.stderr
