"""The operator's pod needs no shell, no root and no disk, so a person who gets into it finds little to work with."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.chart.conftest import Render

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "operator" / "Dockerfile").read_text(encoding="utf-8")
SHELLS = {"sh", "bash", "dash", "ash", "/bin/sh", "/bin/bash", "env", "/usr/bin/env"}

_SPAWNS = {
    ("os", "system"),
    ("os", "popen"),
    ("asyncio", "create_subprocess_exec"),
    ("asyncio", "create_subprocess_shell"),
}


def final_stage() -> list[str]:
    """Return the instructions of the stage that is the image."""
    return [line for line in DOCKERFILE.rpartition("\nFROM ")[2].splitlines() if re.match(r"[A-Z]+ ", line)]


@pytest.fixture(scope="module")
def pod(render: Render) -> Any:
    (deployment,) = [item for item in render() if item["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]


def test_the_pod_starts_the_program_itself_and_is_probed_by_http(pod: Any) -> None:
    (container,) = pod["containers"]
    assert container["command"] == ["lossgate", "operator"]
    assert not SHELLS & {*container["command"], *container.get("args", [])}
    assert "initContainers" not in pod
    assert "lifecycle" not in container, "a hook would be run by a program of the image"
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert "httpGet" in container[probe]
        assert "exec" not in container[probe]


def test_the_pod_is_nobody_and_can_write_nothing(pod: Any) -> None:
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod.get("hostNetwork")
    assert not pod.get("hostPID")
    assert "volumes" not in pod or all("hostPath" not in volume for volume in pod["volumes"])


def test_the_image_starts_without_a_shell_as_a_number_that_is_not_root() -> None:
    instructions = dict(line.split(" ", 1) for line in final_stage())
    assert json.loads(instructions["ENTRYPOINT"]) == ["lossgate"], "the form that no shell is needed for"
    assert json.loads(instructions["CMD"]) == ["operator"]
    user, group = map(int, instructions["USER"].split(":"))
    assert user > 0
    assert group > 0
    assert "RUN" not in instructions, "nothing is built in the stage that is the image, so no shell is needed there"


def test_the_operator_starts_no_other_program() -> None:
    found = []
    for file in (ROOT / "operator" / "lossgate").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names=imported):
                    found += [(file.name, name.name) for name in imported if name.name in ("subprocess", "pty")]
                case ast.ImportFrom(module="subprocess" | "pty"):
                    found.append((file.name, str(node.module)))
                case ast.Attribute(value=ast.Name(id=module), attr=name) if (module, name) in _SPAWNS:
                    found.append((file.name, f"{module}.{name}"))
    assert found == []
