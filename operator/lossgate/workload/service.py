"""The two Services of a rollout, and the endpoints behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from lossgate.api import names
from lossgate.api.names import Revision
from lossgate.api.owner import Owner
from lossgate.api.spec import Service
from lossgate.rollout.snapshot import ServiceSeen

_MAX_GENERATED_PREFIX_LENGTH = 58
"""What the API server keeps of a `generateName`, so that with its 5 random characters it fits a DNS label."""


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
        ready=_ready(
            (item for item in slices if item["metadata"]["labels"].get(names.LABEL_SERVICE) == name), revision
        ),
    )


def addresses(slices: Iterable[Mapping[str, Any]], name: str, revision: Revision) -> tuple[str, ...]:
    """Return `address:port` of every endpoint of a revision behind the Service `name`, ready or not."""
    found = set()
    for item in slices:
        if item["metadata"]["labels"].get(names.LABEL_SERVICE) != name:
            continue
        ports = [port["port"] for port in item.get("ports") or () if port.get("port")]
        for endpoint in item.get("endpoints") or ():
            if not _is_of((endpoint.get("targetRef") or {}).get("name", ""), revision):
                continue
            hosts = (f"[{host}]" if ":" in host else host for host in endpoint.get("addresses") or ())
            found |= {f"{host}:{port}" for host in hosts for port in ports}
    return tuple(sorted(found))


def _selector(rollout: str, revision: Revision) -> dict[str, str]:
    return {names.LABEL_ROLLOUT: rollout, names.LABEL_REVISION: revision}


def _port(spec: Service) -> dict[str, Any]:
    return {"name": "http", "port": spec.port, "targetPort": spec.target_port, "protocol": "TCP"}


def _ready(slices: Iterable[Mapping[str, Any]], revision: str | None) -> dict[Revision, int]:
    """Count ready pods of the selected revision, and all others under the empty name.

    A pod may be listed in two slices for a moment; it is one endpoint.
    """
    pods = {
        (endpoint.get("targetRef") or {}).get("name", "")
        for item in slices
        for endpoint in item.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready", False)
    }
    return dict(Counter(Revision(revision if revision and _is_of(pod, revision) else "") for pod in pods))


def _is_of(pod: str, revision: str) -> bool:
    """Pods of a Deployment are named `<deployment>-<hash>-<id>`, where all before the id is cut to 58 characters."""
    return pod.startswith(f"{revision}-"[:_MAX_GENERATED_PREFIX_LENGTH])
