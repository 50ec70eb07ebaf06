from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

CHART = Path(__file__).parent.parent.parent / "charts" / "lossgate"

Objects = list[dict[str, Any]]
Helm = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., Objects]


@pytest.fixture(scope="session")
def helm(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Run helm, with nothing of the person's own helm: `helm("lint", CHART)`; `stdin` is what `--values -` reads."""
    home = tmp_path_factory.mktemp("helm")

    def run(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [programs / "helm", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"HOME": str(home)},
        )

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Return the objects that the chart makes of values.

    They are given as on the command line, `render("crds.create=false")`, or as a mapping, `render({"replicas": 2})`.
    """

    def objects(
        *values: str | dict[str, Any], namespace: str = "lossgate-system", release: str = "lossgate"
    ) -> Objects:
        settings: list[str] = []
        whole: dict[str, Any] = {}
        for value in values:
            if isinstance(value, str):
                settings += ["--set", value]
            else:
                whole |= value
        done = helm(
            "template", release, CHART, "--namespace", namespace, "--values", "-", *settings, stdin=json.dumps(whole)
        )
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.safe_load_all(done.stdout) if document]

    return objects


def of_kind(kind: str, objects: Objects) -> dict[str, dict[str, Any]]:
    """Return the objects of a kind by name."""
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def the(kind: str, objects: Objects) -> dict[str, Any]:
    """Return the one object of a kind."""
    (found,) = of_kind(kind, objects).values()
    return found


def pod_spec(objects: Objects) -> dict[str, Any]:
    """Return what the operator's pods are made of."""
    return dict(the("Deployment", objects)["spec"]["template"]["spec"])


def container(objects: Objects) -> dict[str, Any]:
    """Return the operator's container."""
    (found,) = pod_spec(objects)["containers"]
    return dict(found)


def environment(objects: Objects) -> dict[str, Any]:
    """Return the container's variables; no name is there twice."""
    entries = container(objects)["env"]
    found = {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}
    assert len(found) == len(entries)
    return found
