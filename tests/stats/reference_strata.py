"""Contrasts within looks and strata, their variance, and the design effect, from the list of all looks.

A row is one interval: what each stratum (label age, or one stratum for all) has of both arms. It is a look if both arms
have labels of some stratum; labels of the stable arm alone still tell its variance and its mix of ages. Lists that end
in `_after` hold one number for each count of rows: entry n is the sum over the first n rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from mpmath import mpf

from tests.stats.reference_numbers import Number

MIN_BLOCKS = 5
NO_CORRECTION_DF = mpf(10) ** 6
MIN_STRATUM_LABELS = 100


class Pair(NamedTuple):
    """Labels, sum of losses and of squared losses of canary and stable arm in one look and stratum."""

    nc: Number
    sc: Number
    qc: Number
    ns: Number
    ss: Number
    qs: Number

    @property
    def both(self) -> bool:
        return bool(self.nc > 0 and self.ns > 0)


NOTHING = Pair(*[mpf(0)] * 6)
Row = Mapping[str, Pair]


class Estimate(NamedTuple):
    """An estimate of (canary - ratio x stable - offset) and of its variance; `level` is the stable mean beside it."""

    theta: Number
    level: Number
    variance: Number
    design_effect: Number
    df: Number


def running(values: Iterable[Number]) -> list[Number]:
    return list(accumulate(values, initial=mpf(0)))


class Stratum:
    """All looks of one stratum, for a test at one margin."""

    def __init__(self, pairs: Sequence[Pair], ratio: Number, offset: Number, between_looks: bool) -> None:
        self.ratio, self.between_looks = ratio, between_looks
        weights = [p.nc * p.ns / (p.nc + p.ns) if p.both else mpf(0) for p in pairs]
        self.contrasts = [
            w * (p.sc / p.nc - ratio * p.ss / p.ns - offset) if p.both else mpf(0)
            for w, p in zip(weights, pairs, strict=True)
        ]
        both = [(w, t, p) for w, t, p in zip(weights, self.contrasts, pairs, strict=True)]
        self.weights = weights
        self.total_after = running(self.contrasts)
        self.weight_after = running(weights)
        self.level_after = running(w * p.ss / p.ns if p.both else mpf(0) for w, _, p in both)
        self.canary_part_after = running(w**2 / p.nc if p.both else mpf(0) for w, _, p in both)
        self.stable_part_after = running(w**2 / p.ns if p.both else mpf(0) for w, _, p in both)
        self.looks_after = running(mpf(p.both) for p in pairs)
        self.squares_after = running(t**2 / w if p.both else mpf(0) for w, t, p in both)
        self.canary_labels_after = running(p.nc for p in pairs)
        self.stable_labels_after = running(p.ns for p in pairs)
        self.canary_spread_after = running(_spread(p.nc, p.sc, p.qc) for p in pairs)
        self.stable_spread_after = running(_spread(p.ns, p.ss, p.qs) for p in pairs)
        self.canary_df_after = running(max(p.nc - 1, mpf(0)) for p in pairs)
        self.stable_df_after = running(max(p.ns - 1, mpf(0)) for p in pairs)

    def stable_variance(self, n: int) -> Number:
        """The variance of one label's loss within looks."""
        return self.stable_spread_after[n] / max(self.stable_df_after[n], 1)

    def canary_variance(self, n: int) -> Number:
        return max(self.canary_spread_after[n] / max(self.canary_df_after[n], 1), self.stable_variance(n))

    def variance(self, n: int, canary_factor: Number = 1, stable_factor: Number = 1) -> Number:
        """The variance of the sum of contrasts, if labels (else looks) are independent."""
        if self.between_looks:
            weight, looks = self.weight_after[n], self.looks_after[n]
            if looks < 2:
                return mpf(0)
            return (self.squares_after[n] - self.total_after[n] ** 2 / weight) / (looks - 1) * weight
        canary = self.canary_variance(n) * self.canary_part_after[n]
        stable = self.ratio**2 * self.stable_variance(n) * self.stable_part_after[n]
        return canary_factor * canary + stable_factor * stable


