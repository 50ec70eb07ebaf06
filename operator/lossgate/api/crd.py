"""The CustomResourceDefinition of ModelRollout, generated from the typed spec and status.

`python -m lossgate.api.crd` prints it; with paths as arguments it writes each of these files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from lossgate.api import names, structural
from lossgate.api.reasons import ConditionType, Phase
from lossgate.api.rules import rule, rules
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import RolloutStatus

_HEADER = "# Generated from operator/lossgate/api by `python -m lossgate.api.crd`; change it there.\n"

_IN_FLIGHT = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK)


def build() -> dict[str, Any]:
    """Return the CustomResourceDefinition as a manifest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.PLURAL}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": names.PLURAL,
                "singular": names.SINGULAR,
                "shortNames": [names.SHORT_NAME],
                "categories": ["lossgate"],
            },
            "versions": [_version()],
        },
    }


def render() -> str:
    """Return the CustomResourceDefinition as YAML, the same text for the same models."""
    return _HEADER + yaml.dump(build(), Dumper=_PlainDumper, sort_keys=False, width=120, allow_unicode=True)


def main(paths: list[str]) -> None:
    """Write the CustomResourceDefinition to each path, or print it if there is none."""
    for path in paths:
        Path(path).write_text(render(), encoding="utf-8")
    if not paths:
        sys.stdout.write(render())


class _PlainDumper(yaml.SafeDumper):
    """Writes equal parts of the schema out in full: the API server takes no YAML aliases for granted."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _version() -> dict[str, Any]:
    return {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "additionalPrinterColumns": _columns(),
        "schema": {"openAPIV3Schema": _schema()},
    }


def _columns() -> list[dict[str, Any]]:
    promoted = f'.status.conditions[?(@.type=="{ConditionType.PROMOTED}")].reason'
    return [
        _column("Phase", ".status.phase", "Where the rollout stands"),
        _column("Stable", ".status.stable.modelVersion", "Model version that serves"),
        _column("Canary", ".status.canary.modelVersion", "Model version that is being judged"),
        _column("Weight", ".status.canary.weight", "The canary's share of the requests in per cent", type_="integer"),
        _column("Delta", ".status.analysis.delta.estimate", "Canary loss minus stable loss; positive is worse"),
        _column("Labels", ".status.analysis.labels.canary", "Labels of the canary in this step", type_="integer"),
        _column("Age", ".metadata.creationTimestamp", "Time since the object was created", type_="date"),
        _column("Lower", ".status.analysis.delta.lower", "Lower bound of delta", priority=1),
        _column("Upper", ".status.analysis.delta.upper", "Upper bound of delta", priority=1),
        _column("Verdict", ".status.analysis.verdict", "Verdict of the last look", priority=1),
        _column("Reason", promoted, "Why the canary is, or is not, promoted", priority=1),
    ]


def _column(name: str, path: str, description: str, *, type_: str = "string", priority: int = 0) -> dict[str, Any]:
    column = {"name": name, "type": type_, "jsonPath": path, "description": description}
    return column | {"priority": priority} if priority else column


def _schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A model served in one version, and brought to the next by a test on live traffic: the new "
        "version is promoted when its cross-entropy loss is shown not to be worse than a margin, and rolled back when "
        "it is shown to be worse.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always {names.API_VERSION}."},
            "kind": {"type": "string", "description": f"Always {names.KIND}."},
            "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
            "spec": structural.of_input(RolloutSpec),
            # Tools that judge health wait for an observed generation: without it an object that no operator has seen
            # would count as ready.
            "status": structural.of_output(RolloutStatus) | {"default": {"observedGeneration": -1}},
        },
        **rules(
            rule(
                f"self.metadata.name.size() <= {names.MAX_NAME_LENGTH} "
                "&& self.metadata.name.matches(r'^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                f"write a metadata.name of at most {names.MAX_NAME_LENGTH} lower case letters, digits and -, starting "
                "with a letter: Services and Deployments are named after it",
                ".metadata.name",
                judges=("metadata.name",),
            ),
            # What the old route was told last would stay in force there, out of sight.
            rule(
                "self.spec.traffic == oldSelf.spec.traffic || !has(self.status) || !has(self.status.phase) "
                "|| !(self.status.phase in [" + ", ".join(f"'{phase}'" for phase in _IN_FLIGHT) + "]) "
                "|| (has(self.spec.traffic.gateway) && has(oldSelf.spec.traffic.gateway))",
                "wait until the rollout in flight has ended, or end it by going back to the old template and version: "
                "the route that splits the requests cannot be exchanged while a canary may get some of them",
                ".spec.traffic",
            ),
        ),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
