"""What the chart says of itself: to Helm, to Artifact Hub, in its README."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from lossgate.api import names
from tests.apiserver import ApiServer
from tests.chart import readme
from tests.chart.conftest import CHART, Helm

FACTS = yaml.safe_load((CHART / "Chart.yaml").read_text())
ANNOTATIONS = {name.removeprefix("artifacthub.io/"): text for name, text in FACTS["annotations"].items()}


def listed(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(ANNOTATIONS[name])
    return found


def test_the_chart_installs_the_operator_of_this_tree() -> None:
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]
    assert FACTS["appVersion"] == project["version"]
    assert listed("images") == [{"name": "operator", "image": f"lossgate/operator:{project['version']}"}]
    assert ANNOTATIONS["license"] == project["license"]


def test_every_annotation_is_one_that_artifact_hub_knows() -> None:
    known = {"category", "changes", "crds", "crdsExamples", "images", "license", "operator", "operatorCapabilities"}
    assert set(ANNOTATIONS) == known | {"prerelease"}
    assert {change["kind"] for change in listed("changes")} <= {
        "added", "changed", "deprecated", "removed", "fixed", "security",
    }  # fmt: skip
    assert all(set(change) == {"kind", "description"} for change in listed("changes"))
    assert ANNOTATIONS["operatorCapabilities"] in {
        "Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot",
    }  # fmt: skip


def test_the_crd_is_listed_under_its_name() -> None:
    (crd,) = listed("crds")
    assert (crd["kind"], crd["version"], crd["name"]) == (names.KIND, names.VERSION, f"{names.PLURAL}.{names.GROUP}")


@pytest.mark.apiserver
def test_the_example_is_one_that_the_api_server_takes(apiserver: ApiServer) -> None:
    for example in listed("crdsExamples"):
        apiserver.must("create", "--dry-run=server", "--validate=strict", "-f", "-", manifest=example)


def test_the_readme_is_that_of_the_values() -> None:
    assert (CHART / "README.md").read_text() == readme.readme(), "run python -m tests.chart.readme --write"


def test_a_value_without_a_comment_is_not_let_through() -> None:
    (first, second) = readme.values("a: 1\n# What b does,\n# and how.\nb:\n  c: {}\n")
    assert (first.path, first.comment) == ("a", "")
    assert (second.path, second.default, second.comment) == ("b", {"c": {}}, "What b does, and how.")


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())

    def known(block: dict[str, Any], path: str) -> set[str]:
        if "$ref" in block:
            block = schema["$defs"][block["$ref"].rpartition("/")[2]]
        if block.get("additionalProperties") is not False or path == "resources":
            return {path}
        return {
            leaf
            for name, inner in block["properties"].items()
            for leaf in known(inner, f"{path}.{name}" if path else name)
        }

    written = {value.path for value in readme.values((CHART / "values.yaml").read_text())}
    # Helm gives every chart `global`.
    assert known(schema, "") - {"global"} == written


def test_the_package_holds_what_the_release_needs_and_no_more(helm: Helm, tmp_path: Any) -> None:
    done = helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    shown = helm("show", "readme", tmp_path / f"lossgate-{FACTS['version']}.tgz")
    assert shown.stdout.strip() == (CHART / "README.md").read_text().strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+", FACTS["version"])
