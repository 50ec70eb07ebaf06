"""The operator comes and goes, is upgraded and killed while a canary is judged: no look is lost, nobody notices."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest

from e2e import audit
from e2e.cluster import Cluster, ClusterError
from e2e.images import Images
from e2e.installation import TEAM_NAMESPACE, Installation
from e2e.stage import CHART, Stage, parse_time, poll
from lossgate.api import names

OLDER_CHART = Path(__file__).parent / "upgrade" / "lossgate-0.1.0"
"""The chart as it was at first; upgrades start there."""
LOOKS_OFF_BY = 2
"""A look is a second here, and statuses are read at no particular moment of it."""


@pytest.fixture(scope="module")
def judged(stage: Stage) -> Iterator[Stage]:
    """A canary is being judged, and no verdict can come; when all is played, no request may have failed."""
    endless = {"margin": "5%", "minLabels": 100_000_000}
    stage.apply(stage.rollout("v1", replicas=2, steps=[{"weight": 50}], gate=endless))
    stage.wait_for_result("v1", "Healthy", 240)
    stage.start_client(50)
    stage.apply(stage.rollout("v2", replicas=2, steps=[{"weight": 50}], gate=endless))
    stage.wait_for(lambda seen: seen.get("step", {}).get("looks", 0) >= 3, 240, "3 looks")
    yield stage
    statistics = stage.client_statistics()
    assert statistics["errors"] == 0, json.dumps(statistics, indent=1)
    assert statistics["ok"] > 1_000


class Looks:
    """Looks beside the clock: as one look is due each second, they stay behind it by the same time for ever.

    Attributes:
        since: When the step began to be judged, in RFC 3339.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.since: str = stage.status()["step"]["since"]
        behind = [self._behind() for _ in range(8)]
        self._usually_behind = min(behind)

    def went_on(self, seconds: float = 120) -> None:
        """Wait until the looks have caught up with the clock: one that is lost or counted twice moves them for ever."""

        def caught_up() -> bool:
            behind = self._behind() - self._usually_behind
            assert behind > -LOOKS_OFF_BY, f"{-behind:.1f} s ahead: a look was counted twice"
            return behind < LOOKS_OFF_BY

        poll(caught_up, seconds, "as many looks as seconds", self._stage.story)

    def _behind(self) -> float:
        now = datetime.now(UTC).timestamp()
        status = self._stage.status()
        assert status["step"]["since"] == self.since, "the step goes on"
        assert status["canary"]["weight"] == 50
        return float(now - parse_time(self.since) - status["step"]["looks"])


@pytest.fixture(scope="module")
def looks(judged: Stage) -> Looks:
    """The looks of the canary that is judged, while nothing disturbs them."""
    return Looks(judged)


def children(stage: Stage) -> dict[str, str]:
    """Return the uid of every child and pod by kind and name."""
    found = stage.get("deployments,services,httproutes,pods", selector=f"{names.LABEL_ROLLOUT}=digits")["items"]
    return {f"{body['kind']} {body['metadata']['name']}": body["metadata"]["uid"] for body in found}


def test_upgrade_of_the_chart_loses_no_look(operator: Installation, judged: Stage, looks: Looks) -> None:
    operator.install(chart=OLDER_CHART)
    before, leader = children(judged), operator.leader()
    operator.install("logLevel=DEBUG", chart=CHART)
    looks.went_on()
    assert operator.leader() != leader, "another process goes on"
    assert children(judged) == before


def test_the_release_passes_its_own_test(operator: Installation) -> None:
    operator.test()


