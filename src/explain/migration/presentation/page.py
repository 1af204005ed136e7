"""The report of a migration check as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explain.errors import ExplainError
from explain.inputs.layout import Layout
from explain.migration.presentation.layer_chart import plot_layers
from explain.migration.presentation.report_text import (
    STAGE_TITLES,
    divergence_sentence,
    error_text,
    facts,
    figure_words,
    is_first_divergence,
    map_title,
    names_of,
    verdict,
    verdict_sentence,
    verdict_text,
)
from explain.migration.report import STAGES, MigrationReport, Row, Stage
from explain.render import figure_data_uri, plot_pair, plot_scatter
from explain.render.parts.panels import SMALL_IMAGE
from explain.render.web_page import PageImage, page_template
from explain.results.attribution import Attribution
from explain.results.comparison import TITLES, Comparison, compare
from explain.results.names import framework_name

# How many examples to draw for each method.
MOST_EXAMPLES = 4

# For maps with more pixels than a panel on the screen: a finer picture would only make the file larger.
_DPI_OF_FINE_MAPS = 90


@dataclass(frozen=True)
class Comparisons:
    """The rows of one stage, as text.

    Attributes
    ----------
    stage : str
        The stage.
    title, measure : str
        Its title, and the measure of its error.
    rows : tuple of Cells
        The comparisons.
    has_two_names : bool
        Whether a row has a name for each model.
    count, beyond : int
        How many rows there are, and how many differ.
    """

    stage: Stage
    title: str
    measure: str
    rows: tuple[Cells, ...]
    has_two_names: bool
    count: int
    beyond: int


@dataclass(frozen=True)
class Cells:
    """One comparison as text; `passed` is a class of the page's style."""

    a: str
    b: str
    error: str
    tolerance: str
    verdict: str
    passed: str
    notes: str
    first: bool


@dataclass(frozen=True)
class MethodSection:
    """The pictures of one method.

    Attributes
    ----------
    title : str
        The method.
    words : str
        Which examples are shown, or why there are none.
    pictures : tuple of PageImage
        Both maps with their difference; the values of one map against the values of the other.
    """

    title: str
    words: str
    pictures: tuple[PageImage, ...] = ()


def as_html(report: MigrationReport) -> str:
    """Write a report as a page.

    Parameters
    ----------
    report : MigrationReport
        The report, with the maps if it has any.

    Returns
    -------
    str
        HTML without scripts that needs no other file and no network. Every name is escaped.

    Examples
    --------
    >>> row = Row("layers", "<script>", "dense", 3e-7, 1e-4, True)
    >>> page = as_html(MigrationReport("Net", "Net", True, None, None, "", "", (row,), 8))
    >>> "&lt;script&gt;" in page, "<script" in page
    (True, False)
    """
    chart = plot_layers(report)
    return page_template("migration/presentation").render(
        report=report,
        verdict=verdict(report),
        sentence=verdict_sentence(report),
        divergence=divergence_sentence(report),
        facts=facts(report),
        stages=[_comparisons(report, stage) for stage in STAGES if report.of_stage(stage)],
        chart=None if chart is None else PageImage(figure_data_uri(chart), _chart_alt(report)),
        methods=[method_section(name, *pair) for name, pair in report.attributions.items()],
        tolerances=[
            (STAGE_TITLES[stage][0], error_text(getattr(report.tolerances, stage)), STAGE_TITLES[stage][1])
            for stage in STAGES
        ],
        versions=", ".join(f"{framework_name(name)} {one}" for name, one in report.versions.items()),
    )


def method_section(method: str, a: Attribution, b: Attribution) -> MethodSection:
    """Draw the least similar examples of one method.

    Parameters
    ----------
    method : str
        Its name.
    a, b : Attribution
        Of the same inputs, by the two models.

    Examples
    --------
    >>> x = np.ones((1, 8, 8), np.float32)
    >>> section = method_section("ig", *(Attribution(x, x, "NHW", "saliency", np.ones(1)) for _ in range(2)))
    >>> section.words, len(section.pictures)
    ('The only example.', 2)
    """
    title = map_title(method)
    try:
        comparison = compare(a, b)
        shown = least_similar(comparison)
        maps = plot_pair(a, b, comparison=comparison, examples=shown, difference=True)
        if max(Layout(a.layout).to_canonical(a.values).shape[1:-1], default=0) > SMALL_IMAGE:
            maps.set_dpi(_DPI_OF_FINE_MAPS)
        pictures = (
            PageImage(
                figure_data_uri(maps),
                f"{title}: input, both maps on one scale, and their difference. {_figures(comparison, shown)}",
            ),
            PageImage(
                figure_data_uri(plot_scatter(a, b, comparison=comparison, examples=shown)),
                f"{title}: every value of the one map against that of the other. {_figures(comparison, shown)}",
            ),
        )
    except ExplainError as cause:
        # Write the rest of the page even if a map cannot be drawn.
        return MethodSection(title, f"There is no picture: {cause}")
    if len(a) == 1:
        words = "The only example."
    elif len(shown) == len(a):
        words = f"All {len(a)} examples, the least similar first."
    else:
        words = f"The {len(shown)} least similar of the {len(a)} examples that were explained, the least similar first."
    return MethodSection(title, words, pictures)


def least_similar(comparison: Comparison) -> list[int]:
    """Choose the examples to draw, the least similar first.

    Examples
    --------
    >>> one = np.ones(3)
    >>> least_similar(Comparison(np.array([0.1, 0.3, 0.2]), one, one, one, one))
    [1, 2, 0]
    """
    order = np.argsort(-comparison.relative_l2, kind="stable")
    return [int(one) for one in order[:MOST_EXAMPLES]]


def _figures(comparison: Comparison, shown: Sequence[int]) -> str:
    """Describe how similar the examples of a picture are."""
    return "; ".join(
        f"example {example}: {TITLES['relative_l2']} {texts['relative_l2']}, rank correlation {texts['spearman']}"
        for example in shown
        for texts in [comparison.texts(example)]
    )


def _comparisons(report: MigrationReport, stage: Stage) -> Comparisons:
    rows = report.of_stage(stage)
    cells = tuple(_cells(report, row) for row in rows)
    return Comparisons(
        stage=stage,
        title=STAGE_TITLES[stage][0],
        measure=STAGE_TITLES[stage][1],
        rows=cells,
        has_two_names=any(one.b for one in cells),
        count=len(rows),
        beyond=sum(row.passed is False for row in rows),
    )


def _cells(report: MigrationReport, row: Row) -> Cells:
    a, b = names_of(row)
    first = is_first_divergence(report, row)
    return Cells(
        a=a or "all examples",
        b="" if row.stage != "layers" and a == b else b,
        error=error_text(row.error),
        tolerance=error_text(row.tolerance),
        verdict=verdict_text(row),
        passed={True: "passed", False: "differs", None: "open"}[row.passed],
        notes="; ".join([*([row.note] if row.note else []), *figure_words(row)]),
        first=first,
    )


def _chart_alt(report: MigrationReport) -> str:
    """Describe the chart of the layers."""
    rows = report.of_stage("layers")
    beyond = sum(row.passed is False for row in rows)
    return (
        f"The error of {len(rows)} layers in the models' order, {beyond} of them beyond the tolerance "
        f"{error_text(report.tolerances.layers)}. {divergence_sentence(report)}"
    ).strip()
