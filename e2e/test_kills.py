"""Operators killed after their writes, taken over from, and frozen: what becomes of a rollout is always the same.

Each plays in a namespace of its own, one look before the verdict, with operators that are processes of this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from e2e.cluster import Cluster
from e2e.door import Door
from e2e.frozen import wake_up_late
from e2e.hindsight import judged_again
from e2e.images import Images
from e2e.lane import AGAIN, NEW, OLD, Lane, Play
from e2e.stage import ROLLOUT, Stage
from e2e.writes import is_write

PROMOTION = (
    "status: Promoting, 50%",
    f"{NEW} has 2 pods",
    "status: Promoting, 100%",
    "the route has 0/100",
    f"the stable Service leads to {NEW}",
    "status: Promoting, 100%, settled",
    "status: Healthy, no canary, the old one is kept",
    "the route has 100/0",
    "status: Healthy, no canary",
    f"{OLD} has 0 pods",
)
"""All writes of a promotion, by what they make true."""
ROLLBACK = (
    "status: RollingBack, 0%",
    "the route has 100/0",
    "status: RollingBack, 0%, settled",
    "status: RolledBack, 0%",
    f"{NEW} has 0 pods",
    f"the canary Service leads to {OLD}",
)
WRITES = {"Promoted": PROMOTION, "RolledBack": ROLLBACK}
EVENTS = {
    "Promoted": ["Promoting", "WeightChanged", "Promoted", "ScaledDown"],
    "RolledBack": ["HarmFound", "RollingBack", "RolledBack"],
}
OUTCOMES = {
    "Promoted": {
        "phase": "Healthy",
        "versions": {"stable": NEW, "canary": "none", "previous": OLD},
        "weights": [100, 0],
        "services": [NEW, NEW],
        "pods": {OLD: 0, NEW: 2},
        "conditions": {"Ready": ("True", "StableServing"), "Promoted": ("True", "Promoted")},
    },
    "RolledBack": {
        "phase": "RolledBack",
        "versions": {"stable": OLD, "canary": NEW, "previous": "none"},
        "weights": [100, 0],
        "services": [OLD, OLD],
        "pods": {OLD: 2, NEW: 0},
        "conditions": {"Ready": ("True", "StableServing"), "Promoted": ("False", "Harm")},
    },
}
SAMPLE = ("status: Promoting, 50%", "the route has 0/100", f"the stable Service leads to {NEW}")
"""Where a promotion is killed in each run: after its verdict, and when only a part of all that must change has."""
TAKEN_OVER_WITHIN_SECONDS = 20.0
LATE_WRITES: dict[str, Callable[[Lane], str]] = {
    "the old version gives up its pods": lambda lane: f"/deployments/{lane.revision(OLD)}",
    "the Service leads to the new version": lambda _: f"/services/{ROLLOUT}",
    "the new version gets all its pods": lambda lane: f"/deployments/{lane.revision(NEW)}",
    "everything is routed to the new version": lambda _: f"/httproutes/{ROLLOUT}",
    "the verdict": lambda _: f"/modelrollouts/{ROLLOUT}/status",
}
"""What a leader is stopped at, by the end of the path that it writes to."""

Opener = Callable[[str], Lane]


def check(play: Play, verdict: str, lane: Lane) -> None:
    """What holds wherever operators were killed."""
    assert play.errors == 0, "requests failed"
    assert play.outcome == OUTCOMES[verdict]
    assert set(play.writes) == set(WRITES[verdict]), "the same writes"
    # The old version's time may run out while no operator runs: it gives up its pods with what else is left to do.
    assert play.killed_at or play.writes == list(WRITES[verdict]), "in the same order"
    assert len(play.entries) == 1, "decided once"
    assert play.entries[0]["result"] == verdict
    again, analysis = judged_again(lane.door, play.before, play.after), play.after["status"]["analysis"]
    assert analysis["state"] == again.state, "every look counted once"
    assert play.entries[0]["labels"] == analysis["labels"] == again.labels.model_dump()
    assert play.events == EVENTS[verdict], "each event is told, once, in order, whoever tells it"
    if verdict == "Promoted":
        assert not play.lost_pods, "the pods that were judged are the pods that serve"


@pytest.fixture(scope="module")
def opened(
    cluster: Cluster, images: Images, door: Door, alone: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Opener]:
    """Opens lanes by name, in which a first version serves and is asked; all are closed at the end."""
    lanes: list[Lane] = []

    def open_lane(name: str) -> Lane:
        stage = Stage(cluster, f"e2e-kills-{name}", model_image=images.model.name)
        stage.close()
        stage.open()
        lane = Lane(door, stage, tmp_path_factory.mktemp(name))
        lanes.append(lane)
        lane.serve()
        return lane

    yield open_lane
    for lane in lanes:
        lane.close()


def killed_thrice(lane: Lane) -> str:
    """A promotion whose operator is killed and started again; what must hold holds, and is told in a line."""
    play = lane.play(lane.bring("Promoted"), SAMPLE)
    check(play, "Promoted", lane)
    return f"promoted in {play.seconds:.0f} s with 3 operators killed"


def taken_over(lane: Lane) -> str:
    """A rollback whose operator is killed when the weight is 0; the standby goes on."""
    standby = lane.standby()
    play = lane.bring("RolledBack")
    standby.start()
    lane.play(play, ["the route has 100/0"], standby)
    check(play, "RolledBack", lane)
    (killed_at,) = play.killed_at
    seconds = next(seen.at for seen in standby.proxy.seen if is_write(seen)) - killed_at
    assert seconds < TAKEN_OVER_WITHIN_SECONDS
    return f"rolled back; the standby wrote {seconds:.1f} s after the leader was killed"


def frozen(lane: Lane, what: str = "the old version gives up its pods") -> str:
    """A leader that is stopped with a write on its way, and wakes when another one has done otherwise."""
    found = wake_up_late(lane, lane.standby(), LATE_WRITES[what])
    assert found.errors == 0, f"requests failed: {found}"
    assert found.after == found.before, f"something was changed: {found}"
    assert found.wrote == [], "it wrote again"
    assert found.answer in (404, 409, 422), "the API server refuses the write"
    return f"{what}: {found.answer}"


@pytest.fixture(scope="module")
def sample(opened: Opener) -> Iterator[dict[str, Future[str]]]:
    """What is played in each run, side by side, by its lane."""
    plays = {"promotion": killed_thrice, "rollback": taken_over, "freeze": frozen}
    with ThreadPoolExecutor(len(plays)) as pool:
        yield {name: pool.submit(lambda play, name: play(opened(name)), play, name) for name, play in plays.items()}


def say(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{told}")


def test_promotion_ends_as_ever_though_operators_are_killed(
    sample: dict[str, Future[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    say(sample["promotion"].result(), capsys)


def test_rollback_is_taken_over_by_the_standby(
    sample: dict[str, Future[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    say(sample["rollback"].result(), capsys)


def test_leader_that_was_stopped_and_wakes_has_no_effect(
    sample: dict[str, Future[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    say(sample["freeze"].result(), capsys)


def points(verdict: str) -> Iterator[tuple[str, ...]]:
    """Where operators are killed: nowhere, after each single write, after one that repeats, and after all in a row."""
    writes = WRITES[verdict]
    yield ()
    yield from ((write,) for write in writes)
    if verdict == "Promoted":
        yield (writes[0] + AGAIN,)
    yield writes


def in_turn(lane: Lane, verdict: str, left: SimpleQueue[tuple[str, ...]]) -> dict[str, str]:
    """Play what is left of the points, and return what came of each."""
    found = {}
    while not left.empty():
        kills = left.get()
        play = lane.bring(verdict)
        try:
            check(lane.play(play, kills), verdict, lane)
            result = "as ever"
        except AssertionError as error:
            lane.operator.kill()
            result = str(error)
        where = f"after all {len(kills)}" if len(kills) > 1 else "".join(kills) or "nowhere"
        found[where] = f"{play.seconds:5.1f} s  {result}"
        print(f"{verdict} {where}: {found[where]}", flush=True)
    return found


@pytest.mark.soak
def test_each_single_write(opened: Opener, capsys: pytest.CaptureFixture[str]) -> None:
    """Side by side: promotions in two namespaces, rollbacks in one, and leaders that are stopped in one more."""
    left: dict[str, SimpleQueue[tuple[str, ...]]] = {verdict: SimpleQueue() for verdict in WRITES}
    for verdict, queue in left.items():
        for kills in points(verdict):
            queue.put(kills)

    def played(name: str, verdict: str) -> dict[str, str]:
        return in_turn(opened(name), verdict, left[verdict])

    with ThreadPoolExecutor(3) as pool:
        lanes = {"promotion-1": "Promoted", "promotion-2": "Promoted", "rollback-1": "RolledBack"}
        futures = [(verdict, pool.submit(played, name, verdict)) for name, verdict in lanes.items()]
    results = [(verdict, where, result) for verdict, future in futures for where, result in future.result().items()]
    say("\n".join(f"{verdict:<10} {where:<55} {result}" for verdict, where, result in results), capsys)
    assert [result for result in results if "as ever" not in result[2]] == []
    assert len(results) == sum(len(list(points(verdict))) for verdict in WRITES)


@pytest.mark.soak
@pytest.mark.parametrize("what", LATE_WRITES)
def test_each_write_that_comes_late(late: Lane, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(frozen(late, what), capsys)


@pytest.fixture(scope="module")
def late(opened: Opener) -> Lane:
    """The lane of leaders that are stopped."""
    return opened("late")
