"""Converts the caller's target to one scalar per example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from explain.errors import TargetError
from explain.inputs.examples import Array, Target
from explain.inputs.naming.brief import brief

TargetLike = (
    int
    | str
    | Sequence[int]
    | Sequence[str]
    | tuple[int, ...]
    | Sequence[tuple[int, ...]]
    | Array
    | Callable[[Any], Any]
    | None
)
TargetLabels = tuple[int | tuple[int, ...] | str | None, ...]


def predicted_classes(outputs: Array) -> npt.NDArray[np.int64] | None:
    """Give the class with the greatest output, shape (N,), or None if outputs are not (N, classes)."""
    if outputs.ndim != 2 or outputs.shape[1] < 2:
        return None
    classes: npt.NDArray[np.int64] = outputs.argmax(axis=1).astype(np.int64)
    return classes


def expected_target(target: TargetLike, count: int) -> Target:
    """Give the target as far as it is known before the outputs; without indices if it depends on them.

    Examples
    --------
    >>> expected_target(3, 2).indices.tolist(), expected_target(None, 2).indices
    ([[3], [3]], None)
    """
    if target is None or callable(target):
        return Target(function=target if callable(target) else None)
    if _is_int(target):
        return Target(indices=np.full((count, 1), target, np.int64))
    rows = _rows_of(target, count)
    if len({len(row) for row in rows}) != 1:
        return Target()
    return Target(indices=np.array(rows, np.int64).reshape(count, -1))


def resolve_target(target: TargetLike, outputs: Array, name: str = "target") -> tuple[Target, TargetLabels]:
    """Turn `target` into indices into the outputs, or keep the callable.

    Parameters
    ----------
    target : None, int, sequence of int, tuple of int, sequence of tuple of int, or callable
        None takes the predicted class of each example (or the only output); an int applies to all; a list or
        array has one int per example; a tuple is one index into outputs of higher rank; a list of tuples has
        one such index per example; a callable takes outputs and gives one scalar per example.
    outputs : numpy.ndarray
        The outputs that are explained, shape (N, ...).
    name : str
        The name of the argument in messages.

    Returns
    -------
    Target
        The resolved target.
    tuple
        The record for the result, one entry per example.

    Raises
    ------
    TargetError
        If the target is out of range, of another length than the batch, or not an index at all.

    Examples
    --------
    >>> import numpy as np
    >>> resolve_target(None, np.array([[0.1, 0.9], [0.8, 0.2]]))[1]
    (1, 0)
    """
    count, shape = outputs.shape[0], outputs.shape[1:]
    if callable(target):
        name = getattr(target, "__name__", type(target).__name__)
        return Target(function=target), (name,) * count
    if target is None:
        return _default_target(outputs)
    rows = _rows_of(target, count)
    if len(shape) == 1 and all(len(row) == 1 and 0 <= row[0] < shape[0] for row in rows):
        return Target(indices=np.array(rows, np.int64).reshape(count, 1)), tuple(row[0] for row in rows)
    if shape == () and any(row not in ((), (0,)) for row in rows):
        raise TargetError(
            f"{name}={brief(target)}, but the model has a single output per example (outputs have shape "
            f"{outputs.shape}): leave target out."
        )
    if shape == ():
        rows = [()] * count
    for row in rows:
        if len(row) != len(shape):
            raise TargetError(
                f"{name}={brief(target)} gives {len(row)} {'index' if len(row) == 1 else 'indices'} per example, but "
                f"the outputs of one example have shape {shape}: "
                + (
                    _as_class_numbers(target)
                    or f"give {len(shape)}, as a tuple such as {name}={tuple(0 for _ in shape)!r}, or a callable from "
                    "outputs to one scalar per example."
                )
            )
        for index, size in zip(row, shape, strict=True):
            if not 0 <= index < size:
                raise TargetError(
                    f"{name}={brief(target)} is out of range: the outputs of one example have shape {shape}, so "
                    f"{index} should be from 0 to {size - 1}."
                )
    indices = np.array(rows, np.int64).reshape(count, len(shape))
    return Target(indices=indices), tuple(row[0] if len(row) == 1 else row or None for row in rows)


def picked(outputs: Array, indices: npt.NDArray[np.int64]) -> Array:
    """Pick one number per example from outputs of shape (N, ...).

    Examples
    --------
    >>> picked(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]])).tolist()
    [2.0, 3.0]
    """
    # For a single example a view is faster than indices.
    rows = slice(None) if len(outputs) == 1 else np.arange(len(outputs))
    found: Array = outputs[(rows, *(indices[0] if len(outputs) == 1 else indices.T))]
    return found


def _default_target(outputs: Array) -> tuple[Target, TargetLabels]:
    """Take the only output, or the predicted class of each example."""
    count, shape = outputs.shape[0], outputs.shape[1:]
    if int(np.prod(shape)) == 1:
        return Target(indices=np.zeros((count, len(shape)), np.int64)), (None,) * count
    classes = predicted_classes(outputs)
    if classes is None:
        raise TargetError(
            f"target=None takes the predicted class, but the outputs of one example have shape {shape}, not "
            f"(classes,): give one index into them, as a tuple such as target={tuple(0 for _ in shape)!r}, or a "
            "callable from outputs to one scalar per example."
        )
    return Target(indices=classes[:, np.newaxis]), tuple(int(one) for one in classes)


def _rows_of(target: Any, count: int) -> list[tuple[int, ...]]:
    """Spread a target over the batch: one tuple of indices per example."""
    if _is_int(target):
        return [(int(target),)] * count
    if type(target) is list and len(target) == count and all(type(index) is int for index in target):
        return [(index,) for index in target]
    if isinstance(target, tuple) and target and all(_is_int(index) for index in target):
        return [tuple(int(index) for index in target)] * count
    # A framework's tensor of class numbers counts as a list of them.
    listed = (
        target.tolist()
        if hasattr(target, "tolist")
        else target.numpy().tolist()
        if hasattr(target, "numpy")
        else target
    )
    if _is_int(listed):
        return [(int(listed),)] * count
    if isinstance(listed, (list, tuple, range)):
        rows = [tuple(row) if isinstance(row, (list, tuple)) else (row,) for row in listed]
        if all(_is_int(index) for row in rows for index in row):
            if len(rows) != count:
                raise TargetError(
                    f"target has {len(rows)} entries for a batch of {count}: give one per example, or one int "
                    "for all."
                )
            return [tuple(int(index) for index in row) for row in rows]
    raise TargetError(
        f"target={brief(target)} is not a target: "
        + (
            _as_class_numbers(target)
            or "give None (the predicted class), an int, a list with one int an example, a tuple (one index into "
            "outputs of higher rank), a list of such tuples, or a callable from outputs to one scalar per example."
        )
    )


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.bool_))


def _as_class_numbers(target: Any) -> str:
    """Say how labels in another form become the numbers of classes; empty if they are no such labels.

    Examples
    --------
    >>> _as_class_numbers(np.eye(3))
    'it looks one-hot; give the number of each class, np.argmax(target, axis=-1).'
    """
    if isinstance(target, (bool, np.bool_)):
        return f"give target={int(target)} for the class of that number."
    try:
        array = np.asarray(target.tolist() if hasattr(target, "tolist") else target)
    except ValueError:
        return ""
    if array.dtype.kind not in "fiub" or not array.size:
        return ""
    if array.dtype.kind == "f" and array.ndim < 2 and not (array % 1).any():
        whole = f"target={int(array)}" if array.ndim == 0 else "np.asarray(target).astype(int)"
        return f"its numbers are floats; give whole numbers, {whole}."
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array
    is_one_hot = rows.shape[-1:] > (1,) and np.isin(rows, (0, 1)).all() and (rows.sum(axis=-1) == 1).all()
    if is_one_hot or (array.ndim == 2 and array.dtype.kind == "f"):
        looks = "looks one-hot" if is_one_hot else "has a number for each class"
        return f"it {looks}; give the number of each class, np.argmax(target, axis=-1)."
    return ""
