"""A real operator, a real API server and a scripted Prometheus, with a proxy in each of the two connections."""

from __future__ import annotations

import copy
import itertools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from lossgate.api import names
from lossgate.api.status import RolloutStatus
from tests import seeded
from tests.apiserver import ApiServer
from tests.faults.api import JSON, Api, Refused
from tests.faults.operator_program import OperatorProgram
from tests.faults.proxy import Proxy
from tests.faults.recorder import Recorder
from tests.faults.scripted_prometheus import ScriptedPrometheus
from tests.faults.settler import Settler

T = TypeVar("T")

ROUTE_CRDS = Path("gateway-helm/charts/crds/crds/gatewayapi-crds.yaml")
"""Where the gateway's chart has the Gateway API."""
LOSSES = {"v1": 0.30, "v2": 0.30, "v3": 0.30, "v4": seeded.HARMFUL_LOSS, "v5": 0.9}
"""Mean loss by model version: v1, v2 and v3 are alike, v4 is beyond the margin, v5 is a catastrophe."""
POLL_SECONDS = 0.1

_numbers = itertools.count(1)


def serve_routes(server: ApiServer, programs: Path) -> None:
    """Let the API server serve HTTPRoutes."""
    documents = yaml.safe_load_all((programs / ROUTE_CRDS).read_text(encoding="utf-8"))
    (crd,) = (one for one in documents if one and one["metadata"]["name"].startswith("httproutes."))
    server.must("apply", "--server-side", "-f", "-", manifest=crd)
    server.must("wait", "--for=condition=Established", f"crd/{crd['metadata']['name']}", "--timeout=30s")


def a_rollout(name: str = "digits", version: str = "v1", **spec: Any) -> JSON:
    """Return a ModelRollout with one step and looks of a second, as a user applies it."""
    container = {"name": "model", "image": f"digits:{version}", "ports": [{"name": "http", "containerPort": 8000}]}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            "model": {"version": version},
            "template": {"spec": {"containers": [container]}},
            "traffic": {"gateway": {"parentRefs": [{"name": "web"}]}},
            "steps": [{"weight": 50}],
            "loss": {"interval": "1s", "settle": "0s"},
            "scaleDownDelay": "0s",
            **spec,
        },
    }


