"""Commands and the story of a rollout, through the real program, on a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lossgate.api import names
from lossgate.api.commands import Outcome, Verb
from lossgate.api.reasons import Phase, Reason
from lossgate.api.status import Hold, LastCommand, RolloutStatus, Version
from lossgate.cli.main import main
from tests import rollouts
from tests.apiserver import ApiServer

pytestmark = pytest.mark.apiserver

NAMESPACE = "people"
STABLE = Version(revision="digits-aaaa", model_version="v1", weight=80, replicas=4, ready_replicas=4)
CANARY = Version(revision="digits-bbbb", model_version="v2", weight=20, replicas=1, ready_replicas=1)
IN_FLIGHT = RolloutStatus(phase=Phase.PROGRESSING, stable=STABLE, canary=CANARY)
PROMOTED = RolloutStatus(phase=Phase.HEALTHY, stable=CANARY, previous=STABLE)


class Scene:
    """One ModelRollout on the API server, and the program with a kubeconfig."""

    def __init__(self, server: ApiServer, kubeconfig: Path) -> None:
        self.server = server
        self.kubeconfig = kubeconfig

    def program(self, *arguments: str, kubeconfig: Path | None = None) -> Result:
        """Run the program in this process, and return what came of it."""
        done = CliRunner().invoke(main, [*arguments, "--kubeconfig", str(kubeconfig or self.kubeconfig)])
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def show(self, status: RolloutStatus) -> None:
        """Write a status by hand."""
        patch = json.dumps({"status": status.to_manifest()})
        self.server.must(
            "patch", "mr", "digits", "-n", NAMESPACE, "--subresource=status", "--type=merge", f"--patch={patch}"
        )

    def body(self) -> dict[str, Any]:
        """Return the object as stored."""
        found: dict[str, Any] = json.loads(self.server.must("get", "mr", "digits", "-n", NAMESPACE, "-o", "json"))
        return found

    def command(self) -> str | None:
        """Return the command that the object carries."""
        text: str | None = (self.body()["metadata"].get("annotations") or {}).get(names.ANNOTATION_COMMAND)
        return text

    def act(self, outcome: Outcome, message: str) -> threading.Thread:
        """Be the operator, as soon as a command is there."""

        def when_seen() -> None:
            deadline = time.monotonic() + 60
            while (text := self.command()) is None and time.monotonic() < deadline:
                time.sleep(0.1)
            last = LastCommand(text=text or "", time=time.time(), outcome=outcome, message=message)
            self.show(IN_FLIGHT.model_copy(update={"last_command": last}))

        thread = threading.Thread(target=when_seen)
        thread.start()
        return thread


@pytest.fixture
def scene(apiserver: ApiServer, tmp_path: Path) -> Iterator[Scene]:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(
        apiserver.kubeconfig.read_text().replace("user: admin}", f"user: admin, namespace: {NAMESPACE}}}")
    )
    apiserver.kubectl("create", "namespace", NAMESPACE)
    rollout = rollouts.minimal()
    rollout["metadata"]["namespace"] = NAMESPACE
    apiserver.must("create", "-f", "-", manifest=rollout)
    found = Scene(apiserver, kubeconfig)
    found.show(IN_FLIGHT)
    try:
        yield found
    finally:
        apiserver.must("delete", "mr", "digits", "-n", NAMESPACE)


def test_command_takes_the_revision_that_the_object_shows_and_names_it(scene: Scene) -> None:
    """The program as a person starts it, with the kubeconfig from the environment."""
    command_line = [sys.executable, "-c", "from lossgate.cli.main import main; main()", "promote", "digits"]
    environ = {**os.environ, "KUBECONFIG": str(scene.kubeconfig)}
    done = subprocess.run(
        command_line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environ, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "people/digits: promote digits-bbbb (v2)"
    command = scene.command()
    assert command is not None
    assert command.startswith("promote digits-bbbb 20")


@pytest.mark.parametrize(
    ("status", "verb", "revision"),
    [(IN_FLIGHT, verb, CANARY.revision) for verb in (Verb.ABORT, Verb.PAUSE, Verb.RESUME)]
    + [(PROMOTED, Verb.ROLLBACK, CANARY.revision)],
)
def test_revision_that_each_command_is_about(scene: Scene, status: RolloutStatus, verb: Verb, revision: str) -> None:
    scene.show(status)
    assert scene.program(verb, "digits").exit_code == 0
    command = scene.command()
    assert command is not None
    assert command.split()[:2] == [verb, revision]


def test_retry_names_what_the_spec_asks_for(scene: Scene) -> None:
    spec = rollouts.minimal()["spec"]
    assert scene.program("retry", "digits").exit_code == 0
    command = scene.command()
    assert command is not None
    assert command.split()[1] == names.revision_name("digits", spec["template"], spec["model"]["version"])


@pytest.mark.parametrize(("answer", "code", "is_sent"), [("n\n", 5, False), ("y\n", 0, True), ("", 130, False)])
def test_person_at_a_terminal_is_asked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, is_sent: bool
) -> None:
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("lossgate.cli.orders.sys", terminal)
    arguments = ["promote", "digits", "--kubeconfig", str(scene.kubeconfig)]
    done = CliRunner().invoke(main, arguments, input=answer)
    assert done.exit_code == code
    assert "promote digits-bbbb (v2)" in done.stdout
    assert (scene.command() is not None) is is_sent


def test_command_about_nothing_is_refused_before_it_is_sent(scene: Scene) -> None:
    scene.show(RolloutStatus(phase=Phase.HEALTHY, stable=STABLE))
    for verb in ("promote", "rollback"):
        done = scene.program(verb, "digits")
        assert (done.exit_code, done.stderr) == (3, f"people/digits is Healthy: there is nothing to {verb}.\n")
    assert scene.command() is None


@pytest.mark.parametrize(("outcome", "code"), [(Outcome.OBEYED, 0), (Outcome.REFUSED, 3)])
def test_wait_says_what_became_of_it(scene: Scene, outcome: Outcome, code: int) -> None:
    operator = scene.act(outcome, "so it is.")
    done = scene.program("abort", "digits", "--revision", "digits-bbbb", "--wait")
    operator.join()
    assert done.exit_code == code
    assert f"{outcome}: so it is." in done.stdout + done.stderr


def test_wait_ends_when_nobody_acts(scene: Scene) -> None:
    done = scene.program("pause", "digits", "--wait", "--timeout", "1s")
    assert done.exit_code == 4
    assert "has not acted on it within 1s" in done.stderr


def test_time_of_a_command_is_after_the_last_one_whatever_the_clock(scene: Scene) -> None:
    last = LastCommand(text="pause x 2099-01-01T00:00:00Z", time=0.0, outcome=Outcome.REFUSED, message="no")
    scene.show(IN_FLIGHT.model_copy(update={"last_command": last}))
    assert scene.program("abort", "digits").exit_code == 0
    assert scene.command() == "abort digits-bbbb 2099-01-01T00:00:00.001Z"


def test_context_and_namespace_are_kubectls(scene: Scene) -> None:
    assert scene.program("status", "digits", "--context", "test", "-n", NAMESPACE).exit_code == 0
    done = scene.program("status", "digits", "-n", "default")
    assert done.exit_code == 69
    assert done.stderr.startswith("Error: there is no ModelRollout digits in namespace default")
    done = scene.program("status", "digits", "--context", "elsewhere")
    assert done.exit_code == 69
    assert "no cluster is known" in done.stderr


def test_no_kubeconfig_and_no_server_are_said_in_words(scene: Scene, tmp_path: Path) -> None:
    done = scene.program("status", "digits", kubeconfig=tmp_path / "none")
    assert done.exit_code == 69
    assert "no cluster is known" in done.stderr
    text = scene.kubeconfig.read_text()
    start = text.index("https://127.0.0.1:")
    text = text.replace(text[start : text.index('"', start)], "https://127.0.0.1:1")
    (tmp_path / "dead").write_text(text)
    done = scene.program("status", "digits", kubeconfig=tmp_path / "dead")
    assert done.exit_code == 69
    assert "no answer from https://127.0.0.1:1" in done.stderr


def test_missing_right_is_named(scene: Scene, tmp_path: Path) -> None:
    """A person who may look and nothing else; events are left out where even they may not be listed."""
    server = scene.server
    server.kubectl("create", "serviceaccount", "guest", "-n", NAMESPACE)
    server.kubectl("create", "role", "look", "-n", NAMESPACE, "--verb=get", "--resource=modelrollouts.lossgate.io")
    server.kubectl(
        "create", "rolebinding", "look", "-n", NAMESPACE, "--role=look", f"--serviceaccount={NAMESPACE}:guest"
    )
    token = server.must("create", "token", "guest", "-n", NAMESPACE).strip()
    text = scene.kubeconfig.read_text()
    start = text.index('token: "') + len('token: "')
    (tmp_path / "guest").write_text(text[:start] + token + text[text.index('"', start) :])
    done = scene.program("status", "digits", kubeconfig=tmp_path / "guest")
    assert done.exit_code == 0
    assert done.stdout.startswith("people/digits: Progressing")
    assert "Without events: cannot list events in namespace people" in done.stderr
    done = scene.program("abort", "digits", kubeconfig=tmp_path / "guest")
    assert done.exit_code == 69
    assert "cannot patch ModelRollout digits in namespace people" in done.stderr
    assert "A role with get and patch of modelrollouts is needed" in done.stderr


def test_annotation_by_hand_is_the_same_command(scene: Scene) -> None:
    text = f"pause {CANARY.revision} by-hand"
    scene.server.must("annotate", "mr", "digits", "-n", NAMESPACE, "--overwrite", f"lossgate.io/command={text}")
    done = scene.program("status", "digits")
    assert f"{text}: not acted on yet" in done.stdout


def test_status_as_data(scene: Scene) -> None:
    hold = Hold(reason=Reason.REQUESTED, since=0.0, message="why")
    scene.show(IN_FLIGHT.model_copy(update={"phase": Phase.PAUSED, "pause": hold}))
    found = json.loads(scene.program("status", "digits", "-o", "json").stdout)
    assert found["phase"] == "Paused"
    assert [version["weight"] for version in found["versions"]] == [80, 20]
    assert found["awaits"] == ["A person: why"]
    assert scene.program("status", "digits", "-o", "yaml").stdout.startswith("---\nnamespace: people\n")
