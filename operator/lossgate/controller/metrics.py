"""The operator's own metrics; those of a ModelRollout go when it goes."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

from lossgate.api.reasons import Phase
from lossgate.api.status import RolloutStatus
from lossgate.controller.queue import Key


class OperatorMetrics:
    """All metrics of one operator process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        per_rollout = ("namespace", "rollout")
        self._phase = Gauge(
            "lossgate_rollout_phase",
            "1 for the phase of a ModelRollout.",
            (*per_rollout, "phase"),
            registry=self.registry,
        )
        self._weight = Gauge(
            "lossgate_canary_weight_percent",
            "Share of requests sent to the canary.",
            per_rollout,
            registry=self.registry,
        )
        self._looks = Gauge(
            "lossgate_step_looks",
            "Looks that entered the evidence of the present step.",
            per_rollout,
            registry=self.registry,
        )
        self._guardrail_failures = Gauge(
            "lossgate_guardrail_failures",
            "Evaluations in a row of a guardrail outside of its limits, in the present step or the last one.",
            (*per_rollout, "guardrail"),
            registry=self.registry,
        )
        self._standing = (self._phase, self._weight, self._looks, self._guardrail_failures)
        self._leader = Gauge("lossgate_leader", "1 while this process leads.", registry=self.registry)
        self._requests = Counter(
            "lossgate_api_requests",
            "Requests to the API server; code 0 had no answer.",
            ("method", "kind", "code"),
            registry=self.registry,
        )
        self.reconcile_seconds = Histogram(
            "lossgate_reconcile_seconds", "Time to observe, decide and apply once.", registry=self.registry
        )
        self.errors = Counter(
            "lossgate_reconcile_errors", "Turns that failed and are tried again.", per_rollout, registry=self.registry
        )

    def led(self, leads: bool) -> None:
        """Show whether this process leads; one that does not says nothing of ModelRollouts, which go on without it."""
        self._leader.set(1 if leads else 0)
        if not leads:
            for metric in self._standing:
                metric.clear()

    def requested(self, method: str, kind: str, code: int) -> None:
        """Count a request to the API server."""
        self._requests.labels(method, kind, str(code)).inc()

    def show(self, key: Key, status: RolloutStatus) -> None:
        """Show where a ModelRollout stands."""
        for phase in Phase:
            self._phase.labels(*key, phase.value).set(1 if phase is status.phase else 0)
        self._weight.labels(*key).set(status.canary.weight if status.canary else 0)
        self._looks.labels(*key).set(status.step.looks if status.step else 0)
        self._guardrail_failures.remove_by_labels({"namespace": key.namespace, "rollout": key.name})
        for guardrail in status.guardrails:
            self._guardrail_failures.labels(*key, guardrail.name).set(guardrail.failures)

    def forget(self, key: Key) -> None:
        """Remove every series of a ModelRollout that is gone."""
        labels = {"namespace": key.namespace, "rollout": key.name}
        for metric in (*self._standing, self.errors):
            metric.remove_by_labels(labels)
