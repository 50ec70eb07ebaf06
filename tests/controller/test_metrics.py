from __future__ import annotations

from lossgate.api.reasons import Phase
from lossgate.api.status import GuardrailStatus, RolloutStatus, StepStatus, Version
from lossgate.controller.metrics import OperatorMetrics
from lossgate.controller.queue import Key

A, B = Key("ml", "a"), Key("ml", "b")
STATUS = RolloutStatus(
    phase=Phase.PROGRESSING,
    canary=Version(revision="a-2", model_version="v2", weight=20),
    step=StepStatus(index=0, weight=20, looks=31),
)


def value(metrics: OperatorMetrics, name: str, key: Key | None = None, **labels: str) -> float | None:
    own = {"namespace": key.namespace, "rollout": key.name} if key else {}
    return metrics.registry.get_sample_value(name, {**own, **labels})


def series(metrics: OperatorMetrics, key: Key) -> set[str]:
    return {
        sample.name
        for metric in metrics.registry.collect()
        for sample in metric.samples
        if sample.labels.get("rollout") == key.name
    }


def test_rollout_is_shown_in_just_one_phase() -> None:
    metrics = OperatorMetrics()
    metrics.show(A, RolloutStatus())
    metrics.show(A, STATUS)
    phases = {phase: value(metrics, "lossgate_rollout_phase", A, phase=phase.value) for phase in Phase}
    assert phases == {phase: float(phase is Phase.PROGRESSING) for phase in Phase}
    assert value(metrics, "lossgate_canary_weight_percent", A) == 20
    assert value(metrics, "lossgate_step_looks", A) == 31


def test_series_go_with_the_rollout_and_only_with_it() -> None:
    metrics = OperatorMetrics()
    for key in (A, B):
        metrics.show(key, STATUS)
        metrics.errors.labels(*key).inc()
    before = series(metrics, B)
    metrics.forget(A)
    assert series(metrics, A) == set()
    assert series(metrics, B) == before
    assert before >= {"lossgate_rollout_phase", "lossgate_reconcile_errors_total"}


def test_rollout_that_was_never_shown_can_be_forgotten() -> None:
    OperatorMetrics().forget(A)


def test_requests_are_counted_by_their_answer() -> None:
    metrics = OperatorMetrics()
    metrics.requested("PUT", "ModelRollout", 200)
    metrics.requested("PUT", "ModelRollout", 200)
    metrics.requested("PUT", "ModelRollout", 0)
    counted = [
        value(metrics, "lossgate_api_requests_total", method="PUT", kind="ModelRollout", code=code)
        for code in ("200", "0", "409")
    ]
    assert counted == [2.0, 1.0, None]


def test_leader_is_shown() -> None:
    metrics = OperatorMetrics()
    assert value(metrics, "lossgate_leader") == 0
    metrics.led(True)
    assert value(metrics, "lossgate_leader") == 1
    metrics.led(False)
    assert value(metrics, "lossgate_leader") == 0


def test_failures_of_guardrails_are_shown_and_go_with_the_guardrail() -> None:
    metrics = OperatorMetrics()
    two = (GuardrailStatus(name="errors", failures=2), GuardrailStatus(name="p99"))
    metrics.show(A, STATUS.model_copy(update={"guardrails": two}))
    metrics.show(B, STATUS.model_copy(update={"guardrails": two}))
    assert value(metrics, "lossgate_guardrail_failures", A, guardrail="errors") == 2
    assert value(metrics, "lossgate_guardrail_failures", A, guardrail="p99") == 0
    metrics.show(A, STATUS.model_copy(update={"guardrails": two[1:]}))
    assert value(metrics, "lossgate_guardrail_failures", A, guardrail="errors") is None
    metrics.forget(A)
    assert "lossgate_guardrail_failures" not in series(metrics, A)
    assert value(metrics, "lossgate_guardrail_failures", B, guardrail="errors") == 2
