"""Somebody else scales a Deployment of ours: set back a few times, then said and left until a pause is over."""

from __future__ import annotations

from collections.abc import Mapping

from lossgate.api.names import Revision
from lossgate.api.reasons import Reason
from lossgate.api.status import Contest, Version
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import Obstacle

MAX_FOREIGN_CHANGES = 3
WINDOW_SECONDS = 600.0


def watch(draft: Draft, wanted: Mapping[Revision, int]) -> None:
    """Count the sizes that were in force, are still wanted, and are no longer seen: nobody but us may change them."""
    contest = draft.status.contest
    if contest is not None and draft.now >= contest.since + WINDOW_SECONDS:
        contest = None
    judged: set[str] = set()
    for field in ("stable", "canary", "previous"):
        version: Version | None = getattr(draft.status, field)
        seen = draft.snapshot.deployment(version.revision) if version else None
        if version is None or seen is None or version.revision in judged:
            continue
        judged.add(version.revision)
        size = wanted.get(Revision(version.revision))
        if seen.replicas == size:
            settled: int | None = size
        else:
            settled = None
            if version.settled_replicas is not None and version.settled_replicas == size:
                contest = _count(draft, contest, version.revision, size, seen.replicas)
        if settled != version.settled_replicas:
            draft.set(**{field: version.model_copy(update={"settled_replicas": settled})})
    draft.set(contest=contest)


def _count(draft: Draft, contest: Contest | None, revision: str, ours: int, theirs: int) -> Contest:
    if contest is None or contest.revision != revision:
        return Contest(revision=revision, since=draft.now, times=1, ours=ours, theirs=theirs)
    return contest.model_copy(update={"times": contest.times + 1, "ours": ours, "theirs": theirs})


def is_left_alone(draft: Draft, revision: str, replicas: int) -> bool:
    """Return whether setting this size again would only go on with a fight; another size is still set."""
    contest = draft.status.contest
    return (
        contest is not None
        and contest.times > MAX_FOREIGN_CHANGES
        and (contest.revision, contest.ours) == (revision, replicas)
    )


def obstacle(draft: Draft) -> Obstacle | None:
    """Return what a person must do about a fight, or None if there is none."""
    contest = draft.status.contest
    if contest is None or contest.times <= MAX_FOREIGN_CHANGES:
        return None
    return Obstacle(
        Reason.BACKEND_CONFLICT,
        f"Something else scales Deployment {contest.revision} ({contest.ours} -> {contest.theirs} pods, "
        f"{contest.times} times within {WINDOW_SECONDS / 60:.0f} minutes). Point the autoscaler at the ModelRollout, "
        "which has a scale subresource, instead of the Deployment; until then its size is set back only now and then.",
    )
