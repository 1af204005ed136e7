"""Whole numbers, such as the bytes of a picture, into a model that scales its input itself."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from explain.backends.layered import Layered
from explain.backends.protocol import Backend
from explain.errors import ExplainError, InputError
from explain.explanation.request import Request
from explain.inputs.arrays import converted_as_in_training
from explain.inputs.examples import Examples

# Of the largest output: above the rounding of sums in another order.
_TOLERANCE = 1e-5


def check_whole_numbers(request: Request, backend: Backend, examples: Examples) -> None:
    """Accept whole numbers only where they mean the same as floats: the model scales its input first.

    Parameters
    ----------
    request : Request
        The request; its input is whole numbers converted to floats if `Given.whole` names their type.
    backend : Backend
        The opened model, inside its session.
    examples : Examples
        The examples, in floating point.

    Raises
    ------
    InputError
        If the model does not take whole numbers, takes them for something else, or does not scale them.
    """
    whole = request.given.whole
    if whole is None:
        return
    known: dict[Hashable, Any] = backend.observed if isinstance(backend, Layered) else {}
    key = "whole numbers", whole, examples.inputs[0].shape[1:]
    if key not in known:
        known[key] = _complaint(backend, examples.rows(slice(0, 1)), whole)
    if known[key]:
        raise InputError(f"x has dtype {whole}, but {known[key]}")


def _complaint(backend: Backend, example: Examples, whole: str) -> str:
    """Say why whole numbers cannot be explained, and what to do; empty if they can."""
    name = backend.model_name
    as_in_training = converted_as_in_training("x")
    uses = backend.unscaled_uses(example) if isinstance(backend, Layered) else None
    if uses is None:
        return f"the model computes in floating point, and its operations cannot be seen: {as_in_training}"
    if uses:
        first = " and ".join(uses)
        return (
            f"the model does not scale it: the first operation of {name} on it is {first}; {as_in_training}"
        )
    floats, _ = backend.outputs(example)
    given = tuple(array.astype(whole) for array in example.inputs)
    try:
        outputs, _ = backend.outputs(example.with_inputs(given))
    except ExplainError as error:
        return (
            f"{name} scales its input, but takes no whole numbers ({str(error).splitlines()[0]}): give the same "
            "numbers as floats, x.astype('float32')."
        )
    if outputs.shape == floats.shape and np.allclose(
        outputs, floats, rtol=0, atol=_TOLERANCE * np.abs(floats).max(initial=0)
    ):
        return ""
    return (
        f"{name} computes something else from whole numbers than from the same numbers as floats (by their type): give "
        "floats in the units that it takes as floats."
    )
