"""Which answers of gateways, meshes and controllers long gone make a route an accepted one."""

from __future__ import annotations

from typing import Any

import pytest

from lossgate.traffic import acceptance

GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
MESH = {"group": "", "kind": "Service", "name": "digits", "port": 80}


def an_answer(parent: dict[str, Any], controller: str = "example.com/gateway", **conditions: str) -> dict[str, Any]:
    """An entry of `status.parents`; `generation` is the one it was given for, 4 being the present one."""
    generation = int(conditions.pop("generation", "4"))
    values = {"Accepted": "True", "ResolvedRefs": "True", **conditions}
    return {
        "parentRef": parent,
        "controllerName": controller,
        "conditions": [
            {
                "type": type_,
                "status": status,
                "observedGeneration": generation,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "message": "because",
            }
            for type_, status in values.items()
        ],
    }


def judged(parents: list[dict[str, Any]], *answers: dict[str, Any]) -> acceptance.Acceptance:
    metadata = {"name": "digits", "namespace": "ml", "generation": 4}
    return acceptance.of({"metadata": metadata, "spec": {"parentRefs": parents}, "status": {"parents": list(answers)}})


@pytest.mark.parametrize(
    ("parents", "answers", "accepted"),
    [
        ([GATEWAY], [an_answer(GATEWAY)], True),
        ([{"name": "web"}], [an_answer({**GATEWAY, "namespace": "ml"})], True),
        ([GATEWAY], [an_answer({**GATEWAY, "namespace": "other"})], False),
        ([{**GATEWAY, "sectionName": "https"}], [an_answer({**GATEWAY, "sectionName": "http"})], False),
        ([GATEWAY], [an_answer(GATEWAY), an_answer({**GATEWAY, "name": "removed"}, Accepted="False")], True),
        ([GATEWAY], [an_answer(GATEWAY), an_answer(GATEWAY, "example.com/uninstalled", generation="2")], True),
        ([GATEWAY], [an_answer(GATEWAY, "example.com/uninstalled", generation="2")], False),
        ([GATEWAY], [an_answer(GATEWAY), an_answer(GATEWAY, "example.com/second", Accepted="False")], False),
        ([GATEWAY, MESH], [an_answer(GATEWAY)], False),
        ([GATEWAY, MESH], [an_answer(GATEWAY), an_answer(MESH, "example.com/mesh")], True),
        ([GATEWAY, MESH], [an_answer(GATEWAY), an_answer(MESH, "example.com/mesh", ResolvedRefs="False")], False),
        ([GATEWAY], [an_answer(GATEWAY, PartiallyInvalid="True")], False),
        ([GATEWAY], [an_answer(GATEWAY, PartiallyInvalid="False")], True),
        ([], [], False),
    ],
    ids=[
        "plain",
        "defaults-filled-in",
        "other-namespace",
        "other-listener",
        "entry-of-a-parent-no-longer-named",
        "entry-left-by-an-uninstalled-controller",
        "nothing-but-such-an-entry",
        "second-controller-refuses",
        "mesh-has-not-answered",
        "mesh-accepts-too",
        "mesh-resolves-nothing",
        "rules-dropped",
        "no-rules-dropped",
        "no-parents",
    ],
)
def test_every_parent_that_the_spec_names_must_have_accepted_the_present_route(
    parents: list[dict[str, Any]], answers: list[dict[str, Any]], accepted: bool
) -> None:
    answer = judged(parents, *answers)
    assert answer.accepted is accepted
    assert bool(answer.message) is not accepted


def test_refusal_is_told_apart_from_silence() -> None:
    assert judged([GATEWAY]).refused_since is None
    assert judged([GATEWAY], an_answer(GATEWAY, generation="3", Accepted="False")).refused_since is None
    assert judged([GATEWAY], an_answer(GATEWAY, Accepted="Unknown")).refused_since is None
    refused = judged([GATEWAY, MESH], an_answer(MESH, Accepted="False"))
    assert refused.refused_since == 1767225600.0
    assert refused.message == "service digits: Accepted is False: because"


def test_refusal_without_a_time_is_one_of_old() -> None:
    answer = an_answer(GATEWAY, Accepted="False")
    del answer["conditions"][0]["lastTransitionTime"]
    assert judged([GATEWAY], answer).refused_since == 0.0
