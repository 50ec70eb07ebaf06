"""What must be changed so that the world is as the status says, in an order that never sends a request into nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lossgate.api import names
from lossgate.api.names import Revision
from lossgate.api.reasons import Phase
from lossgate.rollout import contest, promotion, readiness, retention, rollback, routes, skip
from lossgate.rollout.decision import (
    CreateDeployment,
    DeleteDeployment,
    PointService,
    ScaleDeployment,
    SetWeights,
    Write,
)
from lossgate.rollout.draft import Draft
from lossgate.stats import Verdict


def writes(draft: Draft) -> tuple[Write, ...]:
    """Return the writes still missing, in order.

    Weight 0 goes first, alone among its peers: nothing may delay it but what it leads to. Then pods, Services and the
    route, so that what a later write names exists; what is no longer needed goes last.
    """
    weights = list(_weights(draft))
    to_safety = draft.status.phase is Phase.ROLLING_BACK or (
        draft.status.canary is not None and draft.canary.weight == 0
    )
    services = list(_services(draft))
    if not to_safety or draft.snapshot.route is None:
        return (*_pods(draft), *services, *weights, *_leftovers(draft))
    back = [write for write in services if _leads_name_back(draft, write)]
    others = [write for write in services if write not in back]
    return (*back, *weights, *_pods(draft), *others, *_leftovers(draft))


def wanted_replicas(draft: Draft) -> dict[Revision, int]:
    """Return the pods that each revision must have; revisions that are kept without pods have 0."""
    snapshot, status = draft.snapshot, draft.status
    wanted: dict[Revision, int] = {}
    if status.previous is not None:
        seen = snapshot.deployment(status.previous.revision)
        keep = seen.replicas if seen and status.scale_down_at is not None else 0
        wanted[Revision(status.previous.revision)] = keep
    if status.stable is not None:
        wanted[Revision(status.stable.revision)] = _stable_replicas(draft)
    if status.canary is not None:
        canary = Revision(status.canary.revision)
        # The previous version may be the canary as well: tried again, or left by order of a person.
        wanted[canary] = max(_canary_replicas(draft), wanted.get(canary, 0))
    return wanted


def _stable_replicas(draft: Draft) -> int:
    """While everything is on its way to the new version, the old one keeps what it has."""
    seen = draft.snapshot.deployment(draft.stable.revision)
    if promotion.hands_over(draft) and seen is not None:
        return max(seen.replicas, draft.snapshot.replicas)
    return draft.snapshot.replicas


def _canary_replicas(draft: Draft) -> int:
    snapshot, status = draft.snapshot, draft.status
    seen = snapshot.deployment(draft.canary.revision)
    has = seen.replicas if seen else 0
    if status.phase is Phase.PROMOTING and snapshot.replicas == 0 and not promotion.is_committed(draft):
        return 0
    if promotion.hands_over(draft):
        return max(promotion.full_size(draft), has if promotion.is_committed(draft) else 0)
    match status.phase:
        case Phase.ROLLING_BACK:
            return has
        case Phase.PROGRESSING | Phase.PAUSED:
            if snapshot.replicas == 0:
                return 0
            needed = readiness.pods_for(draft, _weight_to_prepare(draft))
            serving = draft.canary.weight > draft.step.weight or status.phase is Phase.PAUSED
            return max(needed, has) if serving or _is_still_loaded(draft) else needed
        case _:
            return 0


def _is_still_loaded(draft: Draft) -> bool:
    """A version that comes back soon after it was replaced keeps its pods as long as it would have kept them anyway."""
    previous, status = draft.status.previous, draft.status
    return previous is not None and previous.revision == draft.canary.revision and status.scale_down_at is not None


def _weight_to_prepare(draft: Draft) -> int:
    """A step that was passed is left when the pods for the next one are ready, so they are asked for before."""
    steps, index = draft.snapshot.spec.steps, draft.step.index
    may_leave = draft.analysis.verdict == Verdict.NON_INFERIOR or skip.has_dwelt(draft)
    is_passed = draft.status.phase is Phase.PROGRESSING and may_leave and readiness.is_long_enough(draft)
    return steps[index + 1].weight if is_passed and index + 1 < len(steps) else draft.step.weight


def _pods(draft: Draft) -> Iterator[Write]:
    snapshot, target = draft.snapshot, draft.snapshot.target
    for revision, replicas in wanted_replicas(draft).items():
        seen = snapshot.deployment(revision)
        if seen is None:
            if revision == target and (replicas > 0 or revision == draft.stable.revision):
                yield CreateDeployment(revision, replicas)
        elif seen.replicas != replicas:
            if not contest.is_left_alone(draft, revision, replicas):
                yield ScaleDeployment(revision, replicas)
        elif replicas > 0 and seen.progress_deadline_seconds not in (None, snapshot.spec.progress_deadline_seconds):
            yield ScaleDeployment(revision, replicas)


def _services(draft: Draft) -> Iterator[PointService]:
    """Services exist before a route names them; the stable one moves when all requests are on the new version.

    While no canary is tried, its Service leads to the stable version: a tool that resets the weights of a route, often
    to halves, loses no request.
    """
    snapshot, status = draft.snapshot, draft.status
    if status.stable is None:
        return
    seen = snapshot.stable_service
    stable = _revision_behind_name(draft)
    if seen is None or seen.revision != stable or not seen.as_specified:
        yield PointService(names.stable_service(snapshot.name), stable)
    seen = snapshot.canary_service
    is_tried = status.canary is not None and status.phase is not Phase.ROLLED_BACK
    canary = Revision(draft.canary.revision if is_tried else status.stable.revision)
    if seen is not None and seen.revision is not None and not _canary_backend_is_idle(draft):
        canary = seen.revision
    if seen is None or seen.revision != canary or not seen.as_specified:
        yield PointService(names.canary_service(snapshot.name), canary)


def _leads_name_back(draft: Draft, write: PointService) -> bool:
    """Requests come back to the stable Service from a promotion that failed: it must select the stable version then."""
    seen = draft.snapshot.stable_service
    is_name = write.service == names.stable_service(draft.snapshot.name)
    return is_name and seen is not None and seen.revision != write.revision


def _revision_behind_name(draft: Draft) -> Revision:
    """The Service with the rollout's own name leads to the new version once all requests are there already."""
    handing_over = promotion.hands_over(draft) and promotion.is_committed(draft)
    if not handing_over:
        return Revision(draft.stable.revision)
    seen, new = draft.snapshot.stable_service, Revision(draft.canary.revision)
    moved = seen is not None and seen.revision == new
    return new if moved or rollback.routed(draft, canary_weight=100) else Revision(draft.stable.revision)


