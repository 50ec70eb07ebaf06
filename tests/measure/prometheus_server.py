"""A real Prometheus for tests, on a free port, with its data in a temporary folder."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from e2e.cluster.binaries import ensure_programs
from e2e.cluster.progress import Progress
from tests.measure.remote_write import Sample, write_request

START_DEADLINE_SECONDS = 60
OUT_OF_ORDER = "storage: {tsdb: {out_of_order_time_window: 1d}}"
"""Tests write their histories one after the other, all over the same stretch of time."""


def prometheus_program() -> Path:
    """Return the Prometheus to test with: `$LOSSGATE_PROMETHEUS`, else what the e2e cluster builds and keeps."""
    given = os.environ.get("LOSSGATE_PROMETHEUS")
    return Path(given) if given else ensure_programs(Progress()).prometheus / "prometheus"


class PrometheusServer:
    """A running Prometheus with the configuration given, that also takes remote writes."""

    def __init__(self, binary: Path, folder: Path, config: str = OUT_OF_ORDER) -> None:
        self._log_path = folder / "log"
        (folder / "prometheus.yml").write_text(config)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        arguments = [
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-remote-write-receiver",
        ]
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen([binary, *arguments], stdout=log, stderr=subprocess.STDOUT)
        try:
            self._wait_ready()
        except BaseException:
            self.stop()
            raise

    def write(self, series: Sequence[tuple[Mapping[str, str], Sequence[Sample]]]) -> None:
        """Store samples at their own times; those of one series must come in order."""
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        url = f"{self.url}/api/v1/write"
        answer = requests.post(url, data=write_request(series), headers=headers, timeout=10)
        assert answer.ok, answer.text

    def stop(self) -> None:
        """End the process; its data stays for whoever looks."""
        self._process.kill()
        self._process.wait()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if requests.get(f"{self.url}/-/ready", timeout=1).ok:
                    return
            except requests.RequestException:
                pass
            # Not a test's wait for a result: the process has to start.
            time.sleep(0.05)
        raise AssertionError(f"Prometheus is not ready:\n{self._log_path.read_text()[-2000:]}")
