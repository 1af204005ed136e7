"""Results of metrics: what was not measured, what is drawn, files and pages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import made_evaluations
import numpy as np
from advice.advice import Advice

from explain.errors import EvaluationError, MissingFileError
from explain.metrics.presentation.curves_figure import plot_curves
from explain.metrics.results.benchmark import Benchmark
from explain.metrics.results.evaluation import Evaluation

E = made_evaluations.evaluation()
B = made_evaluations.benchmark()


def in_folder(call: Callable[[Path], Any]) -> Callable[[Any], Any]:
    """Call with an empty folder."""

    def called(kit: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return call(Path(folder))

    return called


def foreign(folder: Path) -> Any:
    np.savez(folder / "a.npz", header=np.array('{"format": "explain-benchmark"}'))
    return Evaluation.load(folder / "a.npz")


ONCE = ("torch",)

ADVICE = (
    # What was not measured.
    Advice("] to explain.evaluate, whose metrics", EvaluationError, lambda kit: E["delition"],
           lambda kit: E["deletion"].mean, on=ONCE),
    Advice(" is not a method of this benchmark", EvaluationError, lambda kit: B["salency"],
           lambda kit: B["saliency"].deletion, on=ONCE),
    # Figures.
    Advice("The evaluation has no metric, so there is nothing to draw", EvaluationError,
           lambda kit: Evaluation({}).plot(), lambda kit: E.plot(), on=ONCE),
    Advice(", or leave it out to mark none.", EvaluationError, lambda kit: E.plot(example=99),
           lambda kit: (E.plot(example=7), E.plot()), on=ONCE),
    Advice(": give a list of names, such as ", EvaluationError, lambda kit: B.plot(metrics="deletion"),
           lambda kit: (B.plot(metrics=["deletion"]), B.plot()), on=ONCE),
    Advice("The benchmark has no metric, so there is nothing to draw", EvaluationError,
           lambda kit: Benchmark({"rise": Evaluation({})}).plot(), lambda kit: B.plot(), on=ONCE),
    Advice(" is not a metric of this benchmark, which has ", EvaluationError,
           lambda kit: B.plot(metrics=["insertoin"]), lambda kit: B.plot(metrics=["insertion"]), on=ONCE),
    Advice(" is not made of a curve: ", EvaluationError, lambda kit: plot_curves(B, "sparseness"),
           lambda kit: plot_curves(B, "deletion"), on=ONCE),
    # Files and pages.
    Advice(" is a folder: give the name of the page in it", EvaluationError, in_folder(E.to_html),
           in_folder(lambda folder: E.to_html(folder / "evaluation.html")), on=ONCE),
    Advice("s are saved as ", EvaluationError, in_folder(lambda folder: E.save(folder / "e.png")),
           in_folder(lambda folder: (E.plot().savefig(folder / "e.png"), E.save(folder / "e.npz"))), on=ONCE),
    Advice(" is not a saved ", EvaluationError, in_folder(foreign),
           in_folder(lambda folder: Benchmark.load(B.save(folder / "a.npz"))), on=ONCE),
    Advice(": give the path that ", MissingFileError, in_folder(lambda folder: Evaluation.load(folder / "e")),
           in_folder(lambda folder: Evaluation.load(E.save(folder / "e"))), on=ONCE),
)  # fmt: skip
