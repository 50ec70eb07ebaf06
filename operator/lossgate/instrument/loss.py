"""Multi-class cross-entropy per example, from logits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLIP = -math.log(1e-6)
"""Largest loss that one label can contribute, in nats: the loss of a true class given probability 1e-6.

Bounded losses are what the early guard's exactness rests on; versions are comparable only under the same clip.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Losses of one batch, in nats.

    Attributes:
        values: One loss per example, each finite and within [0, clip].
        non_finite: Marks the examples whose loss was NaN or infinite; they stand at the clip in `values`.
    """

    values: NDArray[np.float64]
    non_finite: NDArray[np.bool_]


def cross_entropy(logits: ArrayLike, labels: ArrayLike, *, clip: float = CLIP) -> Losses:
    """Return `log(sum_j exp(z_j)) - z_label` of every row, in nats, clipped to [0, clip].

    The sum leaves the largest logit out and goes through `log1p`, so that neither logits of any size nor
    probabilities next to one lose digits. A NaN or infinite logit that makes the loss undefined or infinite (a true
    class with logit -inf included) counts as non-finite; a finite loss above the clip is only clipped.

    Args:
        logits: Unnormalised scores, shape (examples, classes), at least two classes. Computed in float64.
        labels: Index of each example's true class, integers, shape (examples,).
        clip: Largest loss that is returned, in nats.

    Raises:
        ValueError: A shape, a type, a label or the clip is not as described; the message names the row.
    """
    scores = _checked_logits(logits)
    truth = _checked_labels(labels, *scores.shape)
    if not (math.isfinite(clip) and clip > 0):
        raise ValueError(f"clip is {clip}: give a finite number of nats above 0 (the default is {CLIP:.4f})")
    if not len(truth):
        return Losses(np.empty(0), np.empty(0, dtype=np.bool_))
    rows = np.arange(len(truth))
    top = np.argmax(scores, axis=1)
    largest = scores[rows, top]
    with np.errstate(over="ignore", invalid="ignore"):
        others = np.exp(scores - largest[:, None])
        others[rows, top] = 0.0
        raw = np.log1p(others.sum(axis=1)) + (largest - scores[rows, truth])
    non_finite = ~np.isfinite(raw)
    return Losses(np.clip(np.where(non_finite, clip, raw), 0.0, clip), non_finite)


def _checked_logits(logits: ArrayLike) -> NDArray[np.float64]:
    """Return the logits as a float64 matrix, or raise ValueError."""
    try:
        scores = np.asarray(logits, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"logits are not a matrix of numbers ({error}): give every row one number per class") from None
    if scores.ndim != 2:
        raise ValueError(f"logits have shape {scores.shape}: give (examples, classes), also for a single example")
    if scores.shape[1] < 2:
        raise ValueError(
            f"logits have {scores.shape[1]} class per row: give two for a binary model, [0, z] for a score z"
        )
    return scores


def _checked_labels(labels: ArrayLike, examples: int, classes: int) -> NDArray[np.intp]:
    """Return the labels as class indices that fit the logits, or raise ValueError."""
    truth = np.asarray(labels)
    if truth.shape != (examples,):
        raise ValueError(f"labels have shape {truth.shape} for {examples} rows of logits: give ({examples},)")
    if examples and truth.dtype.kind not in "iu":
        raise ValueError(f"labels are {truth.dtype}: give integer class indices from 0 to {classes - 1}")
    outside = np.flatnonzero((truth < 0) | (truth >= classes)) if examples else truth
    if len(outside):
        row = int(outside[0])
        raise ValueError(f"label {truth[row]} in row {row} is no class: give an index from 0 to {classes - 1}")
    return truth.astype(np.intp)
