"""Guards the route: whose change of its weights it was, and whether the split can be trusted and written to."""

from __future__ import annotations

from lossgate.api.quantities import format_duration
from lossgate.api.reasons import EventReason, Reason
from lossgate.api.status import RouteStatus
from lossgate.rollout import rollback
from lossgate.rollout.draft import Draft
from lossgate.rollout.snapshot import Obstacle, RouteSeen

MAX_REVERTS = 3
"""More than this many within the window, and writing back has become a quarrel that only a person can end."""
REVERT_WINDOW_SECONDS = 600.0
CALM_SECONDS = 120.0
"""A contested route that was as decided for so long is no longer contested."""
WRITE_INTERVAL_SECONDS = 15.0
"""While contested, the canary's share is taken back at most once in so long."""
REFUSAL_SECONDS = 15.0
"""A gateway may refuse a route for moments, until it knows of a Service that was just created."""


def follow(draft: Draft) -> None:
    """Take note of whether the weights are as decided; if somebody else changed them, count it and drop the looks."""
    if draft.status.stable is None:
        return
    route, before = draft.snapshot.route, draft.status.route or RouteStatus()
    decided = draft.status.canary.weight if draft.status.canary else 0
    if route is not None and (route.stable_weight, route.canary_weight) == (100 - decided, decided):
        _note_in_place(draft, before, route, decided)
    else:
        _note_elsewhere(draft, before, route, decided)
    _end_contest(draft)
    if not is_trusted(draft):
        _drop_looks(draft)


def is_trusted(draft: Draft) -> bool:
    """Return whether the route splits the requests as far as can be told: no step is left, no share rises without."""
    route, guarded = draft.snapshot.route, draft.status.route
    return (
        route is not None
        and route.refused_since is None
        and draft.snapshot.route_fault is None
        and (guarded is None or guarded.contested is None)
    )


def restart_looks(draft: Draft) -> None:
    """Let looks begin, or begin again, once the weights of the step are in force."""
    step = draft.step
    in_force = is_trusted(draft) and rollback.routed(draft, step.weight)
    if step.since is None and draft.canary.weight == step.weight and in_force:
        draft.set(step=step.model_copy(update={"since": draft.now, "in_force": step.in_force or draft.now}))


def permit(draft: Draft) -> None:
    """Decide whether the route may be written to while it is contested: only to take the canary's share back."""
    guarded, route = draft.status.route, draft.snapshot.route
    if guarded is None or guarded.contested is None or route is None:
        return
    decided = draft.status.canary.weight if draft.status.canary else 0
    if decided < route.canary_weight and draft.now >= (guarded.written or 0.0) + WRITE_INTERVAL_SECONDS:
        draft.set(route=guarded.model_copy(update={"written": draft.now}))


def may_write(draft: Draft, canary_weight: int) -> bool:
    """Return whether these weights may be written now."""
    route, guarded = draft.snapshot.route, draft.status.route
    if draft.snapshot.route_fault is not None:
        return route is not None and canary_weight < route.canary_weight
    return guarded is None or guarded.contested is None or guarded.written == draft.now


def obstacle(draft: Draft) -> Obstacle | None:
    """Return why the route needs a person, if it does."""
    route, guarded = draft.snapshot.route, draft.status.route
    if draft.snapshot.route_fault is not None:
        return draft.snapshot.route_fault
    if guarded is not None and guarded.contested is not None:
        return Obstacle(Reason.ROUTE_CONTESTED, _quarrel(route))
    if route is not None and route.refused_since is not None and draft.now >= route.refused_since + REFUSAL_SECONDS:
        return Obstacle(
            Reason.ROUTE_NOT_FOUND, f"A gateway refuses the HTTPRoute: {route.message}. Mend the route or the gateway."
        )
    return None


def due(draft: Draft) -> float | None:
    """Return when (Unix seconds) time alone changes what this module says, or None."""
    route, guarded = draft.snapshot.route, draft.status.route
    times = []
    if guarded is not None and guarded.contested is not None:
        times.append(_calm_at(guarded))
        if guarded.written is not None and guarded.since is None:
            times.append(guarded.written + WRITE_INTERVAL_SECONDS)
    if route is not None and route.refused_since is not None:
        times.append(route.refused_since + REFUSAL_SECONDS)
    return min((time for time in times if time > draft.now), default=None)


def _note_in_place(draft: Draft, before: RouteStatus, route: RouteSeen, decided: int) -> None:
    seen = (route.uid, route.generation, decided)
    if before.since is not None and (before.uid, before.generation, before.weight) == seen:
        return
    if before.since is not None and (before.uid, before.weight) == (route.uid, decided):
        _drop_looks(draft)  # edited: whether its weights were others in between cannot be told
    uid, generation, weight = seen
    since = draft.now if before.since is None or before.weight != decided else before.since
    changes = {"uid": uid, "generation": generation, "weight": weight, "since": since}
    draft.set(route=before.model_copy(update=changes))


def _note_elsewhere(draft: Draft, before: RouteStatus, route: RouteSeen | None, decided: int) -> None:
    _drop_looks(draft)
    if before.since is None:
        return
    guarded = before.model_copy(update={"since": None})
    is_later = route is not None and route.uid == before.uid and route.generation > before.generation
    if route is not None and is_later and before.weight == decided:
        guarded = _count(draft, guarded, route, decided)
    draft.set(route=guarded)


def _count(draft: Draft, guarded: RouteStatus, route: RouteSeen, decided: int) -> RouteStatus:
    """Count a change of the weights by somebody else, of which there can be no second before they were as decided."""
    recent = (time for time in guarded.reverts if time > draft.now - REVERT_WINDOW_SECONDS)
    reverts = (*recent, draft.now)[-(MAX_REVERTS + 1) :]
    contested = guarded.contested
    if len(reverts) > MAX_REVERTS and contested is None:
        contested = draft.now
    if contested is None:
        draft.tell(
            EventReason.WEIGHT_RESTORED,
            f"{route.changed_by or 'Somebody'} set the route's weights to {route.stable_weight}/{route.canary_weight}; "
            f"they are set back to {100 - decided}/{decided} "
            f"({len(reverts)} of {MAX_REVERTS} times in {format_duration(REVERT_WINDOW_SECONDS)}).",
            warning=True,
        )
    return guarded.model_copy(update={"reverts": reverts, "contested": contested})


def _end_contest(draft: Draft) -> None:
    guarded = draft.status.route
    if guarded is not None and guarded.contested is not None and draft.now >= _calm_at(guarded):
        draft.set(route=guarded.model_copy(update={"contested": None, "reverts": (), "written": None}))


def _calm_at(guarded: RouteStatus) -> float:
    quiet = max(guarded.reverts, default=0.0) + REVERT_WINDOW_SECONDS
    return quiet if guarded.since is None else min(quiet, guarded.since + CALM_SECONDS)


def _quarrel(route: RouteSeen | None) -> str:
    whose = route.changed_by if route is not None and route.changed_by else "somebody the API server does not name"
    return (
        f"The route's weights were set otherwise more than {MAX_REVERTS} times within "
        f"{format_duration(REVERT_WINDOW_SECONDS)}, last by {whose}. They are not written back until that has been "
        f"quiet for {format_duration(REVERT_WINDOW_SECONDS)}, except to take the canary's share back. Make that tool "
        "leave the weights of the two Services alone."
    )


def _drop_looks(draft: Draft) -> None:
    """Looks begin again when the weights are in force; what was measured now may cover a time when they were not."""
    step = draft.status.step
    if step is not None and step.since is not None:
        draft.set(step=step.model_copy(update={"since": None}))
    draft.drop_looks()