def test_leader_is_killed_and_the_other_operator_goes_on(
    cluster: Cluster, operator: Installation, judged: Stage, looks: Looks
) -> None:
    operator.scale(2)
    leader = operator.leader()
    killed = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    operator.kill(leader)
    poll(lambda: operator.leader() not in ("", leader), 60, "another leader", judged.story)
    looks.went_on()
    operator.scale(1)
    if cluster.audit_log is None:
        return
    requests = audit.requests_of_operator(cluster.audit_log, judged.namespace, looks.since)
    writers = [pod for pod, _ in groupby(request.pod for request in requests if request.resource != "events")]
    assert len(writers) == len(set(writers)), f"an operator wrote again after another had: {writers}"
    assert leader in writers[:-1]
    last = max(request.time for request in requests if request.pod == leader)
    first = min(request.time for request in requests if request.pod == writers[writers.index(leader) + 1])
    gap = parse_time(first) - parse_time(last)
    print(f"killed at {killed}, last write {last}; the next operator wrote {gap:.1f} s later")
    assert gap < 30, "a Lease lasts 15 s"


def test_operator_of_one_namespace_needs_no_right_beyond_it(
    cluster: Cluster, images: Images, operator: Installation, judged: Stage, looks: Looks
) -> None:
    """Two operators must not act in one namespace: the other one is uninstalled meanwhile, and its rollout stays."""
    before = children(judged)
    abandoned = Stage(cluster, "e2e-abandoned", model_image=images.model.name)
    team = Stage(cluster, TEAM_NAMESPACE, model_image=images.model.name)
    for other in (abandoned, team):
        other.close()
        other.open(joiner=False)
    abandoned.apply(abandoned.named("abandoned"))
    abandoned.wait_for(lambda seen: seen.get("phase") == "Healthy", 180, "abandoned serves", "abandoned")
    abandoned.apply(abandoned.named("abandoned", "v2"))
    abandoned.wait_for(lambda seen: seen.get("phase") == "Progressing", 120, "abandoned is judged", "abandoned")
    pool = ThreadPoolExecutor()
    operator.uninstall()
    try:
        stored = judged.get("modelrollout", "digits")["metadata"]["resourceVersion"]
        gone = pool.submit(seconds_to_close, abandoned)
        own = Installation(cluster, images.operator, f"watchNamespaces={{{TEAM_NAMESPACE}}}", "crds.create=false",
                           release="team-lossgate", namespace=TEAM_NAMESPACE)  # fmt: skip
        own.install()
        serve_and_change_minds(team)
        assert may_not(cluster, "list", "modelrollouts.lossgate.io", "--all-namespaces")
        assert may_not(cluster, "get", "deployments.apps", "-n", judged.namespace)
        own.uninstall()
        assert judged.get("modelrollout", "digits")["metadata"]["resourceVersion"] == stored
        assert children(judged) == before, "what serves stays when the operator goes"
        assert gone.result() < 60, "nothing holds a namespace back where no operator runs"
    finally:
        operator.install()
    looks.went_on()
    assert children(judged) == before
    team.close(wait=False)


def seconds_to_close(stage: Stage) -> float:
    """Delete a namespace and return how long that took."""
    began = time.monotonic()
    stage.close()
    took = time.monotonic() - began
    print(f"namespace {stage.namespace} was gone after {took:.1f} s, without an operator")
    return took


def serve_and_change_minds(team: Stage) -> None:
    """A first version serves; a second is replaced by a third before its verdict, so that a Deployment goes."""
    team.apply(team.named("team", revisionHistoryLimit=0))
    team.wait_for(lambda seen: seen.get("phase") == "Healthy", 180, "team serves", "team")
    assert team.condition("Promoted", "team")["status"] == "True"
    team.merge("team", {"model": {"version": "v2"}})
    canary = team.wait_for(lambda seen: "canary" in seen, 60, "a canary", "team")["canary"]["revision"]
    team.merge("team", {"model": {"version": "v3"}})
    poll(
        lambda: canary not in team.kubectl("get", "deployments", "-o", "name"),
        60,
        "the replaced canary goes",
        lambda: team.story("team"),
    )


def may_not(cluster: Cluster, *request: str) -> bool:
    """Return whether the operator of one namespace has no right to ask for something."""
    user = f"--as={audit.account(TEAM_NAMESPACE, 'team-lossgate')}"
    try:
        cluster.kubectl("auth", "can-i", *request, user)
    except ClusterError as error:
        return "no" in str(error).splitlines()
    return False
