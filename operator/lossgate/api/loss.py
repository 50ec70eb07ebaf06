"""`spec.loss`: where the loss of each version is read, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from lossgate.api.part import Part
from lossgate.api.prometheus import Prometheus
from lossgate.api.quantities import Seconds
from lossgate.api.rules import (
    METRIC_LABEL_PATTERN,
    METRIC_NAME_PATTERN,
    lasts,
    rule,
    rules,
    says,
)

MetricName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        pattern=METRIC_NAME_PATTERN,
        json_schema_extra=says("write the name of a metric: letters, digits, _ and :, not starting with a digit"),
    ),
]


class Series(Part):
    """Names of the counters that model servers export."""

    count: MetricName = Field(default="model_loss_count", description="Counter of labelled predictions.")
    sum: MetricName = Field(default="model_loss_sum", description="Counter of the sum of their losses.")
    sum_of_squares: MetricName = Field(
        default="model_loss_squared_sum_total",
        alias="sumOfSquares",
        description="Counter of the sum of their squared losses.",
    )
    non_finite: MetricName = Field(
        default="model_loss_nonfinite_total",
        alias="nonFinite",
        description="Counter of labelled predictions whose loss was not a finite number.",
    )
    predictions: MetricName = Field(
        default="model_predictions_total", description="Counter of predictions, labelled or not."
    )


MetricLabel = Annotated[
    str,
    Field(
        max_length=63,
        pattern=METRIC_LABEL_PATTERN,
        json_schema_extra=says(
            "write the name of a metric label: letters, digits and _, not empty, not starting with a digit"
        ),
    ),
]


class MetricLabels(Part):
    """Which metric labels carry what."""

    revision: MetricLabel = Field(
        default="revision",
        description="Metric label that holds the value of the pod label lossgate.io/revision: it tells the two "
        "versions apart.",
    )
    namespace: MetricLabel = Field(
        default="namespace",
        description="Metric label that holds the pods' namespace. Every query asks for the rollout's own.",
    )


class Loss(Part):
    """Where the loss of each version is read, and how often."""

    interval_seconds: Seconds = Field(
        default=30.0,
        alias="interval",
        description="Time from one look at the losses to the next. A step needs at least 80 looks to pass.",
        json_schema_extra=lasts("1s", "10m", such_as="30s", whole_seconds=True),
    )
    settle_seconds: Seconds = Field(
        default=45.0,
        alias="settle",
        description="How far in the past a look ends, so that all its samples are in: the scrape interval and 15s.",
        json_schema_extra=lasts("0s", "1h", such_as="45s"),
    )
    label_delay_seconds: Seconds = Field(
        default=0.0,
        alias="labelDelay",
        description="Usual time until the label of a prediction arrives. Extends how long missing labels are waited "
        "for.",
        json_schema_extra=lasts("0s", "2160h", such_as="15m"),
    )
    prometheus: Prometheus = Field(
        default=Prometheus(), description="The Prometheus that holds the loss counters; by default the operator's."
    )
    selector: Mapping[str, Annotated[str, Field(max_length=256)]] = Field(
        default_factory=dict,
        max_length=16,
        description="More label matchers, by equality, for all series. The namespace and the revisions are always "
        "matched.",
        json_schema_extra=rules(
            rule(
                f"self.all(key, key.size() <= 63 && key.matches(r'{METRIC_LABEL_PATTERN}') && !key.startsWith('__'))",
                "write names of metric labels as keys: letters, digits and _, not starting with a digit or with __",
            )
        ),
    )
    series: Series = Field(default=Series(), description="Names of the counters that the model servers export.")
    labels: MetricLabels = Field(default=MetricLabels(), description="Names of the metric labels that carry meaning.")
