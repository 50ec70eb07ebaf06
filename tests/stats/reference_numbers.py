"""From a t statistic to evidence and back, in 50 digits: mixture, its integral, its bound, and Wallace's correction.

Written from the formulas alone. `single_log_evidence_by_quadrature` is the definition, the rest its closed form.

The single scales also stand on confseq 0.0.11 (Howard, Ramdas, McAuliffe, Sekhon), a program of other authors: its
header `uniform_boundaries.h`, class OneSidedNormalMixture(v_opt, alpha_opt = .05) with v_opt = (2.4864748605/effect)^2,
compiled against boost 1.74, printed

    effect   best_rho          bound(I, log 20) / sqrt(I) at I = 2000, 27000, 200000
    .015     4341.7035383083   3.98549003134   2.76625395925   2.94006654464
    .06      271.35647114427   2.76653250362   3.0512895126    3.35040125953
    .24      16.959779446517   3.07659731937   3.4621681461    3.7392316396

    z, I, rho          log_superMG(z sqrt(I), I)
    2, 1000, 158       1.3922822932221
    -1.5, 1000, 158    -1.8363301200544
    4, 27000, 4343     6.596322703508
    -30, 27000, 4343   -4.5419101929596
    12, 50, 4343       1.4012893945888
    40, 1e6, 271       796.36957456726
"""

from __future__ import annotations

from typing import Any

from mpmath import exp, expm1, findroot, log, log1p, mp, mpf, ncdf, npdf, quad, sqrt

mp.dps = 50

Number = Any
"""An mpmath number, for which there are no types."""

FIXED_SAMPLE_EFFECT = mpf("2.4864748605")
MIXTURE = ((mpf("0.5"), 1), (mpf("0.3"), 4), (mpf("0.2"), 16))
"""Weight of each scale, and how many times the effect it is meant for."""
MAX_Z = 40


def rho(effect: Number) -> Number:
    tuning = 2 * log(1 / (2 * mpf("0.05")))
    return (FIXED_SAMPLE_EFFECT / effect) ** 2 / (tuning + log1p(tuning))


def single_log_evidence(z: Number, information: Number, scale: Number) -> Number:
    x = z * sqrt(information / (information + scale))
    return log(2) + log(scale / (information + scale)) / 2 + x**2 / 2 + log(ncdf(x))


def single_log_evidence_by_quadrature(z: Number, information: Number, scale: Number) -> Number:
    """Integrate the likelihood ratio of an effect over its half-normal prior of variance 1 / scale."""

    def ratio(effect: Number) -> Number:
        return exp(effect * z * sqrt(information) - effect**2 * information / 2)

    def prior(effect: Number) -> Number:
        return 2 * npdf(effect, 0, 1 / sqrt(scale))

    # What lies 20 widths beyond the peak is under exp(-200) of the whole.
    peak, width = z * sqrt(information) / (information + scale), 1 / sqrt(information + scale)
    cuts = sorted({max(mpf(0), max(mpf(0), peak) + j * width) for j in range(-20, 21, 4)})
    return log(quad(lambda effect: ratio(effect) * prior(effect), cuts, maxdegree=7))


def log_evidence(z: Number, information: Number, effect: Number) -> Number:
    parts = [
        weight * exp(single_log_evidence(z, information, rho(times * effect))) for weight, times in MIXTURE
    ]  # 50 digits hold exp of anything
    return log(sum(parts))


def bound_on_z(information: Number, effect: Number, log_threshold: Number) -> Number | None:
    """Solve log evidence = threshold for z in [0, 40]; None if it is beyond."""

    def excess(z: Number) -> Number:
        return log_evidence(z, information, effect) - log_threshold

    if excess(mpf(MAX_Z)) < 0:
        return None
    return findroot(excess, (mpf(0), mpf(MAX_Z)), solver="illinois", tol=mpf(10) ** -40)


def normal_from_t(t: Number, df: Number) -> Number:
    t, df = mpf(t), mpf(df)
    z = (8 * df + 1) / (8 * df + 3) * sqrt(df * log1p(t**2 / df))
    return z if t >= 0 else -z


def t_from_normal(z: Number, df: Number) -> Number:
    """Undo Wallace for z >= 0."""
    return sqrt(df * expm1((z * (8 * df + 3) / (8 * df + 1)) ** 2 / df))
