"""The layout of a single input that the caller has not stated: seen from what the model reads, or asked for."""

from __future__ import annotations

from dataclasses import replace

from explain.algorithms.method import Method
from explain.backends.layered import Layered
from explain.backends.protocol import Backend
from explain.errors import LayoutError
from explain.explanation.arguments import check_kinds
from explain.explanation.request import Request
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout


def with_seen_layout(request: Request, backend: Backend) -> Request:
    """Give the request with the layout in which the model reads its input, inside the backend's session.

    Parameters
    ----------
    request : Request
        With the default layout if the caller has stated none.
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
    if given.states_layout or given.structure is not None:
        return request
    if isinstance(backend, Layered) and given.x.dtype.kind == "f":
        x = given.x.astype(backend.dtype, copy=False)
        seen = backend.layouts_seen(Examples((x,), companions=request.companions))
        # Where one fits that is the default, a method whose values are the same in each keeps it.
        if len(seen) > 1 and (given.layout not in seen or depends_on_axes(request.method)):
            raise LayoutError(_two_readings(given.x.shape, seen))
        if len(seen) == 1:
            question = replace(request.question, layout=seen[0])
            request = replace(request, given=replace(given, layout=seen[0]), question=question)
            backend.question = question
    check_kinds(request.method, [request.given.layout])
    return request


def depends_on_axes(method: Method) -> bool:
    """Tell whether the values of a method depend on which axis is which: whether it hides or blurs places."""
    return method.of_whole_places or not method.takes_inputs_together


def _two_readings(shape: tuple[int, ...], seen: tuple[Layout, ...]) -> str:
    """Name the layouts that fit."""
    choices = " or ".join(f"layout={one.axes!r} ({one.words})" for one in seen)
    return (
        f"x has shape {shape}, and what the model reads first fits more than one meaning of its axes, which give "
        f"different maps: give {choices}."
    )
