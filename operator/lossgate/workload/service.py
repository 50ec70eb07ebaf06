"""The two Services of a rollout, and the endpoints behind them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lossgate.api import names
from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.spec import Service
from lossgate.rollout.snapshot import ServiceSeen


def manifest(owner: Owner, spec: Service, name: str, revision: Revision) -> dict[str, Any]:
    """Return the Service `name`, selecting the pods of `revision`."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": {names.LABEL_ROLLOUT: owner.name, **names.MANAGED_BY},
            "ownerReferences": [owner.reference()],
        },
        "spec": changes(owner, spec, revision),
    }


def changes(owner: Owner, spec: Service, revision: Revision) -> dict[str, Any]:
    """Return the part of a Service's spec that the operator sets."""
    return {"selector": _selector(owner.name, revision), "ports": [_port(spec)]}


def seen(body: Mapping[str, Any], slices: Iterable[Mapping[str, Any]], spec: Service) -> ServiceSeen:
    """Return what matters of a Service; `slices` are the EndpointSlices of the rollout."""
    name = body["metadata"]["name"]
    revision = (body["spec"].get("selector") or {}).get(names.LABEL_REVISION)
    ports = body["spec"].get("ports") or [{}]
    wanted = _port(spec)
    return ServiceSeen(
        revision=Revision(revision) if revision else None,
        as_specified=len(ports) == 1 and all(ports[0].get(key) == value for key, value in wanted.items()),
        ready=_ready(item for item in slices if item["metadata"]["labels"].get(names.LABEL_SERVICE) == name),
    )


def _selector(rollout: str, revision: Revision) -> dict[str, str]:
    return {names.LABEL_ROLLOUT: rollout, names.LABEL_REVISION: revision}


def _port(spec: Service) -> dict[str, Any]:
    return {"name": "http", "port": spec.port, "targetPort": spec.target_port, "protocol": "TCP"}


def _ready(slices: Iterable[Mapping[str, Any]]) -> dict[Revision, int]:
    """Count ready endpoints by revision: pods of a Deployment are named `<deployment>-<hash>-<id>`."""
    counts: dict[Revision, int] = {}
    for item in slices:
        for endpoint in item.get("endpoints") or ():
            if not (endpoint.get("conditions") or {}).get("ready", False):
                continue
            pod = (endpoint.get("targetRef") or {}).get("name", "")
            revision = Revision(pod.rsplit("-", 2)[0] if pod.count("-") >= 2 else "")
            counts[revision] = counts.get(revision, 0) + 1
    return counts
