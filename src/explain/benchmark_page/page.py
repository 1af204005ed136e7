"""The page itself: the table over all methods, charts, maps, and what a reader may conclude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explain.algorithms.catalogue import find_method
from explain.benchmark_page.computation import RANDOM_MAP, ModelResults
from explain.benchmark_page.maps import SHOWN, draw_maps
from explain.benchmark_page.questions import EXAMPLES, EXPLAINED_AGAIN, PICTURES, TOKENS, Question
from explain.benchmark_page.words import (
    MAY,
    MAY_NOT,
    Agreement,
    agreements,
    disagreement_words,
    findings,
)
from explain.metrics.catalogue import find
from explain.metrics.presentation.benchmark_figure import plot_benchmark
from explain.metrics.presentation.curves_figure import plot_curves
from explain.metrics.results.benchmark import Benchmark
from explain.render import figure_data_uri
from explain.render.web_page import page_template
from explain.results.names import framework_name, method_name
from explain.zoo.seed_models import seed_model
from explain.zoo.weight_files import read_metadata, shipped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A reason of so many letters stands in its cell.
_SHORT = 16

# At so many pixels an inch the text of a figure has the size of the page's small print.
_PIXELS = 110


@dataclass(frozen=True)
class Cell:
    """One answer.

    Attributes
    ----------
    text : str
        The mean; a dash without one.
    interval : str
        The 95 % interval; empty without one.
    reason : str
        Why there is no value.
    best : bool
        Whether no other method is better by more than the examples vary.
    """

    text: str
    interval: str = ""
    reason: str = ""
    best: bool = False


@dataclass(frozen=True)
class Chart:
    """A figure.

    Attributes
    ----------
    image, alt : str
        As a ``data:`` URI, and described in words.
    width : int
        Its width in pixels, where there is room.
    """

    image: str
    alt: str
    width: int


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes
    ----------
    title, family : str
        Its name, and its family.
    cells : tuple of Cell
        Its answers.
    passes : str
        What its map costs for one example.
    """

    title: str
    family: str
    cells: tuple[Cell, ...]
    passes: str


@dataclass(frozen=True)
class Column:
    """One question.

    Attributes
    ----------
    title, asks, better, measured_by, chance : str
        Its heading, the question, which values are better, the metric, and what a map without information gets.
    """

    title: str
    asks: str
    better: str
    measured_by: str
    chance: str


def page(found: Mapping[str, ModelResults], *, framework: str, seed: int, full: bool) -> str:
    """Write the page.

    Parameters
    ----------
    found : Mapping of str to ModelResults
        The numbers, by model.
    framework : str
        The framework of the models.
    seed : int
        The seed.
    full : bool
        Whether every metric had all examples.

    Returns
    -------
    str
        HTML that needs no other file, no network and no script. Every name in it is escaped.
    """
    benchmarks = {name: one.benchmark for name, one in found.items()}
    versions = next(iter(found["shapes_honest"].attributions.values())).versions
    pairs = agreements(PICTURES, benchmarks)
    return page_template("benchmark_page").render(
        framework=framework_name(framework),
        versions=", ".join(f"{framework_name(name)} {one}" for name, one in versions.items()),
        seed=seed,
        full=full,
        examples=EXAMPLES,
        again=EXAMPLES if full else EXPLAINED_AGAIN,
        shown=SHOWN,
        findings=findings(PICTURES, benchmarks),
        columns=_columns(PICTURES),
        rows=_rows(PICTURES, benchmarks),
        dots=[_dots(benchmarks[model], model) for model in ("shapes_honest", "shapes_shortcut")],
        curves=[
            _image(
                plot_curves(benchmarks["shapes_honest"], name),
                f"Small multiples of the {name.lower()} curves of all methods.",
            )
            for name in ("Deletion", "Insertion")
        ],
        maps=_image(
            draw_maps(
                [found["shapes_honest"], found["shapes_shortcut"]],
                ["Honest: goes by the shape", "Shortcut: goes by the patch"],
            ),
            "The maps of all methods on three pictures of each network.",
        ),
        token_findings=findings(TOKENS, benchmarks),
        token_columns=_columns(TOKENS),
        token_rows=_rows(TOKENS, benchmarks),
        may=MAY,
        may_not=MAY_NOT,
        disagreements=disagreement_words(pairs),
        pairs=[_pair(one) for one in pairs],
        models=_models(found),
        without=_without(benchmarks),
    )


