"""The properties of a model on JAX that are known without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from explain.backends.inspection import Inspection
from explain.backends.stepwise import is_stepwise, takes_state
from explain.inputs.examples import Array
from explain.inputs.wiring import Wiring
from explain.keras import structure
from explain.keras.building import check_complete
from explain.keras.layers import is_keras_model
from explain.keras.structure import Structure


@dataclass(frozen=True, kw_only=True)
class JaxInspection(Inspection):
    """A model and its kind.

    Parameters
    ----------
    function : bool
        True for a function of arrays, which has no layers.
    eager : bool
        True if the model must run operation by operation, not as a compiled trace.
    structure : Structure
        The settings that a trace of the model is specialised to.
    """

    function: bool = False
    eager: bool = False
    structure: Structure = field(default_factory=Structure)

    @property
    def has_layers(self) -> bool:
        """Whether its layers can be accessed, and each gives one output for a whole sequence."""
        return super().has_layers and not self.function


def inspect_model(
    model: Any, given: Any = (), wiring: Wiring | None = None, shape: Sequence[int] | None = None
) -> JaxInspection:
    """Determine the kind of a model.

    Parameters
    ----------
    model : object
        The model.
    given, wiring : Mapping, Wiring or None
        The keyword arguments that the caller passes, and the assignment of several inputs to arguments. If one of them
        contains a state, the caller supplies the state.
    shape : sequence of int, optional
        The shape of the only input, batch first.

    Raises
    ------
    ModelNotBuiltError
        If a Keras model has no weights yet.
    UnsupportedModelError
        If a Keras model has no `call`.
    """
    if not is_keras_model(model):
        # It may do something that a trace cannot record; one that jax.jit made is compiled anyway.
        return JaxInspection(model=model, opaque=False, function=True, eager=True)
    check_complete(model, shape)
    found = structure.structure_of(model, _array, _dtype_name)
    return JaxInspection(
        model=model,
        opaque=False,
        stepwise=wiring is None and is_stepwise(model.call, given),
        takes_state=takes_state(model.call),
        eager=bool(getattr(model, "run_eagerly", False)),
        fixed_batch_size=found.batch_size,
        structure=found,
    )


def device_name() -> str:
    """Give the device that computes: ``"cpu"``, or its kind and number."""
    device = jax.devices()[0]
    return "cpu" if device.platform == "cpu" else f"{device.platform}:{device.id}"


def precision_of(inspection: JaxInspection, like: Any) -> np.dtype[Any]:
    """Give the precision of points: that of the model's weights, of a function that of its input.

    Double precision needs ``jax_enable_x64``: without it JAX computes in single precision.
    """
    name = inspection.structure.precision
    if name is None and inspection.function:
        name = getattr(getattr(like, "dtype", None), "name", None)
    return np.dtype("float64" if name == "float64" and jax.config.jax_enable_x64 else "float32")


def _dtype_name(variable: Any) -> str:
    # Without jax_enable_x64 a variable of double precision has a value of single precision.
    return str(variable.value.dtype.name)


def _array(value: Any) -> Array | None:
    """Give the values of an array that has some: that of a trace has none."""
    is_known = isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer)
    return np.asarray(value) if is_known else None
