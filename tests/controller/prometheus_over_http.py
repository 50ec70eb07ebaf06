"""A Prometheus over HTTP in virtual time: it answers with the losses of the script, or with a fault."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from lossgate.measure.counting import COUNTER, PART, Part
from lossgate.measure.instant import PrometheusInstant
from lossgate.measure.prometheus import PrometheusSource
from lossgate.measure.source import (
    ArmLook,
    Baseline,
    BaselineAnswer,
    BaselineRequest,
    LookAnswer,
    LookRequest,
    Scope,
    Target,
)
from tests.controller import virtual_time
from tests.controller.cluster import ScriptedSource
from tests.measure.fake_server import Answer, FakeServer, Request, success

Rows = list[dict[str, Any]]
Fault = Callable[[Rows], Answer]
"""What becomes of the rows that are the truth."""


class InPlace(ThreadPoolExecutor):
    """Virtual time would not wait for a thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


class OverHTTP:
    """The real source, asking a real server, whose answers are the script's until there is a fault."""

    def __init__(self, script: ScriptedSource, timeout_seconds: float = 1.0) -> None:
        self._script = script
        self._source = PrometheusSource(timeout_seconds, clock=virtual_time.unix)
        self._source._threads = InPlace()
        self._truth: Rows = []
        self.fault: Fault | None = None
        self.kinds: set[type] = {BaselineRequest, LookRequest}
        """Which questions the fault is for."""
        self.asked: list[BaselineRequest | LookRequest] = []
        self.numbers = PrometheusInstant(timeout_seconds)
        self.numbers._threads = InPlace()
        self.number: Callable[[int], Answer] = a_number
        """What the answer to the query of a guardrail is, for a moment."""

    def answer(self, request: Request) -> Answer:
        """Answer the question under way; to be given to the server."""
        if request.path.endswith("/query"):
            return self.number(int(request.form["time"]))
        is_broken = self.fault is not None and type(self.asked[-1]) in self.kinds
        return self.fault(self._truth) if is_broken and self.fault else success(self._truth)

    async def looks(self, request: LookRequest) -> LookAnswer:
        """Return what the source makes of the server's answer."""
        truth = await self._script.looks(request)
        self._truth = [
            row
            for target, looks in truth.arms.items()
            for row in _looks(request.scope, target, looks)  # type: ignore[arg-type]
        ]
        self.asked.append(request)
        return await self._source.looks(request)

    async def baseline(self, request: BaselineRequest) -> BaselineAnswer:
        """Return what the source makes of the server's answer."""
        truth = await self._script.baseline(request)
        assert isinstance(truth, Baseline)
        self._truth = _history(request, truth)
        self.asked.append(request)
        return await self._source.baseline(request)

    async def close(self) -> None:
        """Close connections."""
        await self._source.close()


def a_number(at: int) -> Answer:
    """The answer of one series, within every limit."""
    return success([{"metric": {}, "value": [at, "0.001"]}], "vector")


def serve(source: OverHTTP) -> FakeServer:
    """Return a server that answers for the source."""
    return FakeServer(source.answer)


def _looks(scope: Scope, target: Target, looks: tuple[ArmLook, ...]) -> Rows:
    names = scope.series
    losses = (names.count, names.sum, names.sum_of_squares)
    values = {
        **{(Part.SERIES, name): [2.0] * len(looks) for name in losses},
        (Part.FRESH, names.count): [2.0] * len(looks),
        (Part.INCREMENT, names.count): [look.n for look in looks],
        (Part.INCREMENT, names.sum): [look.total for look in looks],
        (Part.INCREMENT, names.sum_of_squares): [look.squares for look in looks],
        (Part.INCREMENT, names.predictions): [look.predictions or 0.0 for look in looks],
    }
    ends = [look.end for look in looks]
    return [_row(scope, target, part, name, ends, found) for (part, name), found in values.items()]


def _history(request: BaselineRequest, truth: Baseline) -> Rows:
    scope, names = request.scope, request.scope.series
    values = {
        **{(Part.SERIES, name): 2.0 for name in (names.count, names.sum, names.sum_of_squares)},
        (Part.INCREMENT, names.count): truth.n,
        (Part.INCREMENT, names.sum): truth.total,
        (Part.INCREMENT, names.sum_of_squares): truth.squares,
        (Part.RATE, names.count): truth.labels_per_second or 0.0,
        (Part.RATE, names.predictions): truth.predictions_per_second or 0.0,
    }
    return [_row(scope, request.target, part, name, [request.at], [value]) for (part, name), value in values.items()]


def _row(scope: Scope, target: Target, part: Part, name: str, ends: list[int], values: list[float]) -> dict[str, Any]:
    labels = {scope.namespace_label: target.namespace, scope.revision_label: target.revision}
    found = [[end, repr(value)] for end, value in zip(ends, values, strict=True)]
    return {"metric": {**labels, COUNTER: name, PART: str(part)}, "values": found}


def broken(change: Callable[[dict[str, Any]], Any], part: str = "increment", arm: str = "") -> Fault:
    """Return the fault that changes every row of a part, of all versions or of the last one asked for ("canary")."""

    def fault(rows: Rows) -> Answer:
        rows = json.loads(json.dumps(rows))
        last = rows[-1]["metric"]
        for row in rows:
            is_one = arm == "" or row["metric"]["revision"] == last["revision"]
            if row["metric"][PART] == part and is_one:
                change(row)
        return success(rows)

    return fault
