"""The user's model and TensorFlow's random state, given back as they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

# The state of TensorFlow's global seed can be set but not read by the public interface.
from tensorflow.python.eager import context as eager_context
from tensorflow.python.ops import stateful_random_ops

from explain.keras.layers import held_masks, is_keras_model, kept_losses, layers_of


@contextmanager
def inference_mode() -> Iterator[None]:
    """Put TensorFlow's random state back on any exit.

    The mode itself is an argument of each call (``training=False``), and needs no putting back.
    """
    context = eager_context.context()
    # There is one only once a seed was set.
    generator = getattr(context, "_rng", None)
    state = None if generator is None else generator.getstate()
    try:
        yield
    finally:
        if generator is not None and generator.getstate() != state:
            generator.setstate(state)
            # Operations that were run keep their own counters, which the same seeds would take up again.
            context.clear_kernel_cache()


@contextmanager
def preserved_variables(model: Any) -> Iterator[None]:
    """Put back what a call may assign: the states of stateful layers, seeds and statistics."""
    # Asking for the global generator would make one.
    generator = stateful_random_ops.global_generator
    variables = [] if generator is None else [generator.state]
    if is_keras_model(model):
        # A stateful layer does not count its states among its variables.
        states = tf.nest.flatten([getattr(layer, "states", None) or [] for layer in layers_of(model)])
        variables += [variable.value for variable in (*model.non_trainable_variables, *states)]
    elif isinstance(model, tf.Module):
        variables += list(model.variables)
    before = [variable.numpy().copy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


@contextmanager
def held_keras_layers(layers: Sequence[Any], masks: Sequence[Any]) -> Iterator[None]:
    """Fix the masks that Keras layers compute from values, and restore the losses that a call leaves on them."""
    with kept_losses(layers), held_masks(layers, masks, _masked):
        yield


def _masked(inputs: Any, mask: Any) -> Any:
    return tf.where(mask[..., None], inputs, tf.zeros((), inputs.dtype))
