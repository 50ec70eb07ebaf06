"""Leadership by one Lease: judged by the local monotonic clock, given up before another process may take it."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lossgate.api import names
from lossgate.controller.kube import Kube, KubeError

DURATION_SECONDS = 15
RENEW_EVERY_SECONDS = 3.0
SAFETY_SECONDS = 5.0
"""Acting stops this long before the Lease runs out, so that a write on its way ends in time."""
HANDED_BACK_SECONDS = 1
"""Duration of a Lease that nobody holds because its holder ended in good order, as other leaders write it too."""
TAKE_OVER_SECONDS = 600.0
"""So long after a take-over every rollout has had its turn; a leader that ends before passes the duty on."""

_log = logging.getLogger(__name__)


class Lease:
    """The Lease `lossgate`; holds it whenever it can."""

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        identity: str,
        on_change: Callable[[bool], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._identity = identity
        self._on_change = on_change
        self._monotonic = monotonic
        self._body: dict[str, Any] | None = None
        self._renewed_at: float | None = None
        self._seen: tuple[Any, Any] | None = None
        self._seen_at = 0.0
        self._led = False
        self._has_rival = False
        self._process = uuid.uuid4().hex
        self._taken_at = 0.0
        self.has_answered = False
        """Whether the API server has let this process read the Lease once."""
        self.take_over: str | None = None
        """Name of this term of leadership if the one before did not end in good order: see `takeover`."""

    def is_held(self) -> bool:
        """Return whether this process may act now."""
        return self._renewed_at is not None and self._monotonic() < self._renewed_at + DURATION_SECONDS - SAFETY_SECONDS

    async def run(self) -> None:
        """Renew or wait for the Lease until cancelled; then hand it back."""
        try:
            while True:
                started = self._monotonic()
                every = RENEW_EVERY_SECONDS / 3
                try:
                    await self._turn()
                    self.has_answered = True
                    every = RENEW_EVERY_SECONDS if self.is_held() else every
                except KubeError as error:
                    _log.warning("Lease not renewed: %s", error)
                self._tell()
                # Counted from the start: an API server that takes seconds to answer must not cost the leadership.
                await asyncio.sleep(max(0.1, started + every - self._monotonic()))
        finally:
            await self._release()

    async def _turn(self) -> None:
        """Renew the Lease, or take it; whoever changed it in between, it is read again at once and judged anew."""
        for _ in range(2):
            try:
                await self._renew_or_take()
                return
            except KubeError as error:
                self._body = None
                if error.status not in (404, 409):
                    raise
                conflict = error
        raise conflict

    async def _renew_or_take(self) -> None:
        started = self._monotonic()
        if self._body is None:
            self._body = await self._read_or_create()
        spec = self._body.setdefault("spec", {})
        is_mine = spec.get("holderIdentity") == self._identity
        is_renewal = is_mine and self._holder_process() == self._process
        if not is_renewal and not self._may_take(spec, is_mine=is_mine):
            self._renewed_at = None
            self._body = None
            return
        if not is_renewal:
            self.take_over = None if _was_handed_back(spec) else f"{self._identity}.{uuid.uuid4().hex[:8]}"
            self._taken_at = started
        transitions = int(spec.get("leaseTransitions") or 0) + (0 if is_mine else 1)
        self._body = await self._write(self._identity, transitions)
        self._renewed_at = started

    def _holder_process(self) -> str | None:
        metadata = self._body["metadata"] if self._body is not None else {}
        return (metadata.get("annotations") or {}).get(names.ANNOTATION_PROCESS)

    def _may_take(self, spec: dict[str, Any], *, is_mine: bool) -> bool:
        """The Lease of a container before, in the same pod, is taken at once; who loses it so has a rival of its name.

        Two processes of one name would else take it from one another for ever, and both lead.
        """
        if is_mine and self._renewed_at is not None and not self._has_rival:
            self._has_rival = True
            _log.error("Another process leads as %s: give every operator a name of its own.", self._identity)
        return (is_mine and not self._has_rival) or self._has_run_out(spec)

    def _has_run_out(self, spec: dict[str, Any]) -> bool:
        """A holder's clock is never compared with ours: the Lease is free when it did not change for its duration."""
        if not spec.get("holderIdentity"):
            return True
        seen = (spec.get("holderIdentity"), spec.get("renewTime"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._monotonic()
            return False
        return self._monotonic() > self._seen_at + float(spec.get("leaseDurationSeconds") or DURATION_SECONDS)

    async def _read_or_create(self) -> dict[str, Any]:
        try:
            return await self._kube.get("Lease", self._namespace, "lossgate")
        except KubeError as error:
            if error.status != 404:
                raise
        empty = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "lossgate", "namespace": self._namespace},
            "spec": {},
        }
        return await self._kube.create(empty)

    async def _write(self, holder: str, transitions: int) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        body = dict(self._body or {})
        acquired = body["spec"].get("acquireTime") if body["spec"].get("holderIdentity") == holder else now
        metadata = dict(body["metadata"])
        metadata["annotations"] = {**(metadata.get("annotations") or {}), names.ANNOTATION_PROCESS: self._process}
        body["metadata"] = metadata
        body["spec"] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION_SECONDS if holder or self._owes_take_over() else HANDED_BACK_SECONDS,
            "acquireTime": acquired or now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        return await self._kube.replace("Lease", self._namespace, "lossgate", body)

    def _owes_take_over(self) -> bool:
        return self.take_over is not None and self._monotonic() < self._taken_at + TAKE_OVER_SECONDS

    async def _release(self) -> None:
        if not self.is_held():
            return
        self._renewed_at = None
        self._tell()
        try:
            await self._hand_back()
        except KubeError as error:
            _log.warning("Lease not handed back, it runs out in %d s: %s", DURATION_SECONDS, error)

    async def _hand_back(self) -> None:
        """A renewal that was cut short may have landed all the same: then the Lease is another, and read again."""
        for _ in range(2):
            if self._body is None:
                self._body = await self._kube.get("Lease", self._namespace, "lossgate")
            spec = self._body.get("spec") or {}
            if (spec.get("holderIdentity"), self._holder_process()) != (self._identity, self._process):
                return
            try:
                await self._write("", int(spec.get("leaseTransitions") or 0))
                return
            except KubeError as error:
                self._body, conflict = None, error
                if error.status != 409:
                    raise
        raise conflict

    def _tell(self) -> None:
        held = self.is_held()
        if held != self._led:
            self._led = held
            _log.info("%s", "This process leads." if held else "This process does not lead.")
            self._on_change(held)


def _was_handed_back(spec: dict[str, Any]) -> bool:
    return spec.get("holderIdentity") == "" and spec.get("leaseDurationSeconds") == HANDED_BACK_SECONDS
