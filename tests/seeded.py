"""Statuses one look before a verdict, judged by the real engine: 80 looks need not be lived through.

Bring a canary to Progressing at the weight of its step, hand the ModelRollout as stored to one of these, and write what
comes back as its status: the next look brings the verdict. Both take any body with `metadata`, `spec` and `status`.
"""

from __future__ import annotations

import copy
import math
import random
from typing import Any

from lossgate.api.names import Revision
from lossgate.api.reasons import Phase
from lossgate.api.spec import RolloutSpec
from lossgate.api.status import BaselineStatus, RolloutStatus
from lossgate.rollout import evidence
from lossgate.rollout.decide import decide
from lossgate.rollout.decision import Decision
from lossgate.rollout.snapshot import ArmSample, DeploymentSeen, LookSeen, LooksSeen, RouteSeen, ServiceSeen, Snapshot
from lossgate.stats.config import MIN_LOOKS_HARM, MIN_LOOKS_SAFE

Manifest = dict[str, Any]

STABLE_LOSS = 0.30
HARMFUL_LOSS = 0.345
"""Beyond the margin of 5 % and below what the early guard looks for, so that it takes all looks."""
VARIANCE = 0.7
"""Of the loss of one label."""
LABELS_PER_LOOK = 8000.0
"""Of both versions together: enough that the last thing missing is the number of looks."""


def before_promotion(
    rollout: Manifest, *, last_end: float, canary_loss: float = STABLE_LOSS, seed: int = 1
) -> Manifest:
    """Return the status with 79 looks of a canary that is no worse: with one more its step may be left.

    In the last step that is the promotion. `last_end` is where the last of them ends (Unix seconds), moved back to the
    grid; the next one ends an interval later.
    """
    return _seeded(rollout, MIN_LOOKS_SAFE - 1, last_end, canary_loss, seed)


def before_harm(rollout: Manifest, *, last_end: float, canary_loss: float = HARMFUL_LOSS, seed: int = 1) -> Manifest:
    """Return the status with 39 looks of a canary that is worse: one more and it is rolled back."""
    return _seeded(rollout, MIN_LOOKS_HARM - 1, last_end, canary_loss, seed)


def _seeded(rollout: Manifest, looks: int, last_end: float, canary_loss: float, seed: int) -> Manifest:
    spec = RolloutSpec.model_validate(rollout["spec"])
    status = _at_its_beginning(RolloutStatus.model_validate(rollout["status"]), spec, looks, last_end)
    drawn = _draw(status, spec, looks + 1, last_end, canary_loss, random.Random(seed))
    before = _decided(rollout, spec, status, drawn[:-1])
    assert before.status.phase is Phase.PROGRESSING
    assert before.status.step is not None
    assert (before.status.step.looks, before.status.step.index) == (looks, status.step.index if status.step else 0)
    after = _decided(rollout, spec, before.status, drawn[-1:])
    assert (after.status.phase, after.status.step) != (Phase.PROGRESSING, before.status.step)
    assert after.status.analysis is None or after.status.analysis.verdict in ("Harm", "NonInferior", "Continue")
    analysis, step = before.status.analysis, before.status.step
    seeded = status.model_copy(update={"analysis": analysis, "step": step, "baseline": status.baseline})
    merged: Manifest = copy.deepcopy(rollout["status"]) | seeded.to_manifest()
    return merged


def _at_its_beginning(status: RolloutStatus, spec: RolloutSpec, looks: int, last_end: float) -> RolloutStatus:
    """Return the status without evidence, in a step whose first look is so many looks before the last one."""
    assert status.step is not None, "no canary is in a traffic step"
    assert status.canary is not None
    assert status.canary.weight == status.step.weight, "the canary's weight is not yet that of its step"
    interval = spec.loss.interval_seconds
    since = math.floor(last_end / interval) * interval - (looks + 1) * interval
    baseline = status.baseline or BaselineStatus(
        mean=STABLE_LOSS, variance=VARIANCE, labels=100_000, source=evidence.source_fingerprint(spec.loss)
    )
    times = {"began": since - 1.0, "since": since, "in_force": since, "looks": 0, "unready_since": None}
    route = status.route.model_copy(update={"since": since}) if status.route is not None else None
    return status.model_copy(
        update={
            "analysis": None,
            "baseline": baseline,
            "route": route,
            "started": min(status.started or since, since - 2.0),
            "step": status.step.model_copy(update=times),
        }
    )


def _draw(
    status: RolloutStatus, spec: RolloutSpec, count: int, last_end: float, canary_loss: float, noise: random.Random
) -> list[LookSeen]:
    assert status.baseline is not None
    assert status.step is not None
    interval, share = spec.loss.interval_seconds, status.step.weight / 100
    last = math.floor(last_end / interval) * interval

    def arm(n: float, mean: float) -> ArmSample:
        total = n * mean + noise.gauss(0.0, math.sqrt(VARIANCE * n))
        return ArmSample(n, total, n * (VARIANCE + mean**2), n)

    return [
        LookSeen(
            last + (index - count + 2) * interval,
            arm(LABELS_PER_LOOK * (1 - share), status.baseline.mean),
            arm(LABELS_PER_LOOK * share, canary_loss),
        )
        for index in range(count)
    ]


def _decided(rollout: Manifest, spec: RolloutSpec, status: RolloutStatus, looks: list[LookSeen]) -> Decision:
    """Return what the operator makes of looks, where everything is as the status has it."""
    name, stable, canary = rollout["metadata"]["name"], status.stable, status.canary
    assert stable is not None
    assert canary is not None
    ready = {Revision(one.revision): max(one.ready_replicas, one.replicas, 1) for one in (stable, canary)}
    route = status.route
    snapshot = Snapshot(
        name=name,
        namespace=rollout["metadata"]["namespace"],
        generation=rollout["metadata"].get("generation", status.observed_generation),
        spec=spec,
        status=status,
        deployments={revision: DeploymentSeen(revision, n, n, n) for revision, n in ready.items()},
        stable_service=_service(stable.revision, ready),
        canary_service=_service(canary.revision, ready),
        route=RouteSeen(
            100 - canary.weight,
            canary.weight,
            as_specified=True,
            accepted=True,
            uid=route.uid if route else "",
            generation=route.generation if route else 0,
        ),
        measurement=LooksSeen(tuple(looks)),
    )
    return decide(snapshot, looks[-1].end + spec.loss.settle_seconds)


def _service(revision: str, ready: dict[Revision, int]) -> ServiceSeen:
    return ServiceSeen(Revision(revision), ready={Revision(revision): ready[Revision(revision)]})