def _canary_backend_is_idle(draft: Draft) -> bool:
    """The canary's Service must not change what it selects while a gateway may still send requests to it."""
    route = draft.snapshot.route
    if route is None:
        return draft.snapshot.route_fault is None
    return route.canary_weight == 0 and route.accepted


def _weights(draft: Draft) -> Iterator[Write]:
    snapshot, status = draft.snapshot, draft.status
    if status.stable is None:
        return
    canary = status.canary.weight if status.canary else 0
    route = snapshot.route
    if (
        route is not None
        and route.as_specified
        and (route.stable_weight, route.canary_weight) == (100 - canary, canary)
    ):
        return
    has_stable_pods = snapshot.ready(status.stable.revision) > 0
    to_canary = route is not None and canary > route.canary_weight
    if to_canary and snapshot.ready(draft.canary.revision) == 0:
        return  # decided while it had pods, and not written then
    away_from_canary = route is not None and canary < route.canary_weight
    if away_from_canary and not has_stable_pods and snapshot.replicas > 0:
        return
    if not routes.may_write(draft, canary):
        return
    yield SetWeights(100 - canary, canary)


def _leftovers(draft: Draft) -> Iterator[Write]:
    wanted, kept = wanted_replicas(draft), retention.kept(draft)
    route = draft.snapshot.route
    idle = route is not None and route.accepted and route.canary_weight == 0
    for revision, seen in draft.snapshot.deployments.items():
        if revision in wanted or not idle:
            continue
        if revision not in kept:
            yield DeleteDeployment(revision)
        elif seen.replicas > 0:
            yield ScaleDeployment(revision, 0)
