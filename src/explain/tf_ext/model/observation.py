"""Runs a Keras model once in its own mode on TensorFlow, and records the outputs of its layers."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from explain.backends.observation import ModelInputs, Observation
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring
from explain.keras.layers import is_keras_model
from explain.keras.observation import observed
from explain.running.random_state import preserved_random_state
from explain.tf_ext.model.inspection import device_and_dtype, inspect_model
from explain.tf_ext.model.state import inference_mode, preserved_variables
from explain.tf_ext.model.transfer import to_device, to_host


def observe(
    model: Any, inputs: ModelInputs, layout: Layout, wiring: Wiring | None = None, *, layers: bool = True
) -> Observation | None:
    """Run a model in its own mode, see `explain.keras.observation.observed`; its state is restored."""
    inspection = inspect_model(model, (), wiring)
    if inspection.stepwise or not is_keras_model(model):
        return None
    if wiring is None and inputs[0] is not None:
        inspection.check_shape(inputs[0].shape)
    _, precision = device_and_dtype(inspection, inputs[0])
    points = [None if one is None else to_device(one, precision) for one in inputs]
    contexts = [inference_mode(), preserved_variables(model), preserved_random_state()]
    return observed(model, points, layout, wiring, _array, contexts, layers=layers)


def _array(value: Any) -> Array | None:
    """Give the values of a tensor that has some: that of a trace has none."""
    return to_host(value) if tf.is_tensor(value) and hasattr(value, "numpy") else None
