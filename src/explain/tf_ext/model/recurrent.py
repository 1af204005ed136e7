"""Runs a Keras model that takes one step at a time over whole, padded sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from explain.backends.stepwise import initial_state, map_state, unrolled


def last_output(
    step: Callable[[Any, Any], tuple[Any, Any]],
    model: Any,
    inputs: Any,
    time_axis: int,
    mask: Any,
) -> Any:
    """Give the explained output at the last real step of each sequence.

    Parameters
    ----------
    step : callable
        From one step's input (N, C) and the state to the explained output and the next state.
    model : object
        Tells the state before the first step.
    inputs : tf.Tensor
        Sequences, batch first.
    time_axis : int
        Their axis of time.
    mask : tf.Tensor of bool, optional
        Where a step is real, shape (N, T); padding leaves output and state as they are.
    """
    count = tf.shape(inputs)[0]

    def spread(part: Any) -> Any:
        """Bring a starting state to the dtype of the input, a single row to every example."""
        part = tf.cast(part, inputs.dtype)
        return tf.repeat(part, count, axis=0) if part.shape[0] == 1 else part

    def choose(time: int, new: Any, old: Any) -> Any:
        return tf.where(tf.reshape(mask[:, time], [-1, *([1] * (len(new.shape) - 1))]), new, old)

    start = initial_state(model, count, lambda rows, size: tf.zeros((rows, size), inputs.dtype))
    steps = tf.unstack(inputs, axis=time_axis)
    return unrolled(step, steps, map_state(spread, start), None if mask is None else choose)
