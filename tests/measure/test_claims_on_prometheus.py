"""Which revision's numbers a pod can claim to export: what the page about security says of `honor_labels`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests

from tests.measure.fake_server import Answer, FakeServer, Request
from tests.measure.prometheus_server import PrometheusServer

pytestmark = pytest.mark.prometheus

CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: pods
  honor_labels: {honor}
  static_configs: [{{targets: ["{liar}"], labels: {{namespace: ml, revision: own}}}}]
  {more}
"""
FORCED = """
  metric_relabel_configs: [{target_label: namespace, replacement: ml}]
"""
DEADLINE_SECONDS = 30


def liar(request: Request) -> Answer:
    """A pod that says its losses are another namespace's and revision's."""
    line = 'model_loss_count{namespace="victims",revision="theirs"} 1000\n'
    return Answer(200, line.encode(), {"Content-Type": "text/plain; version=0.0.4"})


def believed(server: PrometheusServer) -> list[tuple[str, str]]:
    """Return whose losses Prometheus takes them for, once it scraped."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    query = {"query": "count by (namespace, revision) (model_loss_count)"}
    while time.monotonic() < deadline:
        found = requests.get(f"{server.url}/api/v1/query", params=query, timeout=5).json()["data"]["result"]
        if found:
            return [(row["metric"]["namespace"], row["metric"]["revision"]) for row in found]
        time.sleep(0.05)
    raise AssertionError("nothing was scraped in time")


@pytest.mark.parametrize(
    ("honor", "more", "taken_for"),
    [
        ("false", "", ("ml", "own")),
        ("true", "", ("victims", "theirs")),
        ("true", FORCED.strip(), ("ml", "theirs")),
    ],
    ids=["default", "honor-labels", "honor-labels-with-the-namespace-forced"],
)
def test_a_pod_cannot_claim_anothers_losses_unless_its_labels_are_honoured(
    prometheus_binary: Path, tmp_path: Path, honor: str, more: str, taken_for: tuple[str, str]
) -> None:
    with FakeServer(liar) as pod:
        config = CONFIG.format(honor=honor, liar=pod.url.removeprefix("http://"), more=more)
        server = PrometheusServer(prometheus_binary, tmp_path, config)
        try:
            assert believed(server) == [taken_for]
        finally:
            server.stop()
