"""Causes in the weights of two layers: another order, another scale, another precision, another checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from explain.inputs.examples import Array
from explain.migration.diagnosis.hypotheses import Hypothesis, is_explained, of_inputs
from explain.migration.diagnosis.kernel_orders import flattening, gate_order
from explain.migration.diagnosis.known_causes import Diagnosis
from explain.migration.diagnosis.place import Place
from explain.migration.measurement.distance import apart, flatten_order
from explain.parameters.canonical import ParameterLayer
from explain.results.names import percent

GATES = {"lstm": "ifgo", "gru": "zrn"}
"""A letter for each gate of a recurrent layer, in canonical order."""

# Weights are the same up to float32 rounding.
_SAME = 1e-5
# Weights with at most this many values were quantised to 8 bits.
_LEVELS = 256
# Rounding to 8 bits stays below this relative L2.
_OF_ROUNDING = 0.05


@dataclass(frozen=True, eq=False)
class _Tensor:
    """One tensor of a layer that differs.

    Parameters
    ----------
    name : str
        Its name.
    expected : numpy.ndarray
        The tensor that b should have: the tensor of a, with its rows in the order of the layer's input in b.
    actual : numpy.ndarray
        The tensor that b has.
    """

    name: str
    expected: Array
    actual: Array

    @property
    def error(self) -> float:
        return apart(self.expected, self.actual)

    @property
    def is_exchanged(self) -> bool:
        """Whether height and width are exchanged."""
        return self.expected.ndim > 3 and is_explained(self.expected.swapaxes(0, 1), self.actual, 1.0)


def of_weights(place: Place, a: ParameterLayer, b: ParameterLayer) -> Diagnosis | None:
    """Explain by the tensors of two layers; None if they are the same.

    Parameters
    ----------
    place : Place
        The pair of calls.
    a, b : ParameterLayer
        The layers.
    """
    names = sorted({*a.tensors, *b.tensors})
    tensors = [_Tensor(name, _expected(place, a, b, name), _tensor_or_neutral(b, a, name)) for name in names]
    for tensor in tensors:
        if tensor.expected.shape != tensor.actual.shape and not tensor.is_exchanged:
            shapes = f"shape {tensor.expected.shape} in a and {tensor.actual.shape} in b"
            return Diagnosis("architecture", f"The {tensor.name} of {place.names} has {shapes}.")
    differing = [one for one in tensors if one.is_exchanged or one.error > _SAME]
    for tensor in differing:
        found = _of_precision(place, tensor) or _of_kernel(place, a, tensor)
        if found is not None:
            return found
    if not differing:
        return None
    listed = ", ".join(f"{tensor.name} by {percent(tensor.error)}" for tensor in differing)
    same = sorted(set(names) - {tensor.name for tensor in differing})
    rest = f"; {', '.join(same)} {'is' if len(same) == 1 else 'are'} the same" if same else ""
    return Diagnosis("weights", f"The weights of {place.names} differ: {listed}{rest}.")


def _of_kernel(place: Place, layer: ParameterLayer, tensor: _Tensor) -> Diagnosis | None:
    """Explain a kernel by the same values in another order or on another scale."""
    if "normalization" in layer.kind:
        return _of_rows(place, tensor.name, layer.tensors.get(tensor.name), tensor.actual)
    if "kernel" not in tensor.name:
        return None
    if layer.kind in GATES:
        return _of_gates(place, layer, tensor)
    if "convolution" in layer.kind:
        return _of_convolution(place, tensor)
    return _of_dense(place, layer, tensor) if layer.kind == "dense" else None


def _of_gates(place: Place, layer: ParameterLayer, tensor: _Tensor) -> Diagnosis | None:
    right = GATES[layer.kind]
    order = gate_order(tensor.expected, tensor.actual, right)
    if order is None:
        return None
    return Diagnosis(
        "gate order",
        f"The {tensor.name} of {place.names} has the gates that are {', '.join(right)} in a in the order "
        f"{', '.join(order)} in b.",
    )


def _of_convolution(place: Place, tensor: _Tensor) -> Diagnosis | None:
    if tensor.is_exchanged:
        return Diagnosis("height and width", f"The kernel of {place.names} has height and width exchanged.")
    # Treat the kernel as an input: one example, with the input channels last.
    expected, actual = (np.moveaxis(one, -2, -1)[None] for one in (tensor.expected, tensor.actual))
    found = of_inputs(expected, actual, tensor.error, shifts=False)
    if found is not None and found.cause == "channel order":
        return Diagnosis(
            found.cause, f"Of the channels that the kernel of {place.names} takes, {found.sentence}."
        )
    if found is not None and found.cause == "value range":
        return _of_scale(place, found)
    if is_explained(tensor.expected[..., ::-1, :], tensor.actual, 1.0):
        return Diagnosis(
            "channel order", f"The kernel of {place.names} takes its channels from last to first."
        )
    return None


def _of_dense(place: Place, layer: ParameterLayer, tensor: _Tensor) -> Diagnosis | None:
    found = _of_rows(place, "kernel", layer.tensors["kernel"], tensor.actual)
    if found is not None:
        return found
    if is_explained(tensor.expected.T, tensor.actual, 1.0):
        return Diagnosis("weights", f"The kernel of {place.names} is transposed.")
    scaled = of_inputs(tensor.expected.T[None], tensor.actual.T[None], tensor.error, shifts=False)
    return _of_scale(place, scaled) if scaled is not None and scaled.cause == "value range" else None


def _of_rows(place: Place, name: str, own: Array | None, actual: Array) -> Diagnosis | None:
    """Explain a tensor with one row per value of a flattened map by another order of the rows."""
    shape = place.map_before
    if shape is None or own is None or len(own) != math.prod(shape) or own.shape != actual.shape:
        return None
    rows = own if place.a.flattens_channels_last else own[flatten_order(shape)]
    flat = (math.prod(shape), -1)
    order, right = flattening(rows.reshape(flat), actual.reshape(flat), shape), place.flattened_as_in_b
    if order is None or order == right:
        return None
    return Diagnosis(
        "flatten order",
        f"The rows of the {name} of {place.names} stand for the values of the flattened map in the order {order}, but "
        f"the input in b has {'another order' if right is None else f'the order {right}'}.",
    )


def _of_scale(place: Place, found: Hypothesis) -> Diagnosis:
    """Explain a scaled kernel: in the first layer by the range of the model's inputs, else by other weights."""
    cause = "value range" if place.is_first else "weights"
    return Diagnosis(cause, f"In the kernel of {place.names}, {found.sentence}.")


