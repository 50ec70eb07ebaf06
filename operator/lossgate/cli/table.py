"""What a replay says to people: a table of looks, and the verdict with what it rests on."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from lossgate.cli.history import Source
from lossgate.cli.judging import Judged, Outcome, Replay
from lossgate.cli.options import difference_text
from lossgate.cli.reasons import reason
from lossgate.cli.thinning import Thinned
from lossgate.stats import ClassJudgement, Judgement, Verdict

ROWS = 20
"""Looks in the table at most, evenly spaced, besides those that decide."""
FILE_WIDTH = 150
COLOURS = {Verdict.NON_INFERIOR: "green", Verdict.HARM: "red", Verdict.HOLD: "yellow"}


def console_for_text() -> Console:
    """Return a console that prints names as they are, and is wide where nobody resizes it."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    return console


class Table:
    """A table of looks, thinned out where there are many, and the verdict in sentences."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self._thinned: Thinned[tuple[int, list[str | Text]]] = Thinned(ROWS)
        self._kept: dict[int, list[str | Text]] = {}
        self._count = 0
        self._last: Judged | None = None

    def look(self, judged: Judged) -> None:
        """Take the look; numbers are worked out only for rows that may be shown."""
        last = self._last
        if last is None or judged.step != last.step or judged.decided not in (last.decided, None):
            self._kept[self._count] = self._cells(judged)
        self._thinned.add((self._count, self._cells(judged) if self._thinned.wants_next() else []))
        self._count += 1
        self._last = judged

    def final(self, outcome: Outcome) -> None:
        """Print everything."""
        console = console_for_text()
        rows = dict(self._thinned.items) | self._kept | {self._count - 1: self._cells(outcome.last)}
        grid = Grid(*self._header(), box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in grid.columns[2 + self._replay.has_step : -1]:
            column.justify = "right"
        for _, cells in sorted(rows.items()):
            grid.add_row(*cells)
        console.print(grid)
        if self._thinned.every > 1:
            console.print(f"1 of every {self._thinned.every} of {self._count} looks; --json has them all.", style="dim")
        console.print()
        for line in summary(outcome, self._replay):
            console.print(line, soft_wrap=True)

    def _header(self) -> list[str]:
        return [
            "look",
            "time",
            *(["step"] if self._replay.has_step else []),
            "labels\nstable",
            "labels\ncanary",
            "loss\nstable",
            "loss\ncanary",
            "delta",
            "interval",
            "harm",
            "safety",
            *(["not numbers"] if self._replay.has_nonfinite else []),
            "verdict",
        ]

    def _cells(self, judged: Judged) -> list[str | Text]:
        judgement, absolute = judged.judgement, self._replay.margins.absolute
        stable_nonfinite, canary_nonfinite = judged.nonfinite
        word = judged.verdict.value
        if judged.verdict is Verdict.HARM:
            word = f"{word} ({judged.cause})"
        elif judged.verdict is Verdict.HOLD and judgement.hold is not None:
            word = f"{word} ({judgement.hold})"
        return [
            str(judged.index),
            str(judged.moment.text),
            *([judged.step] if self._replay.has_step else []),
            f"{judgement.labels_stable:.0f}",
            f"{judgement.labels_canary:.0f}",
            _loss(judgement.mean_stable),
            _loss(judgement.mean_canary),
            _difference(judgement.delta, absolute),
            _interval(judgement, absolute),
            _share(judgement.harm),
            _share(judgement.safety),
            *([f"{stable_nonfinite:.0f} + {canary_nonfinite:.0f}"] if self._replay.has_nonfinite else []),
            Text(word, style=COLOURS.get(judged.verdict, "")),
        ]


def summary(outcome: Outcome, replay: Replay) -> list[Text]:
    """Return the verdict and what it rests on, as lines for people."""
    last, judgement = outcome.last, outcome.last.judgement
    margins, baseline = replay.margins, outcome.baseline
    absolute = margins.absolute
    lines = [
        f"canary loss {_loss(judgement.mean_canary)}, stable {_loss(judgement.mean_stable)}, delta "
        f"{_difference(judgement.delta, absolute)} {_interval(judgement, absolute)}, {judgement.labels_canary:.0f} + "
        f"{judgement.labels_stable:.0f} labels, {judgement.looks} looks",
        f"margin {margins.text(margins.harm)}, of the step {margins.text(replay.step_margin)}; baseline mean "
        f"{baseline.mean:.4f}"
        + (f", variance {baseline.variance:.4f}" if replay.noise.has_squares else "")
        + (
            f" ({outcome.source})"
            if outcome.source is Source.GIVEN
            else f" ({outcome.source}, {baseline.labels:.0f} labels)"
        ),
    ]
    if judgement.design_effect is not None and judgement.effective_labels is not None:
        lines.append(
            f"design effect {judgement.design_effect:.2f}: as good as {judgement.effective_labels:.0f} independent "
            f"canary labels; coverage {_share(judgement.coverage)}"
            + (f"; {judgement.pods} pods" if judgement.pods else "")
        )
    lines.append(f"noise {judgement.noise}: {judgement.noise.promise}")
    lines += [
        f"class {item.name}: {item.verdict}, delta {_difference(item.delta, absolute)} {_interval(item, absolute)}, "
        f"{item.labels_canary:.0f} + {item.labels_stable:.0f} labels"
        for item in judgement.classes
    ]
    if any(outcome.nonfinite):
        lines.append(
            f"losses that were not numbers: stable {outcome.nonfinite[0]:.0f}, canary {outcome.nonfinite[1]:.0f}"
        )
    head = Text(f"{outcome.verdict}", style=f"bold {COLOURS.get(outcome.verdict, '')}".strip())
    head.append(f": {reason(last, margins, replay.step_margin)}", style="not bold")
    return [head, *map(Text, lines)]


def _loss(value: float | None) -> str:
    return "?" if value is None else f"{value:.4f}"


def _difference(value: float | None, absolute: bool) -> str:
    return "?" if value is None else difference_text(value, absolute)


def _interval(item: Judgement | ClassJudgement, absolute: bool) -> str:
    return f"[{_difference(item.lower, absolute)}, {_difference(item.upper, absolute)}]"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value * 100:.0f}%"
