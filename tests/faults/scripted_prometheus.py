"""A Prometheus whose losses are as scripted: the same for the same version, weight and look, whoever asks and when."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from lossgate.measure.counting import COUNTER, HISTORY_SECONDS, PART, Part
from tests.measure.fake_server import Answer, FakeServer, Request, success

LABELS_PER_SECOND = 8000
VARIANCE = 0.7
COUNT = "model_loss_count"
SUM = "model_loss_sum"
SQUARES = "model_loss_squared_sum_total"
NON_FINITE = "model_loss_nonfinite_total"
PREDICTIONS = "model_predictions_total"
_LOSSES = (COUNT, SUM, SQUARES)
_REVISIONS = re.compile(r'revision=~?"([^"]+)"')
_NAMESPACE = re.compile(r'namespace=~?"([^"]+)"')

Share = Callable[[str, float], float]


class ScriptedPrometheus:
    """Answers the operator's queries; labels come in proportion to the weights that were in force in a look.

    `share` says what part of the requests a revision got at a moment, `version_of` which model version it is.
    """

    def __init__(self, share: Share, version_of: Callable[[str], str | None], loss: Mapping[str, float]) -> None:
        self.loss = dict(loss)
        """Mean loss by model version."""
        self.labels_per_second: float = LABELS_PER_SECOND
        """Of all versions of a rollout together."""
        self._share = share
        self._version_of = version_of
        self._server = FakeServer(self.answer)
        self.url = self._server.url

    @property
    def requests(self) -> list[Request]:
        """What was asked so far."""
        return self._server.requests

    def stop(self) -> None:
        """End."""
        self._server.__exit__()

    def answer(self, request: Request) -> Answer:
        """Return what a healthy Prometheus answers to a query of the operator."""
        form = request.form
        if "query" not in form or "step" not in form:
            return Answer(400, json.dumps({"status": "error", "errorType": "bad_data", "error": "scripted"}).encode())
        query, step = form["query"], int(float(form["step"].removesuffix("s")))
        ends = range(round(float(form["start"])), round(float(form["end"])) + 1, step)
        find = _REVISIONS.search(query)
        namespace = _NAMESPACE.search(query)
        assert find is not None, query
        assert namespace is not None, query
        is_baseline = f"[{HISTORY_SECONDS}s]" in query
        rows: list[dict[str, Any]] = []
        for revision in find.group(1).replace("\\\\", "").split("|"):
            values = self._baseline(revision, ends) if is_baseline else self._looks(revision, ends)
            for (part, counter), points in values.items():
                labels = {"namespace": namespace.group(1), "revision": revision, PART: part, COUNTER: counter}
                rows.append(
                    {"metric": labels, "values": [[time, repr(float(value))] for time, value in points.items()]}
                )
        return success(rows)

    def _looks(self, revision: str, ends: range) -> dict[tuple[str, str], dict[int, float]]:
        """Looks in which a version got no request have no rows of it: its series are not there yet."""
        found: dict[tuple[str, str], dict[int, float]] = {}
        for end in ends:
            n = self.labels(revision, end - ends.step, ends.step)
            if n > 0:
                self._add(found, end, revision, n)
                for part, counters in ((Part.SERIES, _LOSSES), (Part.KNOWN, (COUNT,)), (Part.FRESH, (COUNT,))):
                    for counter in counters:
                        found.setdefault((part, counter), {})[end] = 1
        return found

    def _baseline(self, revision: str, ends: range) -> dict[tuple[str, str], dict[int, float]]:
        found: dict[tuple[str, str], dict[int, float]] = {}
        self._add(found, ends[-1], revision, 100_000.0)
        for counter in _LOSSES:
            found.setdefault((Part.SERIES, counter), {})[ends[-1]] = 1
        for counter in (COUNT, PREDICTIONS):
            found.setdefault((Part.RATE, counter), {})[ends[-1]] = self.labels_per_second
        return found

    def labels(self, revision: str, begin: float, seconds: int) -> float:
        """Return the labels of a version within a look that begins at `begin` (Unix seconds)."""
        return round(self._share(revision, begin) * self.labels_per_second * seconds)

    def _add(self, found: dict[tuple[str, str], dict[int, float]], end: int, revision: str, n: float) -> None:
        mean = self.loss[self._version_of(revision) or ""]
        values = {COUNT: n, SUM: n * mean, SQUARES: n * (VARIANCE + mean**2), NON_FINITE: 0.0, PREDICTIONS: n}
        for counter, value in values.items():
            found.setdefault((Part.INCREMENT, counter), {})[end] = value
