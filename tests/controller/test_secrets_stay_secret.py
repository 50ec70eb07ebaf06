"""Markers are planted wherever credentials are; after all that can go wrong, no text that anyone reads holds one."""

from __future__ import annotations

import base64
import json
import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from lossgate.api.reasons import ConditionType, Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.controller.kube import KubeError
from lossgate.controller.settings import Settings
from lossgate.measure.errors import MeasurementError
from lossgate.measure.prometheus import PrometheusSource
from lossgate.measure.source import BaselineAnswer, BaselineRequest, LookAnswer, LookRequest
from tests.controller import virtual_time
from tests.controller.cluster import PLACE, Cluster, ScriptedSource, a_rollout
from tests.controller.operator_process import OperatorProcess
from tests.controller.prometheus_over_http import InPlace
from tests.measure.certificates import Authority
from tests.measure.fake_server import Answer, FakeServer, Request, success

TOKEN, RENEWED, PASSWORD = "m4rk3r-token", "m4rk3r-renewed", "m4rk3r-password"
TENANT, OWN_TOKEN, OWN_TENANT, AUTHORITY = "m4rk3r-tenant", "m4rk3r-own", "m4rk3r-own-tenant", "m4rk3r-authority"
BASIC = base64.b64encode(f"ml:{PASSWORD}".encode()).decode()
MARKERS = ("m4rk3r", BASIC)


class OverHTTP:
    """Asks the server for real; who is let in gets the losses of the script."""

    def __init__(self, script: ScriptedSource) -> None:
        self._script = script
        self._source = PrometheusSource(timeout_seconds=0.3)
        self._source._threads = InPlace()
        self.said: list[str] = []

    async def looks(self, request: LookRequest) -> LookAnswer:
        await self._ask(self._source.looks, request)
        return await self._script.looks(request)

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        await self._ask(self._source.baseline, request)
        return await self._script.baseline(request)

    async def close(self) -> None:
        await self._source.close()

    async def _ask(self, ask: Callable[[Any], Any], request: LookRequest | BaselineRequest) -> None:
        self.said.append(repr(request))
        try:
            await ask(request)
        except MeasurementError as error:
            self.said += [str(error), repr(error), *traceback.format_exception(error)]
            raise


class Stage:
    """A server behind a door, a cluster, an operator with credentials of its own, and all that was said."""

    def __init__(self, server: FakeServer, folder: Path, authority: Authority) -> None:
        self.mode = "open"
        self.server = server
        files = {"token": OWN_TOKEN, "ca": f"{AUTHORITY}\n{authority.pem}"}
        for name, content in files.items():
            (folder / name).write_text(content)
        self.settings = Settings(
            "lossgate",
            "pod-1",
            prometheus_url=server.url + "/prom",
            prometheus_headers=(("X-Scope-OrgID", OWN_TENANT),),
            prometheus_token_file=str(folder / "token"),
            prometheus_ca_file=str(folder / "ca"),
        )
        self.cluster = Cluster(v2=0.30)
        self.put("Secret", "token", token=TOKEN)
        self.put("Secret", "password", username="ml", password=PASSWORD)
        self.put("ConfigMap", "company", **{"ca.crt": f"{AUTHORITY}\n{authority.pem}"})
        self.source = OverHTTP(self.cluster.source)
        self.process = OperatorProcess(self.cluster, settings=self.settings, source=self.source)

    def put(self, kind: str, name: str, **data: str) -> None:
        values = {
            key: base64.b64encode(text.encode()).decode() if kind == "Secret" else text for key, text in data.items()
        }
        metadata = {"name": name, "namespace": "ml", "uid": name, "generation": 1}
        self.cluster.storage.put({"kind": kind, "metadata": metadata, "data": values})

    async def start(self, prometheus: dict[str, Any]) -> None:
        """Bring a canary into its first step."""
        self.cluster.apply(a_rollout())
        self.process.start()
        await self.process.run(lambda: self.cluster.status.phase is Phase.HEALTHY)
        loss = {"interval": "10s", "settle": "5s", "prometheus": prometheus}
        self.cluster.apply(a_rollout("v2", loss=loss))
        await self.process.run(lambda: (step := self.cluster.status.step) is not None and step.looks >= 2)

    def measured(self) -> tuple[Reason, str]:
        found = self.cluster.status.condition(ConditionType.MEASURED)
        assert found is not None
        return found.reason, found.message

    def texts(self, log: pytest.LogCaptureFixture) -> list[str]:
        """Everything that was logged, stored for others to read, shown as a metric, or said by an error."""
        formatter = logging.Formatter("%(name)s %(message)s")
        logged = [formatter.format(record) + repr(record.args) for record in log.records]
        stored = []
        for place, body in self.cluster.storage.objects.items():
            if place == PLACE:
                body = {**body, "spec": None}  # Headers stand there for all to read, which is said beside the field.
            if place[0] not in ("Secret", "ConfigMap"):
                stored.append(json.dumps(body, ensure_ascii=False))
        shown = generate_latest(self.process.metrics.registry).decode()
        spec = repr(RolloutSpec.model_validate(self.cluster.storage.objects[PLACE]["spec"]))
        known = repr((self.settings, self.process.reconciler._observer._accesses._references._entries))
        return [*logged, *stored, shown, spec, known, *self.source.said]


