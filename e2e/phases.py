"""A rollout in each phase that there is, put there by its status: nothing has to be lived through."""

from __future__ import annotations

import copy
import time
from datetime import UTC, datetime
from typing import Any

from lossgate.api import names
from lossgate.api.spec import RolloutSpec
from lossgate.rollout.evidence import source_fingerprint
from lossgate.rollout.plausible import SKEW_SECONDS

__all__ = ["PHASES", "is_there", "seed", "spec_of"]

JSON = dict[str, Any]

PHASES = {
    "initializing": "Initializing",
    "healthy": "Healthy",
    "progressing": "Progressing",
    "paused": "Paused",
    "promoting": "Promoting",
    "handing-over": "Promoting",
    "rolling-back": "RollingBack",
    "rolled-back": "RolledBack",
    "kept-for-a-while": "Healthy",
}
"""Names of rollouts, and the phase that each is in."""
_BACK = ("rolling-back", "rolled-back")
_NOBODY = {"name": "nobody", "query": 'nobody_counts_this{revision="$revision"}', "max": 1}
"""A guardrail that cannot be measured: what has been proven waits for it."""


def spec_of(name: str, *, second: bool) -> JSON:
    """Return what the spec of a rollout has beside the usual: of its first version, or of its second one."""
    spec: JSON = {"model": {"version": "v2" if second else "v1"}, "steps": [{"weight": 50}], "scaleDownDelay": "1h"}
    if name in ("initializing", "healthy"):
        spec["model"] = {"version": "v1"}
    if name == "paused":
        spec["paused"] = second
    if name == "promoting":
        spec["guardrails"] = [_NOBODY]
    return spec


def seed(body: JSON, *, on_the_way: bool = False) -> JSON:
    """Return the status that puts a rollout, whose first version serves and whose spec asks for the second, there.

    It stays there for minutes: the delays that would end its phase begin as late as a clock may be ahead. With
    `on_the_way` what is to be rolled back is still to be judged, without a baseline, so that it has pods and no
    request, and what is to be handed over is promoted by order as soon as it has some.
    """
    name: str = body["metadata"]["name"]
    status: JSON = copy.deepcopy(body["status"])
    if name in ("initializing", "healthy"):
        return status
    stable, now, later = status["stable"], _now(), _now(3600)
    target = names.revision_name(name, body["spec"]["template"], body["spec"]["model"]["version"])
    second = {"revision": target, "modelVersion": "v2", "weight": 0}
    if name == "kept-for-a-while":
        return status | {"stable": second | {"weight": 100}, "previous": stable | {"weight": 0}, "scaleDownAt": later}
    is_early = on_the_way and name in (*_BACK, "handing-over")
    weight = 0 if is_early else {"handing-over": 100, "rolling-back": 0, "rolled-back": 0}.get(name, 50)
    source = source_fingerprint(RolloutSpec.model_validate(body["spec"]).loss)
    status |= {
        "phase": "Progressing" if is_early else PHASES[name],
        "since": now,
        "started": now,
        "startedReplicas": 1,
        "stable": stable | {"weight": 100 - weight},
        "canary": second | {"weight": weight},
        "step": {"index": 0, "weight": 50, "began": now},
        "analysis": {"verdict": "NonInferior" if PHASES[name] == "Promoting" else "Continue"},
    }
    if not is_early:
        status["baseline"] = {"mean": 0.3, "variance": 0.7, "labels": 100_000, "source": source}
    if is_early and name == "handing-over":
        status["promoteRequested"] = {"reason": "Requested", "since": now, "message": "without the proof"}
    if name == "paused":
        status["pause"] = {"reason": "Requested", "since": now, "message": "spec.paused is true"}
    if name in ("handing-over", "rolling-back") and not is_early:
        status["settled"] = _now(SKEW_SECONDS - 20)
    if name in _BACK and not is_early:
        status["rolledBack"] = target
    return status


def is_there(body: JSON) -> bool:
    """Return whether a rollout is in its phase and stays there."""
    name, status = body["metadata"]["name"], body.get("status", {})
    key = {"handing-over": "settled", "rolling-back": "settled", "kept-for-a-while": "scaleDownAt"}.get(name)
    return status.get("phase") == PHASES[name] and (key is None or status.get(key, "") > _now())


def _now(later_seconds: float = 0.0) -> str:
    return datetime.fromtimestamp(time.time() + later_seconds, UTC).isoformat().replace("+00:00", "Z")
