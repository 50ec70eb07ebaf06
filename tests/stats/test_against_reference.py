"""The engine against the second opinion, on seeded streams that visit every corner of the test."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import pytest

from lossgate.stats import Baseline, Cell, ClassTests, Gate, GateConfig, Increment, Judgement, Noise
from tests.stats.evidence_builders import A_BASELINE, a_config, an_increment, one_stratum
from tests.stats.reference import Opinion, Reference
from tests.stats.reference_cells import CellLook
from tests.stats.reference_streams import Arm, Stream

CLASSES = tuple(f"class-{number}" for number in range(16))
WITH_CLASSES = Baseline(0.3, 0.7, 10_000, {"class-1": Baseline(0.4, 0.9, 3_000)})
JUDGED = (1, 2, 5, 12, 39, 40, 80, 120)


class Case(NamedTuple):
    stream: Stream
    config: GateConfig
    baseline: Baseline = A_BASELINE
    verdict: str = "Continue"
    """What the stream ends in, so that each verdict is known to be visited."""


def some_classes(number: int, margin: float = 0.1, step_margin: float = 0.2) -> ClassTests:
    return ClassTests(CLASSES[:number], margin, step_margin)


CASES = {
    "one stratum": Case(Stream(1, 300, Arm(1, 900), Arm(1, 60)), a_config()),
    "single canary labels": Case(Stream(2, 200, Arm(1, 40), Arm(1, 3)), a_config()),
    "no margin for harm": Case(
        Stream(3, 120, Arm(1, 3000), Arm(1, 300, effect=1.2), spread=0.05),
        a_config(margin=0.0, step_margin=0.2, guard_excess=0.1),
        verdict="Harm",
    ),
    "harm too small for the guard": Case(
        Stream(25, 60, Arm(1, 3000), Arm(1, 300, effect=1.2), spread=0.02, slow=0.0), a_config(), verdict="Harm"
    ),
    "catastrophe": Case(Stream(4, 100, Arm(1, 3800), Arm(1, 200, effect=3.0)), a_config(), verdict="Harm"),
    "loose step": Case(
        Stream(5, 120, Arm(1, 3000), Arm(1, 300, effect=0.9), spread=0.05),
        a_config(step_margin=0.2),
        verdict="NonInferior",
    ),
    "loss units": Case(
        Stream(6, 120, Arm(1, 900), Arm(1, 100), spread=0.1, whole_labels=False),
        a_config(margin=0.01, step_margin=0.04, absolute=True, steps=3),
        verdict="NonInferior",
    ),
    "four ages": Case(
        Stream(7, 200, Arm(4, 200, empty_cells=0.1), Arm(1, 60, empty_cells=0.2), ages=4), a_config(by_age=True)
    ),
    "five ages in loss units": Case(
        Stream(8, 150, Arm(3, 300), Arm(1, 40, empty_cells=0.3), ages=5, whole_labels=False),
        a_config(by_age=True, margin=0.01, step_margin=0.03, absolute=True),
    ),
    "an age that the canary hardly has": Case(
        Stream(9, 120, Arm(1, 3000), Arm(1, 6), ages=3, spread=0.05),
        a_config(by_age=True, step_margin=0.3, min_labels=100.0),
        verdict="NonInferior",
    ),
    "ages that hold nine tenths of the labels": Case(
        Stream(26, 85, Arm(1, 3000), Arm(1, 7, effect=0.7), ages=4, spread=0.02, slow=0.0),
        a_config(by_age=True, step_margin=0.3, min_labels=100.0),
        verdict="NonInferior",
    ),
    "ages that hold less than that": Case(
        Stream(28, 88, Arm(1, 3000), Arm(1, 4.4, effect=0.7), ages=3, spread=0.02, slow=0.0),
        a_config(by_age=True, step_margin=0.3, min_labels=100.0),
    ),
    "slow noise": Case(Stream(10, 300, Arm(1, 3800), Arm(1, 200), slow=0.15), a_config()),
    "four pods are too few": Case(Stream(11, 100, Arm(4, 80), Arm(1, 60), pods_told=True, pod_sd=0.1), a_config()),
    "five pods": Case(Stream(12, 100, Arm(5, 80), Arm(1, 60), pods_told=True, pod_sd=0.1), a_config()),
    "pods that are replaced": Case(
        Stream(13, 100, Arm(9, 20), Arm(2, 20), pods_told=True, pod_sd=0.1, replaced=0.02), a_config()
    ),
    "twenty pods by age": Case(
        Stream(14, 120, Arm(20, 30, empty_cells=0.1), Arm(2, 30), ages=3, pods_told=True, pod_sd=0.15),
        a_config(by_age=True),
    ),
    "ten pods need fewer looks": Case(
        Stream(15, 60, Arm(10, 400), Arm(2, 200, effect=0.8), pods_told=True, pod_sd=0.01, spread=0.02, slow=0.0),
        a_config(),
        verdict="NonInferior",
    ),
    "harm that ten pods find sooner": Case(
        Stream(27, 20, Arm(12, 400), Arm(3, 200, effect=1.2), pods_told=True, pod_sd=0.005, spread=0.02, slow=0.0),
        a_config(),
        verdict="Harm",
    ),
    "bad pods in loss units": Case(
        Stream(16, 100, Arm(12, 80), Arm(3, 60, effect=1.3), pods_told=True, pod_sd=0.3, spread=0.1),
        a_config(margin=0.02, step_margin=0.1, absolute=True),
        verdict="Harm",
    ),
    "one class ruined": Case(
        Stream(
            17, 100, Arm(1, 2000), Arm(1, 200, effect=0.8), classes=CLASSES[:6], harmful_class="class-4", spread=0.3
        ),
        a_config(per_class=some_classes(5)),
        WITH_CLASSES,
        verdict="Harm",
    ),
    "sixteen classes": Case(
        Stream(18, 80, Arm(1, 2000), Arm(1, 120), classes=CLASSES), a_config(per_class=some_classes(16)), WITH_CLASSES
    ),
    "all classes safe": Case(
        Stream(19, 120, Arm(1, 900), Arm(1, 200, effect=0.7), classes=CLASSES[:4], spread=0.02),
        a_config(per_class=some_classes(3), steps=3),
        WITH_CLASSES,
        verdict="NonInferior",
    ),
    "rare classes in loss units, by age and pod": Case(
        Stream(20, 90, Arm(6, 60), Arm(1, 25), ages=2, classes=CLASSES[:4], pods_told=True, pod_sd=0.05, spread=0.1),
        a_config(by_age=True, per_class=some_classes(4, 0.02, 0.3), absolute=True, margin=0.02, step_margin=0.15),
        WITH_CLASSES,
        verdict="NonInferior",
    ),
    "squares estimated from buckets": Case(
        Stream(21, 100, Arm(8, 40), Arm(1, 80), pods_told=True, pod_sd=0.2), a_config(noise=Noise.HISTOGRAM)
    ),
    "no squares": Case(
        Stream(22, 150, Arm(2, 400), Arm(1, 80), ages=2), a_config(by_age=True, noise=Noise.BETWEEN_LOOKS)
    ),
    "no squares, pods told, classes": Case(
        Stream(23, 90, Arm(8, 90), Arm(1, 80), classes=CLASSES[:3], pods_told=True, pod_sd=0.2),
        a_config(noise=Noise.BETWEEN_LOOKS, per_class=some_classes(2)),
        verdict="Harm",
    ),
    "no squares, safe": Case(
        Stream(24, 100, Arm(1, 4000), Arm(1, 400, effect=0.7), spread=0.02),
        a_config(noise=Noise.BETWEEN_LOOKS),
        verdict="NonInferior",
    ),
}


def near(value: Any) -> Any:
    return None if value is None else pytest.approx(float(value), rel=1e-8, abs=1e-10)


def assert_same(found: Judgement, expected: Opinion) -> None:
    whole = expected.whole
    assert (found.verdict.value, found.hold.value if found.hold else None) == (expected.verdict, expected.hold)
    assert found.looks == whole.looks
    assert found.labels_canary == near(whole.labels_canary)
    assert found.delta == near(whole.delta)
    assert found.lower == near(whole.lower)
    assert found.upper == near(whole.upper)
    assert found.harm == near(expected.harm)
    assert found.safety == near(expected.safety)
    assert found.design_effect == near(whole.design_effect)
    assert found.coverage == near(whole.coverage)
    assert found.pods == expected.pods
    assert [each.name for each in found.classes] == list(expected.classes)
    for each, one in zip(found.classes, expected.classes.values(), strict=True):
        assert each.verdict.value == one.verdict
        for name in ("labels_canary", "delta", "lower", "upper", "harm", "safety"):
            assert getattr(each, name) == near(getattr(one, name)), (each.name, name)


def compare(looks: list[CellLook], case: Case, judged: tuple[int, ...] = JUDGED) -> Gate:
    """Compare the verdict of every look and all numbers at some; return the gate after the last."""
    reference = Reference(looks, case.config, case.baseline, group_of)
    gate, first = Gate.start(case.config, case.baseline), None
    for count, look in enumerate(looks, start=1):
        gate = gate.observe(look.for_engine())
        assert gate.verdict().value == reference.verdict(count)[0], count
        if gate.verdict().value == "Harm" and first is None:
            first = (count, gate.judge().cause.value, gate.judge().failing_class)
        if count in judged or count == len(looks):
            assert_same(gate.judge(), reference.after(count))
    assert first == reference.first_harm(len(looks))
    return gate


def group_of(pod: str) -> int:
    """The group of a pod once there are more than 32: any checksum of its name will do, so the engine's is taken."""
    return zlib.crc32(pod.encode()) % 32


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_agrees_with_the_plain_calculation(case: Case) -> None:
    gate = compare(case.stream.draw(), case)
    assert gate.verdict().value == case.verdict


