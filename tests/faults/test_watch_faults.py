"""What the operator sees and says while the API server's lists, watches and Lease fail, and when it is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests import seeded
from tests.apiserver import ApiServer
from tests.faults.crowd import evidence, refused, wrongs
from tests.faults.proxy import Answer, Cut, EndWatch, Fault, Hang, Seen, Stale
from tests.faults.stage import Stage, a_rollout

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def quiet(stage_server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stage whose only rollout is at rest."""
    with Stage(stage_server, tmp_path_factory.mktemp("quiet")) as stage:
        stage.operator.start()
        stage.apply(a_rollout())
        stage.reach("Healthy")
        yield stage


def is_list(seen: Seen) -> bool:
    return seen.method == "GET" and not seen.is_watch and seen.path.rsplit("/", 1)[-1].endswith("s")


def times(count: int, wanted: Callable[[Seen], bool], fault: Fault) -> Callable[[Seen], Fault | None]:
    """Return a rule that lets a fault happen to the first requests of a kind by path."""
    left: dict[str, int] = {}

    def rule(seen: Seen) -> Fault | None:
        if not wanted(seen) or left.setdefault(seen.path, count) == 0:
            return None
        left[seen.path] -= 1
        return fault

    return rule


def sees(stage: Stage, within_seconds: float) -> None:
    """Guarantee that an edit, and what becomes of it, is seen in time."""
    size = 3 if stage.replicas() == {"v1": 2} else 2
    stage.apply(a_rollout(replicas=size))

    def scaled() -> None:
        assert stage.replicas() == {"v1": size}
        stable = stage.status().stable
        assert stable is not None
        assert stable.ready_replicas == size

    stage.poll(scaled, within_seconds)


@pytest.mark.parametrize("gone", [False, True])
def test_watch_that_ends_is_opened_again(quiet: Stage, gone: bool) -> None:
    assert quiet.kube_proxy.end_watches(gone=gone) >= 5
    sees(quiet, 10)


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (lambda seen: seen.is_watch, refused(503, "ServiceUnavailable")),
        (lambda seen: seen.is_watch, refused(429, "TooManyRequests", Retry_After="1")),
        (lambda seen: seen.is_watch, Cut(after=20)),
        (lambda seen: seen.is_watch, Cut()),
        (lambda seen: seen.is_watch, EndWatch(gone=True)),
        (is_list, refused(500, "InternalError")),
        (is_list, Cut(after=100)),
    ],
    ids=["watch 503", "watch 429", "watch cut", "watch refused", "watch 410", "list 500", "list cut"],
)
def test_watch_that_fails_is_opened_again(quiet: Stage, wanted: Callable[[Seen], bool], fault: Fault) -> None:
    quiet.kube_proxy.rule = times(2, wanted, fault)
    quiet.kube_proxy.end_watches(gone=True)
    sees(quiet, 20)
    quiet.kube_proxy.rule = lambda seen: None


@pytest.mark.parametrize(
    ("wanted", "fault"),
    [
        (lambda seen: seen.is_watch, refused(410, "Expired")),
        (is_list, Answer(200, b"<html>log in</html>", {"Content-Type": "text/html"})),
    ],
    ids=["watch", "list"],
)
def test_process_that_cannot_watch_ends_and_the_next_goes_on(
    quiet: Stage, wanted: Callable[[Seen], bool], fault: Fault
) -> None:
    quiet.kube_proxy.rule = times(1, wanted, fault)
    quiet.kube_proxy.end_watches(gone=True)
    quiet.poll(lambda: not quiet.operator.is_running)
    assert quiet.operator.exit_code not in (0, None), "the kubelet starts it again"
    (lease,) = quiet.api.list("Lease", quiet.namespace)
    assert not lease["spec"].get("holderIdentity"), "another one need not wait"
    quiet.kube_proxy.rule = lambda seen: None
    quiet.operator.start()
    sees(quiet, 10)


def test_stale_lists_neither_move_weight_nor_take_a_look_twice(stage: Stage) -> None:
    stage.to_canary("v2")
    before = stage.seed(seeded.before_promotion)["status"]
    stage.kube_proxy.rule = times(3, is_list, Stale())
    for _ in range(8):
        stage.kube_proxy.end_watches(gone=True)
        time.sleep(0.7)  # The fault itself: lists of long ago come again and again through verdict and promotion.
    stage.reach("Healthy")
    assert [entry.result for entry in stage.status().history] == ["Promoted"]
    stage.poll(lambda: stage.recorder.weights("digits") == [0, 50, 100, 0])
    assert not wrongs(stage.recorder.splits("digits"))
    was, now = evidence(before), evidence(stage.status())
    assert was.last_end is not None
    assert now.last_end is not None
    assert now.looks - was.looks <= now.last_end - was.last_end
    stage.poll(lambda: stage.replicas() == {"v1": 0, "v2": 2})


def test_outage_costs_no_look_and_ends_within_seconds(stage: Stage) -> None:
    """Longer than the Lease: nobody leads meanwhile, and what was harm before is rolled back after."""
    stage.to_canary("v4")
    before = evidence(stage.seed(seeded.before_harm)["status"])
    stage.kube_proxy.refuse()
    stage.poll(lambda: "This process does not lead" in stage.operator.text(), 30)
    stage.kube_proxy.accept()
    back = time.monotonic()
    status = stage.reach("RolledBack", within_seconds=30)
    assert time.monotonic() - back < 20
    assert [(entry.result, entry.reason) for entry in status.history] == [("RolledBack", "Harm")]
    after = evidence(status)
    assert before.last_end is not None
    assert after.last_end is not None
    assert after.looks - before.looks == after.last_end - before.last_end
    assert stage.recorder.weights("digits") == [0, 50, 0]


def test_leader_survives_every_fault_of_one_renewal(stage: Stage) -> None:
    faults: list[Fault] = [
        refused(409, "Conflict"),
        Cut(after=0),
        refused(500, "InternalError", acted=True),
        Cut(),
        Hang(),
        Hang(acted=True),
        refused(429, "TooManyRequests", Retry_After="1"),
    ]
    left = list(faults)

    def rule(seen: Seen) -> Fault | None:
        is_renewal = seen.method == "PUT" and seen.path.endswith("/leases/lossgate")
        fresh = is_renewal and (not left or len(left) == len(faults) or renewed())
        return left.pop(0) if fresh and left else None

    def renewed() -> bool:
        """Return whether a renewal succeeded since the last fault: one at a time."""
        renewals = [seen for seen in stage.kube_proxy.seen if seen.path.endswith("/leases/lossgate")]
        return any(seen.method == "PUT" and seen.status == 200 for seen in renewals[-3:])

    stage.kube_proxy.rule = rule
    stage.poll(lambda: not left, 90)
    stage.apply(a_rollout())
    stage.reach("Healthy")
    assert "does not lead" not in stage.operator.text()
    # A PUT whose connection was cut is sent again at once by the client itself: that one fails in silence, or by 409.
    assert stage.operator.text().count("Lease not renewed") >= 3