def door(stage: Callable[[], Stage]) -> Callable[[Request], Answer]:
    """A server that says back what it was sent, in ways that servers do."""

    def answer(request: Request) -> Answer:
        mode = stage().mode
        echo = f"you are {request.headers.get('Authorization')}"
        match mode:
            case "open":
                return success([])
            case "401" | "403":
                body = {"status": "error", "errorType": "unauthorized", "error": echo}
                return Answer(int(mode), json.dumps(body).encode())
            case "login page":
                return Answer(200, f"<html><p>Sign in, {echo}</p></html>".encode(), {"Content-Type": "text/html"})
            case "redirect":
                return Answer(302, b"", {"Location": "/login"})
            case "partial":
                return success([], warnings=[f"tenant of {echo} timed out"])
            case _:
                return Answer(500, echo.encode())

    return answer


PROMETHEUS: dict[str, dict[str, Any]] = {
    "token": {
        "headers": {"X-Scope-OrgID": TENANT},
        "secretRef": {"name": "token"},
        "caRef": {"kind": "ConfigMap", "name": "company"},
    },
    "password": {"secretRef": {"name": "password"}, "headers": {"X-Scope-OrgID": TENANT}},
    "operator": {},
}
FAILURES = ("401", "403", "login page", "redirect", "partial", "500", "hang", "refused", "distrust", "bad secret")


def scenes() -> list[tuple[str, str]]:
    return [(who, how) for who in PROMETHEUS for how in ("open", *FAILURES) if who != "operator" or how != "bad secret"]


@pytest.mark.parametrize(("who", "how"), scenes())
def test_no_text_holds_a_secret(
    who: str, how: str, tmp_path: Path, authority: Authority, stranger: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made: list[Stage] = []
    with FakeServer(door(lambda: made[0]), tls=authority.serving()) as server:
        stage = Stage(server, tmp_path, authority)
        made.append(stage)

        async def scene() -> None:
            await stage.start(PROMETHEUS[who])
            fail(stage, how, stranger, tmp_path)
            await stage.process.rest(75 if how in ("distrust", "bad secret") else 25)
            await stage.source.close()

        virtual_time.run(scene())
    reason, message = stage.measured()
    assert (reason is Reason.LOOKING) == (how == "open"), message
    assert server.requests, "the server was asked"
    assert "urllib3" in {record.name.partition(".")[0] for record in caplog.records}, "logged at DEBUG"
    texts = stage.texts(caplog)
    assert any('"NotMeasured"' in text for text in texts) == (how != "open"), "an event tells of it"
    for marker in MARKERS:
        assert not [text for text in texts if marker in text]
    sent = {request.headers.get("Authorization") for request in server.requests}
    assert sent == {
        f"Bearer {TOKEN}" if who == "token" else f"Bearer {OWN_TOKEN}" if who == "operator" else f"Basic {BASIC}"
    }


def fail(stage: Stage, how: str, stranger: Authority, folder: Path) -> None:
    """Let the source fail from now on."""
    stage.mode = how
    if how == "hang":
        stage.server.hang.clear()
    elif how == "refused":
        stage.server.__exit__()
        for server in stage.source._source._servers.values():
            server.session.close()
    elif how == "distrust":
        stage.mode = "open"
        stage.put("ConfigMap", "company", **{"ca.crt": f"{AUTHORITY}\n{stranger.pem}"})
        (folder / "ca").write_text(f"{AUTHORITY}\n{stranger.pem}")
    elif how == "bad secret":
        stage.put("Secret", "token", token=f"Bearer {TOKEN}")
        stage.put("Secret", "password", username=f"ml:{PASSWORD}", password=PASSWORD)


def test_a_rotated_secret_is_used_at_the_next_look_without_a_word_to_anyone(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = [TOKEN]

    def answer(request: Request) -> Answer:
        let_in = request.headers.get("Authorization") == f"Bearer {good[0]}"
        return success([]) if let_in else Answer(401, b"expired")

    with FakeServer(answer, tls=authority.serving()) as server:
        stage = Stage(server, tmp_path, authority)

        async def scene() -> None:
            await stage.start(PROMETHEUS["token"])
            before = stage.cluster.status.baseline
            stage.put("Secret", "token", token=RENEWED)
            good[0] = RENEWED
            looks = stage.cluster.status.step
            assert looks is not None
            await stage.process.run(
                lambda: (step := stage.cluster.status.step) is not None and step.looks >= looks.looks + 2,
                within_seconds=30,
            )
            assert stage.cluster.status.baseline == before, "other credentials are no other source"
            await stage.source.close()

        virtual_time.run(scene())
    assert stage.measured()[0] is Reason.LOOKING
    texts = stage.texts(caplog)
    assert not [text for text in texts if '"NotMeasured"' in text]
    assert not [text for text in texts if "m4rk3r" in text]
    reads = [request for request in stage.process.kube.requests if request.kind == "Secret"]
    assert {request.method for request in reads} == {"GET"}


def test_a_right_that_is_missing_reaches_the_object(tmp_path: Path, authority: Authority) -> None:
    with FakeServer(success([]), tls=authority.serving()) as server:
        stage = Stage(server, tmp_path, authority)

        async def scene() -> None:
            await stage.start(PROMETHEUS["token"])
            asked = len(server.requests)
            stage.process.kube.refuse = lambda request: (
                KubeError(403, "GET Secret ml/token", 'User "system:serviceaccount:l:l" cannot get resource "secrets"')
                if request.kind == "Secret"
                else None
            )
            await stage.process.rest(130)
            assert stage.measured()[0] is Reason.METRICS_UNREACHABLE
            assert "lacks the right to get secrets" in stage.measured()[1]
            assert stage.cluster.weights == (80, 20), "held, not failed"
            last = len(server.requests)
            await stage.process.rest(60)
            assert len(server.requests) == last > asked, "nothing is asked without the credentials"
            stage.process.kube.refuse = lambda request: None
            await stage.process.run(lambda: stage.measured()[0] is Reason.LOOKING, within_seconds=60)
            await stage.source.close()

        virtual_time.run(scene())
