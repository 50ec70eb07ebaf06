from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.oracle import evidence_by_decree


@pytest.fixture(autouse=True)
def _decrees() -> Iterator[None]:
    with evidence_by_decree():
        yield
