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
from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout


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
        several = tuple(replace(one, layout=seen.get(one.name, one.layout)) for one in given.several)
        first = next(iter(moved), None)
        layout = given.layout if first is None else seen.get(first.name, given.layout)
        question = replace(request.question, layout=layout)
        request = replace(request, given=replace(given, layout=layout, several=several), question=question)
        backend.question = question
    if given.structure is None and not given.states_layout:
        check_kinds(request.method, [request.given.layout])
    return request


def _seen(
    request: Request, backend: Layered, moved: Sequence[GivenInput], dtype: np.dtype[Any]
) -> dict[str, Layout]:
    """Give the layouts that are seen, by the name of the input."""
    examples = request.given.examples(dtype, request.companions)
    found: dict[str, Layout] = {}
    for place, one in enumerate(moved):
        if one.states_layout or not one.is_moved:
            continue
        seen = _layouts_read(backend, examples, one, place, request.given.whole)
        # Where the default fits best, a method whose values are the same in each keeps it.
        if len(seen) > 1 and (one.layout != seen[0] or depends_on_axes(request.method)):
            raise LayoutError(_two_readings(one, seen))
        if len(seen) == 1:
            found[one.name] = seen[0]
    return found


def _layouts_read(
    backend: Layered, examples: Examples, given: GivenInput, place: int, whole: str | None
) -> tuple[Layout, ...]:
    """Give the layouts in which the model reads one of its inputs, cached with the structure of the model.

    Gives none if nothing tells, several if each of them fits.

    Raises
    ------
    LayoutError
        If the model takes one step at a time, and x may be one sequence or several.
    """
    one, inspection = examples.rows(slice(0, 1)), backend.inspection
    default, is_table = given.layout, bool(given.display.feature_names)
    array, before, after = one.inputs[place], one.inputs[:place], one.inputs[place + 1 :]
    if inspection.stepwise:
        check_single_steps(examples.inputs[place].shape)
    may_be_series = default.axes == "NC" and not is_table
    if (array.ndim < 3 and not may_be_series) or inspection.stepwise or inspection.opaque:
        return ()
    if default.axes[0] != "N":
        return ()

    def run(other: Array, most: int) -> Sequence[Read]:
        # A model may take whole numbers in their own type only.
        for values in (other,) if whole is None else (other, other.astype(whole)):
            # What the model cannot do with the example, the next run of it reports.
            with suppress(ExplainError):
                return backend.first_reads(one.with_inputs((*before, values, *after)), most)
        return ()

    known, key = (
        backend.observed,
        ("layouts", whole, tuple(other.shape[1:] for other in one.inputs), place, default),
    )
    if key not in known:
        if may_be_series:
            known[key] = (Layout("NT"),) if series_read(array, run) else ()
        else:
            known[key] = layouts_read(array, default, run)
    found: tuple[Layout, ...] = known[key]
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
