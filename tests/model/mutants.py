"""Defects in the order of writes, one at a time: the explorer must find each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from lossgate.api.names import Revision
from lossgate.api.reasons import Phase
from lossgate.rollout import converge, decide, history, readiness
from lossgate.rollout.decision import ScaleDeployment, Write
from lossgate.rollout.draft import Draft


@contextmanager
def _replaced(where: Any, name: str, put: Callable[[Any], Any]) -> Iterator[None]:
    with patch.object(where, name, put(getattr(where, name))):
        yield


def weight_before_pods() -> Any:
    """The share rises to pods that are not ready."""
    return _replaced(readiness, "has_pods", lambda _: lambda draft, needed: True)


def service_before_weight() -> Any:
    """The stable Service is turned before all requests are on the new version."""

    def turned(draft: Draft) -> Revision:
        hands_over = draft.status.phase is Phase.PROMOTING and draft.canary.weight == 100
        return Revision((draft.canary if hands_over else draft.stable).revision)

    return _replaced(converge, "_revision_behind_name", lambda _: turned)


def pods_before_weight() -> Any:
    """A rollback takes the pods first and the requests after that."""

    def put(original: Callable[[Draft], tuple[Write, ...]]) -> Callable[[Draft], tuple[Write, ...]]:
        def writes(draft: Draft) -> tuple[Write, ...]:
            decided = original(draft)
            if draft.status.phase is not Phase.ROLLING_BACK:
                return decided
            return (ScaleDeployment(Revision(draft.canary.revision), 0), *decided)

        return writes

    return _replaced(converge, "writes", put)


def canary_service_before_gateway() -> Any:
    """The canary's Service is turned as soon as a weight of 0 is stored."""

    def is_idle(draft: Draft) -> bool:
        return draft.snapshot.route is None or draft.snapshot.route.canary_weight == 0

    return _replaced(converge, "_canary_backend_is_idle", lambda _: is_idle)


def name_back_after_weight() -> Any:
    """A promotion that failed sends the requests back before the stable Service leads to the stable version again."""
    return _replaced(converge, "_leads_name_back", lambda _: lambda draft, write: False)


def rollback_forgotten() -> Any:
    """A revision that was rolled back is tried again by itself."""
    return _replaced(history, "was_rolled_back", lambda _: lambda status, revision: False)


def evidence_carried_over() -> Any:
    """A step begins with the evidence of the one before."""

    def put(original: Callable[[Draft, int], None]) -> Callable[[Draft, int], None]:
        def begin_step(draft: Draft, index: int) -> None:
            before = draft.status.analysis
            original(draft, index)
            if index > 0:
                draft.set(analysis=before)

        return begin_step

    return _replaced(Draft, "begin_step", put)


def nobody_wakes() -> Any:
    """Time alone asks for no turn."""
    return _replaced(decide, "_due", lambda _: lambda draft: None)
