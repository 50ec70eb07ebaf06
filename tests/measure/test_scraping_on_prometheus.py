"""The same with scrapes as they really happen: a scripted exporter, one answer per scrape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lossgate.measure.counting import LookBacks
from lossgate.measure.prometheus import PrometheusSource
from lossgate.measure.source import ArmLook, ArmReading, Target
from tests.measure.fake_server import Answer, FakeServer, Request
from tests.measure.prometheus_server import PrometheusServer
from tests.measure.requests_made import a_request

pytestmark = pytest.mark.prometheus

DEADLINE_SECONDS = 60
LABELS_A_SCRAPE = 10
IDLE_SCRAPES = 5
CONFIG = """
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
- job_name: pods
  static_configs:
  - {{targets: ["{steady}"], labels: {{namespace: ml, revision: steady}}}}
  - {{targets: ["{restarting}"], labels: {{namespace: ml, revision: restarting}}}}
"""


@dataclass
class Pod:
    """An exporter that serves labels between scrapes until its script ends; each scrape sees the next line of it."""

    script: str
    scrapes: int = 0
    value: int = 0
    served: int = 0
    lost_at_restart: int = 0

    def scraped(self, request: Request) -> Answer:
        event = self.script[self.scrapes] if self.scrapes < len(self.script) else "idle"
        self.scrapes += 1
        if event == "r":
            self.lost_at_restart += self.value
            self.value = 0
        if event not in ("idle", "z"):
            self.value += LABELS_A_SCRAPE
            self.served += LABELS_A_SCRAPE
        if event == "f":
            return Answer(500)
        if event == "b":
            return Answer(200, b"", {"Content-Type": "text/plain; version=0.0.4"})
        n = self.value
        lines = f"model_loss_count {n}\nmodel_loss_sum {n * 0.5}\nmodel_loss_squared_sum_total {n * 0.25}\n"
        return Answer(200, lines.encode(), {"Content-Type": "text/plain; version=0.0.4"})


# s: scraped, z: scraped without new labels, f: the scrape fails, b: the counters are not born yet,
# r: the pod restarted before the scrape.
STEADY = "b" * 18 + "sssssss" + "fff" + "ssssssss" + "f" + "sss"
RESTARTING = "z" * 18 + "s" * 14 + "r" + "s" * 10
LOOK_BACKS = LookBacks(known_seconds=1)


@pytest.fixture
def scraped(prometheus_binary: Path, tmp_path: Path) -> Iterator[tuple[PrometheusServer, Pod, Pod]]:
    steady, restarting = Pod(STEADY), Pod(RESTARTING)
    with FakeServer(steady.scraped) as first, FakeServer(restarting.scraped) as second:
        hosts = {"steady": first.url, "restarting": second.url}
        config = CONFIG.format(**{name: url.removeprefix("http://") for name, url in hosts.items()})
        server = PrometheusServer(prometheus_binary, tmp_path, config)
        yield server, steady, restarting
        server.stop()


@pytest.fixture
async def source() -> AsyncIterator[PrometheusSource]:
    source = PrometheusSource(look_backs=LOOK_BACKS)
    yield source
    await source.close()


async def test_births_failed_scrapes_and_restarts_as_scraped(
    source: PrometheusSource, scraped: tuple[PrometheusServer, Pod, Pod]
) -> None:
    server, steady, restarting = scraped
    begin = int(time.time()) - 5
    await until(
        lambda: steady.scrapes > len(STEADY) + IDLE_SCRAPES and restarting.scrapes > len(RESTARTING) + IDLE_SCRAPES
    )
    end = int(time.time()) + 1
    await until(lambda: time.time() > end)
    targets = Target("ml", "steady"), Target("ml", "restarting")
    request = a_request(server.url, *targets, ends=(begin, end), interval_seconds=1)
    arms = (await source.looks(request)).arms
    assert sum(look.n for look in numbers(arms[targets[0]])) == steady.served
    seen = sum(look.n for look in numbers(arms[targets[1]]))
    assert restarting.served - restarting.lost_at_restart <= seen <= restarting.served
    one_look = max(look.n for look in numbers(arms[targets[1]]))
    assert seen >= restarting.served - one_look - LABELS_A_SCRAPE
    assert all(look.total == pytest.approx(look.n / 2) for arm in arms.values() for look in numbers(arm))


async def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, "not reached in time"
        await asyncio.sleep(0.05)


def numbers(arm: tuple[ArmReading, ...]) -> list[ArmLook]:
    return [reading for reading in arm if isinstance(reading, ArmLook)]
