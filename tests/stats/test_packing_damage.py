from __future__ import annotations

import pytest

from lossgate.stats import Gate, pack, unpack
from tests.stats.evidence_builders import A_BASELINE, a_config, observed, wavy_looks


def test_a_single_wrong_character_is_noticed() -> None:
    text = pack(observed(Gate.start(a_config(), A_BASELINE), wavy_looks(63, 20)))
    for position in range(len("v2:"), len(text) - 2):
        spoilt = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        with pytest.raises(ValueError, match="afresh"):
            unpack(spoilt)
