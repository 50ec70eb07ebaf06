"""Why a verdict is what it is, in one sentence."""

from __future__ import annotations

from lossgate.cli.judging import Judged
from lossgate.cli.options import Margins
from lossgate.stats import Hold, Judgement, Verdict
from lossgate.stats.config import MIN_CLASS_LABELS, MIN_COVERAGE

_HOLDS = {
    Hold.NO_LABELS: "no label of either version for many looks",
    Hold.NO_LABELS_STABLE: "no label of the stable version for many looks",
    Hold.NO_LABELS_CANARY: "no label of the canary for many looks",
    Hold.AGES_MISSING: "labels tell no age, though the file has ages",
}


def reason(judged: Judged, margins: Margins, step_margin: float) -> str:
    """Return why the verdict is what it is, or what is missing for one.

    Args:
        judged: What was said.
        margins: The margins that the test has.
        step_margin: What must be ruled out to leave the step.
    """
    judgement, decided = judged.judgement, judged.decided.text if judged.decided else ""
    if judged.verdict is Verdict.HARM:
        return f"{_harm(judged, judgement, margins)}, found at {decided}"
    if judged.verdict is Verdict.NON_INFERIOR:
        return f"a rise above {margins.text(step_margin)} is ruled out since {decided}"
    if judgement.hold is not None:
        return _HOLDS[judgement.hold]
    return judged.skipped or _missing(judgement, judged.gate.config.min_labels)


def _harm(judged: Judged, judgement: Judgement, margins: Margins) -> str:
    if judged.cause == "NonFiniteLoss":
        return "the canary's loss was not a number for looks in a row"
    margin, where = margins.harm, ""
    if judgement.failing_class is not None and judged.gate.config.per_class is not None:
        margin, where = judged.gate.config.per_class.margin, f" in class {judgement.failing_class}"
    return f"worse than the margin of {margins.text(margin)}{where} ({judged.cause})"


def _missing(judgement: Judgement, min_labels: float) -> str:
    if judgement.labels_canary < min_labels:
        return f"{judgement.labels_canary:.0f} of {min_labels:.0f} canary labels"
    if judgement.coverage is not None and judgement.coverage < MIN_COVERAGE:
        return f"coverage {judgement.coverage:.0%} of {MIN_COVERAGE:.0%}: the canary lacks labels of some ages"
    least = min(min_labels, MIN_CLASS_LABELS)
    for item in judgement.classes:
        if item.labels_canary < least:
            return f"class {item.name}: {item.labels_canary:.0f} of {least:.0f} canary labels"
    if judgement.looks_needed is None:
        return "nothing is shown yet"
    return f"{judgement.looks} of about {judgement.looks_needed:.0f} looks"
