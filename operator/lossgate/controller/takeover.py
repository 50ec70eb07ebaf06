"""Makes void what the leader before may still write, where it did not hand its Lease back.

It may be frozen with a write under way, and wake at any time. That write names the child as it was (`preconditions`),
and would still be carried out on a child that nobody touched since: pods of a version that must serve again would go,
a canary that was aborted would get its share. No request of ours can be made to depend on the Lease. So a leader that
took over touches every child once, before it decides anything: what the other saw is there no longer, and what it wrote
before is seen. The status says who took over; that is written with the first decision, on what was touched.

A user's HTTPRoute carries no mark of ours. Where weights were decided and are not in force, a write of them may be on
its way; the ones that stay are then written ten times as large, which sends requests just as before, and set back in
the next turn (`rollout.succession`). Two things remain: a Deployment that the other still creates brings pods without
requests, and goes as a leftover in the next turn; and a child that the watch does not show yet is touched by nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lossgate.api import names
from lossgate.controller.kube import Kube, KubeError

Body = Mapping[str, Any]


async def touch(
    kube: Kube, namespace: str, children: Iterable[tuple[str, Body]], term: str, wrote: Callable[[Body], None]
) -> None:
    """Mark children, given by kind, as seen by the leader of this term.

    Raises:
        KubeError: One of them could not be marked; nothing may be decided yet.
    """
    for kind, body in children:
        metadata = body["metadata"]
        if (metadata.get("annotations") or {}).get(names.ANNOTATION_TAKEN_OVER) == term:
            continue
        mark = {"metadata": {"annotations": {names.ANNOTATION_TAKEN_OVER: term}}}
        try:
            wrote(await kube.patch(kind, namespace, metadata["name"], mark))
        except KubeError as error:
            if error.status != 404:
                raise
