"""The gradient of a max pool over volumes that gives each window to one place.

TensorFlow's own gives the whole of a window to every place of its maximum, so that ties count several times. Over
pictures it gives a window to its first maximum, as PyTorch does in every dimension.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import tensorflow as tf


def first_place_gradient(operation: Any, arriving: Any) -> Any:
    """Give the gradient at the operand of a ``MaxPool3D``: each window's arriving value at its first maximum.

    Parameters
    ----------
    operation : tf.Operation
        The max pool, in a trace.
    arriving : tf.Tensor
        The values that arrive at its result, of its shape.
    """
    operand, result = operation.inputs[0], operation.outputs[0]
    places = _places(operation, operand, tf.shape(result))
    first = tf.one_hot(tf.argmax(places, axis=-1), places.shape[-1], dtype=arriving.dtype)
    (found,) = tf.gradients([places], [operand], [first * arriving[..., None]], stop_gradients=[operand])
    return found


def _places(operation: Any, operand: Any, counts: Any) -> Any:
    """Give the values in the windows, along a last axis in their order; below all others outside the operand."""
    sizes, steps = operation.get_attr("ksize"), operation.get_attr("strides")
    axes = (2, 3, 4) if operation.get_attr("data_format") == b"NCDHW" else (1, 2, 3)
    shape, padding = tf.shape(operand), [tf.zeros(2, tf.int32)] * 5
    for axis in axes:
        # Windows may reach beyond the operand; without padding they never do.
        needed = tf.maximum((counts[axis] - 1) * steps[axis] + sizes[axis] - shape[axis], 0)
        padding[axis] = tf.stack([needed // 2, needed - needed // 2])
    padded = tf.pad(operand, tf.stack(padding), constant_values=operand.dtype.min)
    found = []
    for offsets in product(*(range(sizes[axis]) for axis in axes)):
        window = [slice(None)] * 5
        for axis, offset in zip(axes, offsets, strict=True):
            window[axis] = slice(offset, offset + (counts[axis] - 1) * steps[axis] + 1, steps[axis])
        found.append(padded[tuple(window)])
    return tf.stack(found, axis=-1)
