"""Checks an explanation against its golden."""

from __future__ import annotations

from pathlib import Path

from explain.errors import ExplanationChangedError, GoldenError
from explain.goldens.change_message import change_message
from explain.goldens.figures import Figures, Tolerances, figures
from explain.goldens.file import read_golden
from explain.goldens.pictures import write_pictures
from explain.goldens.question import Explanation, question_differences


def check_against(
    path: Path, explanation: Explanation, tolerances: Tolerances, accept: str, folder: Path | None
) -> Figures:
    """Check an explanation against the golden in a file.

    Parameters
    ----------
    path : pathlib.Path
        The golden.
    explanation : Explanation
        The explanation.
    tolerances : Tolerances
        How much the explanation may differ from the golden.
    accept : str
        The command that accepts a change, for messages.
    folder : pathlib.Path, optional
        Where to write pictures of a change; none are drawn if left out.

    Returns
    -------
    Figures
        How far each example is from the golden.

    Raises
    ------
    GoldenError
        If the golden was made for another question: other inputs, options, method…
    ExplanationChangedError
        If a figure of an example is beyond its tolerance.
    """
    __tracebackhide__ = True
    expected, found = read_golden(path), explanation.golden
    differences = question_differences(expected, found)
    if differences:
        raise GoldenError(
            f"{path} is the golden of another question. What differs: {'; '.join(differences)}. Ask the same question "
            f"again, or, if the new one is right, write its golden with: {accept}"
        )
    measured = figures(found.values, expected.values, tolerances)
    if not measured.passed.all():
        pictures = [] if folder is None else write_pictures(folder, explanation.attribution, expected)
        raise ExplanationChangedError(
            change_message(path, explanation, expected, measured, tolerances, accept, pictures)
        )
    return measured
