"""Which looks are due: arithmetic on the grid `k * interval`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lossgate.api.reasons import Phase
from lossgate.api.spec import Loss
from lossgate.api.status import RolloutStatus
from lossgate.rollout.snapshot import Snapshot
from lossgate.stats import unpack

MAX_LOOKS_A_QUERY = 300
"""A longer backlog (an operator that was away) is caught up in several queries."""


@dataclass(frozen=True, slots=True)
class HistoryWanted:
    """The stable version's history is needed for the baseline."""


@dataclass(frozen=True, slots=True)
class LooksWanted:
    """The looks that end at `first_end, first_end + interval, ..., last_end` (Unix seconds) are due."""

    first_end: float
    last_end: float


def wanted(snapshot: Snapshot, now: float) -> HistoryWanted | LooksWanted | None:
    """Return what has to be measured before the next decision, or None."""
    status = snapshot.status
    if not is_analysing(status) or status.canary is None or snapshot.target != status.canary.revision:
        return None  # Of a canary that is not asked for any more nothing is to be found out: it goes at once.
    if status.baseline is None:
        return HistoryWanted()
    first = next_end(status, snapshot.spec.loss)
    if first is None:
        return None
    interval = snapshot.spec.loss.interval_seconds
    last = math.floor((now - snapshot.spec.loss.settle_seconds) / interval) * interval
    last = min(last, first + (MAX_LOOKS_A_QUERY - 1) * interval)
    return LooksWanted(first, last) if last >= first else None


def is_analysing(status: RolloutStatus) -> bool:
    """Return whether both versions get traffic, or will, so that evidence is gathered."""
    if status.skipped is not None:
        return False
    if status.phase is Phase.PROMOTING:
        return status.canary is not None and status.canary.weight < 100
    return status.phase in (Phase.PROGRESSING, Phase.PAUSED)


def next_end(status: RolloutStatus, loss: Loss) -> float | None:
    """Return the end of the next look (Unix seconds), or None while the weights of the step are not in force.

    The first look of a step begins one interval (at least one scrape) after the route was accepted at the step's
    weight, so that no look straddles a change of weight. Where the interval was edited, the first look on the new grid
    begins where the last one on the old grid ended, or later: nothing is counted twice.
    """
    if status.step is None or status.step.since is None:
        return None
    interval = loss.interval_seconds
    first = first_begin(status.step.since, loss) + interval
    states = (status.analysis.state, status.analysis.pause_state) if status.analysis else ()
    last_ends = [end for end in map(_last_end, states) if end is not None]
    return max([first, *(math.ceil(end / interval) * interval + interval for end in last_ends)])


def is_out_of_reach(status: RolloutStatus, loss: Loss, now: float) -> bool:
    """Return whether the next look lies further ahead than any can: the clock went back, or one before was ahead."""
    end = next_end(status, loss)
    return end is not None and end > now + 4 * loss.interval_seconds


def first_begin(since: float, loss: Loss) -> float:
    """Return where the first look of a step begins, whose weights are in force `since` then (Unix seconds)."""
    return math.ceil((since + loss.interval_seconds) / loss.interval_seconds) * loss.interval_seconds


def _last_end(state: str | None) -> float | None:
    """Evidence that cannot be read is gathered anew, from the first look of the step."""
    if state is None:
        return None
    try:
        return unpack(state).last_end
    except ValueError:
        return None
