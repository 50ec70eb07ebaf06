"""The client sends real images, counts every answer and failure, and posts the truth."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from e2e.model.client import Client, Settings, create_web
from e2e.model.tally import Failure
from tests.e2e_model.receiver import Receiver


class Gateway(Receiver):
    """Answers like a model server, each third request by the canary; other statuses as told."""

    def answer(self, status: int, body: Any) -> web.Response:
        canary = len(self.bodies) % 3 == 0
        revision, version = ("digits-b", "v2") if canary else ("digits-a", "v1")
        return web.json_response({"id": body["id"], "revision": revision, "version": version}, status=status)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - the client has no event for it
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(models: Path, gateway: web.Application, joiner: web.Application) -> AsyncIterator[Client]:
    async with TestServer(gateway) as gateway_server, TestServer(joiner) as joiner_server:
        environment = {
            "GATEWAY_URL": str(gateway_server.make_url("/")),
            "JOINER_URL": str(joiner_server.make_url("/")),
            "HOSTNAME_HEADER": "digits.example.com",
            "RATE": "500",
            "LABEL_DELAY": "0.01",
            "MODEL_DIRECTORY": str(models),
        }
        client = Client(Settings.from_environment(environment))
        load = asyncio.create_task(client.run())
        try:
            yield client
        finally:
            load.cancel()
            with pytest.raises(asyncio.CancelledError):
                await load


async def test_every_answer_is_counted_and_labelled_with_the_truth(models: Path) -> None:
    gateway, joiner = Gateway("/predict"), Receiver("/labels")
    async with running(models, gateway.app, joiner.app) as client:
        await until(lambda: client.tally.ok >= 60)
    tally = client.tally
    assert tally.errors == 0
    assert set(gateway.hosts) == {"digits.example.com"}
    assert tally.by_revision["digits-a"].count + tally.by_revision["digits-b"].count == tally.ok
    assert tally.by_revision["digits-b"].count == tally.by_version["v2"].count
    assert tally.by_revision["digits-a"].first_seen <= tally.by_revision["digits-a"].last_seen

    data = np.load(models / "test.npz")
    digits = {tuple(image): int(label) for image, label in zip(data["images"], data["labels"], strict=True)}
    truth = {body["id"]: digits[tuple(body["image"])] for body in gateway.bodies}
    labels = {record["id"]: record["label"] for body in joiner.bodies for record in body["labels"]}
    assert labels
    assert labels.items() <= truth.items()


async def test_an_http_error_is_counted_and_never_retried(models: Path) -> None:
    gateway, joiner = Gateway("/predict", 200, 503, 200), Receiver("/labels")
    async with running(models, gateway.app, joiner.app) as client:
        await until(lambda: client.tally.ok >= 5)
    assert client.tally.errors == 1
    assert client.tally.errors_by_kind == {"http": 1, "connection": 0, "timeout": 0, "body": 0}
    assert client.tally.error_samples[0].message.startswith("503 Service Unavailable")
    assert gateway.refused[0]["id"] not in {body["id"] for body in gateway.bodies}


async def test_a_connection_cut_and_a_garbled_answer_are_errors(models: Path) -> None:
    answers = [web.Response(body=b"<html>"), web.json_response({"id": "other", "revision": "a", "version": "v1"})]

    async def predict(request: web.Request) -> web.Response:
        if answers:
            return answers.pop(0)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    gateway = web.Application()
    gateway.router.add_post("/predict", predict)
    async with running(models, gateway, Receiver("/labels").app) as client:
        await until(lambda: client.tally.errors >= 30)
    assert client.tally.ok == 0
    assert client.tally.errors_by_kind[Failure.BODY] == 2
    assert client.tally.errors_by_kind[Failure.CONNECTION] == client.tally.errors - 2
    assert len(client.tally.error_samples) == 20


async def test_stats_are_served_as_json(models: Path) -> None:
    async with running(models, Gateway("/predict").app, Receiver("/labels").app) as client:
        await until(lambda: client.tally.ok >= 3)
        async with TestClient(TestServer(create_web(client))) as page:
            assert (await page.get("/healthz")).status == 200
            stats = json.loads(await (await page.get("/stats")).text())
    assert stats["sent"] >= stats["ok"] >= 3
    assert stats["errors"] == 0
    assert stats["by_version"]["v1"]["count"] > 0


def test_missing_addresses_are_named() -> None:
    with pytest.raises(ValueError, match="set GATEWAY_URL and JOINER_URL"):
        Settings.from_environment({})
    with pytest.raises(ValueError, match="RATE is 0"):
        Settings.from_environment({"GATEWAY_URL": "http://a", "JOINER_URL": "http://b", "RATE": "0"})
