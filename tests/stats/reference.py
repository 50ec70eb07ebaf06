"""A second opinion on the whole test: worked out from all looks at once, in 50 digits and by the plainest means.

Nothing here is shared with the engine but the types of its input. Labelled rows: `reference_cells`; what a
test is asked: `reference_rules`; sums: `reference_strata`; guard and pods: `reference_pods`; evidence:
`reference_numbers`; the share of traffic: `reference_share`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from mpmath import mpf, sqrt

from lossgate.stats import Baseline, GateConfig
from tests.stats import reference_numbers as numbers
from tests.stats.reference_cells import CellLook, age_row, class_row, hold, kind, pod_row
from tests.stats.reference_numbers import Number
from tests.stats.reference_pods import Pods, guard_bets_after, guard_log_evidence
from tests.stats.reference_rules import Rules, rules_of
from tests.stats.reference_strata import Estimate, Row

MIN_COVERAGE, MIN_CLASS_LABELS = mpf("0.9"), 100


class SingleOpinion(NamedTuple):
    """What one test, of the whole or of a class, says."""

    looks: int
    labels_canary: Number
    delta: Number | None
    lower: Number | None
    upper: Number | None
    harm: Number | None
    safety: Number | None
    design_effect: Number | None
    coverage: Number | None
    verdict: str


class Opinion(NamedTuple):
    """What all tests together say: harm if any says so, safety if all do."""

    verdict: str
    hold: str | None
    harm: Number | None
    safety: Number | None
    whole: SingleOpinion
    classes: dict[str, SingleOpinion]
    pods: int | None


class FirstHarm(NamedTuple):
    """The look that found harm first, by which rule, and in which class (None: in the whole)."""

    after_looks: int
    cause: str
    failing_class: str | None


class OneTest:
    """The test of the whole, or of one class, on the looks that are its own."""

    def __init__(self, rows: Sequence[Row], rules: Rules, pods: Pods | None = None) -> None:
        self.rows, self.rules, self.pods = rows, rules, pods
        self.harm_side = rules.strata(rows, rules.margin)
        self.safe_side = rules.strata(rows, rules.step_margin)
        self.guard_after: list[Number] | None = None
        if rules.has_squares:
            bets = guard_bets_after(rows, rules.guard_ratio, rules.mean, rules.variance, rules.clip)
            self.guard_after = [guard_log_evidence(each) for each in bets]
        self.harm_estimate = cache(self._harm_estimate)
        self.safe_estimate = cache(self._safe_estimate)
        self.guard_finds_harm = cache(self._guard_finds_harm)
        self.finds_harm = cache(self._finds_harm)
        self.shows_safety = cache(self._shows_safety)

    def looks(self, n: int) -> int:
        """Return how many of the first `n` rows are looks of this test: both arms have labels to compare."""
        return self.harm_side.looks_after[n]

    def pods_at(self, n: int) -> Pods | None:
        on = self.pods is not None and self.rules.has_squares and self.looks(n) > 0 and self.pods.active(n)
        return self.pods if on else None

    def _harm_estimate(self, n: int) -> Estimate | None:
        found = self.harm_side.overlap(n) if self.looks(n) else None
        pods = self.pods_at(n)
        if found is None or pods is None:
            return found
        factors = pods.factors(n, self.harm_side)
        clustered = sum(s.variance(n, *factors) for s in self.harm_side.strata)
        variance = clustered / self.harm_side.weight_after[n] ** 2
        if variance <= found.variance:
            return found
        effect = clustered / self.harm_side.variance(n)
        return Estimate(found.theta, found.level, variance, effect, mpf(len(pods.groups(n)) - 1))

    def _safe_estimate(self, n: int) -> Estimate | None:
        if not self.looks(n) or not self.safe_side.covered(n):
            return None
        effect, df = self.safe_side.design_effect(n)
        theta, level, plain = self.safe_side.post_stratified(n)
        variance = effect * plain
        pods = self.pods_at(n)
        if pods is not None:
            clustered = self.safe_side.post_stratified(n, pods.factors(n, self.safe_side))[2]
            if clustered > variance:
                effect, df, variance = clustered / plain, mpf(len(pods.groups(n)) - 1), clustered
        return Estimate(theta, level, variance, effect, df)

    def for_harm(self, n: int) -> Number | None:
        return _log_evidence(self.harm_estimate(n), self.rules.effect(self.rules.margin), 1)

    def for_safety(self, n: int) -> Number | None:
        return _log_evidence(self.safe_estimate(n), self.rules.effect(self.rules.step_margin), -1)

    def min_looks(self, n: int) -> tuple[int, int]:
        """Return from which look on the main rule may find harm, and safety."""
        if self.rules.noise == "MeansOnly":
            return 80, 80
        pods = self.pods_at(n)
        return (10, 40) if pods is not None and pods.allow_fewer_looks(n) else (40, 80)

    def enough_labels(self, n: int) -> bool:
        return self.rules.noise == "MeansOnly" or bool(self.harm_side.canary_labels(n) >= self.rules.min_labels)

    def _guard_finds_harm(self, n: int) -> bool:
        return self.guard_after is not None and bool(self.guard_after[n] >= self.rules.guard_bound)

    def _finds_harm(self, n: int) -> bool:
        if self.looks(n) < self.min_looks(n)[0] or not self.enough_labels(n):
            return False
        evidence = self.for_harm(n)
        return evidence is not None and bool(evidence >= self.rules.main_bound)

    def _shows_safety(self, n: int) -> bool:
        if (
            self.looks(n) < self.min_looks(n)[1]
            or not self.enough_labels(n)
            or self.safe_side.coverage(n) < MIN_COVERAGE
        ):
            return False
        evidence = self.for_safety(n)
        return evidence is not None and bool(evidence >= self.rules.safety_bound)

    def first_harm(self, n: int) -> int | None:
        """Return the first of `n` rows that found harm: it is final."""
        return next((m for m in range(1, n + 1) if self.guard_finds_harm(m) or self.finds_harm(m)), None)

    def verdict(self, n: int) -> str:
        if self.first_harm(n) is not None:
            return "Harm"
        return "NonInferior" if any(self.shows_safety(m) for m in range(1, n + 1)) else "Continue"

    def opinion(self, n: int) -> SingleOpinion:
        """Return what the first `n` rows of this test say."""
        rules, harm, safety = self.rules, self.harm_estimate(n), self.safe_estimate(n)
        for_harm, for_safety = self.for_harm(n), self.for_safety(n)
        delta = lower = upper = None
        shares = []
        if self.guard_after is not None and self.looks(n):
            shares.append(self.guard_after[n] / rules.guard_bound)
        if harm is not None:
            delta = rules.as_delta(harm.theta, harm.level, rules.margin)
        if harm is not None and for_harm is not None:
            shares.append(for_harm / rules.main_bound)
            reach = _reach(harm, rules.effect(rules.margin), rules.main_bound)
            lower = None if reach is None else rules.as_delta(harm.theta - reach, harm.level, rules.margin)
        if safety is not None and for_safety is not None:
            reach = _reach(safety, rules.effect(rules.step_margin), rules.safety_bound)
            upper = None if reach is None else rules.as_delta(safety.theta + reach, safety.level, rules.step_margin)
        return SingleOpinion(
            looks=self.looks(n),
            labels_canary=self.harm_side.canary_labels(n),
            delta=delta,
            lower=lower,
            upper=upper,
            harm=max(mpf(0), *shares) if shares else None,
            safety=None if for_safety is None else max(mpf(0), for_safety / rules.safety_bound),
            design_effect=None if harm is None else harm.design_effect,
            coverage=self.safe_side.coverage(n) if self.looks(n) else None,
            verdict=self.verdict(n),
        )


class Reference:
    """The gate's opinion after any number of the looks it was handed."""

    def __init__(
        self,
        looks: Sequence[CellLook],
        config: GateConfig,
        baseline: Baseline,
        group_of: Callable[[str], object] = str,
    ) -> None:
        self.looks = looks
        self.kinds = [kind(look, config.by_age) for look in looks]
        told = [look for look, kind in zip(looks, self.kinds, strict=True) if kind != "ages missing"]
        classes = config.per_class
        risk = mpf(config.rollback_risk) / config.steps / (2 if classes else 1)
        least = mpf(config.min_labels)
        pods = Pods([pod_row(look) for look in told], group_of)
        self.whole = OneTest(
            [age_row(look) for look in told],
            rules_of(config, config, baseline, risk, least),
            pods if any(cell.pod for look in told for cell, _ in look.stable) else None,
        )
        self.classes: dict[str, OneTest] = {}
        if classes:
            risk, least = risk / len(classes.names), min(least, mpf(MIN_CLASS_LABELS))
            for name in classes.names:
                rules = rules_of(config, classes, baseline.classes.get(name, baseline), risk, least)
                self.classes[name] = OneTest([class_row(look, name) for look in told], rules)

    def _rows(self, count: int) -> int:
        """Return how many of the first `count` looks handed in are rows of the tests."""
        return count - self.kinds[:count].count("ages missing")

    def first_harm(self, upto: int) -> FirstHarm | None:
        """Return what found harm first; harm is final, so this is what the verdict rests on."""
        for count in range(1, upto + 1):
            n = self._rows(count)
            for name, test in ((None, self.whole), *self.classes.items()):
                if test.first_harm(n) is not None:
                    return FirstHarm(count, "Guard" if test.guard_finds_harm(n) else "MainRule", name)
        return None

    def verdict(self, count: int) -> tuple[str, str | None]:
        """Return the verdict after the first `count` looks handed in, taken or not, and what it is held for."""
        n = self._rows(count)
        each = {self.whole.verdict(n), *(test.verdict(n) for test in self.classes.values())}
        held = hold(self.kinds[:count], self.looks[:count])
        if "Harm" in each:
            return "Harm", None
        if held:
            return "Hold", held
        return ("NonInferior" if each == {"NonInferior"} else "Continue"), None

    def after(self, count: int) -> Opinion:
        """Return the opinion after the first `count` looks handed in, taken or not."""
        n = self._rows(count)
        pods = self.whole.pods_at(n)
        whole = self.whole.opinion(n)
        classes = {name: test.opinion(n) for name, test in self.classes.items()}
        for_harm = [each.harm for each in (whole, *classes.values()) if each.harm is not None]
        for_safety = [each.safety for each in (whole, *classes.values()) if each.safety is not None]
        return Opinion(
            *self.verdict(count),
            harm=max(for_harm, default=None),
            safety=min(for_safety) if len(for_safety) == 1 + len(classes) else None,
            whole=whole,
            classes=classes,
            pods=None if pods is None else len(pods.groups(n)),
        )


def _log_evidence(found: Estimate | None, effect: Number, sign: int) -> Number | None:
    if found is None or found.variance == 0:
        return None
    z = numbers.normal_from_t(found.theta / sqrt(found.variance), found.df)
    return numbers.log_evidence(sign * z, 1 / found.variance, effect)


def _reach(found: Estimate, effect: Number, log_threshold: Number) -> Number | None:
    z = numbers.bound_on_z(1 / found.variance, effect, log_threshold)
    return None if z is None else numbers.t_from_normal(z, found.df) * sqrt(found.variance)
