"""Which version serves, read off the cluster and the past, for a status that does not say it any more."""

from __future__ import annotations

from lossgate.api.status import Version
from lossgate.rollout.snapshot import Snapshot


def version(snapshot: Snapshot) -> Version | None:
    """Return the version that serves, or None if that cannot be known.

    What the Service selects serves. Failing that, what was promoted last, if it is still there; failing that, the only
    revision with ready pods.
    """
    service, promoted = snapshot.stable_service, [e.revision for e in snapshot.status.history if e.result == "Promoted"]
    ready = [revision for revision in snapshot.deployments if snapshot.ready(revision) > 0]
    if service is not None and snapshot.deployment(service.revision) is not None:
        found = str(service.revision)
    elif promoted and snapshot.deployment(promoted[-1]) is not None:
        found = promoted[-1]
    elif len(ready) == 1:
        found = ready[0]
    else:
        return None
    return Version(revision=found, model_version=_model_version(snapshot, found), weight=100)


def _model_version(snapshot: Snapshot, revision: str) -> str:
    """Return the name that people know it by, as far as anything tells."""
    seen = snapshot.deployment(revision)
    return (seen.model_version if seen else "") or revision
