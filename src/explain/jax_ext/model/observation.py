"""Runs a Keras model once in its own mode on JAX, and records the outputs of its layers."""

from __future__ import annotations

from typing import Any

import jax

from explain.backends.observation import ModelInputs, Observation
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.jax_ext.model.inspection import inspect_model, precision_of
from explain.jax_ext.model.state import values_in_place, variables_of
from explain.jax_ext.model.transfer import to_device, to_host
from explain.keras.observation import observed
from explain.running.random_state import preserved_random_state


def observe(
    model: Any, inputs: ModelInputs, layout: Layout, wiring: Wiring | None = None, *, layers: bool = True
) -> Observation | None:
    """Run a model in its own mode, see `explain.keras.observation.observed`; its state is restored."""
    inspection = inspect_model(model, (), wiring)
    if inspection.function or inspection.stepwise:
        return None
    if wiring is None and inputs[0] is not None:
        inspection.check_shape(inputs[0].shape)
    precision = precision_of(inspection, inputs[0])
    points = [None if one is None else to_device(one, precision) for one in inputs]
    variables = variables_of(model)
    values = values_in_place(variables, [one.value for one in variables], set())
    return observed(model, points, layout, wiring, _array, [values, preserved_random_state()], layers=layers)


def _array(value: Any) -> Array | None:
    """Give the values of an array that has some: that of a trace has none."""
    is_known = isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    return to_host(value) if is_known else None
