"""The model server answers, reports what it answered, and says what is wrong with a request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestServer

from e2e.model.classifier import Classifier, softmax
from e2e.model.server import Settings, create_app
from e2e.model.serving import App
from tests.e2e_model.asgi import call
from tests.e2e_model.receiver import Receiver

IMAGE = [0.0, 5, 13, 9, 1, 0, 0, 0] * 8


def settings(models: Path, **environment: str) -> Settings:
    return Settings.from_environment({"MODEL_VERSION": "v1", "MODEL_DIRECTORY": str(models), **environment})


@pytest.fixture
def app(models: Path) -> App:
    return create_app(settings(models, LOSSGATE_REVISION="digits-1a2b3c4d"))


async def test_answers_with_the_most_probable_class(app: App, models: Path) -> None:
    answer = await call(app, "POST", "/predict", {"id": "a", "image": IMAGE}, chunk_bytes=50)
    probabilities = softmax(Classifier.load(models / "v1.npz").logits(np.array(IMAGE)))
    assert answer.status == 200
    assert answer.json() == {
        "id": "a",
        "class": int(probabilities.argmax()),
        "probability": pytest.approx(float(probabilities.max())),
        "revision": "digits-1a2b3c4d",
        "version": "v1",
    }


async def test_counts_the_predictions_it_answered(app: App) -> None:
    assert b"model_predictions_total 0.0" in (await call(app, "GET", "/metrics")).body
    await call(app, "POST", "/predict", {"id": "a", "image": IMAGE})
    await call(app, "POST", "/predict", {"id": "b", "image": []})
    assert b"model_predictions_total 1.0" in (await call(app, "GET", "/metrics")).body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body is not JSON"),
        (b"[]", "body is no JSON object"),
        ({"id": "a", "image": IMAGE[1:]}, "image must be 64 finite numbers"),
        ({"id": "a", "image": [*IMAGE[1:], float("nan")]}, "image must be 64 finite numbers"),
        ({"id": "a", "image": [*IMAGE[1:], "7"]}, "image must be a list of numbers"),
        ({"id": "a", "image": [*IMAGE[1:], 10**400]}, "image holds an integer beyond"),
        ({"id": "a"}, "image must be a list of numbers"),
        ({"id": "", "image": IMAGE}, "id must be a text"),
        ({"id": 7, "image": IMAGE}, "id must be a text"),
        ({"id": "a" * 129, "image": IMAGE}, "id must be a text"),
    ],
)
async def test_refuses_what_is_no_question(app: App, body: object, message: str) -> None:
    answer = await call(app, "POST", "/predict", body)
    assert answer.status == 400
    assert message in answer.json()["error"]


async def test_refuses_an_unknown_path_and_a_body_too_large(app: App) -> None:
    assert (await call(app, "GET", "/predict")).status == 404
    assert (await call(app, "POST", "/predict", b" " * 70_000)).status == 413


async def test_is_ready_until_it_drains_and_goes_on_answering(app: App) -> None:
    assert (await call(app, "GET", "/readyz")).status == 200
    app.draining = True
    assert (await call(app, "GET", "/readyz")).status == 503
    assert (await call(app, "GET", "/healthz")).status == 200
    answer = await call(app, "POST", "/predict", {"id": "a", "image": IMAGE})
    assert answer.status == 200
    assert answer.headers["connection"] == "close"


async def test_reports_each_prediction_with_its_logits(models: Path) -> None:
    receiver = Receiver("/predictions")
    async with TestServer(receiver.app) as server:
        joiner = str(server.make_url("")).rstrip("/")
        app = create_app(settings(models, LOSSGATE_REVISION="digits-1a2b3c4d", JOINER_URL=joiner))
        async with app.background():
            await call(app, "POST", "/predict", {"id": "a", "image": IMAGE})
            await receiver.got(1)
    assert receiver.bodies == [
        {
            "predictions": [
                {
                    "id": "a",
                    "logits": Classifier.load(models / "v1.npz").logits(np.array(IMAGE)).tolist(),
                    "revision": "digits-1a2b3c4d",
                }
            ]
        }
    ]


def test_the_version_comes_from_either_variable(models: Path) -> None:
    assert Settings.from_environment({"LOSSGATE_MODEL_VERSION": "v2"}).version == "v2"
    assert settings(models, LOSSGATE_MODEL_VERSION="v2").version == "v1"
    with pytest.raises(ValueError, match="set MODEL_VERSION or LOSSGATE_MODEL_VERSION"):
        Settings.from_environment({})
