"""Runs a Keras model on an example with JAX, to record how it uses its layers with parameters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax.numpy as jnp

from explain.jax_ext.model.state import values_in_place, variables_of
from explain.jax_ext.model.transfer import to_host
from explain.keras.parameters import use
from explain.parameters.canonical import ParameterLayer


def as_used_on(model: Any, layers: Sequence[ParameterLayer], x: Any) -> tuple[ParameterLayer, ...]:
    """Run a Keras model in inference mode, several times, see `explain.parameters.use.as_used`."""
    variables = variables_of(model)

    def preserved() -> AbstractContextManager[None]:
        return values_in_place(variables, [one.value for one in variables], set())

    return use.as_used_on(model, layers, x, jnp.asarray, to_host, preserved)
