"""The text that the table and the page of a report share: the verdict, the first divergence, the cells of a row."""

from __future__ import annotations

import math

from explain.migration.report import MigrationReport, Row, Stage
from explain.results.comparison import TITLES, figure_text
from explain.results.names import method_name, number

STAGE_TITLES: dict[Stage, tuple[str, str]] = {
    "outputs": ("Outputs", "relative L2"),
    "classes": ("Predicted classes", "share of examples that differ"),
    "layers": ("Layers", "relative L2 of their outputs"),
    "attributions": ("Attributions", "median relative L2 of the maps"),
}
"""The title of each stage, and the measure of its error."""

_TITLES_OF_FIGURES = set(TITLES.values())
_RELATIVE = "relative_l2"
_PASSED = {True: "passed", False: "differs", None: "not compared"}


def verdict(report: MigrationReport) -> str:
    """Give the verdict in one word.

    Examples
    --------
    >>> verdict(MigrationReport("Net (PyTorch)", "Net (TensorFlow)", True, None, None, "", "", (), 1))
    'Passed'
    """
    return "Passed" if report.passed else "Differs"


def verdict_sentence(report: MigrationReport) -> str:
    """State whether the two models agree, and on how many examples.

    Examples
    --------
    >>> verdict_sentence(MigrationReport("Net (PyTorch)", "Net (TensorFlow)", True, None, None, "", "", (), 1))
    'Net (PyTorch) and Net (TensorFlow) agree on 1 example.'
    """
    agree = "agree" if report.passed else "do not agree"
    examples = f"{report.count} example{'' if report.count == 1 else 's'}"
    return f"{report.model_a} and {report.model_b} {agree} on {examples}."


def divergence_sentence(report: MigrationReport) -> str:
    """State at which layer the models diverge first and by how much; empty if they do not diverge.

    Examples
    --------
    >>> from explain.migration.report import Divergence
    >>> first = Divergence("conv2", "conv2d_1", 0.31, 2e-7)
    >>> print(divergence_sentence(MigrationReport("a", "b", False, first, "padding", "", "", (), 1)))
    First divergence: conv2 | conv2d_1. Their outputs are 0.310 apart (relative L2), their inputs 2.0e-07.
    """
    first = report.first_divergence
    if first is None:
        return ""
    names = dict.fromkeys((first.layer_a, first.layer_b))
    apart = (
        "differ in shape" if math.isinf(first.error) else f"are {error_text(first.error)} apart (relative L2)"
    )
    before = "" if first.before is None else f", their inputs {error_text(first.before)}"
    return f"First divergence: {' | '.join(names)}. Their outputs {apart}{before}."


def facts(report: MigrationReport) -> list[tuple[str, str]]:
    """Give the facts about the first divergence and its cause, each with its name.

    Examples
    --------
    >>> facts(MigrationReport("a", "b", False, None, "padding", "", "Set padding='same'.", (), 1))
    [('Likely cause', 'padding'), ('What to do', "Set padding='same'.")]
    """
    first = report.first_divergence
    found = []
    if first is not None:
        found = [(f"In {report.model_a}", first.layer_a), (f"In {report.model_b}", first.layer_b)]
    found += [
        ("Likely cause", report.cause or ""),
        ("Evidence", report.evidence),
        ("What to do", report.remedy),
    ]
    return [(name, text) for name, text in found if text]


def error_text(value: float | None) -> str:
    """Write an error or a tolerance; a dash if there is none.

    Examples
    --------
    >>> error_text(1e-4), error_text(0.25), error_text(math.inf), error_text(None)
    ('1.0e-04', '0.250', '∞', '–')
    """
    if value is None:
        return "–"
    return number(value) if math.isinf(value) else figure_text(_RELATIVE, value)


def verdict_text(row: Row) -> str:
    """Write whether a row passed.

    Examples
    --------
    >>> verdict_text(Row("layers", "conv1", "conv2d", None, 1e-4, None))
    'not compared'
    """
    return "made good" if row.passed is None and row.error is not None else _PASSED[row.passed]


def figure_words(row: Row) -> list[str]:
    """Write the further figures of a row, each with its name; an undefined figure as a dash.

    Examples
    --------
    >>> figures = {"rank correlation": 0.98765, "greatest difference": 3e-7, "SSIM": None}
    >>> figure_words(Row("attributions", "ig", "ig", 0.1, 0.02, False, figures=figures))
    ['rank correlation 0.9877', 'greatest difference 3.0e-07', 'SSIM –']
    >>> figure_words(Row("layers", "conv1", "conv1", 0.1, 1e-4, False, figures={"before": 1e-7}))
    ['inputs 1.0e-07']
    """
    words = []
    for name, value in row.figures.items():
        # The error of the inputs matters if the outputs differ: it shows whether this layer is the first to differ.
        if name == "before" and (row.passed is not False or value is None):
            continue
        similarity = name in _TITLES_OF_FIGURES or "correlation" in name
        kind = name if similarity and name != TITLES[_RELATIVE] else _RELATIVE
        finite = value is None or math.isfinite(value)
        text = figure_text(kind, math.nan if value is None else value) if finite else number(value or 0.0)
        words.append(f"inputs {text}" if name == "before" else f"{name} {text}")
    return words


def names_of(row: Row) -> tuple[str, str]:
    """Give the two names of a row: layers, or twice the title of a method.

    Examples
    --------
    >>> names_of(Row("attributions", "grad_cam", "grad_cam", 0.0, 0.02, True))
    ('Grad-CAM', 'Grad-CAM')
    """
    if row.stage == "attributions":
        return map_title(row.a), map_title(row.b)
    return row.a, row.b


def map_title(name: str) -> str:
    """Write the method of a map and, with several inputs, the input.

    Examples
    --------
    >>> map_title("grad_cam"), map_title("saliency of image")
    ('Grad-CAM', 'Saliency of image')
    """
    method, of, which = name.partition(" of ")
    return method_name(method) + of + which


def is_first_divergence(report: MigrationReport, row: Row) -> bool:
    """Tell whether a row is the row of the first divergence.

    Examples
    --------
    >>> row = Row("outputs", "", "", 0.0, 1e-4, True)
    >>> is_first_divergence(MigrationReport("a", "b", True, None, None, "", "", (row,), 1), row)
    False
    """
    first = report.first_divergence
    return first is not None and row.stage == "layers" and (row.a, row.b) == (first.layer_a, first.layer_b)
