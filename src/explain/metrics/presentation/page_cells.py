"""The cells, the footnotes and the settings of the pages of evaluations and benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from explain.metrics.presentation.words import (
    DIRECTIONS,
    ONE_EXAMPLE,
    Footnotes,
    few_left_out,
    interval_text,
    left_out_text,
    options_text,
    why_none,
)
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.metrics.results.measurement import Measurement
from explain.results.names import framework_name, number


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text : str
        What it says.
    below : str
        A smaller line below it.
    note : str
        The mark of its footnotes.
    best : bool
        Whether it is marked as one of the best.
    """

    text: str
    below: str = ""
    note: str = ""
    best: bool = False


def mean_cells(one: Measurement, name: str, seed: int, notes: Footnotes) -> Iterable[Cell]:
    """Write what is known of a metric over all examples.

    Examples
    --------
    >>> import numpy as np
    >>> one = Measurement("deletion", np.array([0.5, 0.25]), "lower")
    >>> [cell.text for cell in mean_cells(one, "deletion", 0, Footnotes())]
    ['0.375', '[0.25, 0.5]', '2', '0', '0: 0.5', 'lower is better']
    """
    yield Cell(number(one.mean))
    yield Cell(interval_text(*one.interval(seed)), note=notes.mark(ONE_EXAMPLE if one.count < 2 else ""))
    yield Cell(str(one.count))
    yield Cell(
        str(len(one.left_out)), note=notes.mark(f"{name}: {left_out_text(one)}" if one.left_out else "")
    )
    worst = "–" if one.worst is None else f"{one.worst}: {number(float(one.values[one.worst]))}"
    yield Cell(worst)
    yield Cell(DIRECTIONS[one.better])


def example_cells(evaluation: Evaluation, index: int) -> list[Cell]:
    """Write what was measured on an example.

    Examples
    --------
    >>> import numpy as np
    >>> one = Measurement("deletion", np.array([0.5, 0.25]), "lower")
    >>> [cell.text for cell in example_cells(Evaluation({"deletion": one}, target=(3, 7)), 1)]
    ['1', '7', '0.25']
    """
    target = evaluation.target[index] if index < len(evaluation.target) else None
    values = (number(float(one.values[index])) for one in evaluation.measurements.values())
    return [Cell(str(index)), Cell("–" if target is None else str(target)), *map(Cell, values)]


def benchmark_cell(benchmark: Benchmark, metric: str, method: str, best: bool, notes: Footnotes) -> Cell:
    """Write what a metric measured on a method, or why it has no value.

    Examples
    --------
    >>> notes = Footnotes()
    >>> cell = benchmark_cell(Benchmark({"rise": Evaluation({})}), "deletion", "rise", False, notes)
    >>> cell.text, cell.note, notes.texts
    ('–', '1', ['it was not measured.'])
    """
    one = benchmark.measurement(metric, method)
    if one is None or not one.count:
        return Cell("–", note=notes.mark(why_none(benchmark, metric, method)))
    low, high = one.interval(benchmark.seed)
    return Cell(number(one.mean), interval_text(low, high), notes.mark(few_left_out(one)), best)


def cost_rows(benchmark: Benchmark, labels: Mapping[str, str]) -> list[list[Cell]]:
    """Write the passes of the model that a method needs for an example.

    Examples
    --------
    >>> one = Benchmark({"rise": Evaluation({})}, passes={"rise": {"forward": 128}})
    >>> [[cell.text for cell in row] for row in cost_rows(one, {"rise": "RISE"})]
    [['RISE', '128', '–']]
    """
    return [
        [
            Cell(labels[method]),
            *(Cell(number(float(passes[way])) if way in passes else "–") for way in ("forward", "backward")),
        ]
        for method in benchmark
        if (passes := benchmark.passes.get(method))
    ]


def reasons_lines(benchmark: Benchmark, labels: Mapping[str, str]) -> list[str]:
    """Say of each method why it has no value.

    Examples
    --------
    >>> reasons_lines(Benchmark({"rise": Evaluation({})}), {"rise": "RISE"})
    ['RISE: it was not measured.']
    """
    return [f"{labels[method]}: {why_none(benchmark, '', method)}" for method in benchmark]


def warnings_lines(benchmark: Benchmark, labels: Mapping[str, str]) -> list[str]:
    """Write each warning once, with the methods that gave it.

    Examples
    --------
    >>> warnings_lines(Benchmark({"rise": Evaluation({}, notes=("Few masks.",))}), {"rise": "RISE"})
    ['RISE: Few masks.']
    """
    found: dict[str, list[str]] = {}
    for method, one in benchmark.evaluations.items():
        for note in one.notes:
            found.setdefault(note, []).append(labels[method])
    return [f"{', '.join(methods)}: {note}" for note, methods in found.items()]


def settings_rows(
    one: Evaluation, measurements: Mapping[str, Measurement], seed: int
) -> list[tuple[str, str]]:
    """Give the options of the metrics, and what the numbers were made with.

    Examples
    --------
    >>> settings_rows(Evaluation({}, layout="NCHW"), {}, 3)
    [('Seed', '3'), ('Axes of the input', 'NCHW')]
    """
    found = [
        (f"Options of {name}", options_text(each)) for name, each in measurements.items() if each.options
    ]
    seeded = [name for name, each in measurements.items() if each.seeded]
    words = f" ({', '.join(seeded)} depend{'s' if len(seeded) == 1 else ''} on it)" if seeded else ""
    found.append(("Seed", f"{seed}{words}"))
    if one.layout:
        found.append(("Axes of the input", one.layout))
    if one.versions:
        made = ", ".join(f"{framework_name(name)} {version}" for name, version in one.versions.items())
        found.append(("Made with", made))
    return found
