"""Listed classes are tested one by one: one that is ruined must not hide behind the others."""

from __future__ import annotations

import pytest

from lossgate.stats import Arm, Baseline, Cell, ClassTests, Gate, GateConfig, Look, Verdict, pack, unpack
from lossgate.stats.rules import Rules
from tests.stats.evidence_builders import A_BASELINE, a_config, an_increment, observed

CLASSES = ClassTests(("cat", "dog", "fox"), margin=0.1, step_margin=0.1)
BASELINE = Baseline(0.3, 0.7, 10_000, {name: Baseline(0.3, 0.7, 3_000) for name in CLASSES.names})


def a_look(end: float, canary: dict[str, float]) -> Look:
    def arm(labels: float, means: dict[str, float]) -> Arm:
        parts = {name: an_increment(labels, mean) for name, mean in means.items()}
        whole = sum(means.values()) / 3
        return Arm({"": an_increment(3 * labels, whole)}, parts)

    return Look(end, arm(1200, dict.fromkeys(CLASSES.names, 0.3)), arm(70, canary))


def config(**changes: object) -> GateConfig:
    return a_config(per_class=CLASSES, **changes)


def test_a_ruined_class_is_found_although_the_whole_is_better() -> None:
    looks = [a_look(k, {"cat": 0.1, "dog": 0.1, "fox": 0.6}) for k in range(60)]
    assert observed(Gate.start(a_config(), A_BASELINE), looks).verdict() is Verdict.CONTINUE
    judgement = observed(Gate.start(config(), BASELINE), looks).judge()
    assert (judgement.verdict, judgement.failing_class) == (Verdict.HARM, "fox")
    assert [one.verdict for one in judgement.classes] == [Verdict.CONTINUE, Verdict.CONTINUE, Verdict.HARM]
    assert judgement.classes[2].delta == pytest.approx(1.0)
    assert judgement.harm is not None
    assert judgement.harm > 1


def test_the_whole_is_not_called_a_failing_class() -> None:
    judgement = observed(
        Gate.start(config(), BASELINE), [a_look(k, dict.fromkeys(CLASSES.names, 3.0)) for k in range(5)]
    ).judge()
    assert (judgement.verdict, judgement.failing_class) == (Verdict.HARM, None)


def test_all_classes_must_pass() -> None:
    equal = [a_look(k, dict.fromkeys(CLASSES.names, 0.2)) for k in range(300)]
    assert observed(Gate.start(config(), BASELINE), equal).verdict() is Verdict.NON_INFERIOR
    rare = [
        look._replace(canary=Arm(look.canary.ages, {name: look.canary.classes[name] for name in ("cat", "dog")}))
        for look in equal
    ]
    judgement = observed(Gate.start(config(), BASELINE), rare).judge()
    assert judgement.verdict is Verdict.CONTINUE
    assert judgement.safety is None, "of the fox nothing is known, so nothing is known of all"
    assert (judgement.classes[2].labels_canary, judgement.classes[2].harm) == (0, None)


def test_rollback_risk_is_spent_once() -> None:
    rules = Rules.of(config(rollback_risk=0.04, steps=2), BASELINE)
    spent = 2.718281828459045 ** -rules.log_bounds[0] + 2.718281828459045**-rules.guard_log_bound
    assert spent == pytest.approx([0.01, 0.01 / 3, 0.01 / 3, 0.01 / 3])
    assert spent.sum() == pytest.approx(0.04 / 2)


def test_state_with_classes_goes_on_bit_for_bit() -> None:
    looks = [a_look(k, {"cat": 0.3, "dog": 0.31, "fox": 0.33}) for k in range(90)]
    half = unpack(pack(observed(Gate.start(config(), BASELINE), looks[:45])))
    straight = observed(Gate.start(config(), BASELINE), looks)
    assert observed(half, looks[45:]) == straight
    assert pack(observed(half, looks[45:])) == pack(straight)


def test_state_with_classes_and_ages_and_pods_is_the_same_after_a_restart() -> None:
    def arm(labels: float) -> Arm:
        cells = [
            (Cell(age, name, f"pod-{pod}"), an_increment(labels + pod, 0.3 + 0.01 * pod))
            for age in ("1h", "1d")
            for name in CLASSES.names
            for pod in range(6)
        ]
        return Arm.from_cells(cells)

    gate = observed(Gate.start(config(by_age=True), BASELINE), [Look(k, arm(100), arm(10)) for k in range(20)])
    assert (len(gate.ages), len(gate.pods)) == (2, 6)
    assert unpack(pack(gate)) == gate


@pytest.mark.parametrize("names", [(), ("a", "a"), ("",), tuple(f"c{i}" for i in range(17))])
def test_impossible_lists_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="1 to 16 different names"):
        ClassTests(names, 0.1, 0.1)
