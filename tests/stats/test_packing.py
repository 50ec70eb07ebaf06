from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from lossgate.stats import Gate, StateFromTheFuture, Verdict, pack, unpack
from tests.stats.evidence_builders import A_BASELINE, a_config, a_look, observed, wavy_looks


def a_gate_after(looks: int) -> Gate:
    return observed(Gate.start(a_config(), A_BASELINE), wavy_looks(63, looks))


def test_state_of_two_million_looks_fits_into_four_kibibytes() -> None:
    sizes = [len(pack(a_gate_after(2**power))) for power in (10, 11, 12)]
    step = max(b - a for a, b in pairwise(sizes))
    assert sizes[-1] + step * (21 - 12) < 4096, "a level for each doubling of the looks, nothing else grows"


def test_state_keeps_the_verdict() -> None:
    harmful = observed(Gate.start(a_config(), A_BASELINE), [a_look(k, canary=0.9) for k in range(5)])
    assert unpack(pack(harmful)).judge() == harmful.judge()
    assert unpack(pack(harmful)).verdict() is Verdict.HARM


def test_state_of_a_later_version_is_refused() -> None:
    with pytest.raises(StateFromTheFuture, match="later version"):
        unpack(pack(a_gate_after(3)).replace("v2:", "v3:"))


@pytest.mark.parametrize("spoil", [lambda text: "", lambda text: text[3:], lambda text: text[:-9], lambda text: "v2:"])
def test_damaged_state_is_refused(spoil: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="afresh"):
        unpack(spoil(pack(a_gate_after(20))))
