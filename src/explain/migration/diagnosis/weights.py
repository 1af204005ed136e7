"""Why the weights of two layers differ: another order, another scale, another precision, another checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from explain.inputs.examples import Array
from explain.migration.diagnosis.hypotheses import Hypothesis, flattening, gate_order, is_explained, of_inputs
from explain.migration.diagnosis.known_causes import Diagnosis, Here
from explain.migration.measurement.distance import apart, flatten_order
from explain.parameters.canonical import ParameterLayer
from explain.results.names import percent

GATES = {"lstm": "ifgo", "gru": "zrn"}
"""A letter for every gate of a recurrent layer that has gates, in their canonical order."""

# Rounding of float32 in weights that were only moved.
_SAME = 1e-5
# Values on a grid of so many levels are those of whole numbers of 8 bits.
_LEVELS = 256
# Rounding to 8 bits moves weights by less.
_OF_ROUNDING = 0.05


@dataclass(frozen=True, eq=False)
class _Tensor:
    """One tensor of a layer that differs.

    Parameters
    ----------
    name : str
        What it is.
    expected : numpy.ndarray
        What b should hold: what a holds, in the order in which values reach the layer in b.
    held : numpy.ndarray
        What b holds.
    """

    name: str
    expected: Array
    held: Array

    @property
    def error(self) -> float:
        return apart(self.expected, self.held)

    @property
    def is_exchanged(self) -> bool:
        """Whether height and width are exchanged."""
        return self.expected.ndim > 3 and is_explained(self.expected.swapaxes(0, 1), self.held, 1.0)


def of_weights(here: Here, a: ParameterLayer, b: ParameterLayer) -> Diagnosis | None:
    """Explain a divergence by what two layers hold; None if it is the same.

    Parameters
    ----------
    here : Here
        Where.
    a, b : ParameterLayer
        The layers.
    """
    names = sorted({*a.tensors, *b.tensors})
    tensors = [_Tensor(name, _expected(here, a, b, name), _held(b, a, name)) for name in names]
    for tensor in tensors:
        if tensor.expected.shape != tensor.held.shape and not tensor.is_exchanged:
            shapes = f"shape {tensor.expected.shape} in a and {tensor.held.shape} in b"
            return Diagnosis("architecture", f"The {tensor.name} of {here.names} has {shapes}.")
    differing = [one for one in tensors if one.is_exchanged or one.error > _SAME]
    for tensor in differing:
        found = _of_precision(here, tensor) or _of_kernel(here, a, tensor)
        if found is not None:
            return found
    if not differing:
        return None
    listed = ", ".join(f"{tensor.name} by {percent(tensor.error)}" for tensor in differing)
    same = sorted(set(names) - {tensor.name for tensor in differing})
    rest = f"; {', '.join(same)} {'is' if len(same) == 1 else 'are'} the same" if same else ""
    return Diagnosis("weights", f"The weights of {here.names} differ: {listed}{rest}.")


def _of_kernel(here: Here, layer: ParameterLayer, tensor: _Tensor) -> Diagnosis | None:
    """Explain a kernel by its own values in another order or on another scale."""
    if "normalization" in layer.kind:
        return _of_rows(here, tensor.name, layer.tensors.get(tensor.name), tensor.held)
    if "kernel" not in tensor.name:
        return None
    if layer.kind in GATES:
        return _of_gates(here, layer, tensor)
    if "convolution" in layer.kind:
        return _of_convolution(here, tensor)
    return _of_dense(here, layer, tensor) if layer.kind == "dense" else None


def _of_gates(here: Here, layer: ParameterLayer, tensor: _Tensor) -> Diagnosis | None:
    right = GATES[layer.kind]
    order = gate_order(tensor.expected, tensor.held, right)
    if order is None:
        return None
    return Diagnosis(
        "gate order",
        f"The {tensor.name} of {here.names} holds the gates that are {', '.join(right)} in a in the order "
        f"{', '.join(order)} in b.",
    )


def _of_convolution(here: Here, tensor: _Tensor) -> Diagnosis | None:
    if tensor.is_exchanged:
        return Diagnosis("height and width", f"The kernel of {here.names} has height and width exchanged.")
    # As if it were one example, the channels that it takes at the end.
    expected, held = (np.moveaxis(one, -2, -1)[None] for one in (tensor.expected, tensor.held))
    found = of_inputs(expected, held, tensor.error, shifts=False)
    if found is not None and found.cause == "channel order":
        return Diagnosis(
            found.cause, f"Of the channels that the kernel of {here.names} takes, {found.sentence}."
        )
    if found is not None and found.cause == "value range":
        return _of_scale(here, found)
    if is_explained(tensor.expected[..., ::-1, :], tensor.held, 1.0):
        return Diagnosis(
            "channel order", f"The kernel of {here.names} takes its channels from last to first."
        )
    return None


def _of_dense(here: Here, layer: ParameterLayer, tensor: _Tensor) -> Diagnosis | None:
    found = _of_rows(here, "kernel", layer.tensors["kernel"], tensor.held)
    if found is not None:
        return found
    if is_explained(tensor.expected.T, tensor.held, 1.0):
        return Diagnosis("weights", f"The kernel of {here.names} is transposed.")
    scaled = of_inputs(tensor.expected.T[None], tensor.held.T[None], tensor.error, shifts=False)
    return _of_scale(here, scaled) if scaled is not None and scaled.cause == "value range" else None


def _of_rows(here: Here, name: str, own: Array | None, held: Array) -> Diagnosis | None:
    """Explain a tensor with a row for each value of a flattened map by another order of the map's axes."""
    shape = here.map_before
    if shape is None or own is None or len(own) != math.prod(shape) or own.shape != held.shape:
        return None
    rows = own if here.a.flattens_channels_last else own[flatten_order(shape)]
    flat = (math.prod(shape), -1)
    order, right = flattening(rows.reshape(flat), held.reshape(flat), shape), here.flattened_as_in_b
    if order is None or order == right:
        return None
    return Diagnosis(
        "flatten order",
        f"The rows of the {name} of {here.names} stand for the values of the flattened map in the order {order}, but "
        f"they reach it in b in {'another' if right is None else f'the order {right}'}.",
    )


