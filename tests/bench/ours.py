"""The gate as a rule among the others, whole and with parts of it taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from lossgate.stats import GateConfig
from lossgate.stats.bank import Bank
from lossgate.stats.rules import Rules
from tests.bench.groups import per_class
from tests.bench.losses import BASELINE
from tests.bench.peers import Rule, Says
from tests.bench.streams import Observation


class TheGate:
    """The gate; without label ages, all labels are one stratum, and without pods their number is not known."""

    def __init__(self, config: GateConfig, tests: int, strata: int = 1, pods: int = 0) -> None:
        self._bank = Bank.start(Rules.side_by_side(config, BASELINE, tests=tests), strata=strata, pods=pods)
        self._by_age, self._by_pod = strata > 1, pods > 0

    @property
    def harm(self) -> Says:
        """Tests that found harm."""
        return self._bank.harm

    @property
    def safe(self) -> Says:
        """Tests that found non-inferiority, and no harm before."""
        return self._bank.safe

    def advance(self, look: Observation) -> None:
        """Take a look."""
        moments = look.by_age if self._by_age else look.whole[:, None]
        self._bank = self._bank.advance(moments, look.pods if self._by_pod else None)


class TheGatePerClass:
    """The gate with listed classes: harm in the whole or in any class, safety only in all of them."""

    def __init__(self, config: GateConfig, tests: int) -> None:
        rules = Rules.of(config, BASELINE)
        self._parts = len(rules.mean)
        tiled: dict[str, Any] = {
            field.name: np.tile(value, tests)
            for field in fields(rules)
            if isinstance(value := getattr(rules, field.name), np.ndarray)
        }
        self._bank = Bank.start(replace(rules, **tiled), strata=1)

    @property
    def harm(self) -> Says:
        """Gates in which any test found harm."""
        harm: Says = np.logical_or.reduce(self._bank.harm.reshape(-1, self._parts), axis=1)
        return harm

    @property
    def safe(self) -> Says:
        """Gates in which all tests found non-inferiority."""
        safe: Says = np.logical_and.reduce(self._bank.safe.reshape(-1, self._parts), axis=1)
        return safe & ~self.harm

    def advance(self, look: Observation) -> None:
        """Take a look."""
        moments = per_class(look).transpose(0, 2, 1)
        self._bank = self._bank.advance(np.ascontiguousarray(moments).reshape(6, 1, -1))


class LastStep:
    """A rule that is asked only from one look on: fed from there on (a new test of the step) or from the start."""

    def __init__(self, start: Callable[[], Rule], first_look: int, is_fed_before: bool) -> None:
        self._rule, self._first_look, self._is_fed_before = start(), first_look, is_fed_before
        self._looks = 0

    @property
    def harm(self) -> Says:
        """What the rule says, once it is asked."""
        return self._rule.harm & (self._looks > self._first_look)

    @property
    def safe(self) -> Says:
        """What the rule says, once it is asked."""
        return self._rule.safe & (self._looks > self._first_look)

    def advance(self, look: Observation) -> None:
        """Take a look, or let it pass."""
        self._looks += 1
        if self._is_fed_before or self._looks > self._first_look:
            self._rule.advance(look)
