"""Answers to the queries of guardrails, as told."""

from __future__ import annotations

import asyncio

from lossgate.measure.errors import MeasurementError
from lossgate.measure.source import InstantAnswer, InstantRequest, NoNumber, Number


class ScriptedNumbers:
    """Answers by the query's first word; what nobody scripted has no series."""

    def __init__(self) -> None:
        self.answers: dict[str, float | MeasurementError] = {}
        self.slow_seconds: dict[str, float] = {}
        """How long the answer to a query takes."""
        self.requests: list[InstantRequest] = []
        self.under_way = 0
        self.most_under_way = 0

    async def instant(self, request: InstantRequest) -> InstantAnswer:
        """Answer what was told for the query."""
        word = request.query.split("{")[0]
        self.requests.append(request)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.slow_seconds.get(word, 0.0))
        finally:
            self.under_way -= 1
        answer = self.answers.get(word)
        if isinstance(answer, MeasurementError):
            raise answer
        return NoNumber("the query gave no series") if answer is None else Number(answer)

    async def close(self) -> None:
        """Nothing is open."""
