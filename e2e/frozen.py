"""A leader that is stopped in the middle of its work: another one goes on, then what it wrote arrives, and it wakes."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from e2e.audit import account
from e2e.lane import Lane
from e2e.mortal import Mortal
from e2e.stage import ROLLOUT, poll
from e2e.writes import is_write
from tests.faults.proxy import Fault, Hang, Seen

__all__ = ["Awakening", "wake_up_late"]

_PLUGIN = Path(sys.executable).parent / "kubectl-lossgate"
_SECONDS = 300.0
_SEND_SECONDS = 10.0
_LEASES_READ = 3
"""So often the leader that was asks for its Lease before it is believed to do nothing more."""


@dataclass(frozen=True, slots=True)
class Awakening:
    """What a leader did that was stopped with a write on its way.

    Attributes:
        answer: The HTTP status that its late write was answered.
        wrote: Other writes after it woke.
        before: What was stored before the late write arrived.
        after: What was stored when it had been awake for a while.
        errors: Requests that clients had no answer to.
    """

    answer: int
    wrote: list[str]
    before: list[str]
    after: list[str]
    errors: int


def wake_up_late(lane: Lane, standby: Mortal, path_end: Callable[[Lane], str]) -> Awakening:
    """Stop the leader as soon as it sends its first write of a promotion to a path that ends so; keep that write.

    The standby takes over and ends the promotion; a person goes back to the old version, and the new one gives up its
    pods. Then the write arrives, and the old leader wakes.
    """
    play = lane.bring("Promoted")
    errors = lane.statistics()["errors"]
    keeper = _Keeper(lane.operator, path_end(lane))
    lane.operator.start()
    standby.start()
    write = keeper.wait()
    poll(lambda: lane.is_over(play), _SECONDS, "the other one ends the promotion", lane.explain)
    arguments = ("rollback", ROLLOUT, "-n", lane.stage.namespace, "--yes", "--wait")
    assert lane.stage.cluster.exec([str(_PLUGIN), *arguments]) == 0, lane.explain()
    poll(lambda: lane.is_over(play), _SECONDS, "the old version serves again", lane.explain)
    before, asked = lane.stored(), len(lane.operator.proxy.seen)
    answer = _deliver(lane, write)
    lane.operator.proxy.rule = lambda _: None
    lane.operator.signal(signal.SIGCONT)
    lane.operator.proxy.wait_for(
        lambda seen: seen.number > asked and "/leases/" in seen.path, count=_LEASES_READ, within_seconds=_SECONDS
    )
    wrote = [f"{seen.method} {seen.path}" for seen in lane.operator.proxy.seen[asked:] if is_write(seen)]
    found = Awakening(answer, wrote, before, lane.stored(), lane.statistics()["errors"] - errors)
    lane.operator.kill()
    standby.kill()
    return found


class _Keeper:
    """Stops an operator at a write, in the thread of its proxy."""

    def __init__(self, operator: Mortal, path_end: str) -> None:
        self._operator = operator
        self._path_end = path_end
        self._kept: list[Seen] = []
        self._stopped = threading.Event()
        operator.proxy.rule = self._rule

    def wait(self) -> Seen:
        """Return the write when the operator has stopped."""
        assert self._stopped.wait(_SECONDS), f"no write to {self._path_end}: {self._operator.tail()}"
        return self._kept[0]

    def _rule(self, seen: Seen) -> Fault | None:
        if self._kept or not is_write(seen) or not seen.path.endswith(self._path_end):
            return None
        self._kept.append(seen)
        self._operator.signal(signal.SIGSTOP)
        self._stopped.set()
        return Hang()


def _deliver(lane: Lane, write: Seen) -> int:
    """Let the API server have a write that a network kept, and return the status of its answer."""
    patch = "application/json-patch+json" if write.body.startswith(b"[") else "application/merge-patch+json"
    answer = lane.door.inside(
        requests.request,
        write.method,
        lane.door.url + write.path,
        params=write.query,
        data=write.body,
        headers={
            "Content-Type": patch if write.method == "PATCH" else "application/json",
            "Impersonate-User": account(lane.stage.namespace),
        },
        timeout=_SEND_SECONDS,
    )
    return int(answer.status_code)
