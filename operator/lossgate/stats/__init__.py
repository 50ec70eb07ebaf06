"""The test: evidence in, verdict out, valid however often it is looked at. Pure: no clock, no I/O."""

from lossgate.stats.config import ClassTests, GateConfig, Noise
from lossgate.stats.evidence import Arm, Baseline, Cell, Increment, Look, PodIncrement
from lossgate.stats.gate import Gate
from lossgate.stats.judgement import Cause, ClassJudgement, Hold, Judgement, Verdict
from lossgate.stats.packing import StateFromTheFuture, pack, unpack
from lossgate.stats.planning import Expectation, Forecast, forecast
from lossgate.stats.share import ShareTest

__all__ = [
    "Arm",
    "Baseline",
    "Cause",
    "Cell",
    "ClassJudgement",
    "ClassTests",
    "Expectation",
    "Forecast",
    "Gate",
    "GateConfig",
    "Hold",
    "Increment",
    "Judgement",
    "Look",
    "Noise",
    "PodIncrement",
    "ShareTest",
    "StateFromTheFuture",
    "Verdict",
    "forecast",
    "pack",
    "unpack",
]
