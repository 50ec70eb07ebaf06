"""The base of every part of a spec."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A frozen part of a spec; fields that a newer release added are passed over, as the API server prunes them."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")
