"""Which Deployments of earlier revisions stay, without pods, so that going back to one needs no new one."""

from __future__ import annotations

from collections.abc import Iterator

from lossgate.api.names import Revision
from lossgate.api.reasons import Phase
from lossgate.api.status import RetiredRevision, RolloutStatus, Version
from lossgate.rollout.draft import Draft

MAX_REMEMBERED = 20
"""As many as `revisionHistoryLimit` can keep."""

_IN_FLIGHT = (Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK)


def in_use(status: RolloutStatus) -> dict[str, Version]:
    """Return the versions that serve or are on their way in or out, by revision."""
    versions = [status.stable, status.canary if status.phase in _IN_FLIGHT else None]
    return {version.revision: version for version in versions if version is not None}


def note(draft: Draft) -> None:
    """Put what went out of use with this decision at the head of the list, and take off what came back."""
    before, now = in_use(draft.snapshot.status), in_use(draft.status)
    gone = [before[revision] for revision in before if revision not in now]
    entries = [
        RetiredRevision(revision=version.revision, model_version=version.model_version, last_used=draft.now)
        for version in gone
    ]
    named = {entry.revision for entry in entries} | set(now)
    rest = [entry for entry in draft.status.retired if entry.revision not in named]
    most = min(MAX_REMEMBERED, draft.snapshot.spec.revision_history_limit + 1)
    draft.set(retired=tuple([*entries, *rest][:most]))


def kept(draft: Draft) -> set[Revision]:
    """Return the revisions whose Deployments stay: what the status names, and the newest of the rest."""
    status = draft.status
    named = [version.revision for version in (status.stable, status.canary, status.previous) if version is not None]
    newest = [*_by_last_use(draft)][: draft.snapshot.spec.revision_history_limit]
    return {Revision(revision) for revision in (*named, *newest)}


def _by_last_use(draft: Draft) -> Iterator[str]:
    """Deployments out of use, newest first; one that the status does not remember is the oldest of all."""
    used, seen = in_use(draft.status), draft.snapshot.deployments
    remembered = [entry.revision for entry in draft.status.retired]
    yield from (revision for revision in remembered if revision in seen and revision not in used)
    yield from (revision for revision in sorted(seen) if revision not in used and revision not in remembered)
