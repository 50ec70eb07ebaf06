"""The real processes together: predictions, labels and loss, and a server that leaves without breaking a request."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

_DEADLINE_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(port: int, path: str, body: object = None) -> tuple[int, bytes]:
    """The status and body that a server answers; status 0 where there is none."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + _DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < end, f"not within {_DEADLINE_SECONDS} s: {what}"
        time.sleep(0.02)


Start = Callable[..., tuple[subprocess.Popen[bytes], int]]


@pytest.fixture
def start(models: Path) -> Iterator[Start]:
    """Starts a module of the model's image as a process on a free port and waits until it answers."""
    with ExitStack() as stack:

        def start_process(module: str, **environment: str) -> tuple[subprocess.Popen[bytes], int]:
            port = free_port()
            process = subprocess.Popen(
                [sys.executable, "-m", module],
                env={**os.environ, "MODEL_DIRECTORY": str(models), "PORT": str(port), **environment},
            )
            stack.callback(process.wait, timeout=30)
            stack.callback(process.kill)
            until(lambda: fetch(port, "/healthz")[0] == 200, f"{module} answers")
            return process, port

        yield start_process


def test_predictions_and_labels_become_loss(start: Start) -> None:
    _, joiner = start("e2e.model.joiner")
    address = f"http://127.0.0.1:{joiner}"
    _, server = start("e2e.model.server", MODEL_VERSION="v3", LOSSGATE_REVISION="digits-c", JOINER_URL=address)
    client, stats = start(
        "e2e.model.client", GATEWAY_URL=f"http://127.0.0.1:{server}", JOINER_URL=address, RATE="200", LABEL_DELAY="0.05"
    )

    def labels() -> float:
        for line in fetch(joiner, "/metrics")[1].decode().splitlines():
            if line.startswith('model_loss_count{revision="digits-c"}'):
                return float(line.split()[-1])
        return 0.0

    until(lambda: labels() >= 50, "50 labels joined")
    seen: dict[str, Any] = json.loads(fetch(stats, "/stats")[1])
    assert seen["errors"] == 0
    assert list(seen["by_version"]) == ["v3"]
    client.send_signal(signal.SIGTERM)
    assert client.wait(timeout=20) == 0


def test_a_server_told_to_stop_is_unready_first_and_answers_to_the_end(start: Start) -> None:
    process, port = start("e2e.model.server", MODEL_VERSION="v1", DRAIN_SECONDS="1.5")
    process.send_signal(signal.SIGTERM)
    until(lambda: fetch(port, "/readyz")[0] == 503, "not ready")
    assert fetch(port, "/predict", {"id": "a", "image": [0] * 64})[0] == 200
    assert process.wait(timeout=20) == 0


def test_a_server_without_its_model_says_so_and_exits(models: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "e2e.model.server"],
        env={**os.environ, "MODEL_DIRECTORY": str(models), "MODEL_VERSION": "v7"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "no model 'v7'" in done.stderr
