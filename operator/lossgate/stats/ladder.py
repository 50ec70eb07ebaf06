"""The design effect: how much noisier looks are than independent labels would make them, at any time scale.

Batch means over blocks of 1, 2, 4, ... looks (Flegal, Jones, Ann. Stat. 38, 2010), corrected by a lugsail of one level
(Vats, Flegal, Biometrika 109, 2022). The number of levels grows with the logarithm of the looks alone.

Axes: levels, then the rows below, then tests. Both sides of a test share the blocks' number and weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lossgate.stats.arrays import Array
from lossgate.stats.config import LADDER_MIN_BLOCKS

NO_CORRECTION_DF = 1e6
TINY = np.finfo(float).tiny
"""Stands for a divisor of 0 where what is divided is 0 too; much faster than to choose another by `np.where`."""

_TT, _TW, _OPEN_T, _PHI = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)
"""Per side: sums of squares and of products of the closed blocks, the open block, and the ratio held."""
_BLOCKS, _WW, _OPEN_W = 8, 9, 10
ROWS = 11
_LENGTH_MASKS = (np.left_shift(1, np.arange(62)) - 1)[:, None]


def start(tests: int) -> Array:
    """Return the ladder before the first look."""
    return np.empty((0, ROWS, tests))


def climb(
    levels: Array, looks: NDArray[np.int64], seen: NDArray[np.bool_], t: Array, w: Array, sums: Array, variance: Array
) -> Array:
    """Return the ladder after one more look.

    Args:
        levels: The ladder before it, shape (levels, 11, tests).
        looks: Looks of each test, this one included.
        seen: The tests that this look counts for.
        t: What the look added to the sums of both sides, shape (2, tests).
        w: The weight it added.
        sums: The sums of both sides and the weight, this look included, shape (3, tests).
        variance: Variance of both sums if labels were independent.
    """
    levels = levels.copy()
    levels[:, _OPEN_T] += t
    levels[:, _OPEN_W] += w
    if _largest(looks) == 1 << len(levels):
        levels = np.concatenate([levels, _level(sums)])
    deepest = _largest(looks & -looks).bit_length()
    closing = (looks & _LENGTH_MASKS[:deepest] == 0) & seen
    _close(levels[:deepest], closing, sums, variance)
    return levels


def design_effect(levels: Array, looks: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the design effect of both sides, at least 1, and the degrees of freedom it was estimated with."""
    tests = levels.shape[2]
    long_enough = (_largest(looks) // LADDER_MIN_BLOCKS).bit_length()
    if long_enough == 0:
        return np.ones((2, tests)), np.full((2, tests), NO_CORRECTION_DF)
    phi, blocks = levels[:long_enough, _PHI], levels[:long_enough, _BLOCKS, None]
    candidates = phi.copy()
    np.maximum(phi[1:], 2.0 * phi[1:] - phi[:-1], out=candidates[1:])
    candidates *= blocks >= LADDER_MIN_BLOCKS
    effect = np.maximum(np.maximum.reduce(candidates), 1.0)
    df = np.maximum.reduce((candidates == effect) * (blocks - 1.0))
    df[effect == 1.0] = NO_CORRECTION_DF
    return effect, df


def _largest(looks: NDArray[np.int64]) -> int:
    return int(np.maximum.reduce(looks, initial=0))


def _level(sums: Array) -> Array:
    """Return a level whose first block holds all looks so far, since none of the tests has more than that."""
    level = np.zeros((1, ROWS, sums.shape[1]))
    level[0, _OPEN_T], level[0, _OPEN_W] = sums[:2], sums[2]
    level[0, _PHI] = 1.0
    return level


def _close(levels: Array, closing: NDArray[np.bool_], sums: Array, variance: Array) -> None:
    """Close the open blocks, in place."""
    closing = closing[:, None]
    tt, tw, ww, blocks = levels[:, _TT], levels[:, _TW], levels[:, _WW, None], levels[:, _BLOCKS, None]
    open_t, open_w = levels[:, _OPEN_T], levels[:, _OPEN_W, None]
    block_t, block_w = open_t * closing, open_w * closing
    open_t -= block_t
    open_w -= block_w
    tt += block_t * block_t
    tw += block_t * block_w
    ww += block_w * block_w
    blocks += closing
    mean = sums[:2] / np.maximum(sums[2], TINY)
    spread = tt - mean * (2.0 * tw - mean * ww)
    scale = np.maximum(spread, 0.0) * (blocks / np.maximum(blocks - 1.0, 1.0))
    phi = np.divide(scale, variance, out=np.ones(scale.shape), where=variance > 0)
    np.copyto(levels[:, _PHI], phi, where=closing)
