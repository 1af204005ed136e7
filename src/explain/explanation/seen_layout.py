"""The layouts of inputs that the caller has not stated: seen from what the model reads, or asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from explain.algorithms.method import Method
from explain.backends.layered import Layered
from explain.backends.operations.first_reads import Read, layouts_read, series_read
from explain.backends.protocol import Backend
from explain.backends.stepwise import check_single_steps
from explain.errors import ExplainError, LayoutError
from explain.explanation.arguments import check_kinds
from explain.explanation.given_inputs import GivenInput
from explain.explanation.request import Request
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.public_calls.passes import uncounted


def with_seen_layout(request: Request, backend: Backend) -> Request:
    """Give the request with the layouts in which the model reads its inputs, inside the backend's session.

    Parameters
    ----------
    request : Request
        With the default layout for each input whose layout the caller has not stated.
    backend : Backend
        The opened model; it takes the layout too.

    Raises
    ------
    LayoutError
        If two layouts fit and the method's values differ between them.
    UnsupportedInputError
        If the method does not apply to inputs of the layout.
    """
    given = request.given
    if isinstance(backend, Layered) and not given.states_layout:
        moved = (
            (given.as_one,)
            if given.structure is None
            else tuple(one for one in given.several if one.is_moved)
        )
        dtype = backend.dtype
        seen = _seen(request, backend, moved, dtype)
        if not seen:
            _check_kinds(request)
            return request
        several = tuple(replace(one, layout=seen.get(one.name, one.layout)) for one in given.several)
        first = next(iter(moved), None)
        layout = given.layout if first is None else seen.get(first.name, given.layout)
        question = replace(request.question, layout=layout)
        request = replace(request, given=replace(given, layout=layout, several=several), question=question)
        backend.question = question
    _check_kinds(request)
    return request


def _check_kinds(request: Request) -> None:
    given = request.given
    if given.structure is None and not given.states_layout:
        check_kinds(request.method, [given.layout])


def _seen(
    request: Request, backend: Layered, moved: Sequence[GivenInput], dtype: np.dtype[Any]
) -> dict[str, Layout]:
    """Give the layouts that are seen and are not the default ones, by the name of the input."""
    found: dict[str, Layout] = {}
    for place, one in enumerate(moved):
        if one.states_layout or not one.is_moved:
            continue
        seen = _layouts_read(request, backend, moved, place, dtype)
        # Where the default fits best, a method whose values are the same in each keeps it.
        if len(seen) > 1 and (one.layout != seen[0] or depends_on_axes(request.method)):
            raise LayoutError(_two_readings(one, seen))
        if len(seen) == 1 and seen[0] != one.layout:
            found[one.name] = seen[0]
    return found


def _layouts_read(
    request: Request, backend: Layered, moved: Sequence[GivenInput], place: int, dtype: np.dtype[Any]
) -> tuple[Layout, ...]:
    """Give the layouts in which the model reads one of its inputs, cached with the structure of the model.

    Gives none if nothing tells, several if each of them fits.

    Raises
    ------
    LayoutError
        If the model takes one step at a time, and x may be one sequence or several.
    """
    given, inspection, whole = moved[place], backend.inspection, request.given.whole
    default, is_table = given.layout, bool(given.display.feature_names)
    shapes = [one.layout.to_batch_first(one.host).shape for one in moved if one.host is not None]
    if inspection.stepwise:
        check_single_steps(shapes[place])
    may_be_series = default.axes == "NC" and not is_table
    if (len(shapes[place]) < 3 and not may_be_series) or inspection.stepwise or inspection.opaque:
        return ()
    if default.axes[0] != "N":
        return ()
    known, key = backend.observed, ("layouts", whole, tuple(shape[1:] for shape in shapes), place, default)
    if key in known:
        seen: tuple[Layout, ...] = known[key]
        return seen
    one = request.given.examples(dtype, request.companions).rows(slice(0, 1))
    array, before, after = one.inputs[place], one.inputs[:place], one.inputs[place + 1 :]

    def run(other: Array, most: int) -> Sequence[Read]:
        # A model may take whole numbers in their own type only.
        for values in (other,) if whole is None else (other, other.astype(whole)):
            # What the model cannot do with the example, the next run of it reports.
            with suppress(ExplainError), uncounted():
                return backend.first_reads(one.with_inputs((*before, values, *after)), most)
        return ()

    found: tuple[Layout, ...] = ()
    if not may_be_series:
        found = layouts_read(array, default, run)
    elif series_read(array, run):
        found = (Layout("NT"),)
    known[key] = found
    return found


def depends_on_axes(method: Method) -> bool:
    """Tell whether the values of a method depend on which axis is which: whether it hides or blurs places."""
    return method.of_whole_places or not method.takes_inputs_together


def _two_readings(given: GivenInput, seen: Sequence[Layout]) -> str:
    """Name the layouts that fit."""
    assert given.host is not None
    choices = " or ".join(f"layout={one.axes!r} ({one.words})" for one in seen)
    which = f"x[{given.name!r}]" if given.name else "x"
    for_each = (
        " for it, in the structure of x, with None for each input that keeps the usual one"
        if given.name
        else ""
    )
    return (
        f"{which} has shape {given.host.shape}, and what the model reads first fits more than one meaning of its axes, "
        f"which give different maps: give {choices}{for_each}."
    )
