"""Series from data frames: each file one series, or several in one file that a column tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError
from explain.inputs.readers.columns import Columns, rows_of
from explain.inputs.readers.limits import check_bytes

# How far steps of time may be from even, as a part of them.
_UNEVEN = 1e-3


@dataclass(frozen=True, eq=False)
class Series:
    """Series of one or several lengths.

    Attributes
    ----------
    values : numpy.ndarray of float32, shape (N, T, C)
        Shorter series have zeros after their end.
    lengths : numpy.ndarray of int64, shape (N,), optional
        The number of steps of each; None if all are equally long.
    names : tuple of str
        The names of the series.
    features : tuple of str
        The names of the channels.
    sampling_rate : float, optional
        Steps per second, where a column of times in seconds, or of dates, tells it.
    """

    values: npt.NDArray[np.float32]
    lengths: npt.NDArray[np.int64] | None
    names: tuple[str, ...]
    features: tuple[str, ...] = ()
    sampling_rate: float | None = None


def series_of(
    frames: Sequence[tuple[str, Any]], columns: Columns, by: str | None = None, time: str | None = None
) -> Series:
    """Give the series of data frames: one of each, or one of each value of a column.

    Parameters
    ----------
    frames : sequence of (str, pandas.DataFrame)
        The name of each file, and its rows: the steps, in order.
    columns : Columns
        Which columns are channels.
    by : str, optional
        The column that tells the series of one file apart, such as a patient.
    time : str, optional
        The column of times, which is no channel: its values must ascend.

    Raises
    ------
    InputError
        If files have other columns than the first, or times do not ascend.

    Examples
    --------
    >>> import pandas
    >>> frame = pandas.DataFrame({"who": ["a", "a", "b"], "pulse": [60, 61, 70]})
    >>> found = series_of([("hearts.csv", frame)], Columns(), by="who")
    >>> found.values.shape, found.lengths.tolist(), found.names
    ((2, 2, 1), [2, 1], ('a', 'b'))
    """
    names: list[str] = []
    parts: list[npt.NDArray[np.float32]] = []
    rates: list[float | None] = []
    features: tuple[str, ...] | None = None
    kept = [one for one in (by, time) if one is not None]
    for file, frame in frames:
        rows = rows_of(frame, columns, file, kept)
        if features is not None and (rows.features, rows.values.shape[1]) != (features, parts[0].shape[1]):
            raise InputError(
                f"{file} has the channels {rows.features or rows.values.shape[1]}, and {frames[0][0]} "
                f"{features or parts[0].shape[1]}. Give files with the same columns, or name them: columns=[...]."
            )
        features = rows.features
        for label, places in _groups(frame, by, file):
            names.append(file if by is None else label)
            parts.append(rows.values[places])
            if time is not None:
                rates.append(_rate(frame[time].iloc[places], time, names[-1]))
    values, lengths = padded(parts, names[0])
    return Series(values, lengths, tuple(names), features or (), _one_rate(rates))


def padded(
    parts: Sequence[npt.NDArray[np.float32]], name: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64] | None]:
    """Stack series (T, C) of several lengths, with zeros after the end of the shorter ones.

    Examples
    --------
    >>> values, lengths = padded([np.ones((2, 1), np.float32), np.ones((1, 1), np.float32)], "a.csv")
    >>> values[..., 0].tolist(), lengths.tolist()
    ([[1.0, 1.0], [1.0, 0.0]], [2, 1])
    """
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    shape = (len(parts), int(lengths.max()), *parts[0].shape[1:])
    check_bytes(4 * int(np.prod(shape, dtype=object)), name, f"with the others, a batch of shape {shape}")
    values = np.zeros(shape, dtype=np.float32)
    for row, part in zip(values, parts, strict=True):
        row[: len(part)] = part
    return values, None if (lengths == lengths[0]).all() else lengths


def _one_rate(rates: list[float | None]) -> float | None:
    """Give the rate that all series have."""
    known = [rate for rate in rates if rate is not None]
    if not known or len(known) < len(rates) or max(known) - min(known) > _UNEVEN * known[0]:
        return None
    return known[0]


def _groups(frame: Any, by: str | None, file: str) -> list[tuple[str, npt.NDArray[np.intp]]]:
    """Give the rows of each series, in the order of their first rows."""
    if by is None:
        return [(file, np.arange(len(frame)))]
    if frame[by].isna().any():
        row = int(np.flatnonzero(np.asarray(frame[by].isna()))[0]) + 1
        raise InputError(
            f"{file}: the column {by!r}, which tells the series apart, has no value in row {row}."
        )
    codes, labels = frame[by].factorize()
    return [(str(label), np.flatnonzero(codes == code)) for code, label in enumerate(labels)]


def _rate(times: Any, title: str, name: str) -> float | None:
    """Give the steps per second of times that ascend; None if they are not even."""
    import pandas

    if getattr(times.dtype, "kind", "O") not in "iufmM":
        try:
            times = pandas.to_datetime(times, format="ISO8601")
        except (ValueError, TypeError) as cause:
            raise InputError(
                f"{name}: the column time={title!r} holds neither numbers nor dates ({cause}). Write dates as "
                f"2026-11-29 18:30, or leave the column out: drop=[{title!r}], if the rows are in order."
            ) from cause
    dates = times.dtype.kind in "mM"
    seconds = (times - times.iloc[0]).dt.total_seconds() if dates else times
    steps = np.diff(np.asarray(seconds, np.float64))
    if not (steps > 0).all():
        row = int(np.flatnonzero(~(steps > 0))[0]) + 2
        raise InputError(
            f"{name}: the column time={title!r} does not ascend at step {row}. Sort the rows by time; if the file "
            "has several series, name the column that tells them apart: series='...'."
        )
    if not len(steps) or steps.max() - steps.min() > _UNEVEN * steps.mean():
        return None
    return float(1 / steps.mean())
