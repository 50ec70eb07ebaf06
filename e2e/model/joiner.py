"""The label joiner: takes predictions from the servers and labels from the client, exposes loss by revision."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from e2e.model.bodies import MAX_ID_LENGTH, BadRequest, parse_numbers, parse_object, parse_text
from e2e.model.serving import App, DrainingServer, Response
from lossgate.instrument import Joined, LabelJoiner, LossMetrics, observe_joined

_MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_REVISION_LENGTH = 63
_MIN_CLASSES = 2


def create_app() -> App:
    """Return the application with an empty joiner."""
    registry = CollectorRegistry()
    metrics = LossMetrics(registry, revision_label=True)
    joiner = LabelJoiner()
    registry.register(joiner)

    def observed(pairs: Iterable[Joined | None]) -> Response:
        joined = [pair for pair in pairs if pair is not None]
        observe_joined(metrics, joined)
        return Response.of_json({"joined": len(joined)})

    async def predictions(body: bytes) -> Response:
        records = parse_predictions(body)
        for revision in {record.revision for record in records}:
            metrics.declare(revision)
        return observed(joiner.record(record.prediction_id, record.logits, record.revision) for record in records)

    async def labels(body: bytes) -> Response:
        return observed(joiner.label(prediction_id, label) for prediction_id, label in parse_labels(body))

    routes = {("POST", "/predictions"): predictions, ("POST", "/labels"): labels}
    return App(routes, registry, max_body_bytes=_MAX_BODY_BYTES)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a server predicted."""

    prediction_id: str
    logits: list[float]
    revision: str


def parse_predictions(body: bytes) -> list[Prediction]:
    """Return the predictions of a batch, or raise BadRequest naming the first bad one, so that none is half taken."""
    predictions = []
    for name, record in _parse_records(body, "predictions", '{"id", "logits", "revision"}'):
        logits = parse_numbers(record.get("logits"), f"{name}.logits")
        if len(logits) < _MIN_CLASSES:
            raise BadRequest(f"{name}.logits must hold one number for each of at least {_MIN_CLASSES} classes")
        revision = parse_text(record.get("revision"), f"{name}.revision", _MAX_REVISION_LENGTH)
        predictions.append(Prediction(parse_text(record.get("id"), f"{name}.id", MAX_ID_LENGTH), logits, revision))
    return predictions


def parse_labels(body: bytes) -> list[tuple[str, int]]:
    """Return the prediction ids and true classes of a batch, or raise BadRequest naming the first bad one."""
    labels = []
    for name, record in _parse_records(body, "labels", '{"id", "label"}'):
        label = record.get("label")
        if type(label) is not int:
            raise BadRequest(f"{name}.label must be the index of a class")
        labels.append((parse_text(record.get("id"), f"{name}.id", MAX_ID_LENGTH), label))
    return labels


def _parse_records(body: bytes, key: str, shape: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each object of the list under the key, with a name for messages."""
    records = parse_object(body, f'{{"{key}": [{shape}, ...]}}').get(key)
    if not isinstance(records, list):
        raise BadRequest(f"{key} must be a list of {shape}")
    for index, record in enumerate(records):
        name = f"{key}[{index}]"
        if not isinstance(record, dict):
            raise BadRequest(f"{name} must be an object {shape}")
        yield name, record


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    drain_seconds = float(os.environ.get("DRAIN_SECONDS", "2"))
    DrainingServer(create_app(), port=int(os.environ.get("PORT", "8080")), drain_seconds=drain_seconds).run()


if __name__ == "__main__":
    main()
