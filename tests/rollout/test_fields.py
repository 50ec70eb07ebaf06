"""Fields of the spec that shape a rollout, each shown by what it changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lossgate.api.reasons import ConditionType, EventReason, Phase, Reason
from lossgate.api.spec import RolloutSpec
from lossgate.rollout.decision import CreateDeployment, ScaleDeployment
from lossgate.rollout.evidence import gate_config
from lossgate.stats import unpack
from tests.rollout.test_decide import condition, phase, reasons, serving
from tests.rollout.test_setbacks import in_first_step, set_pods
from tests.rollout.world import World, a_spec

WEIGHTS = (5, 25, 50)


def step_margins(gate: str | None, *own: str | None, absolute: bool = False, mean: float = 0.3) -> list[float]:
    field = "absoluteMargin" if absolute else "margin"
    steps = [
        {"weight": weight} | ({field: margin} if margin else {}) for weight, margin in zip(WEIGHTS, own, strict=True)
    ]
    spec = a_spec(steps=steps, gate={field: gate} if gate else {})
    return [gate_config(spec, index, mean).step_margin for index in range(3)]


@pytest.mark.parametrize(
    ("gate", "own", "expected"),
    [
        ("5%", (None, None, None), [0.2, 0.2, 0.05]),
        (None, (None, None, None), [0.2, 0.2, 0.05]),
        ("5%", ("60%", None, None), [0.6, 0.2, 0.05]),
        ("5%", ("10%", None, None), [0.1, 0.1, 0.05]),
        ("5%", ("3%", None, None), [0.03, 0.03, 0.03]),
        ("5%", (None, "8%", "2%"), [0.2, 0.08, 0.02]),
        ("20%", (None, None, None), [0.5, 0.5, 0.2]),
        ("80%", (None, None, None), [0.8, 0.8, 0.8]),
    ],
)
def test_margins_of_steps_never_grow_looser_upwards(
    gate: str | None, own: tuple[str | None, ...], expected: list[float]
) -> None:
    assert step_margins(gate, *own) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ((None, None, None), [0.15, 0.15, 0.1]),
        (("0.3", None, None), [0.3, 0.15, 0.1]),
        ((None, "0.4", None), [0.15, 0.15, 0.1]),
        (("0.12", None, "0.05"), [0.12, 0.12, 0.05]),
    ],
)
def test_margins_in_loss_units_stay_below_half_the_stable_loss_unless_named(
    own: tuple[str | None, ...], expected: list[float]
) -> None:
    assert step_margins("0.1", *own, absolute=True) == pytest.approx(expected)


def test_step_is_tested_at_its_own_margin_and_an_edit_of_it_starts_the_step_anew() -> None:
    steps = [{"weight": 20, "margin": "12%"}, {"weight": 50}]
    world = in_first_step(steps=steps)
    world.run(100)
    assert margin_in_use(world) == pytest.approx(0.12)
    assert looks(world) > 5
    world.edit(a_spec("v2", steps=[{"weight": 20, "margin": "11%"}, {"weight": 50}]))
    world.run(25)
    assert looks(world) <= 2
    world.run(20)
    assert margin_in_use(world) == pytest.approx(0.11)


def margin_in_use(world: World) -> float:
    assert world.status.analysis is not None
    assert world.status.analysis.state is not None
    return unpack(world.status.analysis.state).config.step_margin


def looks(world: World) -> int:
    assert world.status.step is not None
    return world.status.step.looks


@pytest.mark.parametrize(("excess", "guarded"), [("25%", True), ("1000%", False)])
def test_guard_excess_says_what_a_catastrophe_is(excess: str, guarded: bool) -> None:
    world = serving(gate__guardExcess=excess)
    world.loss_by_version["v2"] = 0.9
    world.edit(a_spec("v2", gate__guardExcess=excess))
    world.run(1200, until="RollingBack")
    assert (world.status.history[-1].looks < 40) is guarded


def long_step(version: str = "v2") -> RolloutSpec:
    return a_spec(version, steps=[{"weight": 20, "minDuration": "20m"}, {"weight": 50}])


def test_passed_step_is_not_left_before_its_time_nor_are_pods_asked_for() -> None:
    world = serving()
    world.edit(long_step())
    world.run(100)
    assert world.status.step is not None
    began = world.status.step.in_force
    assert began is not None
    world.run(began + 1190 - world.now)
    assert world.weights == (80, 20)
    promoted = world.status.condition(ConditionType.PROMOTED)
    assert promoted is not None
    assert "minDuration" in promoted.message
    assert world.snapshot().ready(world.snapshot().target) == 1, "no GPU waits for its share"
    world.run(20)
    assert world.weights == (50, 50)


def test_harm_does_not_wait_for_the_time_of_the_step() -> None:
    world = serving()
    world.edit(long_step("v4"))
    world.run(1200, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_time_of_the_step_outlasts_pods_that_come_and_go() -> None:
    world = serving()
    world.edit(long_step())
    world.run(900)
    set_pods(world, broken=True)
    world.run(60)
    assert world.weights == (100, 0)
    set_pods(world, broken=False)
    world.run(400)
    assert world.weights == (50, 50)


def test_canary_with_fixed_pods_has_them_in_every_step_and_full_size_only_for_the_promotion() -> None:
    world = serving()
    world.edit(a_spec("v2", canary__replicas=2))
    canary = world.snapshot().target
    world.run(6000, until="Healthy")
    sizes = [w for w in world.writes if isinstance(w, CreateDeployment | ScaleDeployment) and w.revision == canary]
    assert sizes == [CreateDeployment(canary, 2), ScaleDeployment(canary, 4)]


@pytest.mark.parametrize("deadline", [120, 1800])
def test_canary_without_pods_is_rolled_back_after_the_deadline_of_the_spec(deadline: int) -> None:
    world = serving()
    world.edit(a_spec("v2", progressDeadlineSeconds=deadline))
    world.broken.add(world.snapshot().target)
    world.run(deadline - 5)
    assert phase(world) is Phase.PROGRESSING
    world.run(30, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.PROGRESS_DEADLINE)


def test_deadline_that_is_edited_reaches_the_deployments() -> None:
    world = serving()
    stable = world.snapshot().target
    world.deployments[stable] = replace(world.deployments[stable], progress_deadline_seconds=600)
    world.edit(a_spec(progressDeadlineSeconds=900))
    assert world.turn().writes == (ScaleDeployment(stable, 4),)


def test_looks_in_a_pause_without_verdict_are_no_part_of_the_step() -> None:
    changes = {"gate__maxDuration": "5m"}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    world.run(600, until="Paused")
    before = world.status.analysis
    assert before is not None
    world.run(1200)
    after = world.status.analysis
    assert after is not None
    assert after.pause_state is not None
    assert after.model_copy(update={"pause_state": None}) == before.model_copy(update={"hold": after.hold})
    world.edit(a_spec("v2"))
    world.run(2)
    assert world.status.analysis is not None
    assert world.status.analysis.pause_state is None, "the retry has a new budget"


def test_harm_in_a_pause_without_verdict_still_counts() -> None:
    changes = {"gate__maxDuration": "5m"}
    world = serving(**changes)
    world.edit(a_spec("v2", **changes))
    world.run(600, until="Paused")
    world.loss_by_version["v2"] = 2.0
    world.run(600, until="RolledBack")
    assert condition(world, ConditionType.PROMOTED) == ("False", Reason.HARM)


def test_backlog_after_an_outage_speaks_of_its_last_look_only() -> None:
    world = in_first_step()
    world.run(200)
    world.events.clear()
    world.now += 400
    world.silent = (world.now - 390, world.now - 60)
    world.run(15)
    assert condition(world, ConditionType.MEASURED) == ("True", Reason.LOOKING)
    assert EventReason.NOT_MEASURED not in reasons(world)
