"""The model itself: a linear softmax classifier of 8x8 digit images, in numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
PIXELS = 64
PIXEL_MAX = 16.0


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Weights of one model version: logits = images / 16 @ weights + bias.

    Attributes:
        weights: Shape (64, classes).
        bias: Shape (classes,).
    """

    weights: Array
    bias: Array

    def logits(self, images: Array) -> Array:
        """Return unnormalised scores, one row of classes per image of 64 pixels from 0 to 16."""
        return images / PIXEL_MAX @ self.weights + self.bias

    def save(self, path: Path) -> None:
        """Write the weights to an .npz file."""
        np.savez(path, weights=self.weights, bias=self.bias)

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Return the classifier that `save` wrote.

        Raises:
            FileNotFoundError: No such version was built.
        """
        if not path.exists():
            known = ", ".join(sorted(file.stem for file in path.parent.glob("v*.npz"))) or "none"
            raise FileNotFoundError(f"no model {path.stem!r} in {path.parent} (versions there: {known})")
        with np.load(path) as arrays:
            return cls(arrays["weights"], arrays["bias"])


def softmax(logits: Array) -> Array:
    """Return the probabilities of one row of logits."""
    weights = np.exp(logits - logits.max())
    probabilities: Array = weights / weights.sum()
    return probabilities
