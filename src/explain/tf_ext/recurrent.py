"""Runs a Keras model that takes one step at a time over whole, padded sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from explain.stepwise import initial_state

Step = Callable[[Any, Any], tuple[Any, Any]]


def unrolled(step: Step, model: Any, inputs: Any, time_axis: int, mask: Any) -> Any:
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
    state = _spread(
        initial_state(model, count, lambda rows, size: tf.zeros((rows, size), inputs.dtype)), count, inputs
    )
    explained = None
    for time, one in enumerate(tf.unstack(inputs, axis=time_axis)):
        found, following = step(one, state)
        if mask is None or explained is None:
            explained, state = found, following
        else:
            real = mask[:, time]
            explained, state = _where(real, found, explained), _where(real, following, state)
    return explained


def _where(real: Any, new: Any, old: Any) -> Any:
    """Take the new value where the step is real, in every part of a state."""
    if isinstance(new, (tuple, list)):
        return type(new)(_where(real, one, other) for one, other in zip(new, old, strict=True))
    return tf.where(tf.reshape(real, [-1, *([1] * (len(new.shape) - 1))]), new, old)


def _spread(state: Any, count: Any, like: Any) -> Any:
    """Bring a starting state to the dtype of the input, and a single row to every example."""
    if isinstance(state, (tuple, list)):
        return type(state)(_spread(part, count, like) for part in state)
    state = tf.cast(state, like.dtype)
    return tf.repeat(state, count, axis=0) if state.shape[0] == 1 else state
