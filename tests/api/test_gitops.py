"""A ModelRollout that one manager applies from Git and whose status the operator writes, on a real API server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import client, config

from lossgate.api import names
from lossgate.api.reasons import ConditionType, Reason
from lossgate.api.status import Condition, RolloutStatus
from lossgate.controller.kube import JSON, Kube
from tests import rollouts
from tests.api.test_admission import a_status
from tests.apiserver import ApiServer, as_json

pytestmark = pytest.mark.apiserver

ROLLOUT = "modelrollout/digits"
GITOPS = ("apply", "--server-side", "--field-manager=gitops", "-f", "-")


@pytest.fixture
def rollout(apiserver: ApiServer) -> Iterator[JSON]:
    """Every field that a user may write, applied from Git."""
    manifest = rollouts.full()
    apiserver.must(*GITOPS, manifest=manifest)
    yield manifest
    apiserver.must("delete", ROLLOUT)


def stored(server: ApiServer) -> JSON:
    answer: JSON = json.loads(server.must("get", ROLLOUT, "-o", "json", "--show-managed-fields"))
    return answer


def owned(body: JSON, manager: str) -> list[tuple[str, str, set[str]]]:
    """What a manager owns: by which operation, of which subresource, under which fields."""
    return [
        (entry["operation"], entry.get("subresource", ""), set(entry["fieldsV1"]))
        for entry in body["metadata"]["managedFields"]
        if entry["manager"] == manager
    ]


async def operator_writes(server: ApiServer, status: RolloutStatus) -> JSON:
    """Write a status as the operator does, and return what is stored then."""
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(server.kubeconfig), client_configuration=configuration)
    kube = Kube(client.ApiClient(configuration), lambda method, kind, code: None)
    try:
        return await kube.replace_status({**stored(server), "status": status.to_manifest()})
    finally:
        await kube.close()


async def test_two_managers_never_meet(apiserver: ApiServer, rollout: JSON) -> None:
    generation = stored(apiserver)["metadata"]["generation"]
    for labels in (100, 200):
        status = a_status().model_copy(update={"replicas": labels})
        after = await operator_writes(apiserver, status)
        assert after["metadata"]["generation"] == generation
        assert after["spec"] == stored(apiserver)["spec"]
        applied = apiserver.must(*GITOPS, manifest=rollout)
        assert "serverside-applied" in applied
        now = stored(apiserver)
        assert now["metadata"]["generation"] == generation, "the same manifest is no new generation"
        assert now["status"]["replicas"] == labels, "what the operator said stays"


async def test_the_operator_owns_the_status_and_nothing_else(apiserver: ApiServer, rollout: JSON) -> None:
    metadata = stored(apiserver)["metadata"]
    await operator_writes(apiserver, a_status())
    apiserver.must(*GITOPS, manifest=rollout)
    now = stored(apiserver)
    assert owned(now, names.FIELD_MANAGER) == [("Update", "status", {"f:status"})]
    assert owned(now, "gitops") == [("Apply", "", {"f:spec"})]
    for written in ("labels", "annotations", "finalizers", "ownerReferences"):
        assert now["metadata"].get(written) == metadata.get(written)


async def test_what_the_operator_sends_beside_the_status_is_not_taken(apiserver: ApiServer, rollout: JSON) -> None:
    body = stored(apiserver)
    body["spec"]["replicas"] = 999
    body["metadata"]["labels"] = {"lossgate.io/in-progress": "true"}
    configuration = client.Configuration()
    await config.load_kube_config(config_file=str(apiserver.kubeconfig), client_configuration=configuration)
    kube = Kube(client.ApiClient(configuration), lambda method, kind, code: None)
    try:
        after = await kube.replace_status({**body, "status": a_status().to_manifest()})
    finally:
        await kube.close()
    assert after["spec"]["replicas"] == rollout["spec"]["replicas"]
    assert "labels" not in after["metadata"], "a status write changes no label: Git stays in sync"


async def test_a_size_that_is_not_applied_belongs_to_the_autoscaler(apiserver: ApiServer, rollout: JSON) -> None:
    without_size = {**rollout, "spec": {name: value for name, value in rollout["spec"].items() if name != "replicas"}}
    apiserver.must("scale", ROLLOUT, "--replicas=7")
    refused = apiserver.kubectl(*GITOPS, stdin=as_json(rollout))
    assert "conflict" in refused.stderr
    assert ".spec.replicas" in refused.stderr
    apiserver.must(*GITOPS, manifest=without_size)
    await operator_writes(apiserver, a_status())
    assert stored(apiserver)["spec"]["replicas"] == 7


def promoted(value: str, reason: Reason, generation: int) -> RolloutStatus:
    condition = Condition(
        type=ConditionType.PROMOTED,
        status=value,
        observed_generation=generation,
        last_transition_time=1_790_000_000.0,
        reason=reason,
        message=f"v2: {reason}.",
    )
    return a_status().model_copy(update={"observed_generation": generation, "conditions": (condition,)})


async def test_waiting_does_not_take_the_last_verdict_for_the_next(apiserver: ApiServer, rollout: JSON) -> None:
    await operator_writes(apiserver, promoted("True", Reason.PROMOTED, 1))
    wait = ("wait", ROLLOUT, "--timeout=1s")
    apiserver.must(*wait, "--for=condition=Promoted=True")
    edited = {**rollout, "spec": {**rollout["spec"], "model": {"version": "v2"}}}
    apiserver.must(*GITOPS, manifest=edited)
    assert apiserver.kubectl(*wait, "--for=condition=Promoted=True").returncode != 0
    by_path = '--for=jsonpath={.status.conditions[?(@.type=="Promoted")].status}=True'
    apiserver.must(*wait, by_path)  # the trap that the page warns of


@pytest.mark.parametrize(
    ("status", "code"),
    [(promoted("True", Reason.PROMOTED, 1), 0), (promoted("False", Reason.HARM, 1), 1)],
    ids=["promoted", "rolled-back"],
)
def test_the_script_of_the_page_ends_with_either_verdict(
    apiserver: ApiServer, rollout: JSON, tmp_path: Path, programs: Path, status: RolloutStatus, code: int
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "gitops" / "argocd.md").read_text(encoding="utf-8")
    script = page.partition("```bash\n")[2].partition("```")[0]
    assert script.count("--timeout=6h") == 2
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f'#!/bin/sh\nexec {programs / "kube"} kubectl --kubeconfig {apiserver.kubeconfig} "$@"\n')
    kubectl.chmod(0o755)
    asyncio.run(operator_writes(apiserver, status))
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert f"v2: {status.conditions[0].reason}." in done.stdout
    assert done.returncode == code, done.stderr


def heavy(kilobytes: int) -> JSON:
    """A ModelRollout with a template of about this size."""
    variables = [{"name": f"V{number}", "value": "x" * 1000} for number in range(kilobytes)]
    container = {"name": "model", "ports": [{"name": "http", "containerPort": 8000}], "env": variables}
    return rollouts.changed({"template": {"spec": {"containers": [container]}}})


@pytest.fixture
def none_left(apiserver: ApiServer) -> Iterator[None]:
    yield
    apiserver.must("delete", ROLLOUT, "--ignore-not-found")


async def test_a_template_of_200_kilobytes_is_taken_and_its_status_written(
    apiserver: ApiServer, none_left: None
) -> None:
    apiserver.must("apply", "-f", "-", manifest=heavy(200))
    body = await operator_writes(apiserver, a_status())
    assert len(json.dumps(body["spec"])) > 200_000
    kept = len(json.dumps(body["metadata"]["annotations"]))
    assert kept < 262_144, "kubectl's copy of the manifest; the operator adds none of its own"
    assert set(body["metadata"]["annotations"]) == {"kubectl.kubernetes.io/last-applied-configuration"}


def test_a_template_that_is_too_large_to_be_applied_by_the_client_says_so(
    apiserver: ApiServer, none_left: None
) -> None:
    manifest: Any = heavy(250)
    manifest["spec"]["template"]["metadata"] = {"annotations": {"notes": "x" * 20_000}}
    refused = apiserver.kubectl("apply", "-f", "-", stdin=as_json(manifest))
    assert "metadata.annotations: Too long: may not be more than 262144 bytes" in refused.stderr
    apiserver.must(*GITOPS, manifest=manifest)


def test_a_quota_limits_how_many_rollouts_a_namespace_may_have(apiserver: ApiServer) -> None:
    count = {f"count/{names.PLURAL}.{names.GROUP}": "1"}
    metadata = {"name": "rollouts", "namespace": "limited"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": count}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "limited"}}
    apiserver.must("apply", "-f", "-", manifest=[namespace, quota])
    # The controller manager would do this, and there is none.
    used = json.dumps({"status": {"hard": count, "used": dict.fromkeys(count, "0")}})
    where = ("--namespace", "limited")
    apiserver.must("patch", "resourcequota/rollouts", *where, "--subresource=status", "--type=merge", "-p", used)
    first, second = ({**rollouts.minimal(), "metadata": {"name": name, "namespace": "limited"}} for name in "ab")
    apiserver.must("create", "-f", "-", manifest=first)
    refused = apiserver.kubectl("create", "-f", "-", stdin=as_json(second))
    assert "exceeded quota: rollouts" in refused.stderr
