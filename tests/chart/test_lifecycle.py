"""The real Helm on a real API server: install, upgrade, uninstall; what serves is not touched by any of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.apiserver import ApiServer
from tests.chart.conftest import CHART, Helm, Objects, Render, of_kind

pytestmark = pytest.mark.apiserver

PREVIOUS = CHART.parents[1] / "e2e" / "upgrade" / "lossgate-0.1.0"
EXAMPLE = yaml.safe_load(
    yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]["artifacthub.io/crdsExamples"]
)[0]
CRD = "crd/modelrollouts.lossgate.io"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cluster(programs: Path, tmp_path: Path) -> Iterator[ApiServer]:
    """An API server of this test's own: it installs CRDs of another version, and removes them."""
    server = ApiServer(programs, tmp_path)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def release(cluster: ApiServer, helm: Helm) -> Run:
    """Run helm on the cluster, in one namespace; it must succeed unless it is told otherwise."""

    def run(*arguments: str | Path, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        done = helm(*arguments, "--namespace", "system", "--kubeconfig", cluster.kubeconfig)
        assert (done.returncode == 0) is succeeds, done.stderr
        return done

    return run


def get(server: ApiServer, what: str, where: str = "ml") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.must("-n", where, "get", what, "-o", "json"))
    return found


def a_rollout_with_children(server: ApiServer) -> dict[str, dict[str, Any]]:
    """Create a ModelRollout that is half way, with children as the operator would; return all of them as stored."""
    server.must("create", "namespace", "ml")
    server.must("wait", "--for=condition=Established", CRD, "--timeout=30s")
    server.must("-n", "ml", "create", "-f", "-", manifest=EXAMPLE)
    status = json.dumps({"status": {"phase": "Progressing", "observedGeneration": 1}})
    server.must("-n", "ml", "patch", "mr/digits", "--subresource=status", "--type=merge", "-p", status)
    owner = {
        "apiVersion": EXAMPLE["apiVersion"],
        "kind": EXAMPLE["kind"],
        "name": "digits",
        "uid": get(server, "mr/digits")["metadata"]["uid"],
        "controller": True,
    }
    selector = {"lossgate.io/rollout": "digits"}
    spec = EXAMPLE["spec"]["template"]["spec"]
    template = {"metadata": {"labels": selector}, "spec": spec}
    metadata = {"name": "digits", "ownerReferences": [owner]}
    deployed = {"selector": {"matchLabels": selector}, "template": template}
    served = {"selector": selector, "ports": [{"port": 80}]}
    children = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployed},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": served},
    ]
    server.must("-n", "ml", "create", "-f", "-", manifest=children)
    return everything(server)


def everything(server: ApiServer) -> dict[str, dict[str, Any]]:
    return {kind: get(server, f"{kind}/digits") for kind in ("modelrollout", "deployment", "service")}


