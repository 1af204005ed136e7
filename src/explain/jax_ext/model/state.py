"""The state of a Keras model on JAX: each run gets the values of its variables, and leaves them as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp

from explain.keras.calls import kept_losses
from explain.keras.layers import layers_of
from explain.keras.masks import held_masks


def variables_of(model: Any) -> list[Any]:
    """Give the variables of a Keras model, each once; the states of a stateful layer may not be among the model's."""
    states = [
        state for layer in layers_of(model) for state in jax.tree.leaves(getattr(layer, "states", None) or [])
    ]
    return list({id(variable): variable for variable in (*model.variables, *states)}.values())


@contextmanager
def values_in_place(variables: Sequence[Any], values: Sequence[Any], kept: set[str]) -> Iterator[None]:
    """Run with values in place of those of variables; what the run assigns to them is dropped.

    Parameters
    ----------
    variables, values : sequence
        Variables of Keras, and their values in this run.
    kept : set of str
        Gets the names of variables of floating-point numbers that the run assigned: a state that the model keeps.
    """
    # Functions of JAX arrays need no Keras.
    import keras

    with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))) as scope:
        before = [scope.get_current_value(variable) for variable in variables]
        yield
    for variable, value in zip(variables, before, strict=True):
        is_state = jnp.issubdtype(value.dtype, jnp.floating) and value.ndim > 0
        if is_state and scope.get_current_value(variable) is not value:
            kept.add(f"the variable {variable.path!r}")


@contextmanager
def held_keras_layers(layers: Sequence[Any], masks: Sequence[Any]) -> Iterator[None]:
    """Fix the masks that Keras layers compute from values, and restore the losses that a call adds to the layers."""
    with kept_losses(layers), held_masks(layers, masks, _masked):
        yield


def _masked(inputs: Any, mask: Any) -> Any:
    return jnp.where(mask[..., None], inputs, jnp.zeros((), inputs.dtype))
