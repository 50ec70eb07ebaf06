"""A namespace in which one rollout after another is brought to one look before its verdict, and then played."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.door import Door, rollout_path
from e2e.hindsight import last_end
from e2e.mortal import Mortal, grant
from e2e.stage import ROLLOUT, Stage, poll
from e2e.writes import is_write, named, state
from lossgate.api import names
from tests import seeded
from tests.faults.proxy import Seen

__all__ = ["AGAIN", "Lane", "Play"]

JSON = dict[str, Any]
AGAIN = ", again"
"""Added to the name of a write that made true what was true: a look, a count of pods, a mark of a new leader."""
NEW, OLD, OLDER = "the new one", "the old one", "an older one"
_RATE = 60.0
_WEIGHT = 50
_HARM = 1.15
"""The loss of a canary that is to be rolled back, in that of the stable version: too little for the early guard."""
_SERVED_BETWEEN = 30
"""Requests that are answered while no operator runs, before the next one is started."""
_ENDS_WITHIN_SECONDS = 600.0


@dataclass(slots=True)
class Play:
    """What became of a rollout.

    Attributes:
        before: The ModelRollout one look before the verdict.
        pods: The new version's pods then, with the restarts of each.
        writes: What each write made true, in order, the first time that it did.
        after: The ModelRollout when all was over.
        outcome: Its status and its children, in words that are the same in every run.
        events: Reasons of the events told, in order.
        lost_pods: Those of `pods` that were gone or restarted when all was over.
        errors: Requests that clients had no answer to.
        killed_at: When operators were killed (monotonic seconds).
        seconds: How long it took.
    """

    before: JSON
    pods: set[str]
    writes: list[str] = field(default_factory=list)
    after: JSON = field(default_factory=dict)
    outcome: JSON = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    lost_pods: set[str] = field(default_factory=set)
    errors: int = 0
    killed_at: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def entries(self) -> list[JSON]:
        """What history has on this rollout."""
        started = self.before["status"]["started"]
        return [entry for entry in self.after["status"]["history"] if entry["started"] == started]


class Lane:
    """The ModelRollout `digits` with operators of its own; two pods, one step with half of the requests.

    Attributes:
        operator: The one that is killed.
    """

    def __init__(self, door: Door, stage: Stage, folder: Path) -> None:
        """Prepare it in a stage that is open; files go to `folder`."""
        self.door = door
        self.stage = stage
        grant(stage)
        self._folder = folder
        self.operator = Mortal(door, stage, folder)
        self._operators = [self.operator]
        self.path = rollout_path(stage.namespace, ROLLOUT)
        self.roles: dict[str, str] = {}
        self._round = 0

    def close(self) -> None:
        """End the operators and have the namespace go."""
        for operator in self._operators:
            operator.end()
        self.stage.close(wait=False)

    def standby(self) -> Mortal:
        """Return another operator, that runs beside the first one."""
        self._operators.append(Mortal(self.door, self.stage, self._folder, f"operator-{len(self._operators)}"))
        return self._operators[-1]

    def serve(self) -> None:
        """Have a first version serve, and clients ask."""
        self.operator.start()
        self._apply("v1")
        self.wait_for(lambda status: status.get("phase") == "Healthy", "v1 serves")
        self.operator.kill()
        self.stage.start_client(_RATE)

    def bring(self, verdict: str) -> Play:
        """Return a rollout of v2 one look before its `verdict`, Promoted or RolledBack, with no operator running."""
        self.operator.start()
        self._apply("v2")
        self.wait_for(_is_judged, "looks of v2")
        self.operator.kill()
        body = self.door.get(self.path)
        status = body["status"]
        assert _is_judged(status), self.stage.story()
        self.roles = dict.fromkeys(self.deployments(), OLDER)
        self.roles |= {status["stable"]["revision"]: OLD, status["canary"]["revision"]: NEW}
        mean, end = status["baseline"]["mean"], last_end(status)
        if verdict == "Promoted":
            status = seeded.before_promotion(body, last_end=end, canary_loss=mean)
        else:
            status = seeded.before_harm(body, last_end=end, canary_loss=_HARM * mean)
        return Play(self.door.ask("PUT", f"{self.path}/status", {**body, "status": status}), self._pods())

    def play(self, play: Play, kill_after: Sequence[str] = (), standby: Mortal | None = None) -> Play:
        """Go on to the end, with the operator killed after each of some writes, and return what became of it.

        A write is carried out and its answer never reaches the operator. The next one is started when clients have
        been served without any; or it is the standby, which runs already.
        """
        began, errors = time.monotonic(), self.statistics()["errors"]
        end = _End(self, play, list(kill_after))
        operators = [self.operator, *([standby] if standby else [])]
        for operator in operators:
            operator.proxy.answered = end.answered
        self.operator.start()
        while not self.is_over(play):
            if end.killed.wait(0.5):
                end.killed.clear()
                if standby is None:
                    self._serves_without_operator()
                    self.operator.start()
            assert time.monotonic() < began + _ENDS_WITHIN_SECONDS, self.explain()
        for operator in operators:
            operator.kill()
            operator.proxy.answered = lambda _: False
        assert not end.pending, f"never written: {end.pending}; written: {play.writes}"
        play.after = self.door.get(self.path)
        play.outcome = self.outcome(play.after["status"])
        play.lost_pods = play.pods - self._pods()
        play.errors = self.statistics()["errors"] - errors
        play.events = self._events(play)
        play.seconds = time.monotonic() - began
        return play

    def wait_for(self, holds: Callable[[JSON], bool], what: str) -> JSON:
        """Return the status as soon as `holds` is true of it and it is about the present spec."""

        def look() -> JSON | None:
            body = self.door.get(self.path)
            status: JSON = body.get("status", {})
            is_seen = status.get("observedGeneration") == body["metadata"]["generation"]
            return status if is_seen and holds(status) else None

        return poll(look, _ENDS_WITHIN_SECONDS, what, self.explain)

    def explain(self) -> str:
        """Return events, status and the operator's last words, for a failure message."""
        return f"{self.stage.story()}\n{self.operator.tail()}"

    def is_over(self, play: Play) -> bool:
        """Return whether the rollout has ended and the version out of use has given up its pods."""
        status = self.door.get(self.path)["status"]
        before = play.before["status"]
        if status["phase"] == "RolledBack":
            idle = status["canary"]["revision"]
        elif status["phase"] == "Healthy" and "scaleDownAt" not in status and "canary" not in status:
            idle = before["stable"]["revision"]
        else:
            return False
        deployment, service = self.deployments()[idle], self.child("services", names.canary_service(ROLLOUT))
        return bool(
            deployment["spec"]["replicas"] == deployment["status"].get("replicas", 0) == 0
            and service["spec"]["selector"][names.LABEL_REVISION] == status["stable"]["revision"]
            and status["replicas"] == status["stable"]["readyReplicas"] == 2
        )

    def outcome(self, status: JSON) -> JSON:
        """Return where the rollout stands, and its children, in words that are the same in every run."""
        services = [self.child("services", name) for name in (ROLLOUT, names.canary_service(ROLLOUT))]
        (rule,) = self.child("httproutes", ROLLOUT)["spec"]["rules"]
        versions = {key: status.get(key) or {} for key in ("stable", "canary", "previous")}
        sizes = {self.roles[name]: body["spec"]["replicas"] for name, body in self.deployments().items()}
        return {
            "phase": status["phase"],
            "versions": {key: self.roles.get(version.get("revision", ""), "none") for key, version in versions.items()},
            "weights": [backend["weight"] for backend in rule["backendRefs"]],
            "services": [self.roles[body["spec"]["selector"][names.LABEL_REVISION]] for body in services],
            "pods": {role: sizes[role] for role in (OLD, NEW)},
            "conditions": {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]},
        }

    def child(self, plural: str, name: str) -> JSON:
        """Return a Service or the HTTPRoute."""
        group = "/apis/gateway.networking.k8s.io/v1" if plural == "httproutes" else "/api/v1"
        return self.door.get(f"{group}/namespaces/{self.stage.namespace}/{plural}/{name}")

    def deployments(self) -> dict[str, JSON]:
        """Return the Deployments by revision."""
        query = f"?labelSelector={names.LABEL_ROLLOUT}%3D{ROLLOUT}"
        found = self.door.get(f"/apis/apps/v1/namespaces/{self.stage.namespace}/deployments{query}")
        return {body["metadata"]["name"]: {**body, "kind": "Deployment"} for body in found["items"]}

    def statistics(self) -> JSON:
        """Return what the clients saw."""
        return self.door.get(f"/api/v1/namespaces/{self.stage.namespace}/services/digits-client:80/proxy/stats")

    def revision(self, role: str) -> str:
        """Return the revision that plays a role."""
        return next(revision for revision, played in self.roles.items() if played == role)

    def _apply(self, version: str) -> None:
        """Each time a new revision: a version that was rolled back is not tried again."""
        self._round += 1
        body = self.stage.rollout(version, replicas=2, steps=[{"weight": _WEIGHT}], scaleDownDelay="5s")
        body["spec"]["revisionHistoryLimit"] = 20
        body["spec"]["template"]["metadata"]["annotations"]["round"] = str(self._round)
        self.stage.apply(body)

    def _serves_without_operator(self) -> None:
        """Requests are answered, and nothing changes, while nobody looks after them."""
        before, stored = self.statistics(), self.stored()
        poll(lambda: self.statistics()["ok"] >= before["ok"] + _SERVED_BETWEEN, 30, "requests are answered")
        assert self.stored() == stored, "somebody wrote while no operator ran"

    def stored(self) -> list[str]:
        """Return which version of the ModelRollout and its children is stored, but for the status of the latter."""
        return [
            f"{body['kind']} {body['metadata']['uid']} {body['metadata'].get('generation')}"
            + (body["metadata"]["resourceVersion"] if body["kind"] in (names.KIND, "Service") else "")
            for body in self._bodies()
        ]

    def standing(self) -> set[str]:
        """Return what is true of the ModelRollout and its children."""
        return {state(body, self.roles) for body in self._bodies()}

    def _bodies(self) -> list[JSON]:
        services = [self.child("services", name) for name in (ROLLOUT, names.canary_service(ROLLOUT))]
        return [self.door.get(self.path), *services, self.child("httproutes", ROLLOUT), *self.deployments().values()]

    def _pods(self) -> set[str]:
        query = f"?labelSelector={names.LABEL_REVISION}%3D{self.revision(NEW)}"
        found = self.door.get(f"/api/v1/namespaces/{self.stage.namespace}/pods{query}")["items"]
        restarts = {pod["metadata"]["uid"]: pod["status"].get("containerStatuses", []) for pod in found}
        return {f"{uid} {sum(state['restartCount'] for state in states)}" for uid, states in restarts.items()}

    def _events(self, play: Play) -> list[str]:
        query = f"?fieldSelector=involvedObject.kind%3D{names.KIND}%2CinvolvedObject.name%3D{ROLLOUT}"
        found = self.door.get(f"/api/v1/namespaces/{self.stage.namespace}/events{query}")["items"]
        since = int(play.before["metadata"]["resourceVersion"])
        late = [event for event in found if int(event["metadata"]["resourceVersion"]) > since]
        return [event["reason"] for event in sorted(late, key=lambda event: str(event["metadata"]["name"]))]


def _is_judged(status: JSON) -> bool:
    return (
        status.get("phase") == "Progressing" and status["canary"]["weight"] == _WEIGHT and status["step"]["looks"] > 0
    )


class _End:
    """Kills the operator at its writes, in the thread of its proxy."""

    def __init__(self, lane: Lane, play: Play, pending: list[str]) -> None:
        self._lane = lane
        self._play = play
        self.pending = pending
        self._before = lane.standing()
        self.killed = threading.Event()

    def answered(self, seen: Seen) -> bool:
        """Note a write that was carried out; return whether the operator is dead and needs no answer."""
        if not is_write(seen) or seen.status >= 400:
            return False
        name = named(self._lane.door, seen, self._lane.roles)
        if name in self._before or name in self._play.writes:
            name += AGAIN
        else:
            self._play.writes.append(name)
        if name not in self.pending:
            return False
        self.pending.remove(name)
        self._lane.operator.kill()
        self._play.killed_at.append(time.monotonic())
        self.killed.set()
        return True
