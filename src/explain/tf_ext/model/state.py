"""The state of the user's model and of TensorFlow's random generators: restore it on exit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

# TensorFlow's public interface can set the state of the global seed but not read it.
from tensorflow.python.eager import context as eager_context
from tensorflow.python.ops import stateful_random_ops

from explain.keras.calls import kept_losses
from explain.keras.layers import is_keras_model, layers_of
from explain.keras.masks import held_masks


@contextmanager
def inference_mode() -> Iterator[None]:
    """Restore TensorFlow's random state on exit.

    The mode itself is an argument of each call (``training=False``), so it need not be restored.
    """
    context = eager_context.context()
    # The generator exists only after a seed was set.
    generator = getattr(context, "_rng", None)
    state = None if generator is None else generator.getstate()
    try:
        yield
    finally:
        if generator is not None and generator.getstate() != state:
            generator.setstate(state)
            # Each operation that ran has its own counter, which would continue with the same seeds.
            context.clear_kernel_cache()


@contextmanager
def preserved_variables(model: Any, kept: set[str] | None = None) -> Iterator[None]:
    """Restore the variables that a call may assign: states of stateful layers, seeds and statistics.

    The names of those with numbers that changed are added to `kept`.
    """
    # The public accessor would create the global generator.
    generator = stateful_random_ops.global_generator
    variables = [] if generator is None else [generator.state]
    if is_keras_model(model):
        # The states of a stateful layer are not among its variables.
        states = tf.nest.flatten([getattr(layer, "states", None) or [] for layer in layers_of(model)])
        held = [one for one in (*model.non_trainable_variables, *states) if one is not None]
        # The variables of Keras 2 are TensorFlow's own.
        variables += [one if isinstance(one, tf.Variable) else one.value for one in held]
    elif isinstance(model, tf.Module):
        variables += list(model.variables)
    before = [variable.numpy().copy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            if (
                kept is not None
                and value.ndim
                and value.dtype.kind == "f"
                and not np.array_equal(variable.numpy(), value)
            ):
                kept.add(f"the variable {variable.name!r}")
            variable.assign(value)


@contextmanager
def held_keras_layers(layers: Sequence[Any], masks: Sequence[Any]) -> Iterator[None]:
    """Fix the masks that Keras layers compute from values, and restore the losses that a call adds to the layers."""
    with kept_losses(layers), held_masks(layers, masks, _masked):
        yield


def _masked(inputs: Any, mask: Any) -> Any:
    return tf.where(mask[..., None], inputs, tf.zeros((), inputs.dtype))
