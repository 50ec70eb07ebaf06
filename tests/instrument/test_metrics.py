"""Counters as Prometheus sees them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from lossgate.instrument import CLIP, Losses, LossMetrics, PredictionMetrics, cross_entropy

Samples = dict[tuple[str, str | None], float]


def scrape(registry: CollectorRegistry) -> Samples:
    """Every sample of one scrape, parsed from the text that Prometheus gets, by name and revision."""
    return {
        (sample.name, sample.labels.get("revision")): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def losses_of(*values: float) -> Losses:
    return Losses(np.array(values), np.zeros(len(values), dtype=np.bool_))


def test_every_counter_exists_at_zero_before_the_first_label() -> None:
    registry = CollectorRegistry()
    LossMetrics(registry)
    assert scrape(registry) == {
        ("model_loss_count", None): 0,
        ("model_loss_sum", None): 0,
        ("model_loss_squared_sum_total", None): 0,
        ("model_loss_nonfinite_total", None): 0,
    }


def test_adds_batches_up() -> None:
    registry = CollectorRegistry()
    metrics = LossMetrics(registry)
    metrics.observe(losses_of(1.0, 2.0))
    metrics.observe(losses_of(0.5))
    metrics.observe(losses_of())
    assert scrape(registry) == {
        ("model_loss_count", None): 3,
        ("model_loss_sum", None): 3.5,
        ("model_loss_squared_sum_total", None): 5.25,
        ("model_loss_nonfinite_total", None): 0,
    }


def test_a_non_finite_loss_is_counted_and_leaves_the_sums_finite() -> None:
    registry = CollectorRegistry()
    metrics = LossMetrics(registry)
    metrics.observe(cross_entropy([[np.nan, 0.0]], [0]))
    samples = scrape(registry)
    assert samples["model_loss_nonfinite_total", None] == 1
    assert samples["model_loss_count", None] == 1
    assert samples["model_loss_sum", None] == CLIP
    assert samples["model_loss_squared_sum_total", None] == CLIP**2


def test_keeps_revisions_apart_and_starts_each_at_zero_when_declared() -> None:
    registry = CollectorRegistry()
    metrics = LossMetrics(registry, revision_label=True)
    assert scrape(registry) == {}
    metrics.declare("digits-a")
    metrics.observe(losses_of(2.0), "digits-b")
    metrics.declare("digits-b")
    samples = scrape(registry)
    assert samples["model_loss_count", "digits-a"] == 0
    assert samples["model_loss_squared_sum_total", "digits-a"] == 0
    assert samples["model_loss_nonfinite_total", "digits-a"] == 0
    assert samples["model_loss_sum", "digits-b"] == 2.0


def test_a_revision_is_given_exactly_where_the_series_carry_it() -> None:
    with pytest.raises(ValueError, match="use revision_label=True"):
        LossMetrics(None).observe(losses_of(1.0), "digits-a")
    with pytest.raises(ValueError, match="use revision_label=True"):
        LossMetrics(None).declare("digits-a")
    labelled = LossMetrics(None, revision_label=True)
    with pytest.raises(ValueError, match="revision missing"):
        labelled.observe(losses_of(1.0))
    with pytest.raises(ValueError, match="revision missing"):
        labelled.declare("")


def test_one_scrape_sees_whole_batches_only() -> None:
    """Every batch adds 10 labels of loss 2: any scrape must show sum = 2 count and squares = 4 count."""
    registry = CollectorRegistry()
    metrics = LossMetrics(registry)
    batch = losses_of(*[2.0] * 10)
    scrapes: list[Samples] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            scrapes.append(scrape(registry))

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: metrics.observe(batch), range(4000)))
    stop.set()
    reader.join()
    scrapes.append(scrape(registry))
    assert scrapes[-1]["model_loss_count", None] == 40_000
    for samples in scrapes:
        count = samples["model_loss_count", None]
        assert count % 10 == 0
        assert samples["model_loss_sum", None] == 2 * count
        assert samples["model_loss_squared_sum_total", None] == 4 * count


def test_predictions_start_at_zero_and_add_up() -> None:
    registry = CollectorRegistry()
    predictions = PredictionMetrics(registry)
    assert scrape(registry)["model_predictions_total", None] == 0
    predictions.served()
    predictions.served(4)
    assert scrape(registry)["model_predictions_total", None] == 5
