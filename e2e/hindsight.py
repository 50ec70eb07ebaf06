"""The same looks judged again in one go, by a judge whom nobody killed: what the evidence must be to the last bit."""

from __future__ import annotations

import asyncio
from typing import Any

from kubernetes.aio import client

from e2e.door import Door
from e2e.mortal import prometheus_url
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import Analysis, RolloutStatus
from lossgate.controller.access import Accesses
from lossgate.controller.children import Children
from lossgate.controller.kube import Kube
from lossgate.controller.observe import Observer
from lossgate.controller.references import References
from lossgate.controller.settings import Settings
from lossgate.measure.prometheus import PrometheusSource
from lossgate.rollout import evidence
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import Snapshot
from lossgate.stats import unpack

__all__ = ["judged_again", "last_end"]

JSON = dict[str, Any]


def last_end(status: JSON) -> float:
    """Return where the last look in the evidence of a status ends (Unix seconds)."""
    end = unpack(status["analysis"]["state"]).last_end
    assert end is not None, "no look has been taken"
    return end


def judged_again(door: Door, before: JSON, after: JSON) -> Analysis:
    """Return the evidence that the ModelRollout `before` and the looks taken since, up to those of `after`, add up to.

    Prometheus is asked for all of them in one query.
    """
    return door.inside(asyncio.run, _judge(door, before, last_end(after["status"])))


async def _judge(door: Door, before: JSON, end: float) -> Analysis:
    metadata = before["metadata"]
    spec = RolloutSpec.model_validate(before["spec"])
    snapshot = Snapshot(
        name=metadata["name"],
        namespace=metadata["namespace"],
        generation=metadata["generation"],
        spec=spec,
        status=RolloutStatus.model_validate(before["status"]),
    )
    now = end + spec.loss.settle_seconds
    settings = Settings(metadata["namespace"], "hindsight", prometheus_url=prometheus_url(door))
    nobody = References(Kube(client.ApiClient(client.Configuration()), lambda *_: None))
    source = PrometheusSource()
    try:
        measurement = await Observer(Children({}), source, settings, Accesses(settings, nobody)).measure(snapshot, now)
    finally:
        await source.close()
    assert measurement is not None, "no look was taken"
    draft = Draft(snapshot.measured(measurement), now)
    evidence.take_in(draft)
    return draft.analysis
