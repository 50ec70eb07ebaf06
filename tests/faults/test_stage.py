"""The stage plays a rollout without any fault: what the fault tests compare with."""

from __future__ import annotations

import pytest

from tests import seeded
from tests.faults.stage import Stage

pytestmark = pytest.mark.apiserver


def test_undisturbed_promotion(stage: Stage) -> None:
    stage.to_canary("v2")
    stage.seed(seeded.before_promotion)
    status = stage.reach("Healthy")
    assert [entry.result for entry in status.history] == ["Promoted"]
    stage.poll(lambda: stage.recorder.weights("digits") == [0, 50, 100, 0])
    stage.poll(lambda: stage.replicas() == {"v1": 0, "v2": 2})
    stage.operator.stop()
    assert "Traceback" not in stage.operator.text()


def test_undisturbed_rollback(stage: Stage) -> None:
    stage.to_canary("v4")
    stage.seed(seeded.before_harm)
    status = stage.reach("RolledBack")
    assert [(entry.result, entry.reason) for entry in status.history] == [("RolledBack", "Harm")]
    assert stage.recorder.weights("digits") == [0, 50, 0]
    stage.poll(lambda: stage.replicas() == {"v1": 2, "v4": 0})
