"""The health script for Argo CD, run by a real Lua, over statuses as the operator writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from lossgate.api import names
from lossgate.api.reasons import REASONS, ConditionType, Reason
from tests.rollout import life
from tests.rollout.life import Moment

FOLDER = Path(__file__).parents[2] / "docs" / "gitops"
SCRIPT = (FOLDER / "argocd" / "health.lua").read_text(encoding="utf-8")
LOADED = {"package", "table", "os"}
"""The libraries, besides the base, that Argo CD gives to a script by default (its util/lua/lua.go)."""

Health = tuple[str, str]


def run(obj: Mapping[str, Any], script: str = SCRIPT) -> Health:
    """Return status and message, from a Lua 5.1 with no other libraries than in Argo CD."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.execute('getmetatable("").__index = nil')
    libraries = {name for name, value in lua.globals().items() if lua51.lua_type(value) == "table"} - {"_G"}
    for library in libraries - LOADED:
        lua.globals()[library] = None
    lua.globals().obj = as_lua(lua, obj)
    result = lua.execute(script)
    assert set(result) == {"status", "message"}
    return result["status"], result["message"]


def as_lua(lua: Any, value: Any) -> Any:
    if isinstance(value, Mapping):
        return lua.table_from({name: as_lua(lua, item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return lua.table_from([as_lua(lua, item) for item in value])
    return value


def an_object(*conditions: tuple[str, str, str], generation: int | None = 3, observed: int | None = 3) -> Any:
    said = [
        {"type": type_, "status": status, "reason": reason, "message": f"{type_} says {reason}"}
        for type_, status, reason in conditions
    ]
    metadata = {} if generation is None else {"generation": generation}
    status: dict[str, Any] = {"conditions": said}
    if observed is not None:
        status["observedGeneration"] = observed
    return {"metadata": metadata, "status": status}


READY = ("Ready", "True", "StableServing")


@pytest.mark.parametrize(
    ("obj", "status", "words"),
    [
        ({"metadata": {"generation": 1}}, "Progressing", "not acted"),
        ({"metadata": {}}, "Progressing", "starting"),
        ({}, "Progressing", "starting"),
        ({"metadata": {"generation": 1}, "status": {}}, "Progressing", "not acted"),
        ({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}, "Progressing", "not acted"),
        ({"metadata": {"generation": 1}, "status": {"observedGeneration": 1}}, "Progressing", "starting"),
        (an_object(), "Progressing", "starting"),
        (an_object(READY, ("Promoted", "True", "Promoted"), observed=2), "Progressing", "not acted"),
        (an_object(("Ready", "False", "FirstVersionStarting")), "Progressing", "FirstVersionStarting"),
        (an_object(("Ready", "False", "StableUnavailable")), "Degraded", "StableUnavailable"),
        (an_object(READY), "Progressing", "StableServing"),
        (an_object(READY, ("Promoted", "True", "Promoted")), "Healthy", "Promoted"),
        (an_object(READY, ("Promoted", "Unknown", "Analysing")), "Healthy", "Analysing"),
        (an_object(READY, ("Promoted", "Unknown", "InsufficientCapacity")), "Healthy", "InsufficientCapacity"),
        (an_object(READY, ("Promoted", "Unknown", "Requested")), "Suspended", "Requested"),
        (an_object(READY, ("Promoted", "Unknown", "Inconclusive")), "Suspended", "Inconclusive"),
        (an_object(READY, ("Promoted", "False", "Inconclusive")), "Degraded", "Inconclusive"),
        (an_object(READY, ("Promoted", "False", "Harm")), "Degraded", "Harm"),
        (an_object(READY, ("Promoted", "False", "Aborted")), "Progressing", "Aborted"),
        (
            an_object(READY, ("Promoted", "True", "Promoted"), ("Stalled", "True", "BackendConflict")),
            "Degraded",
            "Back",
        ),
        (
            an_object(READY, ("Promoted", "True", "Promoted"), ("Stalled", "False", "InvalidSpec")),
            "Healthy",
            "Promoted",
        ),
        (
            an_object(("Ready", "False", "FirstVersionStarting"), ("Stalled", "True", "InvalidSpec")),
            "Degraded",
            "Inval",
        ),
        ({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": [{}]}}, "Progressing", ""),
        (
            {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Promoted", "status": "False"}]}},
            "Degraded",
            "",
        ),
    ],
)
def test_the_first_match_counts(obj: dict[str, Any], status: str, words: str) -> None:
    found, message = run(obj)
    assert found == status
    assert words in message


@pytest.mark.parametrize("reason", sorted(REASONS[ConditionType.PROMOTED] - {Reason.ABORTED}))
def test_every_way_to_be_not_promoted_is_degraded(reason: Reason) -> None:
    assert run(an_object(READY, ("Promoted", "False", reason)))[0] == "Degraded"


@pytest.mark.parametrize("reason", sorted(REASONS[ConditionType.STALLED]))
def test_every_need_for_a_person_is_degraded(reason: Reason) -> None:
    assert run(an_object(READY, ("Promoted", "True", "Promoted"), ("Stalled", "True", reason)))[0] == "Degraded"


def seen(a_life: Callable[[], Iterator[Moment]]) -> list[str]:
    """The health that Argo CD showed, each once; the same status is judged once."""
    found: list[str] = []
    last: object = None
    for moment in a_life():
        said = (moment.manifest["metadata"], moment.manifest["status"].get("conditions"))
        if said != last:
            health, _ = run(moment.manifest)
            found += [health] if found[-1:] != [health] else []
        last = said
    return found


@pytest.mark.parametrize(
    ("a_life", "health"),
    [
        (life.first_version, ["Progressing", "Healthy"]),
        (life.first_version_refused, ["Progressing", "Degraded", "Healthy"]),
        (life.promoted, ["Progressing", "Healthy"]),
        (life.rolled_back, ["Progressing", "Healthy", "Degraded", "Progressing", "Healthy"]),
        (life.aborted, ["Progressing", "Healthy", "Progressing", "Healthy"]),
        (life.paused, ["Progressing", "Healthy", "Progressing", "Suspended", "Progressing", "Healthy"]),
        (life.inconclusive, ["Progressing", "Healthy", "Suspended", "Degraded"]),
        (life.outage, ["Progressing", "Healthy"]),
        (life.stalled, ["Progressing", "Degraded", "Healthy"]),
        (life.stable_unavailable, ["Healthy", "Degraded", "Healthy"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_argo_cd_shows_over_a_life(a_life: Callable[[], Iterator[Moment]], health: list[str]) -> None:
    assert seen(a_life) == health


def test_a_choice_is_one_word_at_the_top() -> None:
    judged, paused = (READY, ("Promoted", "Unknown", "Analysing")), (READY, ("Promoted", "Unknown", "Requested"))
    waits = SCRIPT.replace('local IN_FLIGHT = "Healthy"', 'local IN_FLIGHT = "Progressing"')
    assert run(an_object(*judged), waits)[0] == "Progressing"
    goes_on = SCRIPT.replace('local PAUSED = "Suspended"', 'local PAUSED = "Healthy"')
    assert run(an_object(*paused), goes_on)[0] == "Healthy"


def blocks(document: str) -> list[Any]:
    text = (FOLDER / document).read_text(encoding="utf-8")
    return [list(yaml.safe_load_all(part.partition("```")[0])) for part in text.split("```yaml\n")[1:]]


def test_the_config_map_carries_the_script_for_our_kind() -> None:
    config = yaml.safe_load((FOLDER / "argocd" / "argocd-cm.yaml").read_text(encoding="utf-8"))
    assert config["metadata"]["name"] == "argocd-cm"
    assert config["data"] == {f"resource.customizations.health.{names.GROUP}_{names.KIND}": SCRIPT}


def test_every_example_is_yaml() -> None:
    assert all(documents and all(documents) for name in ("argocd.md", "flux.md") for documents in blocks(name))
