"""Whether a report still holds: its calls made again on a model, and compared with what it recorded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isfunction
from typing import Any

import numpy as np

from explain.api import attribute
from explain.errors import ExplainError, ReportError
from explain.explanation.again.arguments import arguments_of
from explain.fingerprints import fingerprint
from explain.goldens.figures import Tolerances, figures
from explain.inputs.layout import Layout
from explain.models.opening import load_model
from explain.public_calls.callers_line import at_callers_line
from explain.reports.reading import Report, read
from explain.results.attribution import Attribution
from explain.results.names import framework_name, method_name


@dataclass(frozen=True)
class CallCheck:
    """One call of a report, made again.

    Attributes
    ----------
    call : str
        The method, with the input's name where a model has several.
    holds : bool, optional
        Whether every example is within the tolerances; None if the call could not be made again.
    same_model : bool, optional
        Whether the model has the fingerprint that the report states; None where one of the two has none.
    max_error : float, optional
        The largest difference of a value, as a share of the largest value of its example.
    score_error : float, optional
        The largest difference of a score, as a share of the largest score.
    examples : tuple of int
        The examples that do not hold.
    note : str
        What else is to be said.
    """

    call: str
    holds: bool | None
    same_model: bool | None
    max_error: float | None = None
    score_error: float | None = None
    examples: tuple[int, ...] = ()
    note: str = ""

    def __str__(self) -> str:
        """Say in a line how the call did."""
        verdict = {True: "holds", False: "differs", None: "not repeated"}[self.holds]
        model = {True: "", False: "; the model has other weights", None: "; the model has no fingerprint"}
        figures = (
            ""
            if self.max_error is None
            else f", largest difference {self.max_error:.1e} of the largest value"
        )
        where = f", in examples {list(self.examples)}" if self.examples else ""
        note = f". {self.note}" if self.note else ""
        return f"{self.call}: {verdict}{figures}{where}{model[self.same_model]}{note}"


@dataclass(frozen=True)
class Verification:
    """Whether a report still holds.

    Attributes
    ----------
    report : str
        The file.
    checks : tuple of CallCheck
        One for each result.
    """

    report: str
    checks: tuple[CallCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether every call was made again and holds, on a model with the stated weights."""
        return all(one.holds is True and one.same_model is not False for one in self.checks)

    def __str__(self) -> str:
        """Give the verdict, and a line for each call."""
        verdict = "holds" if self.passed else "does not hold"
        return "\n".join([f"{self.report} {verdict}.", *(f"  {one}" for one in self.checks)])

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain data."""
        return {
            "report": self.report,
            "passed": self.passed,
            "checks": [{**vars(one), "examples": list(one.examples)} for one in self.checks],
        }


@at_callers_line
def verify(
    path: str | os.PathLike[str],
    model: Any = None,
    *,
    max_error: float = 0.02,
    rank_correlation: float = 0.99,
    top_overlap: float = 0.95,
    **arguments: Any,
) -> Verification:
    """Make the calls of a report again, and say whether it still holds.

    Inputs, targets, options and the nodes of integrals are those of the report. A model in another framework is
    explained in the same way, if it takes inputs in the same layout.

    Parameters
    ----------
    path : str or os.PathLike
        The report: its ``.json`` file, or the page beside it.
    model : object or list, optional
        The model, or one for each call of the report. By default the model is read from where the report says.
    max_error, rank_correlation, top_overlap : float
        How much a map may differ, as for golden explanations: the largest difference of a value, as a share of the
        example's largest; the least rank correlation; the least overlap of the tenths with the largest values.
    **arguments
        Arguments of the first calls that the report does not hold, which it names: ``tokenizer``, ``forward_kwargs``,
        ``x`` of an explained layer, an array ``feature_mask``…

    Returns
    -------
    Verification
        ``passed``, and a check for each result.

    Raises
    ------
    explain.errors.ReportError
        If the report cannot be read, or says no place of a model where none was given.

    Examples
    --------
    >>> import tempfile, explain
    >>> model = explain.zoo.load("names_rnn", framework="torch")
    >>> x = explain.zoo.samples("names_rnn", framework="torch").x[:2]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = explain.report(explain.attribute(model, x, "saliency"), f"{folder}/r.json", model=model)
    ...     explain.reports.verify(f"{folder}/r.json", model).passed
    True
    """
    report = read(path)
    tolerances = Tolerances(max_error, rank_correlation, top_overlap)
    models = _models(report, model)
    checks: list[CallCheck] = []
    for place, one in enumerate(models):
        checks += _checks(report, place, one, tolerances, arguments)
    return Verification(str(report.path), tuple(checks))


def _models(report: Report, model: Any) -> list[Any]:
    count = len(report.calls)
    if isinstance(model, list):
        if len(model) != count:
            raise ReportError(
                f"model is a list of {len(model)} for the {count} calls of {report.path}: give one model for all, "
                "or one for each."
            )
        return model
    if model is not None:
        return [model] * count
    read_models: dict[tuple[str, str | None], Any] = {}
    found = []
    for call in report.record["calls"]:
        source, factory = call["model"]["source"], call["model"]["factory"]
        if not source:
            raise ReportError(
                f"{report.path} does not say where its {call['model']['class']} is: give the model, "
                "explain.reports.verify(path, model)."
            )
        if (source, factory) not in read_models:
            read_models[source, factory] = load_model(source, factory=factory)
        found.append(read_models[source, factory])
    return found


def _checks(
    report: Report, place: int, model: Any, tolerances: Tolerances, given: Mapping[str, Any]
) -> list[CallCheck]:
    call, results = report.record["calls"][place], report.calls[place]
    title = method_name(call["method"]["name"])
    stated, now = call["model"]["fingerprint"], fingerprint(model)
    same = None if not stated or not now else stated == now
    missing = [name for name in call["repeat"]["needs"] if name not in given]
    if missing:
        note = f"The report does not hold {' and '.join(missing)}: give {', '.join(f'{name}=' for name in missing)}"
        return [CallCheck(title, None, same, note=f"{note} as in the first call.")]
    arguments = {name: one.value for name, one in arguments_of(results, call["structure"]).items()}
    if isfunction(model):
        arguments["framework"] = next(iter(results.values())).framework
    try:
        again = attribute(model, **{**arguments, **given})
    except ExplainError as cause:
        return [CallCheck(title, None, same, note=str(cause))]
    found = _by_name(again, results)
    return [
        _check(f"{title} of {name}" if name else title, before, found.get(name), same, tolerances)
        for name, before in results.items()
    ]


def _by_name(again: Any, results: Mapping[str, Attribution]) -> Mapping[str, Any]:
    """Give what a call gave by the names of the report."""
    if isinstance(again, Attribution):
        return dict.fromkeys(results, again)
    if isinstance(again, Mapping):
        return {str(name): one for name, one in again.items()}
    return {str(place): one for place, one in enumerate(again)}


def _check(
    title: str, before: Attribution, now: Attribution | None, same: bool | None, tolerances: Tolerances
) -> CallCheck:
    if now is None or now.values.shape != before.values.shape:
        shape = "nothing" if now is None else f"values of shape {now.values.shape}"
        return CallCheck(
            title,
            False,
            same,
            note=f"The call now gives {shape}, and {before.values.shape} are in the report.",
        )
    layout = Layout(before.layout)
    measured = figures(layout.to_canonical(now.values), layout.to_canonical(before.values), tolerances)
    largest = float(np.abs(before.scores).max(initial=0.0))
    gap = float(np.abs(np.asarray(now.scores, float) - before.scores).max(initial=0.0))
    score_error = gap / largest if largest else gap
    failed = tuple(measured.moved_most)
    off = score_error > tolerances.max_error
    versions = ", ".join(
        f"{framework_name(name)} {one} (then {before.versions[name]})"
        for name, one in now.versions.items()
        if before.versions.get(name, one) != one
    )
    notes = [
        *([f"The scores differ by up to {score_error:.1e} of the largest."] if off else []),
        *([f"Now with {versions}."] if versions else []),
    ]
    return CallCheck(
        title,
        bool(measured.passed.all()) and not off,
        same,
        float(measured.max_error.max(initial=0.0)),
        score_error,
        failed,
        " ".join(notes),
    )
