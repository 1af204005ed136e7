"""The rows of a report: comparisons of outputs, classes, layers and attributions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from explain.inputs.examples import Array
from explain.migration.measurement.activation_functions import ENDINGS
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.distance import apart
from explain.migration.report import Row, Stage, Tolerances
from explain.results.attribution import Attribution
from explain.results.comparison import compare


def output_rows(
    a: Mapping[str, Array], b: Mapping[str, Array], tolerances: Tolerances
) -> tuple[list[Row], dict[str, tuple[Array, Array]], list[str]]:
    """Compare outputs; if only one model ends in a softmax or sigmoid, apply that to the other's output first.

    Returns
    -------
    (list of Row, dict of str to (numpy.ndarray, numpy.ndarray), list of str)
        A row for each output; the pairs that were compared, channels last; notes.
    """
    rows, pairs, notes = [], {}, []
    # Pair outputs by name if both models have the same names, else by position.
    names = list(a) if set(a) == set(b) else [*a, *list(b)[len(a) :]]
    for position, name in enumerate(names):
        if position >= min(len(a), len(b)):
            only = "a" if len(a) > len(b) else "b"
            rows.append(_row("outputs", name, math.inf, tolerances.outputs, f"only {only} has this output"))
            continue
        given = b[name] if set(a) == set(b) else list(b.values())[position]
        one, other = a[name], _arranged(a[name], given)
        if one.size == other.size and one.shape != other.shape and 1 in (one.shape[-1], other.shape[-1]):
            # Outputs with one number for each example may have a separate axis for it or not.
            one, other = one.reshape(len(one), -1), other.reshape(len(other), -1)
        if one.shape != other.shape:
            note = f"shape {one.shape} in a and {given.shape} in b"
            rows.append(_row("outputs", name, math.inf, tolerances.outputs, note))
            continue
        not_finite = [which for which, array in (("a", one), ("b", other)) if not np.isfinite(array).all()]
        if not_finite:
            note = f"NaN or infinite in {' and '.join(not_finite)}"
            rows.append(_row("outputs", name, math.inf, tolerances.outputs, note))
            continue
        error, note = apart(one, other), ""
        if error > tolerances.outputs:
            found = _with_same_ending(one, other, tolerances.outputs)
            if found is not None:
                one, other, note = found
                notes.append(f"{_title(name)}: {note}.")
                error = apart(one, other)
        gap = float(np.abs(np.asarray(one, np.float64) - other).max(initial=0.0))
        rows.append(_row("outputs", name, error, tolerances.outputs, note, {"greatest difference": gap}))
        pairs[name] = (one, other)
    return rows, pairs, notes


def class_rows(pairs: Mapping[str, tuple[Array, Array]], tolerances: Tolerances) -> list[Row]:
    """Compare the predicted classes of every output that has several classes; ties are not counted."""
    rows = []
    for name, (a, b) in pairs.items():
        if a.ndim < 2 or a.shape[-1] < 2:
            continue
        one, other = a.argmax(-1), b.argmax(-1)
        margins = [
            np.abs(np.take_along_axis(x, one[..., None], -1) - np.take_along_axis(x, other[..., None], -1))[
                ..., 0
            ]
            for x in (a, b)
        ]
        # Two classes are tied if their outputs differ by no more than the tolerance of the outputs.
        room = tolerances.outputs * np.maximum(np.abs(a).max(-1), np.abs(b).max(-1))
        differ = one != other
        ties = differ & (np.minimum(*margins) <= room)
        share = float((differ & ~ties).mean())
        count, of = int(differ.sum()), differ.size
        note = f"{of - count} of {of} the same" + (f", {int(ties.sum())} tied" if ties.any() else "")
        rows.append(_row("classes", name, share, tolerances.classes, note))
    return rows


def layer_rows(aligned: Sequence[Aligned], tolerances: Tolerances) -> list[Row]:
    """Give a row for each pair of layers, in the order of the first model."""
    return [
        Row(
            stage="layers",
            a=label(pair.a.name, pair.a.call),
            b=label(pair.b.name, pair.b.call),
            error=pair.error,
            tolerance=tolerances.layers,
            passed=pair.error <= tolerances.layers,
            note=f"shape {pair.a.outputs.shape[1:]} in a and {pair.b.outputs.shape[1:]} in b"
            if math.isinf(pair.error)
            else "",
            figures={"before": pair.before},
        )
        for pair in aligned
    ]


def attribution_row(name: str, a: Attribution, b: Attribution, tolerances: Tolerances) -> Row:
    """Compare two maps by the median over the examples, since a few examples may lie at a kink of the model."""
    found = compare(a, b)
    error = float(np.median(found.relative_l2))
    figures = {
        "greatest relative L2": float(found.relative_l2.max()),
        "rank correlation": _mean(found.spearman),
        "top 10 %": _mean(found.top_overlap),
    }
    return Row(
        "attributions",
        name,
        name,
        error,
        tolerances.attributions,
        error <= tolerances.attributions,
        "",
        figures,
    )


def label(name: str, call: int) -> str:
    """Name a call of a layer, with its number from the second call on.

    Examples
    --------
    >>> label("relu", 0), label("relu", 2)
    ('relu', 'relu[2]')
    """
    return f"{name}[{call}]" if call else name


def _title(name: str) -> str:
    return "The outputs" if not name else f"Output {name}"


def _row(
    stage: Stage,
    name: str,
    error: float,
    tolerance: float,
    note: str = "",
    figures: dict[str, float | None] | None = None,
) -> Row:
    title = f"output {name}" if name.isdigit() else name
    return Row(stage, title, title, error, tolerance, error <= tolerance, note, figures or {})


def _arranged(a: Array, b: Array) -> Array:
    """Give b in the layout of a: with its channels first or last, whichever is closer to a."""
    candidates = [b]
    if b.ndim > 2:
        candidates += [np.moveaxis(b, 1, -1), np.moveaxis(b, -1, 1)]
    fitting = [one for one in candidates if one.shape == a.shape]
    return min(fitting, key=lambda one: apart(a, one)) if fitting else b


def _with_same_ending(a: Array, b: Array, tolerance: float) -> tuple[Array, Array, str] | None:
    """If only one model ends in a softmax or sigmoid, apply it to the output of the other."""
    for name, function in ENDINGS.items():
        for first, second, one, other in (("a", "b", a, b), ("b", "a", b, a)):
            applied = function(np.asarray(one, np.float64))
            if apart(applied, other) <= tolerance:
                pair = (applied, other) if first == "a" else (other, applied)
                return *pair, f"{second} ends in a {name} and {first} does not; compared after it"
    return None


def _mean(values: Array) -> float | None:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else None