class Stage:
    """One namespace with its own operator; stages do not see each other.

    `kube_proxy` is between operator and API server, `prometheus_proxy` between operator and Prometheus. The test itself
    speaks to the API server past the proxy.
    """

    def __init__(self, server: ApiServer, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.server = server
        self.namespace = f"stage-{os.getpid()}-{next(_numbers)}"
        self.api = Api(server)
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        headers = {"Authorization": f"Bearer {self.api.token}"}
        self.kube_proxy = Proxy(self.api.url, headers=headers, ssl=self.api.tls()).start()
        self.settler = Settler(server, self.namespace)
        self.prometheus = ScriptedPrometheus(self.settler.share, self.settler.version_of, LOSSES)
        self.prometheus_proxy = Proxy(self.prometheus.url).start()
        self.recorder = Recorder(server, self.namespace)
        self._folder = folder
        self._environment = {
            "LOSSGATE_NAMESPACE": self.namespace,
            "LOSSGATE_WATCH_NAMESPACES": self.namespace,
            "LOSSGATE_PROMETHEUS_URL": self.prometheus_proxy.url,
            **(environment or {}),
        }
        self._operators: list[OperatorProgram] = []
        self.operator = self.another_operator()
        self.settler.start()

    def another_operator(self) -> OperatorProgram:
        """Return one more operator of this namespace, not started, with an identity of its own."""
        identity = f"operator-{len(self._operators) + 1}"
        operator = OperatorProgram(self._folder, self.kube_proxy.url, self._environment, identity)
        self._operators.append(operator)
        return operator

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for operator in self._operators:
            if operator.is_running:
                operator.kill()
        self.recorder.stop()
        try:
            self.settler.stop()
            self.prometheus_proxy.stop()
            self.kube_proxy.stop()
        finally:
            self.prometheus.stop()
            for service in self.api.list("Service", self.namespace):  # Their addresses are few.
                self.api.delete("Service", self.namespace, service["metadata"]["name"])
            self.api.close()

    def apply(self, rollout: JSON) -> JSON:
        """Create the ModelRollout, or replace its spec."""
        body = copy.deepcopy(rollout)
        body["metadata"]["namespace"] = self.namespace
        try:
            return self.api.create(body)
        except Refused as refused:
            if refused.status != 409:
                raise
        while True:
            present = self.body(body["metadata"]["name"])
            try:
                return self.api.replace({**present, "spec": body["spec"]})
            except Refused as refused:
                if refused.status != 409:
                    raise

    def body(self, name: str = "digits") -> JSON:
        """Return the ModelRollout as stored."""
        return self.api.get(names.KIND, self.namespace, name)

    def status(self, name: str = "digits") -> RolloutStatus:
        """Return its status as stored."""
        return RolloutStatus.model_validate(self.body(name).get("status") or {})

    def edit_status(self, change: Callable[[JSON], JSON], name: str = "digits") -> JSON:
        """Write the status that `change` makes of the ModelRollout as stored, and return the object then."""
        while True:
            body = self.body(name)
            try:
                return self.api.replace({**body, "status": change(body)}, "/status")
            except Refused as refused:  # The operator was quicker.
                if refused.status != 409:
                    raise

    def weights(self, name: str = "digits") -> tuple[int, ...]:
        """Return the weights of the route as stored: stable, canary."""
        route = self.api.get("HTTPRoute", self.namespace, name)
        return tuple(backend["weight"] for backend in route["spec"]["rules"][0]["backendRefs"])

    def replicas(self, name: str = "digits") -> dict[str, int]:
        """Return the pods asked for, by model version."""
        return {
            body["metadata"]["annotations"][names.ANNOTATION_MODEL_VERSION]: body["spec"]["replicas"]
            for body in self.api.list("Deployment", self.namespace)
            if body["metadata"]["labels"][names.LABEL_ROLLOUT] == name
        }

    def events(self, name: str = "digits") -> list[JSON]:
        """Return the events of the ModelRollout, oldest first."""
        events = self.api.list("Event", self.namespace)
        mine = (event for event in events if event["involvedObject"]["name"] == name)
        return sorted(mine, key=lambda event: str(event["metadata"]["name"]))

    def poll(self, look: Callable[[], T], within_seconds: float = 30.0) -> T:
        """Return what `look` returns as soon as that is true, or no longer raises an AssertionError.

        Raises:
            AssertionError: It is not in time; carries the end of the operator's log.
        """
        deadline = time.monotonic() + within_seconds
        while True:
            said = "it is not so"
            try:
                found = look()
                if found or found is None:
                    return found
                said = f"it is {found!r}"
            except AssertionError as error:
                said = str(error)
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_seconds:.0f} s: {said}\n{self.operator.tail()}")
            time.sleep(POLL_SECONDS)

    def reach(self, phase: str, name: str = "digits", within_seconds: float = 30.0) -> RolloutStatus:
        """Return the status as soon as the rollout is in a phase."""

        def there() -> RolloutStatus:
            status = self.status(name)
            hold = status.analysis.hold if status.analysis else None
            assert status.phase == phase, f"{name} is {status.phase}; {hold}; {status.step}"
            return status

        return self.poll(there, within_seconds)

    def to_canary(self, version: str = "v2", name: str = "digits", **spec: Any) -> None:
        """Apply v1 and, once it serves, another version; return when that one has the weight of its step."""
        self.apply(a_rollout(name, **spec))
        self.reach("Healthy", name)
        self.apply(a_rollout(name, version, **spec))
        self.await_canary(name)

    def await_canary(self, name: str = "digits", within_seconds: float = 30.0) -> None:
        """Return when the canary's weight is in force, so that its looks have begun."""

        def begun() -> None:
            status = self.status(name)
            assert status.phase == "Progressing", f"{name} is {status.phase}"
            assert status.step is not None
            assert status.step.since is not None, f"{name}: {status.step}"

        self.poll(begun, within_seconds)

    def seed(self, make: Callable[..., JSON], name: str = "digits", **how: Any) -> JSON:
        """Bring the rollout one look before its verdict: `seeded.before_promotion` or `seeded.before_harm`."""

        def seeded_status(body: JSON) -> JSON:
            """No look may begin before the weight was in force."""
            interval = int(body["spec"]["loss"]["interval"].removesuffix("s"))
            return make(body, last_end=time.time() + interval, **how)

        return self.edit_status(seeded_status, name)
