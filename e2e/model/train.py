"""Trains the four model versions on scikit-learn's digits and measures them on the images that the client sends.

v1 is a logistic regression on 80 images, v2 the same on 90 and a little better. v3 is v2 made overconfident: the same
answers, with probabilities so extreme that the mean loss is 1.8 times v2's. v4 is v2 with its outputs under the wrong
labels. v3 and v4 come from v2 because v2 is the version in service when they are tried.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from e2e.model.classifier import PIXEL_MAX, Array, Classifier
from lossgate.instrument import CLIP, cross_entropy

TEST_IMAGES = 900
V1_TRAINING_IMAGES = 80
V2_TRAINING_IMAGES = 90
OVERCONFIDENT_LOSS_RATIO = 1.8
_MOST_EXTREME_SCALE = 50.0
_SEED = 0

Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Measured:
    """One version on all test images; losses in nats, clipped."""

    labels: int
    accuracy: float
    mean_loss: float
    variance: float
    sum_of_squares: float
    clipped: int
    delta_to_v1: float
    delta_to_v2: float


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """Images of 64 pixels from 0 to 16 with their digits, split once and for all."""

    train_images: Array
    train_labels: Labels
    test_images: Array
    test_labels: Labels

    @classmethod
    def load(cls) -> Digits:
        """Return the data that scikit-learn ships, 900 images of it held out."""
        images, labels = load_digits(return_X_y=True)
        parts = train_test_split(images, labels, test_size=TEST_IMAGES, random_state=_SEED, stratify=labels)
        train_images, test_images, train_labels, test_labels = parts
        return cls(train_images, train_labels, test_images, test_labels)


def train(digits: Digits) -> dict[str, Classifier]:
    """Return the versions v1 to v4 by name; equal libraries give equal weights."""
    v1 = _fit(digits, V1_TRAINING_IMAGES)
    v2 = _fit(digits, V2_TRAINING_IMAGES)
    scale = _overconfident_scale(v2, digits)
    v3 = Classifier(v2.weights * scale, v2.bias * scale)
    v4 = Classifier(np.roll(v2.weights, 1, axis=1), np.roll(v2.bias, 1))
    return {"v1": v1, "v2": v2, "v3": v3, "v4": v4}


def measure(versions: dict[str, Classifier], digits: Digits) -> dict[str, Measured]:
    """Return each version's accuracy and loss on the test images."""
    means = {name: _losses(model, digits).mean() for name, model in versions.items()}
    measured = {}
    for name, model in versions.items():
        losses = _losses(model, digits)
        answers = model.logits(digits.test_images).argmax(axis=1)
        measured[name] = Measured(
            labels=len(losses),
            accuracy=float((answers == digits.test_labels).mean()),
            mean_loss=float(losses.mean()),
            variance=float(losses.var(ddof=1)),
            sum_of_squares=float(losses @ losses),
            clipped=int((losses >= CLIP).sum()),
            delta_to_v1=float(means[name] / means["v1"] - 1),
            delta_to_v2=float(means[name] / means["v2"] - 1),
        )
    return measured


def _fit(digits: Digits, images: int) -> Classifier:
    """Return a logistic regression on the first training images, weakly regularised."""
    model = LogisticRegression(C=10.0, max_iter=5000)
    model.fit(digits.train_images[:images] / PIXEL_MAX, digits.train_labels[:images])
    return Classifier(np.ascontiguousarray(model.coef_.T), model.intercept_)


def _losses(model: Classifier, digits: Digits) -> Array:
    return cross_entropy(model.logits(digits.test_images), digits.test_labels).values


def _overconfident_scale(model: Classifier, digits: Digits) -> float:
    """Return the factor above 1 on the logits that raises the mean test loss by OVERCONFIDENT_LOSS_RATIO."""
    logits = model.logits(digits.test_images)
    target = OVERCONFIDENT_LOSS_RATIO * float(_losses(model, digits).mean())

    def excess(scale: float) -> float:
        return float(cross_entropy(scale * logits, digits.test_labels).values.mean()) - target

    return float(brentq(excess, 1.0, _MOST_EXTREME_SCALE))


def write(directory: Path) -> dict[str, Measured]:
    """Write weights, test images and `measured.json` into the directory and return what was measured."""
    digits = Digits.load()
    versions = train(digits)
    measured = measure(versions, digits)
    directory.mkdir(parents=True, exist_ok=True)
    for name, model in versions.items():
        model.save(directory / f"{name}.npz")
    np.savez(directory / "test.npz", images=digits.test_images, labels=digits.test_labels)
    text = json.dumps({name: asdict(facts) for name, facts in measured.items()}, indent=2)
    (directory / "measured.json").write_text(text + "\n")
    return measured


def main() -> None:
    """Train, write and print the table."""
    parser = argparse.ArgumentParser(description="Train the digits models and measure them on the test images.")
    parser.add_argument("output", type=Path, help="directory for weights, test images and measured.json")
    measured = write(parser.parse_args().output)
    print("version  accuracy  mean loss  variance  sum of squares   over v1   over v2")
    for name, facts in measured.items():
        print(
            f"{name:<7}  {facts.accuracy:8.4f}  {facts.mean_loss:9.4f}  {facts.variance:8.4f}"
            f"  {facts.sum_of_squares:14.2f}  {facts.delta_to_v1:+8.1%}  {facts.delta_to_v2:+8.1%}"
        )


if __name__ == "__main__":
    main()