class Ladder:
    """The design effect: how much noisier sums of 1, 2, 4, ... looks are than independent labels would make them."""

    def __init__(
        self, contrasts: Sequence[Number], weights: Sequence[Number], variance: Callable[[int], Number]
    ) -> None:
        self.contrasts, self.weights, self.variance = contrasts, weights, variance
        self.noise_of_blocks = cache(self._noise_of_blocks)

    def _noise_of_blocks(self, length: int, blocks: int) -> Number:
        last = length * blocks
        if self.variance(last) == 0:
            return mpf(1)  # Losses without any spread: nothing to compare with.
        level = sum(self.contrasts[:last]) / sum(self.weights[:last])
        residuals = [
            sum(self.contrasts[start : start + length]) - level * sum(self.weights[start : start + length])
            for start in range(0, last, length)
        ]
        return sum(r**2 for r in residuals) * blocks / (blocks - 1) / self.variance(last)

    def design_effect(self, k: int) -> tuple[Number, Number]:
        """Return the largest noise of all block lengths, lugsail-corrected, at least 1; and its degrees of freedom."""
        largest, df = mpf(1), NO_CORRECTION_DF
        level = 0
        while (blocks := k // 2**level) >= MIN_BLOCKS:
            noise = self.noise_of_blocks(2**level, blocks)
            if level > 0:
                shorter = self.noise_of_blocks(2 ** (level - 1), k // 2 ** (level - 1))
                noise = max(noise, 2 * noise - shorter)
            if noise > largest:
                largest, df = noise, mpf(blocks - 1)
            level += 1
        return largest, df


class Strata:
    """All strata of one test at one margin."""

    def __init__(
        self,
        rows: Sequence[Row],
        ratio: Number,
        offset: Number,
        between_looks: bool = False,
        counts_labels: bool = True,
    ) -> None:
        self.between_looks, self.counts_labels = between_looks, counts_labels
        names = sorted({name for row in rows for name in row})
        self.strata = [
            Stratum([row.get(name, NOTHING) for row in rows], ratio, offset, between_looks) for name in names
        ]
        self.contrasts = [sum((s.contrasts[n] for s in self.strata), mpf(0)) for n in range(len(rows))]
        self.weights = [sum((s.weights[n] for s in self.strata), mpf(0)) for n in range(len(rows))]
        self.total_after, self.weight_after = running(self.contrasts), running(self.weights)
        ends = [n for n, weight in enumerate(self.weights, start=1) if weight > 0]
        self.looks_after = [sum(end <= n for end in ends) for n in range(len(rows) + 1)]
        self.ladder = Ladder(
            [self.contrasts[end - 1] for end in ends],
            [self.weights[end - 1] for end in ends],
            lambda looks: self.variance(ends[looks - 1]),
        )

    def variance(self, n: int) -> Number:
        return sum(s.variance(n) for s in self.strata)

    def canary_labels(self, n: int) -> Number:
        return sum(s.canary_labels_after[n] for s in self.strata)

    def stable_labels(self, n: int) -> Number:
        return sum(s.stable_labels_after[n] for s in self.strata)

    def design_effect(self, n: int) -> tuple[Number, Number]:
        looks = self.looks_after[n]
        effect, df = self.ladder.design_effect(looks)
        return effect, min(df, mpf(looks - 1)) if self.between_looks else df

    def overlap(self, n: int) -> Estimate | None:
        """Strata weighted by what both arms have of them: for harm."""
        weight = self.weight_after[n]
        if weight == 0:
            return None
        effect, df = self.design_effect(n)
        level = sum(s.level_after[n] for s in self.strata) / weight
        return Estimate(self.total_after[n] / weight, level, effect * self.variance(n) / weight**2, effect, df)

    def covered(self, n: int) -> list[Stratum]:
        """The strata that the canary has enough labels of."""
        least = MIN_STRATUM_LABELS if self.counts_labels else 1
        return [s for s in self.strata if s.canary_labels_after[n] >= least]

    def coverage(self, n: int) -> Number:
        return sum(s.stable_labels_after[n] for s in self.covered(n)) / self.stable_labels(n)

    def post_stratified(self, n: int, factors: tuple[Number, Number] = (1, 1)) -> tuple[Number, Number, Number]:
        """Strata weighted as the stable arm has them: theta, stable level and variance without a design effect."""
        everything = sum(s.stable_labels_after[n] for s in self.covered(n))
        theta = level = variance = mpf(0)
        for s in self.covered(n):
            share, weight = s.stable_labels_after[n] / everything, s.weight_after[n]
            theta += share * s.total_after[n] / weight
            level += share * s.level_after[n] / weight
            variance += share**2 * s.variance(n, *factors) / weight**2
        return theta, level, variance


def _spread(n: Number, total: Number, squares: Number) -> Number:
    return max(squares - total**2 / n, mpf(0)) if n > 0 else mpf(0)
