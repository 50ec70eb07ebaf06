"""The four versions are what the end-to-end tests take them for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from e2e.model.classifier import Classifier, softmax
from e2e.model.train import Digits, train


@pytest.fixture(scope="module")
def measured(models: Path) -> dict[str, dict[str, float]]:
    facts: dict[str, dict[str, float]] = json.loads((models / "measured.json").read_text())
    return facts


def test_v2_is_better_than_v1_in_loss_and_accuracy(measured: dict[str, dict[str, float]]) -> None:
    assert -0.20 < measured["v2"]["delta_to_v1"] < -0.10
    assert measured["v2"]["accuracy"] > measured["v1"]["accuracy"]


def test_v3_answers_like_v2_with_worse_probabilities(models: Path, measured: dict[str, dict[str, float]]) -> None:
    assert measured["v3"]["delta_to_v2"] == pytest.approx(0.80, abs=1e-6)
    assert 0.40 < measured["v3"]["delta_to_v1"] < 0.65
    assert measured["v3"]["accuracy"] == measured["v2"]["accuracy"]
    images = np.load(models / "test.npz")["images"]
    v2, v3 = (Classifier.load(models / f"{version}.npz").logits(images) for version in ("v2", "v3"))
    assert (v2.argmax(axis=1) == v3.argmax(axis=1)).all()


def test_v4_is_broken(measured: dict[str, dict[str, float]]) -> None:
    assert measured["v4"]["accuracy"] < 0.05
    assert measured["v4"]["delta_to_v2"] > 5


def test_the_losses_of_the_stable_versions_vary(measured: dict[str, dict[str, float]]) -> None:
    for version in ("v1", "v2"):
        assert 0.15 < measured[version]["mean_loss"] < 0.55
        assert measured[version]["variance"] > measured[version]["mean_loss"] ** 2
        assert measured[version]["clipped"] == 0


def test_the_table_is_consistent_with_the_test_set(measured: dict[str, dict[str, float]]) -> None:
    for facts in measured.values():
        n = facts["labels"]
        assert n == 900
        total = n * facts["mean_loss"]
        assert facts["variance"] == pytest.approx((facts["sum_of_squares"] - total**2 / n) / (n - 1))


def test_training_again_gives_the_same_weights(models: Path) -> None:
    for version, model in train(Digits.load()).items():
        kept = Classifier.load(models / f"{version}.npz")
        assert np.array_equal(kept.weights, model.weights)
        assert np.array_equal(kept.bias, model.bias)


def test_an_unknown_version_names_those_there_are(models: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no model 'v9' in .* \(versions there: v1, v2, v3, v4\)"):
        Classifier.load(models / "v9.npz")


def test_softmax_of_huge_logits_is_a_distribution() -> None:
    probabilities = softmax(np.array([1e4, 1e4, -1e4]))
    assert probabilities.tolist() == [0.5, 0.5, 0.0]