def _of_precision(place: Place, tensor: _Tensor) -> Diagnosis | None:
    """Explain weights that were rounded to a lower precision in one model."""
    pair = [np.asarray(one, np.float32) for one in (tensor.expected, tensor.actual)]
    for model, (fine, coarse) in zip("ba", (pair, pair[::-1]), strict=True):
        if np.array_equal(fine.astype(np.float16).astype(np.float32), coarse):
            precision = "float16"
        elif np.array_equal(_brain_float(fine), coarse):
            precision = "bfloat16"
        elif tensor.error < _OF_ROUNDING and _has_few_levels(coarse) and not _has_few_levels(fine):
            precision = "8 bits"
        else:
            continue
        return Diagnosis(
            "precision", f"The {tensor.name} of {place.names} is rounded to {precision} in {model}."
        )
    return None


def _expected(place: Place, a: ParameterLayer, b: ParameterLayer, name: str) -> Array:
    """Give the tensor that b should have: the tensor of a, with its rows in the order of the flattened map in b."""
    tensor, (one, other) = _tensor_or_neutral(a, b, name), place.pair.inputs
    shape = place.map_before
    by_row = (a.kind == "dense" and name == "kernel") or "normalization" in a.kind
    if shape is None or one is None or other is None or one.shape != other.shape or not by_row:
        return tensor
    order = flatten_order(shape)
    moves = np.argsort(order) if place.a.flattens_channels_last else order
    return tensor[moves] if apart(one[:, moves], other) < apart(one, other) else tensor


def _tensor_or_neutral(layer: ParameterLayer, other: ParameterLayer, name: str) -> Array:
    """Give a tensor of a layer, or the neutral tensor if it has none: ones for a scale, zeros for a shift."""
    if name in layer.tensors:
        return np.asarray(layer.tensors[name])
    like = np.asarray(other.tensors[name])
    return np.ones_like(like) if name in ("gamma", "moving_variance") else np.zeros_like(like)


def _brain_float(array: Array) -> Array:
    bits = np.ascontiguousarray(array).view(np.uint32)
    # Round to the upper 16 bits, ties to even.
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def _has_few_levels(array: Array) -> bool:
    """Tell whether a tensor has few different values, in total or for each of its outputs."""
    columns = array.reshape(-1, array.shape[-1]).T if array.ndim > 1 else array[None]
    return _is_coarse(array) or all(map(_is_coarse, columns))


def _is_coarse(array: Array) -> bool:
    return len(np.unique(array)) <= min(_LEVELS, array.size // 2)