def _of_scale(here: Here, found: Hypothesis) -> Diagnosis:
    """Explain a kernel that is another one scaled: by the values that reach the model, where it is its first layer."""
    cause = "value range" if here.is_first else "weights"
    return Diagnosis(cause, f"In the kernel of {here.names}, {found.sentence}.")


def _of_precision(here: Here, tensor: _Tensor) -> Diagnosis | None:
    """Explain weights that differ as those of a lower precision do."""
    pair = [np.asarray(one, np.float32) for one in (tensor.expected, tensor.held)]
    for side, (fine, coarse) in zip("ba", (pair, pair[::-1]), strict=True):
        if np.array_equal(fine.astype(np.float16).astype(np.float32), coarse):
            precision = "float16"
        elif np.array_equal(_brain_float(fine), coarse):
            precision = "bfloat16"
        elif tensor.error < _OF_ROUNDING and _has_few_levels(coarse) and not _has_few_levels(fine):
            precision = "8 bits"
        else:
            continue
        return Diagnosis(
            "precision", f"The {tensor.name} of {here.names} is rounded to {precision} in {side}."
        )
    return None


def _expected(here: Here, a: ParameterLayer, b: ParameterLayer, name: str) -> Array:
    """Give what b should hold: what a holds, its rows in the order in which a flattened map reaches the layer in b."""
    tensor, (one, other) = _held(a, b, name), here.pair.inputs
    shape = here.map_before
    by_row = (a.kind == "dense" and name == "kernel") or "normalization" in a.kind
    if shape is None or one is None or other is None or one.shape != other.shape or not by_row:
        return tensor
    order = flatten_order(shape)
    moves = np.argsort(order) if here.a.flattens_channels_last else order
    return tensor[moves] if apart(one[:, moves], other) < apart(one, other) else tensor


def _held(layer: ParameterLayer, other: ParameterLayer, name: str) -> Array:
    """Give a tensor of a layer, or what one without it does: neither scales nor shifts."""
    if name in layer.tensors:
        return np.asarray(layer.tensors[name])
    like = np.asarray(other.tensors[name])
    return np.ones_like(like) if name in ("gamma", "moving_variance") else np.zeros_like(like)


def _brain_float(array: Array) -> Array:
    bits = np.ascontiguousarray(array).view(np.uint32)
    # To the nearest of the upper 16 bits, ties to even.
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def _has_few_levels(array: Array) -> bool:
    """Tell values on a coarse grid, one for the whole tensor or one for each of its outputs."""
    columns = array.reshape(-1, array.shape[-1]).T if array.ndim > 1 else array[None]
    return _is_coarse(array) or all(map(_is_coarse, columns))


def _is_coarse(array: Array) -> bool:
    return len(np.unique(array)) <= min(_LEVELS, array.size // 2)
