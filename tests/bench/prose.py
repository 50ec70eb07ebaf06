"""What the page says in words."""

from __future__ import annotations

HOW_TO_READ = """# How good the verdicts are

How often the gate rolls back or promotes wrongly, how soon it finds what is there, and what the rules do that people
use today, all on the same simulated labels. A full run writes this page and fails if a promise is broken:

```
make bench-decisions
```

`make test` guards the most important promises with fewer repetitions. A *look* is one interval with labels in both
versions; *share* is the canary's share of the traffic, *rate* the labels a look in both versions together. Where
nothing else is said: share 5 %, rate 4,000, at most 500 looks, risks of 5 %, default settings; losses like a 10-class
cross-entropy at 92 % accuracy (mean .30, variance .70, cap 13.8).

A rate is given with its standard error, sqrt(p (1 - p) / R), or, where nothing happened, with its upper 95 % limit; a
median with its 95 % interval from order statistics. The seed is {seed}, one stream of it for each cell and each 250
repetitions, so that the figures do not depend on the number of processes. It was set once and not chosen among
others. All rules of a cell see the same labels."""

PROMISES = """## Promises

These decide: the run fails if a figure of the gate is beyond its bound. The figure itself is compared, not its error;
*close* says that it is within two standard errors of the bound, so that the true rate may lie on either side. Peers are
only reported; *out* says that a peer is not where earlier simulations had it."""

ALSO_MEASURED = """## Also measured

These do not decide. Bounds are the nominal risk of .05, or what was expected."""

CALIBRATION = """## What was set to match

Most streams and rules follow from their descriptions and were used as first written. The following were set so that the
peers come out as in earlier simulations of the same rules; no figure of the gate was used for it.

* The steps of 75 looks in *harm from the last step on*: a continued process promoted .52, .86, .89, .97 and 1.00 at
  steps of 50, 80, 100, 150 and 500 looks (300 repetitions each), and .80 is to be met. That it is met here shows
  nothing. That the gate, tested anew at the step, promoted none of 300 at any of these lengths does.
* In *asympcs* the 20 blocks that there must be and the effect of 15 %, among some 20 variants of variance, number of
  blocks, effect, and one or two sides. It is closer to the gate than the paper is, and fires falsely less often; the
  paper's own variance is *asympcs, plain*.
* The effect of 5 % in *mSPRT* and the first look, 20, of all tests that rest on a normal approximation were inferred
  from the reference."""

ROLLBACKS = """## False rollbacks

No effect, margin 0: every rollback is false. The promise is .05."""

PROMOTIONS = """## False promotions

The effect is exactly the margin of 5 %: every promotion is false. The promise is .05. Thresholds and Kayenta have no
test for safety; what they promote is under *Whole rollouts*."""

LOOKS = """## Looks to rollback

Independent labels, margin 0. *Optimum*: looks of a one-look Welch test at 5 % with a power of 80 %. Median
[95 % interval] / 80th percentile; *never*: not within six times the optimum and 60 looks, *-*: the same for the
percentile. A threshold that is quick at a rate of 200 fires as readily there when nothing is wrong, see above."""

REQUESTS = """## Requests served by the worse version

Mean of the canary labels up to the rollback, or to the end of the run without one."""

ROLLOUTS = """## Whole rollouts

5 → 25 → 50 %, at most 500 looks a step, harm above 5 %; the gate leaves the first two steps at a margin of 20 %, the
last at 5 %, as by default. Thresholds check five times a step and then go on. Looks are medians over all runs."""

PODS = """## Pods that differ

No effect and margin 0, so that rollbacks are false, or as said; promotion at a margin of 5 %. One canary pod with
lasting differences of sd 5 % cannot be told from a worse model at 5 %, however long one waits: the standard error stays
above 5.1 %. What the pod layer gives up there was never knowledge. More canary pods help, more time does not."""

CLASSES = """## Classes

16 equally frequent classes, the whole at a margin of 5 %. *No harm* and *one ruined* (one class three times as bad, the
others so much better that the mean is equal) have a class margin of 50 %."""

STREAMS = """## The streams

Labels arrive as Poisson numbers. A loss has one of 16 values (the probability halved again and again towards the upper
tail), so that the sums over all labels of a look are drawn exactly; see `tests/bench/losses.py`. An effect multiplies
the canary's losses; what exceeds the cap is capped, and the factor is such that the mean is right.

* **iid**: nothing but that.
* **common**: both versions share a log-normal AR(.9) level of sd 20 %.
* **perarm**, **perarm90**: each version has its own log-normal level, AR(.5) with sd 10 % or AR(.9) with sd 5 %.
  **AR(.7) sd 15 %** and **AR(.9) sd 8 %** likewise, at share 10 %. All are stationary from the first look on.
* **bursts x2**: each version for itself is twice as bad 3 % of the time, in bursts of 10 looks on average; share 10 %.
* **simpson**: the share goes 5 → 25 → 50 % in thirds of the run while the losses of both rise by 50 %; in
  **simpson_down** they fall by 50 %.
* **lag**: half of the labels come within 5 looks and have .6 of the mean loss, 30 % after 5 to 49 looks and have just
  the mean, 20 % after 50 to 249 looks and have twice the mean. The canary starts at the first look, so its labels are
  young at first. **lag_steps**: the same while the share goes 5 → 25 → 50 %. **lag_late**: the whole effect is in the
  last group.
* **bad news first**: 46 % of the labels come within 5 looks and have twice the mean loss, the others after 50 to 249
  looks and have .15 of it.
* **rate 200**: 10 canary labels a look.
* **gamma**, **lognormal**: losses of these shapes, with the same mean and variance.
* **pods**: each pod has a log-normal level of its own for the whole run; traffic is spread evenly.
* **classes**: 16 classes, equally frequent, with equal losses in the stable version.
* **harm from the last step on**: 75 looks at 5 %, 75 at 25 %, then 200 at 50 %, where the canary becomes 10 % worse.
  How often a process that is carried over the steps promotes it depends on how much good evidence it has by then, that
  is on the length of the steps."""
