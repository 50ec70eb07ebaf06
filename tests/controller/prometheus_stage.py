"""The real reconciler and the real source in virtual time, and between them a server that can lie, fail or be late."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from lossgate.api import names
from lossgate.api.reasons import ConditionType, EventReason, Reason
from lossgate.measure.source import LookRequest
from lossgate.stats import unpack
from tests.controller import virtual_time
from tests.controller.cluster import Cluster, a_rollout
from tests.controller.fake_kube import Storage
from tests.controller.operator_process import OperatorProcess
from tests.controller.prometheus_over_http import OverHTTP, serve
from tests.controller.scene import looks_taken

INTERVAL, SETTLE = 10, 5
TWO_LOOKS = 2 * INTERVAL + SETTLE
LOOKS_BEFORE, LOOKS_AFTER = 3, 9
"""Looks before a fault, and until what is left after it is compared."""


@dataclass
class Seed:
    """What is stored at one moment, so that no test has to live through all before it."""

    storage: Storage
    seconds: float


class Stage:
    """The real reconciler and the real source; in between, a server whose answers are the truth or a fault."""

    def __init__(self, seed: Seed | None = None) -> None:
        self.cluster = Cluster(v2=0.25, v4=3.0)
        if seed is not None:
            self.cluster.storage.objects = copy.deepcopy(seed.storage.objects)
            self.cluster.storage.version, self.cluster.storage.uids = seed.storage.version, seed.storage.uids
        self.source = OverHTTP(self.cluster.source)
        self.server = serve(self.source)
        self.begin()

    def begin(self) -> None:
        """Have an operator process; another one takes over from it."""
        self.cluster.on_rollout = self.cluster.on_child = None
        self.cluster.numbers = self.source.numbers  # type: ignore[assignment]
        settings = dict(source=self.source, allowed=(self.server.url,))
        self.process = OperatorProcess(self.cluster, **settings)  # type: ignore[arg-type]

    def apply(self, version: str, **spec: Any) -> None:
        loss = {"interval": f"{INTERVAL}s", "settle": f"{SETTLE}s", "prometheus": {"url": self.server.url}}
        self.cluster.apply(a_rollout(version, loss=loss, **spec))

    async def until_looks(self, count: int) -> None:
        await self.process.run(lambda: looks_taken(self.cluster) >= count, 2000)

    def measured(self) -> tuple[str, Reason, str]:
        found = self.cluster.status.condition(ConditionType.MEASURED)
        assert found is not None
        return found.status, found.reason, found.message

    def told(self) -> list[str]:
        """Events so far, by reason."""
        return [body["reason"] for body in self.cluster.storage.of_kind("Event")]

    def evidence(self) -> tuple[Any, ...]:
        """All that is known of the step, but for the moments of the looks."""
        analysis = self.cluster.status.analysis
        assert analysis is not None
        return analysis.labels, analysis.mean_loss, analysis.delta, analysis.harm, analysis.safety

    def looks_lost(self) -> int:
        """Looks since the weights were in force that are no part of the evidence."""
        analysis, first = self.cluster.status.analysis, self.looks_asked()[0].first_end
        assert analysis is not None
        assert analysis.state is not None
        last = unpack(analysis.state).last_end
        assert last is not None
        return int((last - first) / INTERVAL) + 1 - looks_taken(self.cluster)

    def looks_asked(self) -> list[LookRequest]:
        return [request for request in self.source.asked if isinstance(request, LookRequest)]


def play(scene: Callable[[Stage], Awaitable[None]], seed: Seed | None = None) -> None:
    """Run a scene, from a seed's moment on."""

    async def all_of_it() -> None:
        stage = Stage(seed)
        with stage.server:
            if seed is None:
                stage.apply("v1")
            else:
                await asyncio.sleep(seed.seconds)
                stage.apply(seed.storage.objects[names.KIND, "ml", "digits"]["spec"]["model"]["version"])
            stage.process.start()
            await scene(stage)

    virtual_time.run(all_of_it())


def is_held(stage: Stage, reason: Reason, words: str) -> None:
    """Fail unless the object says why nothing is measured, in the condition and in an event."""
    status, found, message = stage.measured()
    assert (status, found) == ("False", reason), message
    assert words in message
    assert EventReason.NOT_MEASURED in stage.told() or found is Reason.NO_BASELINE
