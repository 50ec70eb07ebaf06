"""The commands and values that documents show are ones that the chart takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.conftest import CHART, Helm
from tests.docs.test_links import broken

ROOT = CHART.parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "install.md", CHART / "README.md"]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ONLY_FOR_UPGRADES = {"upgrade", "--install", "--reset-then-reuse-values"}


def blocks(document: Path, language: str) -> Iterator[str]:
    yield from (match[2] for match in _FENCE.finditer(document.read_text()) if match[1] == language)


def commands(document: Path) -> Iterator[list[str]]:
    """Yield the arguments of every command that renders the chart, as `helm template` takes them."""
    for block in blocks(document, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.partition("|")[0], comments=True)
            if words[:2] in (["helm", "upgrade"], ["helm", "template"]):
                yield [word for word in words[1:] if word not in (*_ONLY_FOR_UPGRADES, "template")]


COMMANDS = [(document.name, arguments) for document in DOCUMENTS for arguments in commands(document)]
VALUES = [block for block in blocks(ROOT / "docs" / "install.md", "yaml") if block.startswith("# values.yaml")]


def test_the_documents_have_commands_and_values() -> None:
    assert len(COMMANDS) >= 8
    assert len(VALUES) >= 3


@pytest.mark.parametrize(("document", "arguments"), COMMANDS)
def test_a_command_is_one_that_works(helm: Helm, document: str, arguments: list[str]) -> None:
    found = [str(CHART) if argument == "charts/lossgate" else argument for argument in arguments]
    done = helm("template", *found)
    assert done.returncode == 0, f"{document}: {done.stderr}"
    assert "kind: " in done.stdout


@pytest.mark.parametrize("values", VALUES)
def test_values_are_ones_that_the_chart_takes(helm: Helm, values: str) -> None:
    done = helm("template", "lossgate", CHART, "--values", "-", stdin=values)
    assert done.returncode == 0, done.stderr


def test_the_charts_readme_links_to_what_is_there() -> None:
    assert broken(CHART / "README.md") == []
