"""Data frames: their numbers in the order of the columns on which an estimator was fitted, and the names of these."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError

_MOST = 6


def fitted_columns(model: Any) -> tuple[str, ...]:
    """Give the names of the columns on which an estimator, or the owner of a method, was fitted; else none.

    Examples
    --------
    >>> fitted_columns(print)
    ()
    """
    names = getattr(getattr(model, "__self__", model), "feature_names_in_", None)
    return () if names is None else tuple(map(str, names))


def numbers_of_frame(model: Any, x: Any) -> npt.NDArray[np.float64] | None:
    """Give the numbers of a data frame, shape (N, columns), in the order of the columns on which a model was fitted.

    Parameters
    ----------
    model : object
        The model.
    x : object
        What the caller gave as x.

    Returns
    -------
    numpy.ndarray or None
        None if `x` is no data frame, or the model was not fitted on one.

    Raises
    ------
    InputError
        If the columns are not those, or are not numbers.
    """
    columns = fitted_columns(model)
    if not columns or not hasattr(x, "to_numpy") or not hasattr(x, "columns"):
        return None
    given = list(map(str, x.columns))
    missing = [name for name in columns if name not in given]
    others = [name for name in given if name not in columns]
    if missing or others:
        lacks = f"lacks {_listed(missing)}" if missing else f"has {_listed(others)} besides"
        raise InputError(
            f"x {lacks}: the model was fitted on the columns {_listed(columns)}. Give a data frame of these columns, "
            "x[list(model.feature_names_in_)]."
        )
    ordered = x[[x.columns[given.index(name)] for name in columns]]
    odd = [name for name, kind in zip(columns, ordered.dtypes, strict=True) if not _is_number(kind)]
    if odd:
        raise InputError(
            f"x has the column{'' if len(odd) == 1 else 's'} {_listed(odd)}, whose values are no numbers, so that no "
            "method can change them a little: explain the last step of the pipeline, pipeline[-1], at the numbers that "
            "the steps before it make, pipeline[:-1].transform(x)."
        )
    return np.asarray(ordered.to_numpy(), np.float64)


def _is_number(kind: Any) -> bool:
    # Of pandas, the types of NumPy and those that may be missing; of polars, its own.
    is_numeric = getattr(kind, "is_numeric", None)
    if callable(is_numeric):
        return bool(is_numeric())
    return getattr(kind, "kind", "O") in "fiub"


def _listed(names: Any) -> str:
    shown = ", ".join(map(repr, names[:_MOST]))
    return f"{shown} and {len(names) - _MOST} more" if len(names) > _MOST else shown
