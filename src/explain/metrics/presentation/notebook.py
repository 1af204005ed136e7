"""Evaluations and benchmarks as a notebook shows them."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from explain.metrics.presentation.benchmark_figure import plot_benchmark
from explain.metrics.presentation.evaluation_figure import plot_evaluation
from explain.metrics.presentation.words import examples_text, subject
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation
from explain.render.notebook import HTML, Bundle, Metadata, bundle, image_html

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',sans-serif"
_QUIET = "opacity:.75;font-size:.85em;margin-top:.4em"


def evaluation_bundle(
    evaluation: Evaluation, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> Bundle:
    """Give what a notebook shows of an evaluation, and its table for a terminal.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.measurement import Measurement
    >>> one = Evaluation({"deletion": Measurement("deletion", np.array([0.5, 0.25]), "lower")})
    >>> data, _ = evaluation_bundle(one)
    >>> sorted(data), data["text/html"].count("<img")
    (['text/html', 'text/plain'], 1)
    """
    words = f"{subject(evaluation)}: the metrics over {examples_text(len(evaluation))}"
    maker = _maker(lambda: plot_evaluation(evaluation), words, "evaluation")
    return bundle(evaluation.__str__, {HTML: maker}, include, exclude)


def benchmark_bundle(
    benchmark: Benchmark, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> Bundle:
    """Give what a notebook shows of a benchmark, and its table for a terminal.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.metrics.results.measurement import Measurement
    >>> one = Evaluation({"deletion": Measurement("deletion", np.array([0.5, 0.25]), "lower")})
    >>> data, _ = benchmark_bundle(Benchmark({"saliency": one}))
    >>> sorted(data), data["text/html"].count("<img")
    (['text/html', 'text/plain'], 1)
    """
    words = f"The methods {', '.join(benchmark)}, ranked by {', '.join(benchmark.metrics)}"
    maker = _maker(lambda: plot_benchmark(benchmark), words, "benchmark")
    return bundle(benchmark.__str__, {HTML: maker}, include, exclude)


def _maker(plot: Callable[[], Figure], words: str, name: str) -> Callable[[], tuple[str, Metadata]]:
    def made() -> tuple[str, Metadata]:
        hint = html.escape(f'{name}.to_html("{name}.html")')
        below = f'<div style="{_QUIET}">A page with the table and the settings: <code>{hint}</code></div>'
        return f'<div class="explain-metrics" style="{_FONT}">{image_html(plot(), words)}{below}</div>', {}

    return made
