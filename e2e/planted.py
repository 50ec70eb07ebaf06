"""A Secret whose value nobody may tell: planted where the operator works, and searched for in all that it says."""

from __future__ import annotations

import base64
import json
import uuid

from e2e.stage import OPERATOR_NAMESPACE, Stage

__all__ = ["SECRET", "Planted"]

SECRET = "planted"
_OPERATOR = "app.kubernetes.io/name=lossgate"


class Planted:
    """The Secret `planted` in a stage's namespace; its key is `value`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.value = f"planted-{uuid.uuid4().hex}"

    def plant(self) -> None:
        """Create the Secret."""
        metadata = {"name": SECRET, "namespace": self._stage.namespace}
        self._stage.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"value": self.value}}
        )

    def tellers(self) -> list[str]:
        """Return which of the operator's log, events, statuses and metrics tell the value, plainly or in base64."""
        forms = (self.value, base64.b64encode(self.value.encode()).decode())
        return [where for where, text in self._said().items() if any(form in text for form in forms)]

    def _said(self) -> dict[str, str]:
        kubectl, stage = self._stage.cluster.kubectl, self._stage
        pods = json.loads(kubectl("-n", OPERATOR_NAMESPACE, "get", "pods", "-l", _OPERATOR, "-o", "json"))["items"]
        said = {
            "events": stage.kubectl("get", "events", "-o", "json"),
            "statuses": json.dumps([item.get("status") for item in stage.get("modelrollouts")["items"]]),
        }
        for name in (pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"):
            page = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{name}:8080/proxy/metrics"
            said[f"log of {name}"] = kubectl("-n", OPERATOR_NAMESPACE, "logs", name)
            said[f"metrics of {name}"] = kubectl("get", "--raw", page)
        silent = [where for where, text in said.items() if not text.strip()]
        assert not silent, f"nothing to search in: {silent}"
        assert any(where.startswith("log") for where in said), "no operator runs whose log could be searched"
        return said