def untouched(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> None:
    """What nobody wrote has the same resource version, so the same bytes; of the spec as read, nothing is lost.

    A later CRD may have defaults for fields that were not there.
    """
    for kind, old in before.items():
        new = after[kind]
        for key in ("uid", "resourceVersion", "generation"):
            assert new["metadata"].get(key) == old["metadata"].get(key), (kind, key)
        assert new.get("status") == old.get("status")
        assert holds(new["spec"], old["spec"]), kind


def holds(new: Any, old: Any) -> bool:
    if isinstance(old, dict):
        return isinstance(new, dict) and all(key in new and holds(new[key], value) for key, value in old.items())
    if isinstance(old, list):
        return len(new) == len(old) and all(holds(one, other) for one, other in zip(new, old, strict=True))
    return bool(new == old)


def test_an_upgrade_from_the_version_before_leaves_a_rollout_as_it_is(cluster: ApiServer, release: Run) -> None:
    mine = ("--set", "prometheus.url=http://prometheus:9090", "--set", "podAnnotations.a=b")
    release("install", "lossgate", PREVIOUS, "--create-namespace", *mine)
    assert get(cluster, CRD)["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    rollout = a_rollout_with_children(cluster)
    operator = get(cluster, "deployment/lossgate", "system")

    refused = release("upgrade", "lossgate", CHART, "--reuse-values", succeeds=False)
    assert "rbac" in refused.stderr
    assert "nil pointer" not in refused.stderr
    release("upgrade", "lossgate", CHART, "--reset-then-reuse-values", "--set", "replicas=2")

    upgraded = get(cluster, "deployment/lossgate", "system")
    assert upgraded["metadata"]["uid"] == operator["metadata"]["uid"]
    assert upgraded["spec"]["selector"] == operator["spec"]["selector"]
    assert upgraded["spec"]["template"]["metadata"]["annotations"]["a"] == "b"
    assert (upgraded["spec"]["replicas"], upgraded["spec"]["strategy"]["type"]) == (2, "RollingUpdate")
    shipped = yaml.safe_load((CHART / "files/lossgate.io_modelrollouts.yaml").read_text())
    assert holds(get(cluster, CRD)["spec"]["versions"], shipped["spec"]["versions"])
    untouched(rollout, everything(cluster))

    # And the way back to one replica, and to the version before.
    release("upgrade", "lossgate", CHART, "--reset-then-reuse-values", "--set", "replicas=1")
    assert get(cluster, "deployment/lossgate", "system")["spec"]["strategy"] == {"type": "Recreate"}
    release("rollback", "lossgate", "1")
    untouched(rollout, everything(cluster))


def test_an_uninstallation_leaves_what_serves(cluster: ApiServer, release: Run) -> None:
    installed = release("install", "lossgate", CHART, "--create-namespace")
    assert "kubectl explain modelrollout.spec" in installed.stdout
    assert "helm test lossgate --namespace system" in installed.stdout
    assert "nothing can be measured" in installed.stdout
    source = ("prometheus.url=http://prometheus", "prometheus.tokenFile=/var/run/prometheus/token")
    upgraded = release("upgrade", "lossgate", CHART, "--set", source[0], "--set", source[1])
    assert "nothing can be measured" not in upgraded.stdout
    assert "for everyone on the way to read: use https://" in upgraded.stdout
    rollout = a_rollout_with_children(cluster)

    release("uninstall", "lossgate")

    untouched(rollout, everything(cluster))
    left = cluster.must("get", "all,sa,roles,rolebindings,pdb,networkpolicies", "-n", "system", "-o", "name")
    assert "lossgate" not in left
    assert "lossgate" not in cluster.must("get", "clusterroles,clusterrolebindings", "-o", "name")

    # The CRD that was left is taken over by the next installation.
    release("install", "lossgate", CHART)
    untouched(rollout, everything(cluster))


def test_without_keep_the_rollouts_go_with_the_release(cluster: ApiServer, release: Run) -> None:
    """What `crds.keep` is for: this is what it prevents."""
    release("install", "lossgate", CHART, "--create-namespace", "--set", "crds.keep=false")
    a_rollout_with_children(cluster)
    release("uninstall", "lossgate")
    cluster.must("wait", "--for=delete", CRD, "--timeout=30s")


def give_carol_a_namespace(server: ApiServer, objects: Objects) -> None:
    """Do what the cluster's administrator does: the CRD, the roles for people, rights on HTTPRoutes; no more.

    The controller that fills the cluster's roles does not run here: bound one by one, the parts are the same rules.
    """
    people = [f"lossgate-{name}" for name in ("view", "edit", "admin")]
    crd = of_kind("CustomResourceDefinition", objects).values()
    roles = [role for name, role in of_kind("ClusterRole", objects).items() if name in people]
    server.must("apply", "--server-side", "-f", "-", manifest=[*crd, *roles])
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete"]
    routes = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "routes"},
        "rules": [{"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes"], "verbs": verbs}],
    }
    server.must("create", "-f", "-", manifest=routes)
    server.must("create", "namespace", "team")
    for role in ("routes", *people, *(f"system:aggregate-to-{name}" for name in ("view", "edit", "admin"))):
        name = role.replace(":", "-")
        server.must("-n", "team", "create", "rolebinding", name, f"--clusterrole={role}", "--user=carol")


def test_an_administrator_of_a_namespace_installs_an_operator_for_it(
    cluster: ApiServer, helm: Helm, render: Render
) -> None:
    give_carol_a_namespace(cluster, render("rbac.aggregateRoles=true"))
    where = ("--namespace", "team", "--kubeconfig", cluster.kubeconfig, "--kube-as-user", "carol")
    settings = ("watchNamespaces={team}", "replicas=2", "podDisruptionBudget.create=true", "networkPolicy.create=true",
                "rbac.readSecrets=true")  # fmt: skip
    values = [argument for setting in settings for argument in ("--set", setting)]

    refused = helm("install", "lossgate", CHART, *where, *values)
    assert "customresourcedefinitions" in refused.stderr
    installed = helm("install", "lossgate", CHART, *where, *values, "--set", "crds.create=false")
    assert installed.returncode == 0, installed.stderr
    assert "kubectl get modelrollouts --namespace team" in installed.stdout
    cluster.must("-n", "team", "get", "deployment/lossgate", "pdb/lossgate", "networkpolicy/lossgate")
