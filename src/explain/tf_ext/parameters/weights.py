"""Changes a TensorFlow model's weights for a while: on a copy, or in place with all of them put back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

from explain.keras.parameters import weights as keras_weights
from explain.running.random_state import preserved_random_state
from explain.tf_ext.model.state import inference_mode


def copied(model: Any) -> Any | None:
    """Give a copy of a model with weights of its own; None where no copy is sure to compute the same.

    Examples
    --------
    >>> import keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> copy = copied(model)
    >>> copy.layers[0].kernel.assign(tf.zeros((3, 2))) is None or bool(tf.reduce_any(model.layers[0].kernel.value != 0))
    True
    """
    with preserved_random_state(), inference_mode():
        return keras_weights.copied(model)


def preserved_weights(model: Any) -> AbstractContextManager[None]:
    """Put all variables of a model back on any exit, bit for bit."""
    return keras_weights.preserved_variables(getattr(model, "variables", ()), _copy_of)


def _copy_of(variable: Any) -> Any:
    # The variables of Keras 2 are TensorFlow's own.
    return tf.identity(variable if isinstance(variable, tf.Variable) else variable.value)
