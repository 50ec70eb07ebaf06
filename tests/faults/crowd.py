"""Many rollouts side by side under one operator, each with a fault of its own at one kind of request."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from lossgate.api.status import RolloutStatus
from lossgate.stats import Gate, unpack
from tests import seeded
from tests.faults.proxy import Answer, Cut, Fault, Hang, Seen, Slow
from tests.faults.recorder import Split
from tests.faults.stage import Stage, a_rollout

JSON = dict[str, Any]


def refused(code: int, reason: str, *, acted: bool = False, **headers: str) -> Answer:
    """Return an error as the API server words it."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    message = {"message": f"{reason}, says the test", "reason": reason, "code": code}
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", **message}
    return Answer(code, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}, acted)


FAULTS: Mapping[str, Fault] = {
    "409": refused(409, "Conflict"),
    "429": refused(429, "TooManyRequests", Retry_After="1"),
    "500": refused(500, "InternalError"),
    "503": refused(503, "ServiceUnavailable", Retry_After="2"),
    "504-acted": refused(504, "Timeout", acted=True),
    "login-page": Answer(200, b"<html>log in</html>", {"Content-Type": "text/html"}),
    "time-out": Hang(),
    "time-out-acted": Hang(acted=True),
    "cut-before": Cut(),
    "cut-after": Cut(after=0),
    "cut-in-answer": Cut(after=40),
    "slow": Slow(100),
}
TRANSITIONS = {
    True: ("RolloutStarted", "HarmFound", "RollingBack", "RolledBack"),
    False: ("RolloutStarted", "Promoting", "Promoted"),
}
"""Events of a rollback and of a promotion that a person must not miss."""
KINDS = ("status", "weights", "deployment", "service", "event")


@dataclass
class Cell:
    """One rollout with one fault: every different thing that it asks of this kind is broken once."""

    kind: str
    fault: str
    harmful: bool
    broken: set[str] = field(default_factory=set)
    """What was broken already."""
    times: int = 0
    seeded: JSON = field(default_factory=dict)
    """Its status one look before the verdict."""

    @property
    def name(self) -> str:
        """Name of its ModelRollout."""
        return f"{self.kind}-{self.fault}-{'harm' if self.harmful else 'fine'}"

    @property
    def version(self) -> str:
        """Model version of its canary."""
        return "v4" if self.harmful else "v2"

    def meet(self, seen: Seen) -> Fault | None:
        """Return the fault for the first request of each meaning."""
        meaning = _meaning(seen)
        if meaning is None or meaning[0] != self.kind or meaning[1] in self.broken:
            return None
        self.broken.add(meaning[1])
        self.times += 1
        return FAULTS[self.fault]


def table() -> list[Cell]:
    """Return every fault at every kind of write, half of them in a promotion and half in a rollback."""
    pairs = product(enumerate(KINDS), enumerate(FAULTS))
    return [Cell(kind, fault, harmful=(row + column) % 2 == 0) for (row, kind), (column, fault) in pairs]


