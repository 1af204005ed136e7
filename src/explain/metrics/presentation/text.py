"""Evaluations and benchmarks as tables for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from explain.metrics.presentation.words import (
    DIRECTIONS,
    ONE_EXAMPLE,
    Footnotes,
    best_text,
    common,
    count_of,
    examples_text,
    few_left_out,
    left_out_text,
    subject,
    why_none,
)
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.results.names import framework_name, number, printable

# The width of lines, in characters.
_WIDTH = 100
_GAP = "  "
_LONGEST_NAME = 36

# A line above the numbers of a benchmark.
_SHORT = {"higher": "higher", "lower": "lower", "nearer to zero": "near 0", "": ""}


def table_text(evaluation: Evaluation) -> str:
    """Write an evaluation as a table: a line for each metric.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.

    Returns
    -------
    str
        Plain text. A dash stands where there is no number; a note below the table says why.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.measurement import Measurement
    >>> one = Measurement("deletion", np.array([0.25, np.nan, 0.25]), "lower", left_out={1: "The map is constant."})
    >>> print(table_text(Evaluation({"deletion": one}, method="saliency", model="Net", framework="torch")))
    Saliency of Net (PyTorch): 3 examples
    <BLANKLINE>
    metric    mean  95 % interval  n  left out
    deletion  0.25  [0.25, 0.25]   2     1 [1]  lower is better
    <BLANKLINE>
    [1] deletion: example 1: The map is constant.
    """
    notes = Footnotes()
    rows = []
    for name, one in evaluation.measurements.items():
        low, high = one.interval(evaluation.seed)
        left_out = _mark(notes, f"{name}: {left_out_text(one)}" if one.left_out else "")
        interval = f"[{number(low)}, {number(high)}]" if one.count > 1 else f"– {_mark(notes, ONE_EXAMPLE)}"
        rows.append(
            (
                _name(name),
                number(one.mean),
                interval,
                str(one.count),
                f"{len(one.left_out)} {left_out}" if left_out else "",
                DIRECTIONS[one.better],
            )
        )
    head = ("metric", "mean", "95 % interval", "n", "left out" if any(row[4] for row in rows) else "", "")
    score = f", score {evaluation.score.replace('_', '-')}" if evaluation.score else ""
    title = f"{subject(evaluation)}: {examples_text(len(evaluation))}{score}"
    lines = [*textwrap.wrap(printable(title), _WIDTH), "", *_aligned([head, *rows], "lrlrrl")]
    return _joined(lines, _note_lines(notes))


def benchmark_text(benchmark: Benchmark) -> str:
    """Write a benchmark as a table: a line for each method, a column for each metric.

    Parameters
    ----------
    benchmark : Benchmark
        What was measured.

    Returns
    -------
    str
        Plain text. Columns that do not fit side by side follow below. A star marks the best methods of a metric; a dash
        stands where there is no number, and a note below the table says why.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.measurement import Measurement
    >>> def of(values):
    ...     return Evaluation({"deletion": Measurement("deletion", np.array(values), "lower")})
    >>> found = {"saliency": of([0.5, 0.5, 0.5]), "ig": of([0.1, 0.1, 0.1]), "rise": Evaluation({})}
    >>> print(benchmark_text(Benchmark(found, {"rise": {"": "It explains no tables."}})).partition("* The")[0])
    3 methods, 1 metric, 3 examples: means
    <BLANKLINE>
              deletion
              lower
    saliency      0.5
    ig            0.1 *
    rise            – [1]
    <BLANKLINE>
    """
    notes = Footnotes()
    columns = [_column(benchmark, metric, notes) for metric in benchmark.metrics]
    names = ["", "", *map(_name, benchmark)]
    lines: list[str] = []
    for block in _blocks(columns, _WIDTH - max(map(len, names)) - len(_GAP)):
        written = [[name, *cells] for name, *cells in zip(names, *block, strict=True)]
        lines += ["", *_aligned(written, "l" * (len(block) + 1))]
    of_all = common(benchmark)
    model = f" of {of_all.model} ({framework_name(of_all.framework)})" if of_all.model else ""
    title = (
        f"{_counted(len(benchmark), 'method')}{model}, {_counted(len(benchmark.metrics), 'metric')}, "
        f"{examples_text(count_of(benchmark))}: means"
    )
    stars = textwrap.wrap(f"* {best_text(benchmark)}", _WIDTH, subsequent_indent="  ")
    has_star = any(cell.endswith("*") for column in columns for cell in column)
    return _joined(
        [*textwrap.wrap(printable(title), _WIDTH), *lines],
        [*(stars if has_star else []), *_note_lines(notes)],
    )


def _column(benchmark: Benchmark, metric: str, notes: Footnotes) -> list[str]:
    """Write the column of a metric: its name, what is better, and the number of each method with its marks."""
    best = benchmark.best(metric)
    numbers, marks = [], []
    for method in benchmark:
        one = benchmark.measurement(metric, method)
        if one is None or not one.count:
            numbers.append("–")
            marks.append([_mark(notes, why_none(benchmark, metric, method))])
        else:
            numbers.append(number(one.mean))
            marks.append(["*" if method in best else "", _mark(notes, few_left_out(one))])
    name = _name(metric)
    # Numbers end below the end of the name, marks stand to their right.
    width = max(len(name), *map(len, numbers)) if numbers else len(name)
    cells = [
        " ".join([one.rjust(width), *filter(None, mark)]) for one, mark in zip(numbers, marks, strict=True)
    ]
    return [name.rjust(width), _SHORT[benchmark.better(metric)].rjust(width), *cells]


def _blocks(columns: Sequence[list[str]], width: int) -> Iterator[list[list[str]]]:
    """Divide columns into blocks that are at most so wide."""
    block: list[list[str]] = []
    used = 0
    for column in columns:
        needed = max(map(len, column)) + len(_GAP)
        if block and used + needed > width:
            yield block
            block, used = [], 0
        block.append(column)
        used += needed
    if block:
        yield block


def _aligned(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Align cells in columns, to the left (``l``) or the right (``r``); a column without text has no width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP.join(
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, sides, strict=True)
            if width
        )
        for row in rows
    ]


def _mark(notes: Footnotes, text: str) -> str:
    mark = notes.mark(text)
    return f"[{mark}]" if mark else ""


def _note_lines(notes: Footnotes) -> list[str]:
    lines: list[str] = []
    for place, text in enumerate(notes.texts, 1):
        mark = f"[{place}] "
        lines += textwrap.wrap(
            printable(text), _WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark)
        )
    return lines


def _joined(lines: Sequence[str], below: Sequence[str]) -> str:
    return "\n".join(line.rstrip() for line in [*lines, *([""] if below else []), *below])


def _name(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
