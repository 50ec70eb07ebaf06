from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parent.parent.parent / "charts" / "lossgate"

Helm = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def helm(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Run helm, with nothing of the person's own helm: `helm("lint", CHART)`."""
    home = tmp_path_factory.mktemp("helm")

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs / "helm", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"HOME": str(home)},
        )

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Return the objects that the chart makes with some values: `render("crds.create=false")`."""

    def objects(*values: str) -> list[dict[str, Any]]:
        settings = [argument for value in values for argument in ("--set", value)]
        done = helm("template", "lossgate", CHART, "--namespace", "lossgate-system", *settings)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return objects