def test_canary_labels_without_stable_ones_of_their_age_count_for_nothing() -> None:
    stream = Stream(30, 60, Arm(1, 60, empty_cells=0.3), Arm(2, 40, empty_cells=0.3), ages=3)
    compare(stream.draw(), Case(stream, a_config(by_age=True)), judged=(1, 5, 20, 40))


@pytest.mark.parametrize(
    "config",
    [a_config(by_age=True), a_config(by_age=True, noise=Noise.BETWEEN_LOOKS)],
    ids=["squares", "no squares"],
)
def test_stable_labels_of_intervals_without_canary_labels_still_tell_its_variance_and_ages(config: GateConfig) -> None:
    stream = Stream(31, 90, Arm(2, 100, empty_looks=0.1), Arm(1, 60, empty_looks=0.2), ages=2)
    gate = compare(stream.draw(), Case(stream, config), judged=(5, 20, 40))
    assert 40 < gate.looks < 75


@pytest.mark.parametrize("silent", [0.0, 0.15], ids=["in cells", "in whole looks"])
def test_pods_and_classes_that_come_and_go(silent: float) -> None:
    stable = Arm(8, 30, empty_cells=0.1)
    canary = Arm(3, 20, effect=1.1, empty_cells=0.2, empty_looks=silent)
    stream = Stream(34, 90, stable, canary, ages=2, classes=CLASSES[:4], pods_told=True, pod_sd=0.2, replaced=0.005)
    config = a_config(by_age=True, per_class=some_classes(4), min_labels=50.0)
    compare(stream.draw(), Case(stream, config, WITH_CLASSES), judged=(1, 5, 20, 40))


