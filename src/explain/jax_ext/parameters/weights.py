"""Changes the weights of a Keras model on JAX for a while: on a copy, or in place with all of them put back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from explain.jax_ext.model.state import variables_of
from explain.keras.layers import is_keras_model
from explain.keras.parameters import weights as keras_weights
from explain.running.random_state import preserved_random_state


def copied(model: Any) -> Any | None:
    """Give a copy of a model with weights of its own; None where no copy is sure to compute the same."""
    with preserved_random_state():
        return keras_weights.copied(model)


def preserved_weights(model: Any) -> AbstractContextManager[None]:
    """Put all variables of a model back on any exit, bit for bit."""
    variables = variables_of(model) if is_keras_model(model) else ()
    # Arrays of JAX never change: a variable gets another one.
    return keras_weights.preserved_variables(variables, lambda variable: variable.value)
