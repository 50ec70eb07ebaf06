"""What a model server imports: cross-entropy loss, joined with late labels, as counters that lossgate compares.

Needs numpy and prometheus-client only, and nothing else of lossgate.
"""

from __future__ import annotations

from lossgate.instrument.join import Joined, LabelJoiner, Outcome, observe_joined
from lossgate.instrument.loss import CLIP, Losses, cross_entropy
from lossgate.instrument.metrics import LossMetrics, PredictionMetrics

__all__ = [
    "CLIP",
    "Joined",
    "LabelJoiner",
    "LossMetrics",
    "Losses",
    "Outcome",
    "PredictionMetrics",
    "cross_entropy",
    "observe_joined",
]