@pytest.mark.parametrize("replaced", [0.0, 0.01], ids=["from the first look", "by and by"])
def test_more_pods_than_can_be_told_apart_are_grouped(replaced: float) -> None:
    stream = Stream(
        32, 60, Arm(40 if not replaced else 25, 30), Arm(3, 30), pods_told=True, pod_sd=0.3, replaced=replaced
    )
    compare(stream.draw(), Case(stream, a_config()), judged=(1, 5, 20, 40))


def test_means_only() -> None:
    stream = Stream(33, 120, Arm(1, 3000), Arm(1, 500, effect=0.8), spread=0.02)
    looks = [CellLook(each.end, means(each.stable), means(each.canary)) for each in stream.draw()]
    config = a_config(noise=Noise.MEANS_ONLY)
    gate = compare(looks, Case(stream, config), judged=(1, 2, 5, 40, 80))
    assert gate.verdict().value == "NonInferior"


def means(cells: Any) -> list[tuple[Cell, Increment]]:
    return [(cell, Increment(1, row.total / row.n, 0)) for cell, row in cells]


def test_delta_of_equal_versions_is_zero_though_share_and_level_drift() -> None:
    gate = Gate.start(a_config(), A_BASELINE)
    for end in range(1, 201):
        level, canary_labels = 0.3 * (1 + end / 100), 20.0 * (1 + end / 20)
        arms = (an_increment(n, level) for n in (4000.0, canary_labels))
        gate = gate.observe(one_stratum(float(end), *arms))
    assert gate.judge().delta == pytest.approx(0.0, abs=1e-12)


ALL, AGELESS = {"a": 100.0, "b": 50.0}, {"": 100.0, "b": 50.0}


@pytest.mark.parametrize(
    "arms",
    [
        [(ALL, ALL), *[(ALL, {})] * 11, (ALL, ALL)],
        [(ALL, ALL), *[({}, ALL)] * 11, (ALL, ALL)],
        [(ALL, ALL), *[({}, {})] * 11, (ALL, ALL)],
        [(ALL, ALL), *[({"a": 100.0}, {"b": 50.0})] * 11, (ALL, ALL)],
        [(ALL, ALL), *[(ALL, {})] * 6, *[({}, ALL)] * 5, (ALL, ALL)],
        [(ALL, ALL), (AGELESS, ALL), (ALL, ALL), (ALL, {"": 100.0}), (ALL, ALL)],
        [(ALL, ALL), *[({}, {})] * 6, *[(ALL, AGELESS)] * 3, *[({"a": 1.0}, {})] * 6, (ALL, ALL)],
        [(ALL, ALL), (AGELESS, AGELESS), ({}, {}), ({}, {}), (ALL, ALL)],
    ],
    ids=[
        "canary silent",
        "stable silent",
        "both silent",
        "ages disjoint",
        "silent in turns",
        "ages missing",
        "ages missing among silence",
        "silence does not bring ages",
    ],
)
def test_holds(arms: list[tuple[dict[str, float], dict[str, float]]]) -> None:
    looks = [CellLook(float(k), rows(stable), rows(canary)) for k, (stable, canary) in enumerate(arms, start=1)]
    reference = Reference(looks, a_config(by_age=True), A_BASELINE)
    gate, said = Gate.start(a_config(by_age=True), A_BASELINE), []
    for look in looks:
        gate = gate.observe(look.for_engine())
        hold = gate.judge().hold
        said.append((gate.verdict().value, hold.value if hold else None))
    assert said == [reference.verdict(count) for count in range(1, len(looks) + 1)]
    assert gate.looks == reference.kinds.count("taken")


def rows(labels: dict[str, float]) -> list[tuple[Cell, Increment]]:
    return [(Cell(age=age), Increment(n, 0.3 * n, 0.8 * n)) for age, n in labels.items()]
