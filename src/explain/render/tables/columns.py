"""The columns of a table: their names, which of them have a row of their own, and whether there are any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from explain.errors import RenderError
from explain.inputs.layout import Layout
from explain.render.parts.sheet import elide, text_width
from explain.results.attribution import Attribution
from explain.results.canonical_axes import canonical
from explain.results.view import drawn_as, has_token_ids, input_name, view


def column_names(attribution: Attribution) -> tuple[str, ...]:
    """Give the names of the columns of a table; columns without names are numbered.

    Raises
    ------
    RenderError
        If there are names, but not one per column.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> column_names(Attribution(ones, ones, "NC", "saliency", np.ones(1)))
    ('feature 0', 'feature 1')
    """
    count = canonical(attribution, attribution.values).shape[1]
    what = "feature" if input_name(attribution) == "input" else "unit"
    names = attribution.display.feature_names or tuple(f"{what} {index}" for index in range(count))
    if len(names) != count:
        raise RenderError(
            f"display.feature_names has {len(names)} names but the table has {count} columns: give "
            "one name per column, or none."
        )
    return names


def as_table(attribution: Attribution, *, asked: bool = True) -> Attribution:
    """Give columns of categories, which a model reads as token ids, as a table; any other attribution as it is.

    Parameters
    ----------
    attribution : Attribution
        Of token ids without padding, layout ``"NT"``: the columns of a table, or a text.
    asked : bool
        Whether the caller asks for the figure of a table; else names of features tell that it is one.

    Examples
    --------
    >>> values, ids = np.ones((1, 2), np.float32), np.array([[3, 1]], np.float32)
    >>> as_table(Attribution(values, ids, "NT", "ig", np.ones(1), reduce="sum")).layout
    'NC'
    """
    if not has_token_ids(attribution) or not (asked or attribution.display.feature_names):
        return attribution
    if attribution.mask is not None and not np.all(attribution.mask):
        return attribution
    layout = Layout(attribution.layout)
    values, inputs = (layout.to_batch_first(array) for array in (attribution.values, attribution.inputs))
    return replace(attribution, values=values, inputs=inputs, layout="NC", mask=None)


def check_table(attribution: Attribution, what: str, max_features: object = None) -> None:
    """Raise `RenderError` unless an attribution is of tables; `what` is the figure that needs them.

    Examples
    --------
    >>> ones = np.ones((1, 2), np.float32)
    >>> check_table(Attribution(ones, ones, "NC", "saliency", np.ones(1)), "a waterfall", 5)
    """
    if view(attribution) != "table" or drawn_as(attribution) == "input":
        found = f"layout={attribution.layout!r} and method={attribution.method!r}"
        raise RenderError(
            f"attribution has {found}: {what} is for attributions of tables, layout 'NC', and of token ids without "
            "padding, one column each. Use plot() without kind= and max_features=."
        )
    is_count = isinstance(max_features, int | np.integer) and not isinstance(max_features, bool)
    # mypy does not narrow a type by a variable.
    if max_features is not None and not (is_count and max_features >= 1):  # type: ignore[operator]
        raise RenderError(
            f"max_features={max_features!r} is not a whole number of at least 1: give how many features are drawn one "
            "by one, for example 10."
        )


def own_rows(order: list[int], most: int) -> list[int]:
    """Give the columns that have a row of their own: the first `most`, and no row for a single other one.

    Examples
    --------
    >>> own_rows([2, 0, 1], 1), own_rows([2, 0, 1], 2)
    ([2], [2, 0, 1])
    """
    # A row for "1 other" would take as much space as the row of that feature.
    return order if len(order) <= most + 1 else order[:most]


def elided_name(name: str, width: float, size: float) -> str:
    """Shorten the name of a feature in its middle: its end, which often tells it apart, and its value remain.

    Examples
    --------
    >>> elided_name("occupation of the first parent = 7", 1.2, 8)
    'occupati…parent = 7'
    """
    if text_width(name, size) <= width:
        return name
    front, mark, value = name.rpartition(" = ")
    front, tail = (front, mark + value) if mark else (name, "")
    for kept in range(len(front) - 1, 0, -1):
        half = (kept + 1) // 2
        short = f"{front[:half].rstrip()}…{front[len(front) - kept + half :].lstrip()}{tail}"
        if text_width(short, size) <= width:
            return short
    return elide(f"…{tail}", width, size)
