"""The test: evidence in, verdict out, valid however often it is looked at. Pure: no clock, no I/O."""

from lossgate.stats.config import GateConfig
from lossgate.stats.evidence import Baseline, Increment, Look
from lossgate.stats.gate import Cause, Gate, Judgement, Verdict
from lossgate.stats.packing import StateFromTheFuture, pack, unpack
from lossgate.stats.planning import Expectation, Forecast, forecast

__all__ = [
    "Baseline",
    "Cause",
    "Expectation",
    "Forecast",
    "Gate",
    "GateConfig",
    "Increment",
    "Judgement",
    "Look",
    "StateFromTheFuture",
    "Verdict",
    "forecast",
    "pack",
    "unpack",
]
