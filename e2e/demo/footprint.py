"""What the operator itself uses."""

from __future__ import annotations

import json

from prometheus_client.parser import text_string_to_metric_families

from e2e.cluster import Cluster
from e2e.stage import OPERATOR_NAMESPACE

__all__ = ["resident_bytes", "resident_bytes_in"]

_METRIC = "process_resident_memory_bytes"


def resident_bytes(cluster: Cluster) -> float:
    """Return the resident memory of the operator's pod, the largest if there are several.

    Raises:
        ClusterError: The pod's metrics cannot be read.
        AssertionError: No pod of the operator runs.
    """
    pods = json.loads(
        cluster.kubectl("-n", OPERATOR_NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/name=lossgate",
                        "--field-selector", "status.phase=Running", "-o", "json")
    )["items"]  # fmt: skip
    names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    if not names:
        raise AssertionError(f"no pod of the operator runs in {OPERATOR_NAMESPACE}")
    paths = [f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{name}:8080/proxy/metrics" for name in names]
    return max(resident_bytes_in(cluster.kubectl("get", "--raw", path)) for path in paths)


def resident_bytes_in(exposition: str) -> float:
    """Return the resident memory that a process tells in Prometheus' text format.

    Raises:
        AssertionError: It tells none.
    """
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == _METRIC:
                return sample.value
    raise AssertionError(f"the operator's metrics lack {_METRIC}")
