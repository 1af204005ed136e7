"""Grouped convolutions as several convolutions: TensorFlow has no gradient of one on a CPU in every precision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import tensorflow as tf

from explain.tf_ext.model.graph import name_of, run_again


def groups_of(operation: Any, kinds: Collection[str] = ("Conv2D",)) -> int:
    """Give the number of groups of a convolution of some kinds, 1 for any other operation."""
    if name_of(operation) not in kinds:
        return 1
    channels, depth = operation.inputs[0].shape[_channel_axis(operation)], operation.inputs[1].shape[-2]
    return 1 if channels is None or not depth else channels // depth


def in_groups(operation: Any, values: Any, filters: Any) -> Any:
    """Convolve values with the settings of a convolution, each group of channels by itself.

    Parameters
    ----------
    operation : tf.Operation
        The convolution, in a trace.
    values, filters : tf.Tensor
        What takes the place of its operands.
    """
    groups, axis = groups_of(operation), _channel_axis(operation)
    if groups == 1:
        return run_again(operation, [values, filters])[0]
    parts = zip(tf.split(values, groups, axis), tf.split(filters, groups, -1), strict=True)
    return tf.concat([run_again(operation, part)[0] for part in parts], axis)


def gradient_in_groups(operation: Any, arriving: Any) -> Sequence[Any]:
    """Give the gradients of the operands of a grouped convolution."""
    operands = list(operation.inputs)
    made = in_groups(operation, *operands)
    return list(tf.gradients([made], operands, [arriving], stop_gradients=operands))


def _channel_axis(operation: Any) -> int:
    return 1 if operation.get_attr("data_format").startswith(b"NC") else -1
