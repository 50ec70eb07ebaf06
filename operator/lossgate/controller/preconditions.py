"""What must still be so when a write arrives: a decision is carried out on what it was made on, or not at all.

A leader may be frozen between its decision and the write, or with the write in its socket, and wake when another has
long gone on. So every write of a child names the child as the decision saw it, and the API server refuses it when that
child is another by now:

- a Deployment by `uid` and `generation`. Its resourceVersion moves with every pod that becomes ready, and a write would
  be refused for nothing; its generation moves with the spec and the annotations only, and never back. Scaled up and
  down again it has the same size but another generation: what was written back (ABA) does not pass for untouched.
- a Service and an HTTPRoute by `resourceVersion`, which is never the same for two contents or two objects of one name.
  A Service hardly ever changes; a gateway changes a route's status, within a moment of our own write, and the turn is
  then taken again at once.
- what is deleted by `uid` and `resourceVersion`: nothing is gained by deleting in haste.

A child that the next leader left alone is the same still; see `takeover` for how that is closed. Creating needs no
condition: the name is the condition, and what is there already is looked at, never overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Body = Mapping[str, Any]
Seen = Mapping[tuple[str, str], Body]
"""Children by kind and name, as the decision saw them."""


def size(deployment: Body, replicas: int, progress_deadline_seconds: int) -> list[dict[str, Any]]:
    """Return the JSON patch that sizes a Deployment, if it is still asked for what it was when it was seen."""
    metadata = deployment["metadata"]
    return [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "test", "path": "/metadata/generation", "value": metadata["generation"]},
        {"op": "add", "path": "/spec/replicas", "value": replicas},
        {"op": "add", "path": "/spec/progressDeadlineSeconds", "value": progress_deadline_seconds},
    ]


def spec(child: Body, changes: Body) -> dict[str, Any]:
    """Return the merge patch that changes a child's spec, if nobody wrote it since it was seen."""
    return {"metadata": {"resourceVersion": child["metadata"]["resourceVersion"]}, "spec": changes}


def deletion(child: Body) -> dict[str, str]:
    """Return the preconditions under which a child is deleted."""
    return {"uid": child["metadata"]["uid"], "resourceVersion": child["metadata"]["resourceVersion"]}


def is_as_seen(kind: str, present: Body, seen: Body | None) -> bool:
    """Return whether a child fulfils the condition of a write decided on `seen`: a refusal has another cause then."""
    fields = ("uid", "generation") if kind == "Deployment" else ("uid", "resourceVersion")
    return seen is not None and all(present["metadata"].get(name) == seen["metadata"].get(name) for name in fields)
