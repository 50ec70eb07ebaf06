"""docs/reference/metrics.md: the metrics of the operator, from its own registry."""

from __future__ import annotations

from prometheus_client.metrics import MetricWrapperBase

from lossgate.controller.metrics import OperatorMetrics
from tests.docs.reference.markdown import GENERATED, cell, code, table

_INTRODUCTION = """
# Metrics of the operator

Served on port 8080 under `/metrics`, beside those of the process and of Python. What carries the labels `namespace` and
`rollout` goes when the ModelRollout goes. The metrics that model servers export are named in
[`spec.loss.series`](modelrollout.md#speclossseries).

"""


def page() -> str:
    """Return the page."""
    header = ["metric", "type", "labels", "what it says"]
    return f"{GENERATED}{_INTRODUCTION}{table(header, _rows())}"


def _rows() -> list[list[str]]:
    rows = []
    for metric in vars(OperatorMetrics()).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            # There is no public way to the labels of a metric that has no sample yet.
            labels = ", ".join(code(label) for label in metric._labelnames)
            rows.append([code(name), family.type, labels, cell(family.documentation)])
    return sorted(rows)
