"""Secrets and ConfigMaps that ModelRollouts name: each is got by its name when it is needed, and soon forgotten."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lossgate.controller.kube import JSON, Kube

MAX_AGE_SECONDS = 60.0
"""What was read is used for this long; a source that refuses it has it read again at once."""
_REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class Reference:
    """Keys of one Secret or ConfigMap."""

    kind: str
    namespace: str
    name: str
    keys: tuple[str, ...]


@dataclass(slots=True)
class _Entry:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    values: Mapping[str, bytes] | None = field(default=None, repr=False)
    read_at: float = 0.0


class References:
    """Reads objects by GET, never by list or watch, and keeps only the keys that were asked for."""

    def __init__(self, kube: Kube, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._kube = kube
        self._monotonic = monotonic
        self._entries: OrderedDict[Reference, _Entry] = OrderedDict()

    async def read(self, reference: Reference, newer_than: float = float("-inf")) -> Mapping[str, bytes]:
        """Return the values of those of the keys that the object has, as read after `newer_than`.

        Raises:
            KubeError: There is no such object (404), it may not be read (403), or the server did not answer.
            ValueError: The object cannot be understood.
        """
        self._forget_old()
        entry = self._entries.setdefault(reference, _Entry())
        self._entries.move_to_end(reference)
        while len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)
        async with entry.lock:
            if entry.values is None or entry.read_at <= newer_than or self._is_old(entry):
                entry.values = None
                read_at = self._monotonic()
                body = await self._kube.get(reference.kind, reference.namespace, reference.name)
                entry.values, entry.read_at = _values(body, reference), read_at
            return entry.values

    def _is_old(self, entry: _Entry) -> bool:
        return self._monotonic() >= entry.read_at + MAX_AGE_SECONDS

    def _forget_old(self) -> None:
        for reference, entry in list(self._entries.items()):
            if not entry.lock.locked() and (entry.values is None or self._is_old(entry)):
                del self._entries[reference]


def _values(body: JSON, reference: Reference) -> Mapping[str, bytes]:
    plain, encoded = (
        ({}, body.get("data")) if reference.kind == "Secret" else (body.get("data"), body.get("binaryData"))
    )
    values = {key: str(text).encode() for key, text in (plain or {}).items() if key in reference.keys}
    for key, text in (encoded or {}).items():
        if key in reference.keys:
            try:
                values[key] = base64.b64decode(text, validate=True)
            except (binascii.Error, TypeError) as error:
                raise ValueError(f"the value of its key {key} is not in base64") from error
    return values
