"""Where the gate is not the best of all rules, or not as good as it is meant to be; every figure comes from the run."""

from __future__ import annotations

from tests.bench import catalogue
from tests.bench.catalogue import LAST_STEP, rollback_cell
from tests.bench.cells import ARGO, ASYMPCS, FLAGGER, GATE, KAYENTA, MSPRT, TWO_IN_A_ROW, WELCH
from tests.bench.measures import Outcomes, Rate
from tests.bench.running import Results


def weaknesses(results: Results) -> str:
    """Return a list in Markdown."""
    parts = (_medium_harm, _small_harm_in_rollouts, _optimum, _undecided, _slow_noise, _one_pod)
    items = [*(part(results) for part in parts), _NOT_SIMULATED]
    return "\n".join(f"* {' '.join(item.split())}" for item in items)


_NOT_SIMULATED = """**Not simulated.** Feedback of the canary's answers on the labels, one version's load on the other,
labels chosen differently by version, losses that are revised later."""


def _median(outcomes: Outcomes) -> str:
    return str(outcomes.looks_to_rollback())


def _false_rollback(results: Results, stream: str, rule: str = GATE) -> Rate:
    return results[rollback_cell(stream).name][rule].rolled_back


def _medium_harm(results: Results) -> str:
    cases = (catalogue.TEN_PERCENT, catalogue.TWENTY_PERCENT, catalogue.HALF_AS_MUCH_AGAIN)
    ten, twenty, fifty = (results[case.name] for case in cases)
    against = [f"{_median(of[GATE])} against {_median(of[TWO_IN_A_ROW])}" for of in (ten, twenty, fifty)]
    return f"""**Medium harm, independent labels.** A threshold (canary above 1.1 times stable, two windows of ten looks
    in a row) finds it sooner: median looks at +10 %, +20 % and +50 %: {"; ".join(against)}. A tolerance that happens to
    fit the rate is quick. The same threshold fires falsely in {_false_rollback(results, "iid", TWO_IN_A_ROW)} of runs
    there and in {_false_rollback(results, "rate 200", TWO_IN_A_ROW)} at a rate of 200. But Kayenta and mSPRT, with
    {_false_rollback(results, "iid", KAYENTA)} and {_false_rollback(results, "iid", MSPRT)} false rollbacks, are quicker
    too where labels are independent: {_median(ten[KAYENTA])} and {_median(ten[MSPRT])} looks at +10 %,
    {_median(twenty[KAYENTA])} and {_median(twenty[MSPRT])} at +20 %. The gate does not trust looks to be independent
    before look 40; where it is told the pods, it answers from look 10 on."""


def _small_harm_in_rollouts(results: Results) -> str:
    of = results[catalogue.TEN_PERCENT_WORSE.name]
    labels = {rule: f"{of[rule].mean_labels[0]:,.0f}" for rule in (GATE, FLAGGER, ARGO, WELCH)}
    return f"""**Small harm in whole rollouts.** A canary 10 % worse at a margin of 5 % goes on past the earlier steps,
    whose margin is 20 %, and serves {labels[GATE]} labelled requests before it is rolled back; with a threshold of
    three failures {labels[FLAGGER]}, of one failure {labels[ARGO]}, with Welch at every look {labels[WELCH]}. Those
    promote {of[FLAGGER].promoted}, {of[ARGO].promoted} and {of[WELCH].promoted} of such canaries, the gate
    {of[GATE].promoted}."""


def _optimum(results: Results) -> str:
    five, sparse = results[catalogue.FIVE_PERCENT.name], results[catalogue.HALF_AS_MUCH_AGAIN_SPARSE.name]
    rare = results[catalogue.THREE_TIMES_SPARSE.name]
    return f"""**Twice the looks of the optimum.** At +5 % the median is {_median(five[GATE])} looks where an asymptotic
    confidence sequence needs {_median(five[ASYMPCS])}; at +50 % and a rate of 200 it is {_median(sparse[GATE])} against
    {_median(sparse[ASYMPCS])}. A part of that is the price of looking at any time, the larger part that of noise that
    may not be independent. A catastrophe at few labels, x3 at a rate of 200, takes {_median(rare[GATE])} looks against
    {_median(rare[TWO_IN_A_ROW])} of the threshold that fires there in any case."""


def _undecided(results: Results) -> str:
    equal, noisy = (results[rollout.name][GATE] for rollout in (catalogue.EQUAL, catalogue.EQUAL_PER_ARM))
    return f"""**Equal versions under strong noise of one arm.** With AR(.5) noise of sd 10 % in each arm,
    {noisy.undecided} of equal canaries are neither promoted nor rolled back within 500 looks a step, against
    {equal.undecided} with independent labels. Thresholds always come to an answer."""


def _slow_noise(results: Results) -> str:
    margin = results[catalogue.AT_MARGIN_PER_ARM_90.name][GATE]
    last_step = results[LAST_STEP.name][GATE].rolled_back
    strong, bursts = _false_rollback(results, "AR(.9) sd 8 %"), _false_rollback(results, "bursts x2")
    return f"""**Slow noise.** The promise of .05 is for noise that fades within five looks. AR(.9) noise, with a time
    constant of ten looks, is the limit, and beyond it where it is strong or the canary has much traffic. With sd 8 % at
    share 10 % it gives {strong} false rollbacks. In whole rollouts exactly at the margin with sd 5 %,
    {margin.rolled_back} are rolled back and {margin.promoted} promoted: at 25 % and 50 % of the traffic there are so
    many labels that such noise is most of the error. Bursts that double the loss of one arm give {bursts} rollbacks;
    while it lasts, such a burst is harm. And harm of +10 % that begins with a step of 200 looks is rolled back in
    {last_step} of runs: the others end undecided."""


def _one_pod(results: Results) -> str:
    one, two = (results[cell.name][GATE].rolled_back for cell in (catalogue.ONE_WORSE_POD, catalogue.TWO_WORSE_PODS))
    return f"""**One canary pod.** With lasting differences between pods of sd 5 %, harm of +20 % is found in {one} of
    runs with one canary pod and in {two} with two."""
