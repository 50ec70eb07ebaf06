"""The manifests are taken by a real API server that knows ModelRollouts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apiserver import ApiServer

MANIFESTS = Path(__file__).parents[2] / "e2e" / "model" / "manifests"


@pytest.mark.apiserver
@pytest.mark.parametrize("name", ["joiner.yaml", "client.yaml", "rollout.yaml"])
def test_an_api_server_takes_the_manifest_strictly(apiserver: ApiServer, name: str) -> None:
    apiserver.must("apply", "--dry-run=server", "--validate=strict", "-f", str(MANIFESTS / name))
