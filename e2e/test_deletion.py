"""A ModelRollout is deleted in each phase, with and without an operator: all goes at once, and nothing comes back."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import pytest

from e2e.cluster import Cluster
from e2e.door import Door, rollout_path
from e2e.images import Images
from e2e.mortal import Mortal, grant
from e2e.phases import PHASES, is_there, seed, spec_of
from e2e.stage import Stage, poll
from e2e.writes import is_write
from lossgate.api import names
from tests.faults.proxy import Cut, Fault, Seen

JSON = dict[str, Any]
ANEW = ("healthy", "progressing", "handing-over", "rolling-back")
"""Created again at once; the others stay away, so that it shows whether anything of them comes back."""
SECONDS = 300.0
AT_ONCE_SECONDS = 20.0
"""Nothing is waited for; a busy machine may take some seconds all the same."""
GROUPS = {
    "deployments": "/apis/apps/v1",
    "pods": "/api/v1",
    "services": "/api/v1",
    "httproutes": "/apis/gateway.networking.k8s.io/v1",
}


class Place:
    """Rollouts side by side, each in a phase of its own, and the operator that looks after them."""

    def __init__(self, stage: Stage, door: Door, operator: Mortal) -> None:
        self.operator = operator
        self._stage = stage
        self._door = door

    def serve(self, rollouts: Collection[str]) -> None:
        """Have first versions serve, but for the one that cannot start."""
        self._apply(rollouts, second=False)
        poll(lambda: all(self._serves(name) for name in rollouts), SECONDS, "first versions", self.operator.tail)

    def put_in_phases(self) -> None:
        """Put each in its phase, with both versions there; no operator runs afterwards.

        Seeded twice, since the delay that ends a promotion begins when its children are as it wants them.
        """
        self.operator.kill()
        self._apply(PHASES, second=True)
        self._seed(on_the_way=True)
        handed_over: list[Seen] = []

        def rule(seen: Seen) -> Fault | None:
            """Nothing of that one is changed any more as soon as its Service has been."""
            if not (is_write(seen) and "/handing-over" in seen.path):
                return None
            if handed_over:
                return Cut()
            if seen.path.endswith("/services/handing-over"):
                handed_over.append(seen)
            return None

        self.operator.proxy.rule = rule
        self.operator.start()
        poll(lambda: handed_over, SECONDS, "everything goes to the new version", self.operator.tail)
        poll(lambda: all(self._has_both(name) for name in PHASES), SECONDS, "second versions", self.operator.tail)
        self.operator.kill()
        self.operator.proxy.rule = lambda _: None
        self._seed()

    def in_phases(self) -> dict[str, str]:
        """Return the uid of each, once all are in their phases."""

        def found() -> dict[str, str] | None:
            bodies = {name: self._body(name) for name in PHASES}
            there = all(is_there(body) for body in bodies.values())
            return {name: body["metadata"]["uid"] for name, body in bodies.items()} if there else None

        return poll(found, SECONDS, "all in their phases", self._phases)

    def delete(self) -> None:
        """Delete all as a person does; nothing holds that up."""
        began = time.monotonic()
        self._stage.kubectl("delete", "modelrollouts", "--all", "--timeout=60s")
        assert time.monotonic() - began < AT_ONCE_SECONDS

    def children(self, owners: Iterable[str] | None = None) -> list[str]:
        """Return all children and pods, or the children of some owners, by uid."""
        return [
            f"{plural}/{body['metadata']['name']}"
            for plural, group in GROUPS.items()
            for body in self._door.get(f"{group}/namespaces/{self._stage.namespace}/{plural}")["items"]
            if owners is None or body["metadata"]["ownerReferences"][0]["uid"] in owners
        ]

    def _apply(self, rollouts: Iterable[str], *, second: bool) -> None:
        items = [self._stage.named(name, **spec_of(name, second=second)) for name in rollouts]
        for body in items:
            if body["metadata"]["name"] == "initializing":
                body["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "there-is-none"}
        self._stage.apply({"apiVersion": "v1", "kind": "List", "items": items})

    def _seed(self, *, on_the_way: bool = False) -> None:
        for name in PHASES:
            body = self._body(name)
            self._door.ask("PUT", f"{self._path(name)}/status", {**body, "status": seed(body, on_the_way=on_the_way)})

    def _path(self, name: str) -> str:
        return rollout_path(self._stage.namespace, name)

    def _body(self, name: str) -> JSON:
        return self._door.get(self._path(name))

    def _serves(self, name: str) -> bool:
        phase = self._body(name).get("status", {}).get("phase")
        return bool(phase == ("Initializing" if name == "initializing" else "Healthy"))

    def _has_both(self, name: str) -> bool:
        spec = self._body(name)["spec"]
        target = names.revision_name(name, spec["template"], spec["model"]["version"])
        return f"deployments/{target}" in self.children()

    def _phases(self) -> str:
        found = {name: self._body(name).get("status", {}).get("phase") for name in PHASES}
        return f"{found}\n{self.operator.tail()}"


@pytest.fixture(scope="module")
def place(
    cluster: Cluster, images: Images, door: Door, alone: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """First versions serve, looked after by an operator of this namespace."""
    stage = Stage(cluster, "e2e-deletion", model_image=images.model.name)
    stage.close()
    stage.open(joiner=False)
    grant(stage)
    operator = Mortal(door, stage, tmp_path_factory.mktemp("deletion"))
    place = Place(stage, door, operator)
    try:
        operator.start()
        place.serve(PHASES)
        yield place
    finally:
        operator.end()
        stage.close(wait=False)


def test_operator_lets_go_in_every_phase(place: Place) -> None:
    operator = place.operator
    place.put_in_phases()
    operator.start()
    uids = place.in_phases()
    place.delete()
    place.serve(ANEW)
    poll(lambda: not place.children(uids.values()), SECONDS, "children go", operator.tail)
    gone = [name for name in PHASES if name not in ANEW]
    poll(lambda: not [child for child in place.children() if of(child, gone)], SECONDS, "pods go", operator.tail)
    written, told = len(operator.proxy.seen), len(operator.log.read_text())
    place.serve(["one-more"])  # The operator has had its time.
    assert not [child for child in place.children() if of(child, gone)], "nothing comes back"
    assert not [seen.path for seen in operator.proxy.seen[written:] if is_write(seen) and of(seen.path, gone)]
    said = operator.log.read_text()
    assert not [line for line in said[told:].splitlines() if of(line, gone)], "nothing is tried for ever"
    assert not [line for line in said.splitlines() if " ERROR " in line or "Traceback" in line]
    metrics = operator.metrics()
    assert [name for name in PHASES if f'rollout="{name}"' in metrics] == [name for name in PHASES if name in ANEW]


def of(text: str, rollouts: Iterable[str]) -> bool:
    """Return whether a text is about one of some rollouts or a child of it."""
    return any(f"/{name}" in text for name in rollouts)


def test_nothing_waits_for_an_operator_that_is_away(place: Place) -> None:
    place.serve(PHASES)
    place.put_in_phases()
    place.in_phases()
    place.delete()
    poll(lambda: not place.children(), SECONDS, "all that was theirs goes")
    place.operator.start()
    place.serve(["healthy"])
