"""The client: sends test images through the gateway at random times and tells the joiner the truth a little later."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
import uvloop
from aiohttp import web
from yarl import URL

from e2e.model.records import RecordSender
from e2e.model.tally import Failure, Tally

_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_MAX_LAG_SECONDS = 1.0
_MAX_CONNECTIONS = 128

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says about this client; the rate in requests per second."""

    gateway_url: str
    host: str | None
    joiner_url: str
    rate: float
    label_delay_seconds: float
    model_directory: Path
    seed: int
    port: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings.

        Raises:
            ValueError: An address is missing or the rate is not positive.
        """
        missing = [name for name in ("GATEWAY_URL", "JOINER_URL") if not environment.get(name)]
        if missing:
            raise ValueError(f"set {' and '.join(missing)}: where predictions are asked for and labels are posted")
        rate = float(environment.get("RATE", "250"))
        if not rate > 0:
            raise ValueError(f"RATE is {rate}: give requests per second above 0")
        return cls(
            gateway_url=environment["GATEWAY_URL"].rstrip("/"),
            host=environment.get("HOSTNAME_HEADER") or None,
            joiner_url=environment["JOINER_URL"].rstrip("/"),
            rate=rate,
            label_delay_seconds=float(environment.get("LABEL_DELAY", "0.3")),
            model_directory=Path(environment.get("MODEL_DIRECTORY", "/models")),
            seed=int(environment.get("SEED", "0")),
            port=int(environment.get("PORT", "8080")),
        )


class Client:
    """Open-loop load: requests leave at the times of a Poisson process, whatever became of the earlier ones.

    A gateway splits by weighted round robin, nearly deterministic: random times and a random image for each request
    keep any pattern of the traffic from falling in step with it. Nothing is retried.
    """

    def __init__(self, settings: Settings) -> None:
        """Create a client for the test images in the model directory."""
        self.tally = Tally()
        self._settings = settings
        self._random = random.Random(settings.seed)
        with np.load(settings.model_directory / "test.npz") as data:
            self._images = [json.dumps(image) for image in data["images"].astype(int).tolist()]
            self._labels: list[int] = data["labels"].tolist()
        self._predict_url = URL(f"{settings.gateway_url}/predict")
        self._run_id = uuid.uuid4().hex[:12]
        self._label_sender = RecordSender(f"{settings.joiner_url}/labels", "labels", self.tally.lost_labels)

    async def run(self) -> None:
        """Send requests and labels until cancelled."""
        headers = {"Content-Type": "application/json"}
        if self._settings.host:
            headers["Host"] = self._settings.host
        gateway = aiohttp.ClientSession(
            # The gateway's address is its Service's: looked up once, so that a slow DNS is no error of the model.
            connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS, ttl_dns_cache=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            timeout=_REQUEST_TIMEOUT,
        )
        async with gateway as session, self._label_sender.running(), asyncio.TaskGroup() as group:
            await self._send_requests(session, group)

    async def _send_requests(self, session: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        due = time.monotonic()
        while True:
            # After a stall of this process the rate is kept, not the total: a burst would be a load of its own.
            due = max(due + self._random.expovariate(self._settings.rate), time.monotonic() - _MAX_LAG_SECONDS)
            await asyncio.sleep(due - time.monotonic())
            self.tally.sent += 1
            prediction_id = f"{self._run_id}-{self.tally.sent}"
            group.create_task(self._predict(session, prediction_id, self._random.randrange(len(self._images))))

    async def _predict(self, session: aiohttp.ClientSession, prediction_id: str, index: int) -> None:
        """Ask for one prediction and count what came of it."""
        question = f'{{"id": "{prediction_id}", "image": {self._images[index]}}}'.encode()
        try:
            async with session.post(self._predict_url, data=question) as response:
                if response.status != 200:
                    text = (await response.text())[:200]
                    self.tally.failed(Failure.HTTP, f"{response.status} {response.reason}: {text}", time.time())
                    return
                answer = json.loads(await response.read())
            if answer["id"] != prediction_id:
                raise ValueError(f"answer to {answer['id']!r} for {prediction_id!r}")
            revision, version = str(answer["revision"]), str(answer["version"])
        except TimeoutError:
            self.tally.failed(Failure.TIMEOUT, f"no answer in {_REQUEST_TIMEOUT.total} s", time.time())
        except aiohttp.ClientError as error:
            self.tally.failed(Failure.CONNECTION, repr(error), time.time())
        except (ValueError, KeyError, TypeError) as error:
            self.tally.failed(Failure.BODY, repr(error), time.time())
        else:
            self.tally.answered(revision, version, time.time())
            label = {"id": prediction_id, "label": self._labels[index]}
            asyncio.get_running_loop().call_later(self._settings.label_delay_seconds, self._label_sender.add, label)


def create_web(client: Client) -> web.Application:
    """Return the application that shows /stats and /healthz."""

    async def stats(_: web.Request) -> web.Response:
        return web.json_response(client.tally.as_json())

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    app = web.Application()
    app.add_routes([web.get("/stats", stats), web.get("/healthz", healthz)])
    return app


async def serve(settings: Settings) -> None:
    """Run the client and its web page until SIGTERM or SIGINT."""
    client = Client(settings)
    runner = web.AppRunner(create_web(client), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=settings.port).start()
    load = asyncio.ensure_future(client.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, load.cancel)
    try:
        await load
    except asyncio.CancelledError:
        _log.info("stopped after %d requests", client.tally.sent)
    finally:
        await runner.cleanup()


def main() -> None:
    """Run until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    uvloop.run(serve(Settings.from_environment(os.environ)))


if __name__ == "__main__":
    main()
