"""The image holds every module of the model and nothing of the operator."""

from __future__ import annotations

from pathlib import Path

from e2e.cluster.images import copied_paths

ROOT = Path(__file__).parents[2]


def test_the_dockerfile_copies_every_module_and_only_the_instrument() -> None:
    copied = set(copied_paths((ROOT / "e2e/model/Dockerfile").read_text()))
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "e2e/model").glob("*.py")}
    assert modules <= copied
    assert {path for path in copied if path.startswith("operator/")} == {
        "operator/lossgate/__init__.py",
        "operator/lossgate/py.typed",
        "operator/lossgate/instrument",
    }
