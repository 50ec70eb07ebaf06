"""What the chart lets the operator do, and what the operator did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import yaml

from e2e.audit import Request
from e2e.cluster import Cluster
from e2e.stage import CHART

__all__ = ["Right", "exercised", "granted", "table"]


class Right(NamedTuple):
    """One verb on one kind of resource.

    Attributes:
        group: API group; empty for the core group.
        resource: Plural name, with its subresource where there is one.
        verb: As in RBAC rules.
    """

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f".{self.group}" if self.group else "")


def granted(cluster: Cluster, *settings: str) -> frozenset[Right]:
    """Return all that the chart's roles grant to its service account with these values."""
    arguments = [part for setting in settings for part in ("--set", setting)]
    rendered = cluster.helm("template", "lossgate", str(CHART), *arguments)
    bodies = [body for body in yaml.safe_load_all(rendered) if body]
    accounts = {body["metadata"]["name"] for body in bodies if body["kind"] == "ServiceAccount"}
    bound = {
        body["roleRef"]["name"]
        for body in bodies
        if body["kind"].endswith("RoleBinding") and any(subject["name"] in accounts for subject in body["subjects"])
    }
    return frozenset(
        Right(group, resource, verb)
        for role in bodies
        if role["kind"] in ("Role", "ClusterRole") and role["metadata"]["name"] in bound
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def exercised(requests: Iterable[Request]) -> Counter[Right]:
    """Return how often each right was made use of; what is no resource, such as discovery, everybody may ask."""
    return Counter(
        Right(request.group, "/".join(filter(None, (request.resource, request.subresource))), request.verb)
        for request in requests
        if request.resource
    )


def table(rights: Iterable[Right], columns: dict[str, Counter[Right]]) -> str:
    """Return a table for people: a line for each right, with how often it was used in each column."""
    lines = [f"{'right':<52}" + "".join(f"{name:>14}" for name in columns)]
    lines += [
        f"{right!s:<52}" + "".join(f"{counts[right] or '-':>14}" for counts in columns.values())
        for right in sorted(rights)
    ]
    return "\n".join(lines)
