"""Two layers beside the main rule, from the list of all looks: the early guard, and stable pods against each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from mpmath import exp, log, log1p, mpf

from tests.stats.reference_numbers import Number
from tests.stats.reference_strata import NOTHING, Row, Strata, running

GUARD_BETS = tuple(mpf(bet) for bet in ("0.2", "0.4", "0.8", "1.6", "3.2"))
MIN_PODS, MANY_PODS, MAX_PODS = 5, 10, 32


def guard_bets_after(
    rows: Sequence[Row], ratio: Number, mean: Number, variance: Number, clip: Number
) -> list[list[Number]]:
    """Return the log wealth of the five bets after each count of rows, over all strata together."""
    after = [[mpf(0)] * len(GUARD_BETS)]
    for k, row in enumerate(rows):
        wealth = list(after[-1])
        for name, p in row.items():
            if not p.both:
                continue
            past = [earlier.get(name, NOTHING) for earlier in rows[:k]]
            labels = sum(each.ns for each in past)
            before = sum(each.ss for each in past) / labels if labels > 0 else mean
            fc, fs = p.ns / (p.nc + p.ns), p.nc / (p.nc + p.ns)
            t = fc * p.sc - ratio * fs * p.ss
            v = fc**2 * (p.qc - 2 * ratio * before * p.sc + p.nc * (ratio * before) ** 2)
            v += (ratio * fs) ** 2 * (p.qs - 2 * before * p.ss + p.ns * before**2)
            c = max(fc * ratio * before, ratio * fs * (clip - before))
            for j, bet in enumerate(GUARD_BETS):
                u = min(bet * mean / variance * c, mpf("0.9"))
                wealth[j] += u / c * t - (-log1p(-u) - u) / c**2 * v
        after.append(wealth)
    return after


def guard_log_evidence(bets: Sequence[Number]) -> Number:
    return log(sum(exp(each) for each in bets) / len(bets))


class PodRow(NamedTuple):
    """How each stable pod differs from all in one look, what that is worth, and how many pods the canary had.

    A row that is no look has nothing of all this: pods are compared over the looks only, with the labels of the looks.
    """

    residuals: Mapping[str, Number]
    dfs: Mapping[str, Number]
    stable_labels: Number
    canary_pods: int
    is_look: bool


NO_LOOK = PodRow({}, {}, mpf(0), 0, False)


class Pods:
    """The pod layer: bad pods make both arms noisier than their labels."""

    def __init__(self, rows: Sequence[PodRow], group_of: Callable[[str], object]) -> None:
        self.rows, self.group_of = rows, group_of
        names = {name for row in rows for name in row.residuals}
        self.residual_after = {name: running(row.residuals.get(name, mpf(0)) for row in rows) for name in names}
        self.labels_after = running(row.stable_labels for row in rows)
        self.worth_after = running(sum(row.dfs.values(), mpf(0)) for row in rows)
        self.groups = cache(self._groups)

    def _groups(self, n: int) -> dict[object, list[str]]:
        """The stable pods seen in the first `n` rows, each alone up to 32 of them, else in groups."""
        names = {name for row in self.rows[:n] for name in row.residuals}
        groups: dict[object, list[str]] = {}
        for name in sorted(names):
            groups.setdefault(name if len(names) <= MAX_PODS else self.group_of(name), []).append(name)
        return groups

    def active(self, n: int) -> bool:
        return len(self.groups(n)) >= MIN_PODS

    def stable_pods(self, n: int) -> Number:
        """The mean number of stable pods of a look."""
        return _mean([len(row.residuals) for row in self.rows[:n] if row.is_look])

    def canary_pods(self, n: int) -> Number:
        return _mean([row.canary_pods for row in self.rows[:n] if row.is_look])

    def allow_fewer_looks(self, n: int) -> bool:
        return self.active(n) and self.stable_pods(n) + mpf("0.5") >= MANY_PODS

    def noise(self, n: int, label_variance: Number) -> Number:
        """Return phi: how much more the stable pods' sums scatter than their labels explain, at least 1."""
        scatter = mpf(0)
        for members in self.groups(n).values():
            scatter += sum(self.residual_after[name][n] for name in members) ** 2
        return max(mpf(1), scatter / (label_variance * self.worth_after[n]))

    def factors(self, n: int, strata: Strata) -> tuple[Number, Number]:
        """Return by how much the canary's and the stable arm's part of the variance grow."""
        spread = sum(s.stable_spread_after[n] for s in strata.strata)
        labels = sum(s.stable_df_after[n] for s in strata.strata)
        phi = self.noise(n, spread / max(labels, 1))
        canary_labels_per_pod = strata.canary_labels(n) / self.canary_pods(n)
        stable_labels_per_pod = self.labels_after[n] / self.stable_pods(n)
        return 1 + (phi - 1) * canary_labels_per_pod / stable_labels_per_pod, phi


def _mean(counts: Sequence[int]) -> Number:
    return mpf(sum(counts)) / len(counts)
