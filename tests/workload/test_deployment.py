from __future__ import annotations

import copy
from typing import Any

import pytest

from lossgate.api import names
from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.spec import RolloutSpec
from lossgate.workload import deployment
from tests import rollouts

OWNER = Owner("digits", "ml", "uid-1")
REVISION = Revision("digits-1a2b3c4d")
OURS = [{"name": "LOSSGATE_REVISION", "value": REVISION}, {"name": "LOSSGATE_MODEL_VERSION", "value": "v1"}]


def a_spec(template: dict[str, Any] | None = None) -> RolloutSpec:
    return RolloutSpec.model_validate(rollouts.changed({"template": template} if template else {})["spec"])


def a_template(metadata: Any = None, **container: Any) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 8000}]
    template: dict[str, Any] = {"spec": {"containers": [{"name": "model", "ports": ports, **container}]}}
    return template if metadata is None else {"metadata": metadata, **template}


def manifest(spec: RolloutSpec) -> dict[str, Any]:
    return deployment.manifest(OWNER, spec, REVISION, 3)


def test_deployment_is_owned_so_that_it_goes_with_the_rollout() -> None:
    body = manifest(a_spec())
    assert body["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "lossgate.io/v1alpha1",
            "kind": "ModelRollout",
            "name": "digits",
            "uid": "uid-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert OWNER.owns(body)
    assert not Owner("digits", "ml", "uid-2").owns(body), "an earlier rollout of the same name is another owner"


def test_labels_select_the_pods_of_just_this_revision() -> None:
    body = manifest(a_spec(a_template({"labels": {"team": "vision"}, "annotations": {"a": "b"}})))
    selector = {"lossgate.io/rollout": "digits", "lossgate.io/revision": REVISION}
    assert body["spec"]["selector"] == {"matchLabels": selector}
    assert body["spec"]["template"]["metadata"] == {
        "labels": {"team": "vision", **selector},
        "annotations": {"a": "b"},
    }
    assert body["metadata"]["labels"] == {**selector, "app.kubernetes.io/managed-by": "lossgate"}
    assert (body["metadata"]["name"], body["metadata"]["namespace"]) == (REVISION, "ml")
    assert body["spec"]["replicas"] == 3


@pytest.mark.parametrize("metadata", [None, {}, {"labels": None}, {"labels": {}}])
def test_template_without_labels_gets_ours(metadata: Any) -> None:
    labels = manifest(a_spec(a_template(metadata)))["spec"]["template"]["metadata"]["labels"]
    assert labels == {"lossgate.io/rollout": "digits", "lossgate.io/revision": REVISION}


@pytest.mark.parametrize(
    ("env", "theirs"),
    [
        ({}, []),
        ({"env": None}, []),
        ({"env": []}, []),
        ({"env": [{"name": "THREADS", "value": "2"}]}, [{"name": "THREADS", "value": "2"}]),
    ],
)
def test_every_container_knows_its_revision_and_version(env: dict[str, Any], theirs: list[dict[str, str]]) -> None:
    template = a_template(**env)
    template["spec"]["containers"].append({"name": "sidecar", **copy.deepcopy(env)})
    containers = manifest(a_spec(template))["spec"]["template"]["spec"]["containers"]
    assert [container["env"] for container in containers] == [[*theirs, *OURS]] * 2


def test_template_of_the_user_stays_as_it_is() -> None:
    spec = a_spec(a_template({"labels": {"team": "vision"}}, env=[{"name": "THREADS", "value": "2"}]))
    before, revision = copy.deepcopy(spec.template), names.revision_name("digits", spec.template, "v1")
    first = manifest(spec)
    assert spec.template == before
    assert names.revision_name("digits", spec.template, "v1") == revision, "making pods of it makes no new revision"
    assert manifest(spec) == first


def test_unknown_fields_of_the_template_are_kept() -> None:
    template = a_template(image="digits:v1", resources={"limits": {"nvidia.com/gpu": 1}})
    template["spec"] |= {"tolerations": [{"key": "gpu"}], "somethingNew": {"x": [1]}}
    made = manifest(a_spec(template))["spec"]["template"]["spec"]
    assert made["tolerations"] == [{"key": "gpu"}]
    assert made["somethingNew"] == {"x": [1]}
    assert made["containers"][0]["resources"] == {"limits": {"nvidia.com/gpu": 1}}


def a_stored(status: dict[str, Any] | None, generation: int = 2) -> dict[str, Any]:
    body = manifest(a_spec())
    body["metadata"]["generation"] = generation
    return body if status is None else {**body, "status": status}


def progressing(status: str, reason: str) -> dict[str, str]:
    return {"type": "Progressing", "status": status, "reason": reason, "message": f"says {reason}"}


def test_deployment_that_no_controller_has_seen_yet_has_no_pods() -> None:
    seen = deployment.seen(a_stored(None))
    assert (seen.revision, seen.replicas) == (REVISION, 3)
    assert (seen.existing_replicas, seen.ready_replicas, seen.deadline_exceeded) == (0, 0, False)


def test_pods_that_exist_and_are_ready_are_counted() -> None:
    seen = deployment.seen(a_stored({"observedGeneration": 2, "replicas": 3, "readyReplicas": 2}))
    assert (seen.existing_replicas, seen.ready_replicas) == (3, 2)


@pytest.mark.parametrize(
    ("status", "reason", "observed", "expected"),
    [
        ("False", "ProgressDeadlineExceeded", 2, True),
        ("False", "ProgressDeadlineExceeded", 1, False),
        ("False", "FailedCreate", 2, False),
        ("True", "NewReplicaSetAvailable", 2, False),
        ("Unknown", "DeploymentPaused", 2, False),
    ],
)
def test_only_a_deadline_of_the_present_generation_counts(
    status: str, reason: str, observed: int, expected: bool
) -> None:
    conditions = [{"type": "Available", "status": "False"}, progressing(status, reason)]
    seen = deployment.seen(a_stored({"observedGeneration": observed, "conditions": conditions}))
    assert seen.deadline_exceeded is expected
    assert seen.message == f"says {reason}"


def test_deadline_of_the_spec_is_the_deployments_own() -> None:
    spec = RolloutSpec.model_validate(rollouts.changed({"progressDeadlineSeconds": 90})["spec"])
    body = manifest(spec)
    assert body["spec"]["progressDeadlineSeconds"] == 90
    assert deployment.seen(body).progress_deadline_seconds == 90


@pytest.mark.parametrize(("status", "failure"), [("True", "exceeded quota: gpus"), ("False", ""), ("Unknown", "")])
def test_pods_that_cannot_be_made_are_told_in_the_clusters_words(status: str, failure: str) -> None:
    refused = {"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": "exceeded quota: gpus"}
    conditions = [progressing("True", "ReplicaSetUpdated"), refused]
    assert deployment.seen(a_stored({"observedGeneration": 2, "conditions": conditions})).failure == failure
