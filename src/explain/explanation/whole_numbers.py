"""Whole numbers and booleans: scaled by the model itself, such as the bytes of a picture, or quantities as they are."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from explain.algorithms.catalogue import methods
from explain.backends.layered import Layered
from explain.backends.protocol import Backend
from explain.errors import ExplainError, InputError
from explain.explanation.request import Request
from explain.inputs.arrays import converted_as_in_training, to_host
from explain.inputs.examples import Array, Examples

# Of the largest output: above the rounding of sums in another order.
_TOLERANCE = 1e-5

_BYTES = "uint8"


def with_own_numbers(request: Request, backend: Backend, examples: Examples) -> Examples:
    """Give the examples with their whole numbers or booleans as the model takes them.

    They stay floats where the model scales its input, so that they mean the same as floats. Otherwise a method whose
    points have only values of x and of the baseline gets them in their own type, which a model may assert.

    Parameters
    ----------
    request : Request
        The request; its input is whole numbers or booleans converted to floats if `Given.whole` names their type.
    backend : Backend
        The opened model, inside its session.
    examples : Examples
        The examples, in floating point.

    Raises
    ------
    InputError
        If the method needs floats and the model takes whole numbers for something else, does not scale them, or takes
        no floats; or if the model takes neither; or bytes that it does not scale.
    """
    whole = request.given.whole
    if whole is None:
        return examples
    own = examples.with_inputs((_own_numbers(request),))
    known: dict[Hashable, Any] = backend.observed if isinstance(backend, Layered) else {}
    key = "whole numbers", whole, examples.inputs[0].shape[1:]
    if key not in known:
        first = slice(0, 1)
        known[key] = _complaint(backend, examples.rows(first), own.rows(first), whole)
    complaint, takes_own_type = known[key]
    if not complaint:
        return examples
    if takes_own_type and request.method.keeps_values:
        return own
    keep = " or ".join(repr(row.name) for row in methods() if row.keeps_values)
    kept = (
        f" The model takes {whole}, and some methods keep the numbers as they are: method={keep}."
        if takes_own_type
        else ""
    )
    raise InputError(f"x has dtype {whole}, but {complaint}{kept}")


def _own_numbers(request: Request) -> Array:
    """Give the input in its own type, batch first."""
    host = to_host(request.given.like, request.extension)
    assert host is not None, "the input was copied to the host before"
    return np.ascontiguousarray(request.question.layout.to_batch_first(host))


def _complaint(backend: Backend, example: Examples, own: Examples, whole: str) -> tuple[str, bool]:
    """Say why whole numbers cannot be floats, and what to do; and whether the model takes them in their own type.

    The first is empty if they can be floats.
    """
    name = backend.model_name
    as_in_training = converted_as_in_training("x")
    try:
        uses = backend.unscaled_uses(example) if isinstance(backend, Layered) else None
        floats, _ = backend.outputs(example)
    except ExplainError as error:
        takes = not isinstance(_outputs(backend, own), ExplainError)
        remedy = "." if takes else f": {as_in_training}"
        return f"{name} does not take the same numbers as floats ({_said(error)}){remedy}", takes
    outputs = _outputs(backend, own)
    failed = isinstance(outputs, ExplainError)
    same = not isinstance(outputs, ExplainError) and _are_same(outputs, floats)
    if uses is None or uses:
        seen = (
            "the model computes in floating point, and its operations cannot be seen: "
            if uses is None
            else f"the model does not scale it: the first operation of {name} on it is {' and '.join(uses)}; "
        )
        # Pictures are read as bytes, and models trained on floats: what a model only casts are bytes by mistake.
        by_mistake = whole == _BYTES and same
        if by_mistake:
            as_in_training += " If these bytes are the quantities themselves, give x.astype('int32')."
        return seen + as_in_training, not failed and not by_mistake
    if isinstance(outputs, ExplainError):
        return (
            f"{name} scales its input, but takes no whole numbers ({_said(outputs)}): give the same numbers as "
            "floats, x.astype('float32').",
            False,
        )
    if same:
        return "", True
    return (
        f"{name} computes something else from whole numbers than from the same numbers as floats (by their type): give "
        "floats in the units that it takes as floats.",
        True,
    )


def _outputs(backend: Backend, own: Examples) -> Array | ExplainError:
    """Give the outputs for numbers in their own type, or the error."""
    try:
        return backend.outputs(own)[0]
    except ExplainError as error:
        return error


def _are_same(outputs: Array, floats: Array) -> bool:
    room = _TOLERANCE * np.abs(floats).max(initial=0)
    return outputs.shape == floats.shape and np.allclose(outputs, floats, rtol=0, atol=room)


def _said(error: ExplainError) -> str:
    return str(error).splitlines()[0]