class Crowd:
    """Plays a set of cells on a stage, to the end."""

    interval_seconds = 2

    def __init__(self, stage: Stage, cells: Sequence[Cell]) -> None:
        self.stage = stage
        self.cells = cells
        self._spec: JSON = {"loss": {"interval": f"{self.interval_seconds}s", "settle": "0s"}}
        self._by_name = {cell.name: cell for cell in cells}
        stage.kube_proxy.rule = self._rule

    def play(self, within_seconds: float) -> None:
        """Bring every cell to its end.

        Raises:
            AssertionError: One does not get there.
        """
        stage, deadline = self.stage, time.monotonic() + within_seconds
        for cell in self.cells:
            stage.apply(a_rollout(cell.name, **self._spec))
        for cell in self.cells:
            stage.reach("Healthy", cell.name, deadline - time.monotonic())
        for cell in self.cells:
            stage.apply(a_rollout(cell.name, cell.version, **self._spec))
        for cell in self.cells:
            stage.await_canary(cell.name, deadline - time.monotonic())
            seed = seeded.before_harm if cell.harmful else seeded.before_promotion
            cell.seeded = stage.seed(seed, cell.name)["status"]
        for cell in self.cells:
            stage.reach("RolledBack" if cell.harmful else "Healthy", cell.name, deadline - time.monotonic())
            stage.poll(lambda cell=cell: self.is_scaled(cell), deadline - time.monotonic())  # type: ignore[misc]

    def check(self, cell: Cell) -> None:
        """Guarantee that a cell ended as if undisturbed.

        Raises:
            AssertionError: It did not.
        """
        stage, status = self.stage, self.stage.status(cell.name)
        assert cell.times >= 2, "the fault was played"
        ends = [(entry.result, entry.reason, entry.model_version) for entry in status.history]
        assert ends == [("RolledBack", "Harm", "v4") if cell.harmful else ("Promoted", "Promoted", "v2")]
        assert self.is_scaled(cell)
        assert stage.recorder.weights(cell.name) == ([0, 50, 0] if cell.harmful else [0, 50, 100, 0])
        assert not wrongs(stage.recorder.splits(cell.name)), "no request is sent to nobody"
        self._check_evidence(cell, status)
        stage.poll(lambda: self._told(cell))
        # One conflict is no news, and a PUT whose connection was cut is sent again at once by the client itself.
        if cell.fault != "409" and not (cell.kind == "status" and cell.fault.startswith("cut")):
            said = f"{stage.namespace}/{cell.name}: tried again" if cell.kind != "event" else "Event not recorded"
            assert said in stage.operator.text(), "it is in the log why it took longer"

    def _check_evidence(self, cell: Cell, status: RolloutStatus) -> None:
        """Every look after the seeded ones is in the evidence once, with all its labels and none twice."""
        before, after = evidence(cell.seeded), evidence(status)
        assert before.last_end is not None
        assert after.last_end is not None
        looks = (after.last_end - before.last_end) / self.interval_seconds
        assert looks >= 1
        assert after.looks == before.looks + looks
        labels = looks * self.interval_seconds * self.stage.prometheus.labels_per_second / 2
        was, now = before.judge(), after.judge()
        assert (now.labels_canary - was.labels_canary, now.labels_stable - was.labels_stable) == (labels, labels)

    def _told(self, cell: Cell) -> None:
        """Guarantee that every transition has its event once; late ones are tried again in the background."""
        reasons = [event["reason"] for event in self.stage.events(cell.name)]
        for reason in TRANSITIONS[cell.harmful]:
            assert reasons.count(reason) == 1, f"{reason} in {reasons}"

    def is_scaled(self, cell: Cell) -> bool:
        """Return whether only the version that serves has pods."""
        return self.stage.replicas(cell.name) == ({"v1": 2, "v4": 0} if cell.harmful else {"v1": 0, "v2": 2})

    def _rule(self, seen: Seen) -> Fault | None:
        name = _rollout(seen)
        cell = self._by_name.get(name) if name else None
        return cell.meet(seen) if cell is not None else None


def _body(seen: Seen) -> JSON:
    try:
        body: JSON | list[JSON] = json.loads(seen.body or b"{}")
    except ValueError:
        return {}
    return _outcome(body) if isinstance(body, list) else body


def _outcome(operations: list[JSON]) -> JSON:
    """Return what a JSON patch sets, as a merge patch would."""
    body: JSON = {}
    for operation in operations:
        if operation["op"] == "test":
            continue
        *parents, last = operation["path"].lstrip("/").split("/")
        part = body
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = operation.get("value")
    return body


def _rollout(seen: Seen) -> str | None:
    """Return the rollout that a write is about."""
    if not seen.is_write:
        return None
    body = _body(seen)
    if seen.path.endswith("/events"):
        name: str = body["involvedObject"]["name"]
        return name
    name = body.get("metadata", {}).get("name", "") if seen.method == "POST" else seen.path.rsplit("/")[-1]
    if seen.path.endswith("/status"):
        name = seen.path.rsplit("/")[-2]
    return re.sub(r"-(canary|[0-9a-f]{8})$", "", name)


def _meaning(seen: Seen) -> tuple[str, str] | None:
    """Return what kind of write this is, and what it says."""
    body = _body(seen)
    resource = re.search(r"/namespaces/[^/]+/([a-z]+)", seen.path)
    match resource.group(1) if resource else "":
        case "modelrollouts":
            status = body.get("status", {})
            looks = (status.get("step") or {}).get("looks", 0) > 0
            return "status", f"{status.get('phase')} {looks} {(status.get('canary') or {}).get('weight')}"
        case "httproutes":
            rules = body.get("spec", {}).get("rules", [{}])
            return "weights", f"{seen.method} {[one.get('weight') for one in rules[0].get('backendRefs', ())]}"
        case "deployments":
            return "deployment", f"{seen.method} {seen.path} {body.get('spec', {}).get('replicas')}"
        case "services":
            return "service", f"{seen.method} {seen.path} {body.get('spec', {}).get('selector')}"
        case "events":
            return "event", str(body.get("reason"))
    return None


def evidence(status: RolloutStatus | JSON) -> Gate:
    """Return the packed evidence of a status, opened."""
    parsed = status if isinstance(status, RolloutStatus) else RolloutStatus.model_validate(status)
    assert parsed.analysis is not None
    assert parsed.analysis.state is not None
    return unpack(parsed.analysis.state)


def wrongs(splits: Sequence[Split]) -> list[Split]:
    """Return every state of a route in which requests are sent to nobody, once the first version has served."""
    began = next((index for index, split in enumerate(splits) if split.ready[0]), len(splits))
    return [
        split
        for split in splits[began:]
        if split.stable + split.canary != 100
        or (split.stable and not split.ready[0])
        or (split.canary and not split.ready[1])
    ]
