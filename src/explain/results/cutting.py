"""Some examples of a result, with all that belongs to them."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.example_warnings import NAMED_EXAMPLES, examples_named
from explain.errors import ExampleIndexError
from explain.inputs.display import Display, shortened
from explain.inputs.layout import Layout
from explain.results.content import Array, fixed, read_only

Index = int | slice | list[int] | list[bool] | npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]
"""What selects examples, in the words of Python's types."""

# One entry for each example, on the first axis.
_BY_EXAMPLE = ("scores", "predicted", "delta", "relative_delta", "steps", "map_error", "nodes", "mask")
_TUPLES = ("target", "neuron", "texts")
_NAMES_OF_EXAMPLES = ("step_names", "example_names")

_WAYS = (
    "give a number (a[0], a[-1]), a slice (a[:3]), a list of numbers (a[[0, 2]]) or one bool for each example "
    "(a[a.scores > 0])"
)


def cut(given: Mapping[str, Any], index: Any) -> dict[str, Any]:
    """Give the fields of an attribution that differ if only some examples are kept.

    Parameters
    ----------
    given : Mapping
        The fields of an `explain.Attribution` of N examples by name, in any layout.
    index : int, slice, sequence of int or of bool
        Which examples.

    Returns
    -------
    dict
        The changed fields by name, for `dataclasses.replace`. The batch axis stays, also for one example.

    Raises
    ------
    ExampleIndexError
        If `index` does not select examples.
    """
    layout = Layout(given["layout"])
    count = int(given["values"].shape[layout.batch_axis])
    places = _places(index, count)
    changed: dict[str, Any] = {}
    for name in ("values", "inputs", "baseline"):
        array = given[name]
        if array is not None:
            # A baseline may broadcast: with fewer axes, or with one row for all examples.
            axis = layout.batch_axis - (len(layout.axes) - array.ndim)
            changed[name] = _taken(array, places, axis, count)
    for name in _BY_EXAMPLE:
        array = given[name]
        if array is not None:
            changed[name] = _taken(np.asarray(array), places, 0, count)
    if given["history"] is not None:
        changed["history"] = _taken(np.asarray(given["history"]), places, 1, count)
    for name in _TUPLES:
        entries = given[name]
        if len(entries) == count:
            changed[name] = tuple(entries[place] for place in _numbers(places, count))
    changed["display"] = _cut_display(given["display"], places, count)
    changed["notes"] = _cut_notes(given["notes"], places, count)
    return changed


def _places(index: Any, count: int) -> slice | npt.NDArray[np.intp]:
    """Convert an index to a slice, which needs no copy, or to an array of positions."""
    if isinstance(index, slice):
        try:
            start, stop, step = index.indices(count)
        except (TypeError, ValueError) as cause:
            raise ExampleIndexError(
                f"a[{_written(index)}] does not select examples ({cause}): {_WAYS}."
            ) from cause
        # What runs down to the first example cannot be written with positive numbers.
        return slice(start, stop, step) if step > 0 else np.arange(count)[index]
    if isinstance(index, tuple) or index is None or index is Ellipsis:
        raise ExampleIndexError(
            f"a[{_written(index)}] is not understood: the index of an attribution selects examples alone; {_WAYS}. "
            "For a part of the values, index a.values."
        )
    other = ExampleIndexError(f"a[{_written(index)}] does not select examples: {_WAYS}.")
    try:
        # What stands for a whole number in Python, of any class; a bool does too, and is a mistake here.
        chosen = np.asarray(index if isinstance(index, bool) else _number(index))
    except (TypeError, ValueError) as cause:
        raise other from cause
    if chosen.size == 0 and chosen.ndim == 1 and chosen.dtype.kind == "f":
        # NumPy takes an empty list for numbers of any kind.
        chosen = chosen.astype(np.intp)
    if chosen.dtype.kind == "b" and chosen.ndim == 1:
        if len(chosen) != count:
            raise ExampleIndexError(
                f"The mask has {len(chosen)} entries, and the attribution has {count} examples: give one bool for each."
            )
        return np.flatnonzero(chosen)
    if chosen.dtype.kind not in "iu" or chosen.ndim > 1:
        raise other
    outside = [int(one) for one in np.atleast_1d(chosen) if not -count <= one < count]
    if outside:
        one = "There is no example" if len(outside) == 1 else "There are no examples"
        room = f"give numbers from 0 to {count - 1}, or from −1 for the last" if count else "it is empty"
        raise ExampleIndexError(
            f"{one} {shortened(tuple(outside))[1:-1].rstrip(',')} in an attribution of {count}: {room}."
        )
    if chosen.ndim == 0:
        place = int(chosen) % count
        return slice(place, place + 1, 1)
    return np.where(chosen < 0, chosen.astype(np.intp) + count, chosen.astype(np.intp))


def _number(index: Any) -> Any:
    """Give the whole number that an object stands for, as for Python's own sequences; anything else as it is."""
    try:
        return operator.index(index)
    except TypeError:
        return index


def _written(index: Any) -> str:
    """Write an index for a message, as it is written between brackets; never the values of an array."""
    if index is Ellipsis:
        return "..."
    if isinstance(index, tuple):
        return ", ".join(map(_written, index)) + ("," if len(index) == 1 else "")
    if isinstance(index, slice):
        parts = [index.start, index.stop, *([] if index.step is None else [index.step])]
        return ":".join("" if part is None else _written(part) for part in parts)
    is_short = isinstance(index, int | float | str | bytes | list) or index is None
    return shortened(index) if is_short else f"a {type(index).__name__}"


def _numbers(places: slice | npt.NDArray[np.intp], count: int) -> list[int]:
    chosen: list[int] = np.arange(count)[places].tolist()
    return chosen


def _taken(array: Array, places: slice | npt.NDArray[np.intp], axis: int, count: int) -> Array:
    """Take some rows of an axis; an array that has not one row for each example is for all of them."""
    if not 0 <= axis < array.ndim or array.shape[axis] != count:
        return array
    rows = array[(slice(None),) * axis + (places,)]
    return read_only(rows) if isinstance(places, slice) else fixed(rows)


def _cut_display(display: Display, places: slice | npt.NDArray[np.intp], count: int) -> Display:
    changed: dict[str, Any] = {}
    for name in _NAMES_OF_EXAMPLES:
        names = getattr(display, name)
        if not names:
            continue
        chosen = _numbers(places, count)
        # The first examples may have names and the others none; a picture says so. Names of no example are left out.
        known = [place < len(names) for place in chosen]
        changed[name] = tuple(names[place] for place in chosen) if all(known) else ()
    return replace(display, **changed)


def _cut_notes(notes: tuple[str, ...], places: slice | npt.NDArray[np.intp], count: int) -> tuple[str, ...]:
    """Give examples that warnings name their new numbers; leave out the warnings about other examples alone."""
    new = {old: number for number, old in enumerate(_numbers(places, count))}
    kept = []
    for note in notes:
        named = [int(one) for group in NAMED_EXAMPLES.findall(note) for one in group.split(",")]
        if named and not set(named) & set(new):
            continue
        kept.append(NAMED_EXAMPLES.sub(lambda found: _renumbered(found, new), note))
    return tuple(kept)


def _renumbered(found: re.Match[str], new: Mapping[int, int]) -> str:
    named = examples_named([new[int(one)] for one in found.group(1).split(",") if int(one) in new])
    return found.group()[0] + named[1:]
