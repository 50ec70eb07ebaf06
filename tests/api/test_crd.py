from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lossgate.api import crd
from lossgate.api.spec import RolloutSpec
from tests import rollouts

ROOT = Path(__file__).parent.parent.parent
COPIES = ["crds/lossgate.io_modelrollouts.yaml", "charts/lossgate/files/lossgate.io_modelrollouts.yaml"]

Node = dict[str, Any]


def schema() -> Node:
    found: Node = crd.build()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for keyword, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in node:
            yield from nodes(node[keyword], path + mark)


def nodes_of(part: str) -> list[tuple[str, Node]]:
    return list(nodes(schema()["properties"][part], part))


def defaulted(value: Any, node: Node) -> Any:
    """What the API server makes of a value: defaults where nothing is written, level by level."""
    if isinstance(value, dict):
        given = {name: field["default"] for name, field in node.get("properties", {}).items() if "default" in field}
        fields = node.get("properties", {})
        return {name: defaulted(field, fields.get(name, {})) for name, field in (given | value).items()}
    return value


@pytest.mark.parametrize("copy", COPIES)
def test_the_files_are_what_the_models_generate(copy: str) -> None:
    assert (ROOT / copy).read_text(encoding="utf-8") == crd.render(), (
        f"{copy} is out of date: run `python -m lossgate.api.crd {' '.join(COPIES)}`"
    )


def test_the_program_writes_the_files_that_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crd.main([str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")])
    assert capsys.readouterr().out == ""
    crd.main([])
    printed = capsys.readouterr().out
    assert (tmp_path / "a.yaml").read_text() == (tmp_path / "b.yaml").read_text() == printed
    assert yaml.safe_load(printed) == crd.build()


def test_the_chart_can_carry_the_text_unchanged() -> None:
    assert "{{" not in crd.render()


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_is_described(part: str) -> None:
    bare = [path for path, node in nodes_of(part) if not path.endswith("{}") and not node.get("description")]
    assert [path for path in bare if not path.endswith(("hostnames[]", "reverts[]"))] == []


@pytest.mark.parametrize("part", ["spec", "status"])
def test_the_schema_is_structural(part: str) -> None:
    foreign = {"title", "$ref", "$defs", "anyOf", "oneOf", "allOf", "const", "x-message"}
    for path, node in nodes_of(part):
        assert not foreign & node.keys(), path
        assert "type" in node or "x-kubernetes-int-or-string" in node, path
        assert isinstance(node.get("exclusiveMinimum", True), bool), path


def test_everything_that_people_write_is_bounded() -> None:
    for path, node in nodes_of("spec"):
        kind = node.get("type", "string")
        if kind == "string" and not path.endswith("annotations{}"):
            assert "maxLength" in node or "enum" in node, path
        if kind == "array":
            assert "maxItems" in node, path
        if kind == "object" and "additionalProperties" in node:
            assert "maxProperties" in node, path


def test_a_rule_takes_the_place_of_a_bare_pattern() -> None:
    # The API server would print the expression beside the words.
    assert [path for path, node in nodes_of("spec") if "pattern" in node] == []


def test_every_duration_has_a_rule() -> None:
    durations = [path for path, node in nodes_of("spec") if node.get("maxLength") == 16 and "enum" not in node]
    assert len(durations) == 9
    for path, node in nodes_of("spec"):
        if path in durations:
            assert "duration(self)" in node["x-kubernetes-validations"][0]["rule"], path


def test_the_api_server_and_the_operator_have_the_same_defaults() -> None:
    written = rollouts.minimal()["spec"]
    filled = defaulted(written, schema()["properties"]["spec"])
    assert filled["gate"]["maxDuration"] == "24h"
    assert RolloutSpec.model_validate(filled) == RolloutSpec.model_validate(written)


def test_a_status_is_refused_for_no_word_and_filled_with_no_default() -> None:
    status = schema()["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
    inner = [node for path, node in nodes_of("status") if path != "status"]
    assert not any("default" in node or "enum" in node for node in inner)
