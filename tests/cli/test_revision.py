"""A manifest's revision has the name that the operator works out from the stored object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lossgate.api.spec import RolloutSpec
from lossgate.cli.main import main
from lossgate.controller.access import Accesses
from lossgate.controller.children import Children
from lossgate.controller.observe import Observer
from lossgate.controller.references import References
from lossgate.controller.settings import Settings
from lossgate.measure.prometheus import PrometheusSource
from tests import rollouts
from tests.apiserver import ApiServer, as_json
from tests.controller.cluster import CHILD_KINDS
from tests.controller.fake_kube import FakeKube, Storage

UNUSUAL = """\
# Everything here is read otherwise by another YAML parser.
apiVersion: lossgate.io/v1alpha1
kind: ModelRollout
metadata: {name: unusual, namespace: default}
spec:
  model: {version: "1.10"}
  template:
    metadata:
      labels: {team: vision}
      annotations: {note: "ünïcode \\u2028 <&>"}
    spec:
      containers:
      - name: model
        image: digits:v1
        ports: [{name: http, containerPort: 8_000}]
        resources: {limits: {cpu: 1.0, memory: 2e9, half: 1.5, small: 1e-7, large: 1.5e+22}}
        odd:
          [2026-01-01, 2026-01-01T10:00:00Z, 22:22, 0644, 0x1F, on, no, "on", ~, null, "", +5, 1_000, 1., .5, -0.0,
          1.5e+3, 0.1, 1e3, -12, 0b101, 09, 1.2.3, 5e, v1, Yes, TRUE, N, y]
        keys: {5: five, true: yes, 1.5: x}
        empty: {}
        nothing: null
  traffic: {gateway: {parentRefs: [{name: web}]}}
"""


def revision(file: Path | str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["revision", "-f", str(file)], input=stdin)


def as_the_operator_has_it(body: dict[str, Any]) -> str:
    settings, kube = Settings("lossgate", "pod-1"), FakeKube(Storage())
    children = Children({kind: {} for kind in CHILD_KINDS})
    observer = Observer(children, PrometheusSource(), settings, Accesses(settings, References(kube)))
    return observer.see(body, RolloutSpec.model_validate(body["spec"]), None).target


@pytest.mark.apiserver
@pytest.mark.parametrize("validate", ["strict", "ignore"])
@pytest.mark.parametrize("way", ["create", "apply"])
def test_revision_of_a_manifest_is_that_of_the_stored_object(
    apiserver: ApiServer, tmp_path: Path, way: str, validate: str
) -> None:
    for number, text in enumerate((UNUSUAL, as_json(rollouts.minimal()), as_json(rollouts.full()))):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        apiserver.must(way, "-f", str(file), f"--validate={validate}")
        name = "unusual" if number == 0 else "digits"
        stored = json.loads(apiserver.must("get", "modelrollout", name, "-o", "json"))
        apiserver.must("delete", "modelrollout", name)
        assert revision(file).stdout.strip() == as_the_operator_has_it(stored)


def test_file_with_several_objects_and_the_standard_input() -> None:
    second = rollouts.changed({"model": {"version": "v2"}})
    both = as_json([{"kind": "Service", "metadata": {"name": "x"}}, rollouts.minimal(), second])
    result = revision("-", both)
    assert result.exit_code == 0
    assert len(set(result.stdout.split())) == 2
    assert all(line.startswith("digits-") for line in result.stdout.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Service", "has no ModelRollout"),
        ("", "has no ModelRollout"),
        ("a: [", "is neither YAML nor JSON"),
        ("kind: ModelRollout\nmetadata: {name: x}\nspec: 5", "needs metadata.name, spec.template and spec.model"),
        ("kind: ModelRollout\nspec: {}", "needs metadata.name, spec.template and spec.model"),
    ],
)
def test_file_without_a_revision_is_refused_with_words(text: str, words: str) -> None:
    result = revision("-", text)
    assert result.exit_code == 64
    assert words in result.stderr
    assert "Traceback" not in result.output
