"""The features of a data frame: its columns of numbers, and the names of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError
from explain.inputs.readers.tables import ROW_NAMES

# So many rows that count up by one are no accident.
_ROWS_OF_A_COUNT = 3
_NAMED_IN_A_MESSAGE = 5


@dataclass(frozen=True)
class Columns:
    """Which columns of a data frame are features, and which are not.

    Parameters
    ----------
    features : tuple of str, optional
        The features, in the order that the model takes; None for all that are left.
    drop : tuple of str
        Columns to leave out, such as the label.
    index : str, optional
        The column that names the rows.
    """

    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    index: str | None = None


@dataclass(frozen=True, eq=False)
class Rows:
    """The numbers of a data frame.

    Attributes
    ----------
    values : numpy.ndarray of float32, shape (N, C)
    features : tuple of str
        The names of the columns; empty if the file has none.
    names : tuple of str
        The names of the rows; empty if the file has none.
    """

    values: npt.NDArray[np.float32]
    features: tuple[str, ...]
    names: tuple[str, ...]


def rows_of(frame: Any, columns: Columns, name: str, kept: Sequence[str] = ()) -> Rows:
    """Give the features of a data frame.

    A column that pandas wrote as the names of the rows is taken for that. Another first column that counts the
    rows, text, missing values and dates are refused with the name of the column.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of `read_csv` or `read_parquet`, or a caller's own.
    columns : Columns
        Which of them are features.
    name : str
        What messages call the file.
    kept : sequence of str
        Further columns that are no features, such as the time.

    Raises
    ------
    InputError
        If a column is missing, or is none of numbers.

    Examples
    --------
    >>> import pandas
    >>> frame = pandas.DataFrame({"name": ["a", "b"], "age": [3, 4], "label": [0, 1]})
    >>> rows_of(frame, Columns(drop=("label",), index="name"), "a.csv").features
    ('age',)
    """
    there = list(frame.columns)
    aside = [*columns.drop, *kept, *([] if columns.index is None else [columns.index])]
    for column in (*aside, *(columns.features or ())):
        if column not in there:
            raise InputError(f"{name} has no column {column!r}; it has {_listed(there)}.")
    # What the file itself calls the names of its rows is no feature, unless the caller says so.
    own = [one for one in frame.attrs.get(ROW_NAMES, []) if one not in (*aside, *(columns.features or ()))]
    index = columns.index if columns.index is not None or not own else own[0]
    chosen = (
        list(columns.features)
        if columns.features is not None
        else [column for column in there if column not in (*aside, *own)]
    )
    if not chosen:
        raise InputError(
            f"{name}: no column is left as a feature. Leave out fewer than all: {_listed(there)}."
        )
    numbered = isinstance(there[0], (int, np.integer))
    if columns.features is None and not numbered and chosen[0] == there[0]:
        _check_no_count(frame[there[0]], there[0], name)
    labels = None if index is None else frame[index]
    arrays = [_numbers(frame[column], column, labels, name) for column in chosen]
    return Rows(
        values=np.stack(arrays, axis=1),
        features=() if numbered else tuple(map(str, chosen)),
        names=() if labels is None else tuple(map(str, labels)),
    )


def _numbers(column: Any, title: Any, labels: Any, name: str) -> npt.NDArray[np.float32]:
    """Give a column as numbers."""
    kind = getattr(column.dtype, "kind", "O")
    missing = np.flatnonzero(np.asarray(column.isna()))
    if len(missing) == len(column):
        raise InputError(f"{name}: the column {title!r} is empty. Leave it out: drop=[{title!r}].")
    if len(missing):
        raise InputError(
            f"{name}: the column {title!r} has no value in {_rows(missing, labels)}. Fill it in, as for the training "
            "of the model, or leave these rows out."
        )
    if kind not in "biuf":
        if kind in "mM":
            raise InputError(
                f"{name}: the column {title!r} holds times, and a model takes numbers. Leave it out: drop=[{title!r}], "
                f"or, for a series, time={title!r}."
            )
        raise InputError(
            f"{name}: the column {title!r} holds {_example_of(column)}, not numbers. Encode it as for the training of "
            f"the model, leave it out: drop=[{title!r}], or take it as the names of the rows: index={title!r}."
        )
    values = np.asarray(column.to_numpy(), np.float64)
    endless = np.flatnonzero(~np.isfinite(values) | (np.abs(values) > np.finfo(np.float32).max))
    if len(endless):
        raise InputError(
            f"{name}: the column {title!r} is infinite, or too large for float32, in {_rows(endless, labels)}. "
            "Mend the file, or leave these rows out."
        )
    return values.astype(np.float32)


def _check_no_count(column: Any, title: str, name: str) -> None:
    if len(column) < _ROWS_OF_A_COUNT or getattr(column.dtype, "kind", "O") not in "iu":
        return
    values = np.asarray(column)
    if values[0] in (0, 1) and (np.diff(values) == 1).all():
        raise InputError(
            f"{name}: the first column, {title!r}, counts the rows. If it is their name and no feature, say "
            f"index={title!r}; if it is their time, time={title!r}; if it is a feature, name the features: "
            "columns=[...]."
        )


def _rows(places: npt.NDArray[np.intp], labels: Any) -> str:
    """Name rows, counted from 1 below the header, or by their names."""
    some = [
        str(place + 1) if labels is None else repr(str(labels.iloc[place]))
        for place in places[:_NAMED_IN_A_MESSAGE]
    ]
    more = len(places) - len(some)
    return f"row{'s' if len(places) > 1 else ''} {', '.join(some)}{f' and {more} more' if more else ''}"


def _example_of(column: Any) -> str:
    value = column.iloc[0]
    shown = repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:40]}…"
    return f"text such as {shown}" if isinstance(value, str) else f"values such as {shown}"


def _listed(names: Sequence[Any]) -> str:
    some = ", ".join(map(repr, names[:20]))
    return some + (f" and {len(names) - 20} more" if len(names) > 20 else "")
