"""The model server: answers predictions of one model version and reports them to the label joiner."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry, Counter

from e2e.model.bodies import MAX_ID_LENGTH, BadRequest, parse_numbers, parse_object, parse_text
from e2e.model.classifier import PIXELS, Array, Classifier, softmax
from e2e.model.records import RecordSender
from e2e.model.serving import App, DrainingServer, Response
from lossgate.instrument import PredictionMetrics


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says about this server."""

    model_directory: Path
    version: str
    revision: str
    joiner_url: str | None
    port: int
    drain_seconds: float

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings.

        Raises:
            ValueError: No model version is named.
        """
        version = environment.get("MODEL_VERSION") or environment.get("LOSSGATE_MODEL_VERSION")
        if not version:
            raise ValueError("which model? set MODEL_VERSION or LOSSGATE_MODEL_VERSION to v1, v2, v3 or v4")
        return cls(
            model_directory=Path(environment.get("MODEL_DIRECTORY", "/models")),
            version=version,
            revision=environment.get("LOSSGATE_REVISION") or version,
            joiner_url=environment.get("JOINER_URL") or None,
            port=int(environment.get("PORT", "8080")),
            drain_seconds=float(environment.get("DRAIN_SECONDS", "8")),
        )


def parse_question(body: bytes) -> tuple[str, Array]:
    """Return the prediction id and the image in a request's body.

    Raises:
        BadRequest: The body is no `{"id": text, "image": [64 finite numbers]}`.
    """
    value = parse_object(body, f'{{"id": text, "image": [{PIXELS} numbers]}}')
    image = np.array(parse_numbers(value.get("image"), "image"))
    if image.shape != (PIXELS,) or not np.isfinite(image).all():
        raise BadRequest(f"image must be {PIXELS} finite numbers")
    return parse_text(value.get("id"), "id", MAX_ID_LENGTH), image


def create_app(settings: Settings) -> App:
    """Return the application that serves the version named in the settings.

    Raises:
        FileNotFoundError: That version is not in the model directory.
    """
    model = Classifier.load(settings.model_directory / f"{settings.version}.npz")
    registry = CollectorRegistry()
    predictions = PredictionMetrics(registry)
    sender = None
    if settings.joiner_url is not None:
        lost = Counter("prediction_records_lost", "Predictions that never reached the joiner.", registry=registry)
        sender = RecordSender(f"{settings.joiner_url}/predictions", "predictions", lost.inc)

    async def predict(body: bytes) -> Response:
        prediction_id, image = parse_question(body)
        logits = model.logits(image)
        probabilities = softmax(logits)
        answer = int(probabilities.argmax())
        predictions.served()
        if sender is not None:
            sender.add({"id": prediction_id, "logits": logits.tolist(), "revision": settings.revision})
        return Response.of_json(
            {
                "id": prediction_id,
                "class": answer,
                "probability": float(probabilities[answer]),
                "revision": settings.revision,
                "version": settings.version,
            }
        )

    background = nullcontext if sender is None else sender.running
    return App({("POST", "/predict"): predict}, registry, background=background)


def main() -> None:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings.from_environment(os.environ)
    DrainingServer(create_app(settings), port=settings.port, drain_seconds=settings.drain_seconds).run()


if __name__ == "__main__":
    main()
