"""The design effect: how much noisier looks are than independent labels would make them, at any time scale.

Batch means over blocks of 1, 2, 4, ... looks (Flegal, Jones, Ann. Stat. 38, 2010), corrected by a lugsail of one level
(Vats, Flegal, Biometrika 109, 2022). The number of levels grows with the logarithm of the looks alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lossgate.stats.config import LADDER_MIN_BLOCKS

NO_CORRECTION_DF = 1e6


class Level(NamedTuple):
    """Blocks of one length: their number, sums of squares and products, the open block, and the ratio held."""

    blocks: float
    tt: float
    tw: float
    ww: float
    open_t: float
    open_w: float
    phi: float


class Sums(NamedTuple):
    """The contrast so far, this look included: sum and weight, and their variance if labels were independent."""

    total: float
    weight: float
    variance: float


@dataclass(frozen=True, slots=True)
class Ladder:
    """Variance ratios of block sums at all block lengths 2^i that fit into the looks so far."""

    levels: tuple[Level, ...] = ()

    def climb(self, look: int, t: float, w: float, sums: Sums) -> Ladder:
        """Return the ladder after look number `look` (from 1), which added `t` with weight `w` to the sums."""
        levels = [level._replace(open_t=level.open_t + t, open_w=level.open_w + w) for level in self.levels]
        if look == 1 << len(levels):
            levels.append(Level(0.0, 0.0, 0.0, 0.0, sums.total, sums.weight, 1.0))
        for index, level in enumerate(levels):
            if look % (1 << index) != 0:
                break
            levels[index] = _close(level, sums)
        return Ladder(tuple(levels))

    def design_effect(self) -> tuple[float, float]:
        """Return the design effect, at least 1, and the degrees of freedom it was estimated with."""
        effect, df = 1.0, NO_CORRECTION_DF
        below = None
        for level in self.levels:
            if level.blocks >= LADDER_MIN_BLOCKS:
                candidate = level.phi if below is None else max(level.phi, 2.0 * level.phi - below)
                if candidate > effect:
                    effect, df = candidate, level.blocks - 1.0
            below = level.phi
        return effect, df


def _close(level: Level, sums: Sums) -> Level:
    blocks = level.blocks + 1.0
    tt = level.tt + level.open_t * level.open_t
    tw = level.tw + level.open_t * level.open_w
    ww = level.ww + level.open_w * level.open_w
    mean = sums.total / sums.weight
    spread = max(tt - 2.0 * mean * tw + mean * mean * ww, 0.0)
    phi = spread * blocks / max(blocks - 1.0, 1.0) / sums.variance if sums.variance > 0 else 1.0
    return Level(blocks, tt, tw, ww, 0.0, 0.0, phi)
