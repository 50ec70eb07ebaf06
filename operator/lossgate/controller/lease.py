"""Leadership by one Lease: judged by the local monotonic clock, given up before another process may take it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from lossgate.controller.kube import Kube, KubeError

DURATION_SECONDS = 15
RENEW_EVERY_SECONDS = 3.0
SAFETY_SECONDS = 5.0
"""Acting stops this long before the Lease runs out, so that a write on its way ends in time."""

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
        self.has_answered = False
        """Whether the API server has let this process read the Lease once."""

    def is_held(self) -> bool:
        """Return whether this process may act now."""
        return self._renewed_at is not None and self._monotonic() < self._renewed_at + DURATION_SECONDS - SAFETY_SECONDS

    async def run(self) -> None:
        """Renew or wait for the Lease until cancelled; then hand it back."""
        try:
            while True:
                is_renewed = False
                try:
                    await self._turn()
                    self.has_answered = True
                    is_renewed = self.is_held()
                except KubeError as error:
                    self._body = None
                    _log.warning("Lease not renewed: %s", error)
                self._tell()
                await asyncio.sleep(RENEW_EVERY_SECONDS if is_renewed else RENEW_EVERY_SECONDS / 3)
        finally:
            await self._release()

    async def _turn(self) -> None:
        started = self._monotonic()
        if self._body is None:
            self._body = await self._read_or_create()
        spec = self._body.setdefault("spec", {})
        mine = spec.get("holderIdentity") == self._identity
        if not mine and not self._has_run_out(spec):
            self._renewed_at = None
            self._body = None
            return
        transitions = int(spec.get("leaseTransitions") or 0) + (0 if mine else 1)
        self._body = await self._write(self._identity, transitions)
        self._renewed_at = started

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
        body["spec"] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION_SECONDS,
            "acquireTime": acquired or now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        return await self._kube.replace("Lease", self._namespace, "lossgate", body)

    async def _release(self) -> None:
        if not self.is_held() or self._body is None:
            return
        self._renewed_at = None
        self._tell()
        try:
            await self._write("", int(self._body["spec"].get("leaseTransitions") or 0))
        except KubeError as error:
            _log.warning("Lease not handed back, it runs out in %d s: %s", DURATION_SECONDS, error)

    def _tell(self) -> None:
        held = self.is_held()
        if held != self._led:
            self._led = held
            _log.info("%s", "This process leads." if held else "This process does not lead.")
            self._on_change(held)
