"""One namespace with the digits model, its clients and its label joiner."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml

from e2e.cluster import Cluster
from e2e.images import MODEL_TAG
from lossgate.api import names

__all__ = ["CHART", "OPERATOR_NAMESPACE", "PROMETHEUS_URL", "Stage", "poll"]

CHART = Path(__file__).parents[1] / "charts" / "lossgate"
MANIFESTS = Path(__file__).parent / "model" / "manifests"
OPERATOR_NAMESPACE = "lossgate-system"
PROMETHEUS_URL = "http://prometheus.monitoring.svc:9090"
ROLLOUT = "digits"

JSON = dict[str, Any]
Found = TypeVar("Found")


def poll(look: Callable[[], Found | None], seconds: float, what: str, explain: Callable[[], str] = lambda: "") -> Found:
    """Return what `look` finds, asking twice a second.

    Raises:
        AssertionError: It found nothing within `seconds`; says `what` was awaited and what `explain` tells.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s. {explain()}")
        time.sleep(0.5)


class Stage:
    """A namespace in which the ModelRollout `digits` is played."""

    def __init__(self, cluster: Cluster, namespace: str, *, model_image: str = MODEL_TAG) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._model_image = model_image

    def open(self, *, joiner: bool = True) -> None:
        """Create the namespace, restricted as production would have it, with the label joiner on its way if wanted."""
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": labels}})
        for body in self.manifests("joiner.yaml") if joiner else []:
            self.apply(body)

    def start_client(self, rate: float = 250.0) -> None:
        """Start sending requests, `rate` a second; the model must serve by now, since the client counts every error."""
        self.kubectl("rollout", "status", "deployment/digits-joiner", "--timeout=120s")
        for body in self.manifests("client.yaml"):
            if body["kind"] == "Deployment":
                for container in body["spec"]["template"]["spec"]["containers"]:
                    _set_env(container, "RATE", f"{rate:g}")
                    _set_env(container, "HOSTNAME_HEADER", self.host)
            self.apply(body)
        self.kubectl("rollout", "status", "deployment/digits-client", "--timeout=120s")

    def close(self, *, wait: bool = True) -> None:
        """Delete the namespace with all in it, and return when it is gone unless told not to wait."""
        waits = f"--wait={'true' if wait else 'false'}"
        self.cluster.kubectl("delete", "namespace", self.namespace, "--ignore-not-found", waits)

    @property
    def host(self) -> str:
        """The host name by which this namespace's model is asked for at the shared gateway."""
        return f"digits.{self.namespace}.example.com"

    def manifests(self, *files: str) -> list[JSON]:
        """Return the objects in manifest files of the model."""
        texts = [(MANIFESTS / file).read_text().replace(MODEL_TAG, self._model_image) for file in files]
        return [body for text in texts for body in yaml.safe_load_all(text) if body]

    def rollout(self, version: str, **spec: Any) -> JSON:
        """Return the ModelRollout that asks for a model version; keywords replace parts of its spec."""
        (body,) = self.manifests("rollout.yaml")
        body["spec"]["model"]["version"] = version
        body["spec"]["traffic"]["gateway"]["hostnames"] = [self.host]
        for key, value in spec.items():
            present = body["spec"].get(key)
            body["spec"][key] = {**present, **value} if isinstance(present, Mapping) else value
        return body

    def named(self, name: str, version: str = "v1", **spec: Any) -> JSON:
        """Return a ModelRollout of another name, asked for by a host of its own; one pod unless told otherwise."""
        body = self.rollout(version, **{"replicas": 1, **spec})
        body["metadata"]["name"] = name
        body["spec"]["traffic"]["gateway"]["hostnames"] = [f"{name}.{self.namespace}.example.com"]
        return body

    def apply(self, body: Mapping[str, Any], *options: str) -> str:
        """Apply a manifest as a user would and return what kubectl said."""
        namespace = [] if body["kind"] == "Namespace" else ["-n", self.namespace]
        return self.cluster.kubectl(*namespace, "apply", *options, "-f", "-", stdin=json.dumps(body))

    def merge(self, name: str, spec: Mapping[str, Any]) -> None:
        """Change parts of a ModelRollout's spec."""
        self.kubectl("patch", "modelrollout", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def get(self, kind: str, name: str = "", *, selector: str = "") -> JSON:
        """Return an object, or a list of them."""
        found: JSON = json.loads(
            self.kubectl("get", kind, *([name] if name else []), *(["-l", selector] if selector else []), "-o", "json")
        )
        return found

    def status(self, name: str = ROLLOUT) -> JSON:
        """Return a ModelRollout's status."""
        status: JSON = self.get("modelrollout", name).get("status", {})
        return status

    def condition(self, type_: str, name: str = ROLLOUT) -> JSON:
        """Return one condition of a ModelRollout; empty while it is not set."""
        conditions = self.status(name).get("conditions", [])
        return next((item for item in conditions if item["type"] == type_), {})

    def wait_for(self, holds: Callable[[JSON], bool], seconds: float, what: str, name: str = ROLLOUT) -> JSON:
        """Return the ModelRollout's status as soon as `holds` is true of it."""

        def look() -> JSON | None:
            status = self.status(name)
            return status if holds(status) else None

        return poll(look, seconds, what, lambda: self.story(name))

    def wait_for_result(self, version: str, phase: str, seconds: float) -> JSON:
        """Return the status when the rollout of a version has ended in a phase."""

        def ended(status: JSON) -> bool:
            arm = status.get("stable" if phase == "Healthy" else "canary") or {}
            return status.get("phase") == phase and arm.get("modelVersion") == version

        return self.wait_for(ended, seconds, f"{version} {phase}")

    def events(self, name: str = ROLLOUT) -> list[JSON]:
        """Return the events of a ModelRollout, oldest first."""
        selector = f"involvedObject.kind={names.KIND},involvedObject.name={name}"
        found = json.loads(self.kubectl("get", "events", "--field-selector", selector, "-o", "json"))["items"]
        return sorted(found, key=lambda event: (event["lastTimestamp"], int(event["metadata"]["resourceVersion"])))

    def story(self, name: str = ROLLOUT) -> str:
        """Return events and status as text, for a failure message."""
        lines = [f"{event['lastTimestamp']} {event['reason']}: {event['message']}" for event in self.events(name)]
        status = {key: value for key, value in self.status(name).items() if key != "history"}
        return "\n".join([*lines, json.dumps(status, indent=1)])

    def client_statistics(self) -> JSON:
        """Return what the clients saw: requests sent, answers by version, errors."""
        pods = self.get("pods", selector="app.kubernetes.io/name=digits-client")["items"]
        running = [pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"]
        path = f"/api/v1/namespaces/{self.namespace}/pods/{running[0]}:8080/proxy/stats"
        found: JSON = json.loads(self.cluster.kubectl("get", "--raw", path))
        return found

    def restarts(self, revision: str) -> dict[str, int]:
        """Return the container restarts of a revision's pods, by pod."""
        pods = self.get("pods", selector=f"{names.LABEL_REVISION}={revision}")["items"]
        return {
            pod["metadata"]["name"]: sum(state["restartCount"] for state in pod["status"].get("containerStatuses", []))
            for pod in pods
        }


def _set_env(container: JSON, name: str, value: str) -> None:
    others = [item for item in container.get("env", []) if item["name"] != name]
    container["env"] = [*others, {"name": name, "value": value}]


def parse_time(text: str) -> float:
    """Return RFC 3339 text as Unix seconds."""
    return datetime.fromisoformat(text).timestamp()
