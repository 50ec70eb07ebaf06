"""The operator as the program that users run, in a process that can be killed, stopped and continued."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

_KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: proxy, cluster: {{server: "{url}"}}}}]
users: [{{name: nobody, user: {{}}}}]
contexts: [{{name: proxy, context: {{cluster: proxy, user: nobody}}}}]
current-context: proxy
"""
_ROOT = Path(__file__).parent.parent.parent
_READY_SECONDS = 60.0


class OperatorProgram:
    """One identity of the operator; `start` it as often as it ended."""

    def __init__(
        self, folder: Path, kube_url: str, environment: Mapping[str, str], identity: str = "operator-1"
    ) -> None:
        self.log = folder / f"{identity}.log"
        self._kubeconfig = folder / f"{identity}.kubeconfig"
        self._kubeconfig.write_text(_KUBECONFIG.format(url=kube_url))
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join((str(_ROOT / "operator"), str(_ROOT))),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "KUBECONFIG": str(self._kubeconfig),
            "LOSSGATE_POD_NAME": identity,
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def is_running(self) -> bool:
        """Whether the process is there, stopped or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How the last process ended; None while it runs, or before it ran."""
        return self._process.poll() if self._process is not None else None

    def start(self, *, wait: bool = True) -> None:
        """Start the process; with `wait` return when it says that it is ready.

        Raises:
            AssertionError: It ended, or is not ready in time; carries the end of its log.
        """
        assert not self.is_running
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        environment = {**self._environment, "LOSSGATE_HTTP_PORT": str(self._port)}
        with self.log.open("ab") as log:
            command = [sys.executable, "-c", "from lossgate.cli.main import main; main()", "operator"]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + _READY_SECONDS
        while wait and self.probe("readyz")[0] != 200:
            assert self.is_running, f"the operator ended:\n{self.tail()}"
            assert time.monotonic() < deadline, f"the operator is not ready:\n{self.tail()}"
            time.sleep(0.05)

    def probe(self, path: str) -> tuple[int, str]:
        """Return status and text of `healthz`, `readyz` or `metrics`, 0 without an answer."""
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError):
            return 0, ""

    def kill(self) -> None:
        """End it at once, as a node that breaks does."""
        self._signal(signal.SIGKILL)
        self._wait(10)

    def stop(self) -> int:
        """End it as a kubelet does, and return its exit code."""
        self._signal(signal.SIGTERM)
        return self._wait(30)

    def pause(self) -> None:
        """Let no instruction of it be carried out until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was."""
        self._signal(signal.SIGCONT)

    def tail(self, lines: int = 40) -> str:
        """Return the end of its log."""
        return "\n".join(self.text().splitlines()[-lines:])

    def text(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _wait(self, seconds: float) -> int:
        return self._process.wait(seconds) if self._process is not None else 0
