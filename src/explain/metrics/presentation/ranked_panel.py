"""A panel that ranks methods by one metric: means with intervals, the best at the top."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from explain.metrics.presentation.interval_rows import finite
from explain.metrics.presentation.marks import BAR, BEST, NO_BEST, OTHER, TICK_STEPS
from explain.metrics.presentation.words import DIRECTIONS, examples_text, why_none
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.measurement import Better, Floats, Measurement
from explain.render.parts.axes import TICK_SIZE, quiet_axes
from explain.render.parts.lines import Line, lines_height, write_lines
from explain.render.parts.sheet import INK, MUTED, Sheet, elide, line_height, text_width
from explain.results.names import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# All sizes are in inches, those of type in points.
TITLE_SIZE = 9.0
_NAME_SIZE = 7.5
_NOTE_SIZE = 7.0
_LONGEST_NAME = 1.75
_NAME_GAP = 0.08
_NUMBER_GAP = 0.08
_TITLE_ROOM = line_height(TITLE_SIZE) + line_height(TICK_SIZE) + 0.05
_AXIS_ROOM = 0.26
# A panel of few rows has more room for each.
_ROWS = ((10, 0.2), (20, 0.175), (10_000, 0.16))
# So many reasons are written below a panel.
_MOST_REASONS = 4
_STRIPE = "#ececec"
# Where the greatest mean is so many times the smallest, the axis is logarithmic.
_FAR_APART = 200.0

_ARROWS: Mapping[Better, str] = {
    "higher": f"{DIRECTIONS['higher']} →",
    "lower": f"← {DIRECTIONS['lower']}",
    "nearer to zero": f"→ {DIRECTIONS['nearer to zero']} ←",
    "": DIRECTIONS[""],
}


@dataclass(frozen=True)
class Ranking:
    """What a panel shows.

    Attributes
    ----------
    metric : str
        The metric.
    better : {"higher", "lower", "nearer to zero", ""}
        Which values speak for a method.
    rows : tuple of (str, Measurement)
        The display name of each method that has a value and what was measured, from the best mean to the worst.
    marked : tuple of bool
        For each row whether it is the best, or not different from the best.
    without : tuple of str
        Words for the methods without a value, with the reason.
    seed : int
        The seed of the intervals.
    """

    metric: str
    better: Better
    rows: tuple[tuple[str, Measurement], ...]
    marked: tuple[bool, ...]
    without: tuple[str, ...]
    seed: int

    @property
    def height(self) -> float:
        """The height of the rows."""
        count = max(len(self.rows), 1)
        return count * next(height for most, height in _ROWS if count <= most)

    @property
    def names_width(self) -> float:
        """The width of the names at the left."""
        # The names of the best are bold, and it is not known where these stand in the other panels.
        widths = (text_width(name, _NAME_SIZE, "bold") for name, _ in self.rows)
        # At few pixels an inch letters are drawn a little wider than they are measured.
        return max((min(1.03 * width, _LONGEST_NAME) for width in widths), default=0.0)

    @property
    def numbers_width(self) -> float:
        """The width of the numbers at the right."""
        return max((text_width(self._number(one), _NOTE_SIZE) for _, one in self.rows), default=0.0)

    def full_height(self, width: float) -> float:
        """Give the height of the panel with its title, its axis and what stands below."""
        notes = self._notes()
        below = lines_height(notes, width) + 0.06 if notes else 0.0
        return _TITLE_ROOM + self.height + _AXIS_ROOM + below

    def _notes(self) -> list[Line]:
        words = [*self._counts(), *self.without]
        return [Line(one, _NOTE_SIZE, color=MUTED, most=2) for one in words]

    def _counts(self) -> list[str]:
        """Say how many examples have a value, where that is the same for all methods and some are left out."""
        found = {(one.count, len(one.values)) for _, one in self.rows}
        if len(found) != 1:
            return []
        ((count, all_of_them),) = found
        return [f"n={count} of {examples_text(all_of_them)}"] if count < all_of_them else []

    def _number(self, one: Measurement) -> str:
        """Write the mean, with the number of examples where some are left out for some methods."""
        return number(one.mean) + (f"  n={one.count}" if one.left_out and not self._counts() else "")

    def draw(self, sheet: Sheet, left: float, top: float, width: float, names: float, numbers: float) -> None:
        """Draw the panel.

        Parameters
        ----------
        sheet : Sheet
            Where to draw.
        left, top, width : float
            The place of the panel; its height is `full_height`.
        names, numbers : float
            The widths of the names and of the numbers, the same for all panels of a figure.
        """
        sheet.write(left, top, elide(self.metric, width, TITLE_SIZE, "bold"), TITLE_SIZE, weight="bold")
        from_left = names + _NAME_GAP
        wide = width - from_left - _NUMBER_GAP - numbers
        self._write_direction(sheet, left + from_left, top + line_height(TITLE_SIZE), wide)
        axes = sheet.axes(left + from_left, top + _TITLE_ROOM, wide, self.height)
        self._draw_rows(axes)
        step = self.height / max(len(self.rows), 1)
        for row, ((name, one), marked) in enumerate(zip(self.rows, self.marked, strict=True)):
            middle = top + _TITLE_ROOM + (row + 0.5) * step
            sheet.write(
                left + names,
                middle - line_height(_NAME_SIZE) / 2,
                elide(name, _LONGEST_NAME, _NAME_SIZE),
                _NAME_SIZE,
                color=INK,
                weight="bold" if marked else "normal",
                align="right",
            )
            sheet.write(
                left + width,
                middle - line_height(_NOTE_SIZE) / 2,
                self._number(one),
                _NOTE_SIZE,
                color=INK if marked else MUTED,
                align="right",
            )
        write_lines(sheet, left, top + _TITLE_ROOM + self.height + _AXIS_ROOM + 0.06, self._notes(), width)

    def _write_direction(self, sheet: Sheet, left: float, top: float, wide: float) -> None:
        """Write which values are better, at the end of the axis that is the better one."""
        words = _ARROWS[self.better] + (", log axis" if self._is_logarithmic() else "")
        if self.better == "lower":
            sheet.write(left, top, words, TICK_SIZE, color=MUTED)
        elif self.better == "higher":
            sheet.write(left + wide, top, words, TICK_SIZE, color=MUTED, align="right")
        else:
            sheet.write(left + wide / 2, top, words, TICK_SIZE, color=MUTED, align="center")

    def _draw_rows(self, axes: Axes) -> None:
        if not self.rows:
            axes.axis("off")
            axes.text(0.0, 0.5, "no method has a value", fontsize=_NAME_SIZE, color=MUTED, va="center")
            return
        for row, ((_, one), marked) in enumerate(zip(self.rows, self.marked, strict=True)):
            axes.axhline(row, color=_STRIPE, linewidth=0.6, zorder=0)
            low, high = one.interval(self.seed)
            if np.isfinite([low, high]).all():
                axes.plot([low, high], [row, row], zorder=2, **BAR)
            if np.isfinite(one.mean):
                mark = NO_BEST if not self.better else BEST if marked else OTHER
                axes.scatter([one.mean], [row], zorder=3, clip_on=False, **mark)
        axes.set_ylim(len(self.rows) - 0.5, -0.5)
        low, high = self._ends()
        if low < 0 < high or self.better == "nearer to zero":
            axes.axvline(0, color=MUTED, linewidth=0.7, zorder=1)
        few = axes.get_window_extent().width / axes.figure.dpi < 2
        if self._is_logarithmic():
            axes.set_xscale("log")
            axes.set_xlim(low * (low / high) ** 0.06, high * (high / low) ** 0.06)
            axes.xaxis.set_major_locator(LogLocator(10, numticks=4 if few else 7))
            axes.xaxis.set_minor_locator(NullLocator())
        else:
            room = 0.06 * (high - low) or 0.1 * abs(low) or 1.0
            axes.set_xlim(low - room, high + room)
            axes.xaxis.set_major_locator(MaxNLocator(4 if few else 6, steps=TICK_STEPS))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: number(tick)))
        axes.set_yticks([])
        quiet_axes(axes, keep=("bottom",))

    def _drawn(self) -> Floats:
        """Give all that lies along the axis: means and ends of intervals."""
        return finite(np.array([(one.mean, *one.interval(self.seed)) for _, one in self.rows]))

    def _is_logarithmic(self) -> bool:
        """Whether the methods differ by so much that on a linear axis most would lie at one place."""
        drawn = self._drawn()
        means = [one.mean for _, one in self.rows if np.isfinite(one.mean)]
        return bool(drawn.size) and float(drawn.min()) > 0 and max(means) > _FAR_APART * min(means)

    def _ends(self) -> tuple[float, float]:
        drawn = self._drawn()
        if not drawn.size:
            return 0.0, 1.0
        low, high = float(drawn.min()), float(drawn.max())
        return (min(low, 0.0), max(high, 0.0)) if self.better == "nearer to zero" else (low, high)


def ranking(
    benchmark: Benchmark, metric: str, labels: Mapping[str, str], left_out: Collection[str] = ()
) -> Ranking:
    """Rank the methods of a benchmark by a metric.

    Parameters
    ----------
    benchmark : Benchmark
        What was measured.
    metric : str
        One of its metrics.
    labels : Mapping of str to str
        The display name of each method.
    left_out : collection of str
        Methods without a value that another place names.

    Examples
    --------
    >>> from explain.metrics.results.evaluation import Evaluation
    >>> def of(values):
    ...     return Evaluation({"deletion": Measurement("deletion", np.array(values), "lower")})
    >>> evaluations = {"a": of([0.4, 0.5, 0.6]), "b": of([0.1, 0.1, 0.2]), "c": Evaluation({})}
    >>> labels = {"a": "A", "b": "B", "c": "C"}
    >>> found = ranking(Benchmark(evaluations, {"c": {"": "No map."}}), "deletion", labels)
    >>> [name for name, _ in found.rows], found.marked, found.without
    (['B', 'A'], (True, False), ('No value: C (No map.)',))
    """
    order, best = benchmark.order(metric), benchmark.best(metric)
    by_reason: dict[str, list[str]] = {}
    for method in benchmark:
        if method not in order and method not in left_out:
            by_reason.setdefault(why_none(benchmark, metric, method), []).append(labels[method])
    return Ranking(
        metric,
        benchmark.better(metric),
        tuple((labels[method], benchmark.evaluations[method].measurements[metric]) for method in order),
        tuple(method in best for method in order),
        without_value(by_reason),
        benchmark.seed,
    )


def without_value(by_reason: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Name the methods without a value, each reason once, the most frequent first.

    Examples
    --------
    >>> without_value({"It explains no tables.": ["RISE", "XRAI"]})
    ('No value: RISE, XRAI (It explains no tables.)',)
    """
    most_first = sorted(by_reason.items(), key=lambda pair: -len(pair[1]))
    words = [f"No value: {', '.join(names)} ({reason})" for reason, names in most_first[:_MOST_REASONS]]
    left = sum(len(names) for _, names in most_first[_MOST_REASONS:])
    return (*words, f"No value: {left} more, for other reasons") if left else tuple(words)
