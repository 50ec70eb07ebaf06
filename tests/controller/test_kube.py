from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port
from kubernetes.aio import client

from lossgate.api import names
from lossgate.controller import kube as kube_module
from lossgate.controller.kube import Kube, KubeError

ROLLOUTS = "/apis/lossgate.io/v1alpha1/namespaces/ml/modelrollouts"
DEPLOYMENTS = "/apis/apps/v1/namespaces/ml/deployments"


class Server:
    """A tiny API server: it notes each request and gives the answer that was prepared."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str | None, Any]] = []
        self.queries: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: tuple[int, str, str] = (200, "application/json", "{}")
        self.hangs_in: str | None = None
        self.more_headers: dict[str, str] = {}
        self.release = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        content_type = request.headers.get("Content-Type") if text else None
        self.requests.append((request.method, request.path, content_type, json.loads(text) if text else None))
        self.queries.append(dict(request.query))
        self.headers.append(dict(request.headers))
        if self.hangs_in == "head":
            await self.release.wait()
        status, content_type, body = self.answer
        if self.hangs_in != "body":
            return web.Response(status=status, content_type=content_type, text=body, headers=self.more_headers)
        response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": content_type})
        await response.prepare(request)
        await response.write(b"{")
        await self.release.wait()
        return response


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, int]]:
    server, port = Server(), unused_port()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield server, port
    server.release.set()
    await runner.cleanup()


@pytest.fixture
async def counted() -> list[tuple[str, str, int]]:
    return []


@pytest.fixture
async def kube(server: tuple[Server, int], counted: list[tuple[str, str, int]]) -> AsyncIterator[Kube]:
    configuration = client.Configuration(host=f"http://127.0.0.1:{server[1]}")
    configuration.api_key["BearerToken"] = "Bearer secret"
    kube = Kube(client.ApiClient(configuration), lambda *request: counted.append(request))
    yield kube
    await kube.close()


async def test_json_patch_says_that_it_is_one(kube: Kube, server: tuple[Server, int]) -> None:
    operations = [{"op": "test", "path": "/metadata/resourceVersion", "value": "7"}]
    await kube.json_patch("HTTPRoute", "ml", "models", operations)
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/ml/httproutes/models"
    assert server[0].requests == [("PATCH", path, "application/json-patch+json", operations)]
    assert server[0].queries == [{"fieldManager": "lossgate"}]


BODY = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "digits-1", "namespace": "ml"}}
ROLLOUT = {"kind": names.KIND, "metadata": {"name": "digits", "namespace": "ml", "resourceVersion": "7"}, "status": {}}


async def test_every_request_has_its_place_and_content_type(kube: Kube, server: tuple[Server, int]) -> None:
    await kube.create(BODY)
    await kube.get("Deployment", "ml", "digits-1")
    await kube.patch("Deployment", "ml", "digits-1", {"spec": {"replicas": 2}})
    await kube.replace("Deployment", "ml", "digits-1", BODY)
    await kube.replace_status(ROLLOUT)
    await kube.delete("Deployment", "ml", "digits-1")
    assert server[0].requests == [
        ("POST", DEPLOYMENTS, "application/json", BODY),
        ("GET", f"{DEPLOYMENTS}/digits-1", None, None),
        ("PATCH", f"{DEPLOYMENTS}/digits-1", "application/merge-patch+json", {"spec": {"replicas": 2}}),
        ("PUT", f"{DEPLOYMENTS}/digits-1", "application/json", BODY),
        ("PUT", f"{ROLLOUTS}/digits/status", "application/json", ROLLOUT),
        ("DELETE", f"{DEPLOYMENTS}/digits-1", "application/json", {"propagationPolicy": "Background"}),
    ]
    managers = [query.get("fieldManager") for query in server[0].queries]
    assert managers == ["lossgate", None, "lossgate", "lossgate", "lossgate", None]
    assert {headers["Authorization"] for headers in server[0].headers} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Service", "/api/v1/namespaces/ml/services/x"),
        ("HTTPRoute", "/apis/gateway.networking.k8s.io/v1/namespaces/ml/httproutes/x"),
        ("Event", "/api/v1/namespaces/ml/events/x"),
        ("Lease", "/apis/coordination.k8s.io/v1/namespaces/ml/leases/x"),
        (names.KIND, f"{ROLLOUTS}/x"),
    ],
)
async def test_every_kind_has_its_path(kube: Kube, server: tuple[Server, int], kind: str, path: str) -> None:
    await kube.get(kind, "ml", "x")
    assert server[0].requests[0][1] == path


async def test_answer_is_a_plain_dict_with_what_the_server_stored(kube: Kube, server: tuple[Server, int]) -> None:
    stored = {**BODY, "status": {"replicas": 3}, "unknownToAnyClient": {"x": [1, None, "2026-01-01T00:00:00Z"]}}
    server[0].answer = (201, "application/json", json.dumps(stored))
    assert await kube.create(BODY) == stored


@pytest.mark.parametrize("code", [400, 403, 404, 409, 422, 429, 500, 503])
async def test_refusal_has_the_status_and_the_servers_own_words(
    kube: Kube, server: tuple[Server, int], counted: list[tuple[str, str, int]], code: int
) -> None:
    words = 'Deployment.apps "digits-1" is invalid: spec.template.spec.containers[0].image: Required value'
    server[0].answer = (code, "application/json", json.dumps({"kind": "Status", "message": words, "code": code}))
    with pytest.raises(KubeError) as caught:
        await kube.create(BODY)
    assert caught.value.status == code
    assert caught.value.message == words
    assert str(caught.value) == f"POST Deployment ml/digits-1: {words}"
    assert counted == [("POST", "Deployment", code)]


@pytest.mark.parametrize("body", ["<html>bad gateway</html>", "", "[]", '{"no": "message"}'])
async def test_refusal_of_a_proxy_in_between_is_short(kube: Kube, server: tuple[Server, int], body: str) -> None:
    server[0].answer = (502, "text/html", body)
    with pytest.raises(KubeError) as caught:
        await kube.get("Service", "ml", "digits")
    assert caught.value.status == 502
    assert caught.value.message == "HTTP 502 Bad Gateway"


@pytest.mark.parametrize("body", ["<html>log in</html>", "", "[1]", "{cut off"])
@pytest.mark.parametrize("content_type", ["text/html", "application/json"])
async def test_success_that_is_no_object_is_an_error(
    kube: Kube, server: tuple[Server, int], body: str, content_type: str
) -> None:
    server[0].answer = (200, content_type, body)
    with pytest.raises(KubeError, match="no API object came"):
        await kube.get("Lease", "ml", "lossgate")


@pytest.mark.parametrize("part", ["head", "body"])
async def test_server_that_does_not_answer_in_time_is_an_error_without_status(
    kube: Kube,
    server: tuple[Server, int],
    counted: list[tuple[str, str, int]],
    part: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kube_module, "REQUEST_TIMEOUT_SECONDS", 0.1)
    server[0].hangs_in = part
    with pytest.raises(KubeError, match="no answer") as caught:
        await kube.get("Lease", "ml", "lossgate")
    assert caught.value.status == 0
    assert len(counted) == 1


async def test_server_that_is_not_there_is_an_error_without_status(counted: list[tuple[str, str, int]]) -> None:
    configuration = client.Configuration(host=f"http://127.0.0.1:{unused_port()}")
    kube = Kube(client.ApiClient(configuration), lambda *request: counted.append(request))
    with pytest.raises(KubeError, match="no answer") as caught:
        await kube.get("Lease", "ml", "lossgate")
    assert caught.value.status == 0
    assert counted == [("GET", "Lease", 0)]
    await kube.close()


async def test_deleting_what_is_gone_is_no_error(kube: Kube, server: tuple[Server, int]) -> None:
    server[0].answer = (404, "application/json", '{"message": "not found"}')
    await kube.delete("Deployment", "ml", "digits-1")


async def test_deleting_what_may_not_be_deleted_is_one(kube: Kube, server: tuple[Server, int]) -> None:
    server[0].answer = (403, "application/json", '{"message": "forbidden"}')
    with pytest.raises(KubeError, match="forbidden"):
        await kube.delete("Deployment", "ml", "digits-1")


@pytest.mark.parametrize(
    "answer",
    [
        (200, "application/json", '{"kind": "Secret", "data": {"token": "bTRya2Vy"}}'),
        (200, "application/json", '{"kind": "Secret", "data": {"token": "bTRya2Vy'),
        (200, "application/json", '["bTRya2Vy"]'),
        (200, "text/html", "bTRya2Vy"),
        (403, "application/json", '{"kind": "Status", "message": "may not"}'),
    ],
)
async def test_what_a_secret_holds_is_neither_logged_nor_quoted(
    server: tuple[Server, int], kube: Kube, caplog: pytest.LogCaptureFixture, answer: tuple[int, str, str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server[0].answer = answer
    said = ""
    try:
        await kube.get("Secret", "ml", "prom")
    except KubeError as error:
        said = "".join(traceback.format_exception(error))
    assert server[0].requests == [("GET", "/api/v1/namespaces/ml/secrets/prom", None, None)]
    assert bool(said) == (answer[:2] != (200, "application/json") or not answer[2].endswith("}}"))
    assert "bTRya2Vy" not in said + caplog.text
    assert "m4rker" not in said + caplog.text


async def test_a_config_map_is_got_by_its_name(server: tuple[Server, int], kube: Kube) -> None:
    await kube.get("ConfigMap", "ml", "company")
    assert server[0].requests == [("GET", "/api/v1/namespaces/ml/configmaps/company", None, None)]


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), (None, 0.0)])
async def test_error_says_how_long_the_server_wants_to_be_left_alone(
    server: tuple[Server, int], kube: Kube, header: str | None, seconds: float
) -> None:
    server[0].answer = (429, "application/json", "{}")
    server[0].more_headers = {} if header is None else {"Retry-After": header}
    with pytest.raises(KubeError) as caught:
        await kube.get("Lease", "ml", "lossgate")
    assert caught.value.retry_after_seconds == seconds
