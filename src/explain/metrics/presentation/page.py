"""Evaluations and benchmarks as HTML pages that need no other file, no network and no script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from explain.errors import EvaluationError
from explain.files.atomic_write import replace_file
from explain.metrics.presentation.benchmark_figure import plot_benchmark
from explain.metrics.presentation.curves_figure import metrics_with_curves, plot_curves
from explain.metrics.presentation.evaluation_figure import plot_evaluation
from explain.metrics.presentation.page_cells import (
    Cell,
    benchmark_cell,
    cost_rows,
    example_cells,
    mean_cells,
    reasons_lines,
    settings_rows,
    warnings_lines,
)
from explain.metrics.presentation.words import (
    DIRECTIONS,
    Footnotes,
    best_text,
    common,
    count_of,
    examples_text,
    interval_text,
    method_labels,
    stated_options,
    subject,
)
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.render import figure_data_uri
from explain.render.web_page import PageImage, page_template
from explain.results.names import framework_name, method_name, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A page of more examples is long and nobody reads all of them.
MOST_EXAMPLES = 200

# With fewer dots for an inch of a figure its text cannot be read; it scrolls in its own box then.
_LEAST_DOTS = 80


@dataclass(frozen=True)
class _Picture(PageImage):
    """A figure of a page, and the least width in dots at which its text can be read."""

    least: int = 0


def evaluation_page(evaluation: Evaluation, path: str | os.PathLike[str] | None = None) -> str:
    """Write an evaluation as a page: the means, their figure, each example, the warnings and the settings.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    path : str or os.PathLike, optional
        A file to write the page to, whole or not at all; missing folders are made.

    Returns
    -------
    str
        HTML without scripts; the same evaluation gives the same text. Every name in it is escaped.

    Raises
    ------
    EvaluationError
        If `path` is a folder.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.measurement import Measurement
    >>> page = evaluation_page(Evaluation({"<b>": Measurement("<b>", np.array([0.5, 0.25]), "lower")}))
    >>> "&lt;b&gt;" in page, "<b>" in page
    (True, False)
    """
    found = evaluation.measurements
    notes = Footnotes()
    means = [[Cell(name), *mean_cells(one, name, evaluation.seed, notes)] for name, one in found.items()]
    headings = ("metric", "mean", "95 % interval", "n", "left out", "worst example", "better")
    page = page_template("metrics/presentation", "evaluation.html").render(
        title=f"Evaluation of {_method(evaluation)}",
        about=_about(subject(evaluation), len(evaluation), evaluation),
        headings=[(name, "") for name in headings],
        means=means,
        notes=notes.texts,
        figure=_picture(plot_evaluation(evaluation), _alt(evaluation)) if found else None,
        warnings=evaluation.notes,
        example_headings=[("example", ""), ("target", ""), *((name, "") for name in found)],
        examples=[example_cells(evaluation, index) for index in range(min(len(evaluation), MOST_EXAMPLES))],
        more=max(len(evaluation) - MOST_EXAMPLES, 0),
        settings=settings_rows(evaluation, found, evaluation.seed),
        many=False,
    )
    _write(page, path)
    return page


def benchmark_page(benchmark: Benchmark, path: str | os.PathLike[str] | None = None) -> str:
    """Write a benchmark as a page: the means, the methods ranked, the curves, the costs and the settings.

    Parameters
    ----------
    benchmark : Benchmark
        What was measured.
    path : str or os.PathLike, optional
        A file to write the page to, whole or not at all; missing folders are made.

    Returns
    -------
    str
        HTML without scripts; the same benchmark gives the same text. Every name in it is escaped.

    Raises
    ------
    EvaluationError
        If `path` is a folder.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.measurement import Measurement
    >>> one = Evaluation({"deletion": Measurement("deletion", np.array([0.5, 0.25]), "lower")})
    >>> "Benchmark of 2 methods" in benchmark_page(Benchmark({"saliency": one, "rise": one}))
    True
    """
    labels, notes, of_all = method_labels(benchmark), Footnotes(), common(benchmark)
    best = {metric: benchmark.best(metric) for metric in benchmark.metrics}
    means = [
        [
            Cell(labels[method]),
            *(
                benchmark_cell(benchmark, metric, method, method in best[metric], notes)
                for metric in benchmark.metrics
            ),
        ]
        for method in benchmark
    ]
    count = len(benchmark)
    has_mean = any(benchmark.order(metric) for metric in benchmark.metrics)
    page = page_template("metrics/presentation", "benchmark.html").render(
        title=f"Benchmark of {count} method{'' if count == 1 else 's'}",
        about=_about(
            f"{of_all.model} ({framework_name(of_all.framework)})" if of_all.model else "",
            count_of(benchmark),
            of_all,
        ),
        headings=[
            ("method", ""),
            *((metric, DIRECTIONS[benchmark.better(metric)]) for metric in benchmark.metrics),
        ],
        means=means,
        notes=notes.texts if benchmark.metrics else reasons_lines(benchmark, labels),
        star=best_text(benchmark) if any(best.values()) else "",
        figure=_picture(plot_benchmark(benchmark), _ranked_alt(benchmark, best, labels))
        if has_mean
        else None,
        curves=[
            (
                metric,
                _picture(plot_curves(benchmark, metric), _curves_alt(benchmark, metric)),
            )
            for metric in metrics_with_curves(benchmark)
        ],
        warnings=warnings_lines(benchmark, labels),
        cost_headings=[("method", ""), ("forward", ""), ("backward", "")],
        costs=cost_rows(benchmark, labels),
        settings=settings_rows(of_all, stated_options(benchmark), benchmark.seed),
        many=True,
    )
    _write(page, path)
    return page


def _picture(figure: Figure, alt: str) -> _Picture:
    width = float(figure.get_size_inches()[0])
    return _Picture(figure_data_uri(figure), alt, least=round(_LEAST_DOTS * width))


def _write(page: str, path: str | os.PathLike[str] | None) -> None:
    if path is None:
        return
    target = Path(path)
    if target.is_dir():
        raise EvaluationError(
            f"path={str(target)!r} is a folder: give the name of the page in it, such as "
            f"{str(target / 'evaluation.html')!r}."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, page.encode())


def _method(evaluation: Evaluation) -> str:
    return method_name(evaluation.method) if evaluation.method else "an attribution"


def _about(what: str, count: int, one: Evaluation) -> str:
    score = f"score {one.score.replace('_', '-')}" if one.score else ""
    return f"{', '.join(filter(None, (what, examples_text(count), score)))}."


def _alt(evaluation: Evaluation) -> str:
    """Describe the figure of an evaluation."""
    means = "; ".join(
        f"{name} {number(float(mean))} {interval_text(mean.low, mean.high)}"
        for name, mean in evaluation.means.items()
    )
    return f"The mean of each metric with its interval, and the values of {examples_text(len(evaluation))}: {means}."


def _ranked_alt(benchmark: Benchmark, best: Mapping[str, list[str]], labels: Mapping[str, str]) -> str:
    """Describe the figure of a benchmark."""
    words = "; ".join(
        f"{metric}: {', '.join(labels[method] for method in methods)}"
        for metric, methods in best.items()
        if methods
    )
    return (
        f"The methods ranked by each metric; the table above has the numbers. The best by {words or 'none'}."
    )


def _curves_alt(benchmark: Benchmark, metric: str) -> str:
    return f"The curves of {metric} for each method, {examples_text(count_of(benchmark))} each, the best method first."
