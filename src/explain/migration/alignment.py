"""The layers of two models side by side: what reaches them, what they give, and how far it is apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from explain.examples import Array
from explain.migration.distance import difference, without_zeros_around
from explain.migration.matching import Model, Parts, matched_calls
from explain.observation import ObservedCall


@dataclass(frozen=True, eq=False)
class Aligned:
    """Two calls of layers that do the same in the two models.

    Parameters
    ----------
    a, b : ObservedCall
        Of either model.
    inputs : tuple of numpy.ndarray
        What reaches them, or the first layer of several that are one in the other model; None where it was not seen.
        Zeros that only one model has put around it before are left off.
    parts : tuple of (ParameterLayer, ParameterLayer)
        The parameters of the two, part by part; none for layers without any.
    zeros : str
        Which zeros were left off, empty if none.
    error : float
        Relative L2 of what they give; infinite if it has not the same shape.
    before : float, optional
        The same of what reaches them; None if it cannot be compared.
    """

    a: ObservedCall
    b: ObservedCall
    inputs: tuple[Array | None, Array | None]
    parts: Parts
    zeros: str
    error: float
    before: float | None


def aligned_calls(a: Model, b: Model) -> tuple[Aligned, ...]:
    """Align the calls of two models' layers, in the order in which the first model makes them."""
    calls = a.observation.calls, b.observation.calls
    alike = a.flattens_channels_last == b.flattens_channels_last
    found = []
    for match in matched_calls(a, b):
        one, other = calls[0][match.a], calls[1][match.b]
        inputs = calls[0][match.begins[0]].inputs, calls[1][match.begins[1]].inputs
        zeros = ""
        if inputs[0] is not None and inputs[1] is not None:
            whole = [one.shape[1:-1] for one in inputs if one is not None]
            inputs = without_zeros_around(inputs[0], inputs[1])
            if whole[0] != whole[1] and inputs[0].shape == inputs[1].shape:
                zeros = f"zeros make it {whole[0]} in a and {whole[1]} in b"

        def gap(first: Array, second: Array, operation: str = "", place: int = match.a) -> float:
            flat = None if alike or first.ndim != 2 else a.flattened_before(place, first.shape[1])
            return difference(first, second, operation, flat, a.flattens_channels_last)

        error = gap(one.outputs, other.outputs, one.operation)
        before = None
        if inputs[0] is not None and inputs[1] is not None:
            found_gap = gap(inputs[0], inputs[1])
            before = None if math.isinf(found_gap) else found_gap
        found.append(Aligned(one, other, inputs, match.parts, zeros, error, before))
    return tuple(found)