def _dots(benchmark: Benchmark, model: str) -> Chart:
    asked = [one.title for one in PICTURES if one.model == model]
    return _image(
        plot_benchmark(benchmark, metrics=[title for title in asked if title in benchmark.metrics]),
        f"Ranked dot plots: the mean of each method with its 95 % interval, one panel a question, {model}.",
    )


def _columns(questions: Sequence[Question]) -> list[Column]:
    found = []
    for one in questions:
        row = find(one.metric)
        options = ", ".join(f"{name}={value!r}" for name, value in one.options.items())
        measured_by = f"{one.metric}{f' ({options})' if options else ''}, {row.paper}"
        better = f"{row.better} is better" if row.better else "neither end is better"
        found.append(Column(one.title, one.asks, better, measured_by, one.chance))
    return found


def _rows(questions: Sequence[Question], benchmarks: Mapping[str, Benchmark]) -> list[Row]:
    models = list(dict.fromkeys(one.model for one in questions))
    methods = list(dict.fromkeys(name for model in models for name in benchmarks[model]))
    best = {one.title: set(benchmarks[one.model].best(one.title)) for one in questions}
    rows = []
    for name in methods:
        is_random = name == RANDOM_MAP
        cells = tuple(_cell(one, benchmarks[one.model], name, best[one.title]) for one in questions)
        rows.append(
            Row(
                "A random map" if is_random else method_name(name),
                "for comparison" if is_random else find_method(name).family,
                cells,
                "" if is_random else _passes(benchmarks[models[0]], name),
            )
        )
    return rows


def _cell(question: Question, benchmark: Benchmark, method: str, best: set[str]) -> Cell:
    measurement = benchmark.measurement(question.title, method)
    if measurement is None or not measurement.count:
        reasons = benchmark.reasons.get(method, {})
        reason = reasons.get(question.title) or reasons.get("") or ""
        if measurement is not None and measurement.left_out:
            reason = next(iter(measurement.left_out.values()))
        return Cell(reason if len(reason) <= _SHORT else "–", reason=reason)
    low, high = measurement.interval(benchmark.seed)
    return Cell(
        _number(measurement.mean),
        f"{_number(low)} to {_number(high)}" if measurement.count > 1 else "",
        best=method in best and method != RANDOM_MAP,
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def _passes(benchmark: Benchmark, method: str) -> str:
    passes = benchmark.passes.get(method)
    if not passes:
        return ""
    # On one line, however narrow the column is.
    return f"{passes['forward']:,.0f}\N{NO-BREAK SPACE}+\N{NO-BREAK SPACE}{passes['backward']:,.0f}"


def _pair(one: Agreement) -> tuple[str, str, str, int]:
    return one.first, one.second, f"{one.correlation:+.2f}".replace("-", "−"), one.count


def _models(found: Mapping[str, ModelResults]) -> list[tuple[str, str]]:
    """Give each model with what its card says of its accuracy."""
    rows = []
    for name in found:
        model = seed_model(name)
        metadata = read_metadata(shipped(model, ".safetensors").read_bytes(), name)
        rows.append(
            (name, f"{model.summary.replace('`', '')} Test accuracy {100 * metadata['test_accuracy']:.1f} %.")
        )
    return rows


def _without(benchmarks: Mapping[str, Benchmark]) -> list[tuple[str, str]]:
    """Give the methods that have no map of pictures, and why."""
    reasons = benchmarks["shapes_honest"].reasons
    return [(method_name(name), own[""]) for name, own in reasons.items() if "" in own]


def _image(figure: Figure, alt: str) -> Chart:
    return Chart(figure_data_uri(figure), alt, round(figure.get_figwidth() * _PIXELS))
