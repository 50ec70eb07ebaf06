"""The reference pages are what the code says now."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml

from lossgate.api import crd
from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from tests.apiserver import ApiServer
from tests.docs.reference import documented, fields, told
from tests.docs.reference.pages import PAGES

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(("name", "page"), PAGES.items(), ids=list(PAGES))
def test_the_page_is_up_to_date(name: str, page: Callable[[], str]) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == page(), (
        f"docs/reference/{name} is out of date: run `python -m tests.docs.reference docs/reference`"
    )


def paths(node: dict[str, Any], path: str) -> list[str]:
    found = [path]
    for name, field in node.get("properties", {}).items():
        found += paths(field, f"{path}.{name}")
    return found + (paths(node["items"], f"{path}[]") if "items" in node else [])


@pytest.mark.parametrize("part", ["spec", "status"])
def test_no_field_is_left_out(part: str) -> None:
    schema = crd.build()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]
    page = fields.page()
    for path in paths(schema, part):
        parent, _, name = path.rpartition(".")
        if parent and not name.endswith("[]"):
            _, _, section = page.partition(f"# {parent}\n")
            table = section.partition("\n#")[0]
            assert f"| `{name}` |" in table, path


def test_every_rule_of_the_schema_is_said() -> None:
    page = " ".join(fields.page().split()).lower()
    text = json.dumps(crd.build())
    messages = {message.partition('"')[0] for message in text.replace('\\"', "'").split('"message": "')[1:]}
    assert len(messages) > 20
    assert [message for message in messages if message.partition("'")[0].lower() not in page] == []


@pytest.mark.apiserver
def test_the_example_is_accepted_and_kept_as_written(apiserver: ApiServer) -> None:
    manifest = yaml.safe_load(fields.EXAMPLE.read_text(encoding="utf-8"))
    manifest["metadata"]["namespace"] = "default"
    stored = json.loads(apiserver.must("create", "--dry-run=server", "-o", "json", "-f", "-", manifest=manifest))

    def keeps(written: Any, kept: Any) -> bool:
        if isinstance(written, dict):
            return all(keeps(value, kept[name]) for name, value in written.items())
        return bool(written == kept)

    assert keeps(manifest["spec"], stored["spec"])


@pytest.mark.parametrize("enum", [Phase, ConditionType, Reason, EventReason])
def test_every_word_is_explained(enum: type[StrEnum]) -> None:
    for member, text in documented.members(enum).items():
        assert text.endswith("."), f"{member}: write whole sentences"
        assert len(text) < 400, f"{member}: say it shorter"


def test_a_word_without_its_line_is_named() -> None:
    class Bare(StrEnum):
        SAID = "Said"
        """What it says."""
        UNSAID = "Unsaid"
        ALSO = "Also"

    with pytest.raises(ValueError, match="UNSAID, ALSO"):
        documented.members(Bare)


def test_every_event_is_told_somewhere() -> None:
    assert told.types().keys() == set(EventReason)


def test_types_are_those_of_the_calls() -> None:
    types = told.types()
    assert types[EventReason.PROMOTED] == "Normal"
    assert types[EventReason.HARM_FOUND] == "Warning"
    assert types[EventReason.PAUSED] == "Normal, Warning"
