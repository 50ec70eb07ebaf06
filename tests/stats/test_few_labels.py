from __future__ import annotations

import pytest

from lossgate.stats import Gate, Increment, Verdict
from tests.stats.evidence_builders import A_BASELINE, a_config, an_increment, one_stratum


def test_bounds_that_no_number_of_standard_errors_reaches_are_unknown() -> None:
    config = a_config(margin=0.01, step_margin=0.01)
    gate = Gate.start(config, A_BASELINE).observe(one_stratum(1.0, an_increment(20), an_increment(1, 0.3, 0.0)))
    judgement = gate.judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.delta == pytest.approx(0.0, abs=1e-12)
    assert (judgement.lower, judgement.upper) == (None, None)


def test_loss_below_zero_does_not_become_evidence() -> None:
    with pytest.raises(ValueError, match="no evidence"):
        Increment(5.0, -3.0, 2.0)
