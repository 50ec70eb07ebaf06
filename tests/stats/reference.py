"""The gate's evidence worked out from all looks at once, in many digits and by the plainest means: a second opinion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from mpmath import erfc, exp, log, log1p, mp, mpf, sqrt

from lossgate.stats import Baseline, GateConfig, Look

mp.dps = 50


class Numbers(NamedTuple):
    theta: Any
    z: Any
    information: Any
    log_evidence: Any
    design_effect: Any


def main_rule(looks: Sequence[Look], config: GateConfig, baseline: Baseline, margin: float, sign: int) -> Numbers:
    """Return the evidence that the canary is above (`sign` 1) or below (-1) the margin."""
    ratio = mpf(1) if config.absolute else 1 + mpf(margin)
    offset = mpf(margin) if config.absolute else mpf(0)
    t, w = [], []
    for look in looks:
        nc, ns = mpf(look.canary.n), mpf(look.stable.n)
        w.append(nc * ns / (nc + ns))
        t.append(w[-1] * (mpf(look.canary.total) / nc - ratio * mpf(look.stable.total) / ns - offset))
    variances = [_variance(looks[: k + 1], w, ratio) for k in range(len(looks))]
    effect, df = _design_effect(t, w, variances)
    theta = sum(t) / sum(w)
    variance = effect * variances[-1] / sum(w) ** 2
    student = theta / sqrt(variance)
    z = (8 * df + 1) / (8 * df + 3) * sqrt(df * log1p(student**2 / df)) * (1 if student >= 0 else -1)
    unit = mpf(1) if config.absolute else mpf(baseline.mean)
    best = mpf(margin) * unit if margin else mpf("0.05") * mpf(baseline.mean)
    return Numbers(theta, z, 1 / variance, _mixture(sign * z, 1 / variance, best), effect)


def guard(looks: Sequence[Look], config: GateConfig, baseline: Baseline) -> Any:
    """Return the log evidence of the early guard."""
    mean, spread, clip = mpf(baseline.mean), mpf(baseline.variance), mpf(config.clip)
    margin = mpf(config.margin) / mean if config.absolute else mpf(config.margin)
    ratio = (1 + mpf(config.guard_excess)) * (1 + margin)
    wealth = [mpf(0)] * 5
    for k, look in enumerate(looks):
        before = looks[:k]
        n = sum(mpf(each.stable.n) for each in before)
        prev = sum(mpf(each.stable.total) for each in before) / n if before else mean
        nc, sc, qc = mpf(look.canary.n), mpf(look.canary.total), mpf(look.canary.squares)
        ns, ss, qs = mpf(look.stable.n), mpf(look.stable.total), mpf(look.stable.squares)
        fc, fs = ns / (nc + ns), nc / (nc + ns)
        t = fc * sc - ratio * fs * ss
        v = fc**2 * (qc - 2 * ratio * prev * sc + nc * (ratio * prev) ** 2)
        v += (ratio * fs) ** 2 * (qs - 2 * prev * ss + ns * prev**2)
        c = max(fc * ratio * prev, ratio * fs * (clip - prev))
        for j, bet in enumerate(("0.2", "0.4", "0.8", "1.6", "3.2")):
            u = min(mpf(bet) * mean / spread * c, mpf("0.9"))
            wealth[j] += u / c * t - (-log1p(-u) - u) / c**2 * v
    return log(sum(exp(each) for each in wealth) / 5)


def _variance(looks: Sequence[Look], w: Sequence[Any], ratio: Any) -> Any:
    def pooled(arm: str) -> Any:
        arms = [getattr(look, arm) for look in looks]
        spread = sum(max(mpf(a.squares) - mpf(a.total) ** 2 / mpf(a.n), mpf(0)) for a in arms)
        return spread / max(sum(max(mpf(a.n) - 1, mpf(0)) for a in arms), mpf(1))

    stable = pooled("stable")
    canary = max(pooled("canary"), stable)
    return sum(
        weight**2 * (canary / mpf(look.canary.n) + ratio**2 * stable / mpf(look.stable.n))
        for look, weight in zip(looks, w, strict=False)
    )


def _design_effect(t: Sequence[Any], w: Sequence[Any], variances: Sequence[Any]) -> tuple[Any, Any]:
    effect, df, below = mpf(1), mpf(10) ** 6, None
    for level in range(len(t).bit_length()):
        length = 2**level
        blocks = len(t) // length
        if blocks < 5:
            break
        last = blocks * length
        mean = sum(t[:last]) / sum(w[:last])
        residuals = [sum(t[i : i + length]) - mean * sum(w[i : i + length]) for i in range(0, last, length)]
        phi = sum(each**2 for each in residuals) * blocks / (blocks - 1) / variances[last - 1]
        candidate = phi if below is None else max(phi, 2 * phi - below)
        if candidate > effect:
            effect, df = candidate, mpf(blocks - 1)
        below = phi
    return effect, df


def _mixture(z: Any, information: Any, best: Any) -> Any:
    tuning = 2 * log(mpf(10))
    total = mpf(0)
    for weight, factor in (("0.5", 1), ("0.3", 4), ("0.2", 16)):
        rho = (mpf("2.4864748605") / (factor * best)) ** 2 / (tuning + log1p(tuning))
        x = z * sqrt(information / (information + rho))
        total += mpf(weight) * sqrt(rho / (information + rho)) * exp(x**2 / 2) * erfc(-x / sqrt(mpf(2)))
    return log(total)
