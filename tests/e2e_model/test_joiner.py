"""The label joiner turns predictions and labels into loss by revision."""

from __future__ import annotations

import json
import math

import pytest

from e2e.model.joiner import create_app
from tests.e2e_model.asgi import call


def a_prediction(
    prediction_id: str, *, logits: list[float] | None = None, revision: str = "digits-a"
) -> dict[str, object]:
    return {"id": prediction_id, "logits": [0.0, 0.0] if logits is None else logits, "revision": revision}


async def test_labels_before_and_after_their_predictions_give_loss_by_revision() -> None:
    app = create_app()
    await call(app, "POST", "/labels", {"labels": [{"id": "early", "label": 1}]})
    posted = [a_prediction("early"), a_prediction("late", logits=[0.0] * 4, revision="digits-b")]
    assert (await call(app, "POST", "/predictions", {"predictions": posted})).json() == {"joined": 1}
    assert (await call(app, "POST", "/labels", {"labels": [{"id": "late", "label": 3}]})).json() == {"joined": 1}
    metrics = (await call(app, "GET", "/metrics")).body.decode()
    assert f'model_loss_sum{{revision="digits-a"}} {math.log(2)}' in metrics
    assert f'model_loss_sum{{revision="digits-b"}} {math.log(4)}' in metrics
    assert 'model_label_join_total{outcome="joined"} 2.0' in metrics


async def test_a_revision_stands_at_zero_before_its_first_label() -> None:
    app = create_app()
    await call(app, "POST", "/predictions", {"predictions": [a_prediction("a", revision="digits-new")]})
    metrics = (await call(app, "GET", "/metrics")).body.decode()
    assert 'model_loss_count{revision="digits-new"} 0.0' in metrics
    assert 'model_loss_squared_sum_total{revision="digits-new"} 0.0' in metrics


async def test_a_batch_sent_twice_counts_once() -> None:
    app = create_app()
    for _ in range(2):
        await call(app, "POST", "/predictions", {"predictions": [a_prediction("a")]})
        await call(app, "POST", "/labels", {"labels": [{"id": "a", "label": 0}]})
    assert b'model_loss_count{revision="digits-a"} 1.0' in (await call(app, "GET", "/metrics")).body


async def test_non_finite_logits_arrive_and_are_counted() -> None:
    app = create_app()
    body = json.dumps({"predictions": [a_prediction("a", logits=[math.nan, 0.0])]}).encode()
    assert (await call(app, "POST", "/predictions", body)).status == 200
    await call(app, "POST", "/labels", {"labels": [{"id": "a", "label": 0}]})
    assert b'model_loss_nonfinite_total{revision="digits-a"} 1.0' in (await call(app, "GET", "/metrics")).body


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/predictions", {"predictions": 1}, "predictions must be a list"),
        ("/predictions", {"predictions": [1]}, "predictions[0] must be an object"),
        (
            "/predictions",
            {"predictions": [a_prediction("a", logits=[1.0])]},
            "predictions[0].logits must hold one number",
        ),
        ("/predictions", {"predictions": [{**a_prediction("a"), "logits": ["1", "2"]}]}, "must be a list of numbers"),
        ("/predictions", {"predictions": [a_prediction("a", revision="")]}, "predictions[0].revision must be a text"),
        ("/predictions", {"predictions": [a_prediction("")]}, "predictions[0].id must be a text"),
        ("/labels", {"labels": [{"id": "a", "label": True}]}, "labels[0].label must be the index"),
        ("/labels", {"labels": [{"id": "a", "label": 1.0}]}, "labels[0].label must be the index"),
        ("/labels", {}, "labels must be a list"),
    ],
)
async def test_refuses_a_bad_batch_and_names_the_entry(path: str, body: object, message: str) -> None:
    answer = await call(create_app(), "POST", path, body)
    assert answer.status == 400
    assert message in answer.json()["error"]


async def test_takes_nothing_of_a_batch_with_a_bad_entry() -> None:
    app = create_app()
    batch = [a_prediction("a"), a_prediction("b", logits=[])]
    await call(app, "POST", "/predictions", {"predictions": batch})
    assert (await call(app, "POST", "/labels", {"labels": [{"id": "a", "label": 0}]})).json() == {"joined": 0}
