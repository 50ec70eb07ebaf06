"""The ModelRollout as owner of its children: with it they go, even while no operator runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lossgate.api import names


@dataclass(frozen=True, slots=True)
class Owner:
    """Identity of a ModelRollout."""

    name: str
    namespace: str
    uid: str

    def reference(self) -> dict[str, Any]:
        """Return the owner reference that its children carry."""
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def owns(self, body: Mapping[str, Any]) -> bool:
        """Return whether an object is a child of just this ModelRollout."""
        references = body.get("metadata", {}).get("ownerReferences") or ()
        return any(reference.get("uid") == self.uid and reference.get("controller") for reference in references)
