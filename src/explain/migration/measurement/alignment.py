"""Pairs of layers of two models: their inputs, their outputs, and how far apart these are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from explain.backends.observation import ObservedCall
from explain.inputs.examples import Array
from explain.migration.measurement.distance import difference, without_zeros_around
from explain.migration.measurement.matching import Match, ObservedModel, Parts, matched_calls


@dataclass(frozen=True, eq=False)
class Aligned:
    """Two calls, one in each model, of corresponding layers.

    Parameters
    ----------
    a, b : ObservedCall
        The calls.
    inputs : tuple of numpy.ndarray
        The inputs of the calls; if several layers correspond to one layer of the other model, the input of the first.
        None if they were not observed. Zeros that only one model pads with before the layer are removed.
    parts : tuple of (ParameterLayer, ParameterLayer)
        The parameters of the two layers, part by part; empty for layers without parameters.
    zeros : str
        A description of the removed zeros; empty if none were removed.
    error : float
        Relative L2 of the outputs; infinite if their shapes differ.
    before : float, optional
        Relative L2 of the inputs; None if they cannot be compared.
    """

    a: ObservedCall
    b: ObservedCall
    inputs: tuple[Array | None, Array | None]
    parts: Parts
    zeros: str
    error: float
    before: float | None


def aligned_calls(a: ObservedModel, b: ObservedModel) -> tuple[Aligned, ...]:
    """Align the calls of two models' layers, in the order in which the first model makes them."""
    calls = a.observation.calls, b.observation.calls
    found = []
    for match in matched_calls(a, b):
        one, other = calls[0][match.a], calls[1][match.b]
        inputs, zeros = _without_padding(calls[0][match.begins[0]].inputs, calls[1][match.begins[1]].inputs)
        error = _gap(a, b, match, (one.outputs, other.outputs), one.operation)
        before = None
        if inputs[0] is not None and inputs[1] is not None:
            gap = _gap(a, b, match, (inputs[0], inputs[1]))
            before = None if math.isinf(gap) else gap
        found.append(Aligned(one, other, inputs, match.parts, zeros, error, before))
    return tuple(found)


def _without_padding(a: Array | None, b: Array | None) -> tuple[tuple[Array | None, Array | None], str]:
    """Remove zeros around the input of a layer that only one model pads with, and describe them."""
    if a is None or b is None:
        return (a, b), ""
    one, other = without_zeros_around(a, b)
    padded = a.shape != b.shape and one.shape == other.shape
    return (one, other), f"zeros make it {a.shape[1:-1]} in a and {b.shape[1:-1]} in b" if padded else ""


def _gap(
    a: ObservedModel, b: ObservedModel, match: Match, arrays: tuple[Array, Array], operation: str = ""
) -> float:
    """Give the distance of two arrays, in any order of axes and flattened values that the models may use."""
    first, second = arrays
    alike = a.flattens_channels_last == b.flattens_channels_last
    flat = None if alike or first.ndim != 2 else a.flattened_before(match.a, first.shape[1])
    error = difference(first, second, operation, flat, a.flattens_channels_last)
    known = a.observation.calls[match.a].has_known_axes and b.observation.calls[match.b].has_known_axes
    if first.ndim < 3 or known:
        return error
    turned = (np.moveaxis(first, 1, -1), second), (first, np.moveaxis(second, 1, -1))
    return min(error, *(difference(*pair) for pair in turned))
