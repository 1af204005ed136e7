"""The properties of a TensorFlow model that are known without running it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from explain.backends.inspection import Complaint, Inspection
from explain.backends.stepwise import is_stepwise, takes_state
from explain.errors import ExplainError, UnsupportedModelError
from explain.inputs.wiring import Wiring
from explain.keras import inspection as keras_inspection
from explain.keras.building import check_complete
from explain.keras.layers import is_keras_model
from explain.keras.structure import Structure
from explain.tf_ext.model.structure import structure_of


@dataclass(frozen=True, kw_only=True)
class TensorFlowInspection(Inspection):
    """A model and its kind.

    Parameters
    ----------
    eager : bool
        True if the model must run operation by operation, not as a traced graph.
    structure : Structure
        The settings that a trace of the model is specialised to.
    """

    eager: bool = False
    structure: Structure = field(default_factory=Structure)


def inspect_model(
    model: Any, given: Any = (), wiring: Wiring | None = None, shape: Sequence[int] | None = None
) -> TensorFlowInspection:
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
        If a SavedModel has no callable signature, or a Keras model no `call`.
    """
    if not is_keras_model(model):
        function, size = _callable_of(model, wiring)
        # The model is traced already, or it is a function that may do something that a trace cannot record.
        return TensorFlowInspection(
            model=function, opaque=True, eager=True, fixed_batch_size=size, structure=structure_of(model)
        )
    check_complete(model, shape)
    structure = structure_of(model)
    return TensorFlowInspection(
        model=model,
        opaque=False,
        stepwise=wiring is None and is_stepwise(model.call, given),
        takes_state=takes_state(model.call),
        eager=bool(getattr(model, "run_eagerly", False)),
        fixed_batch_size=structure.batch_size,
        structure=structure,
    )


def device_and_dtype(inspection: TensorFlowInspection, like: Any) -> tuple[str, Any]:
    """Give the device, and the precision of points: that of the model's weights, or of its input without weights."""
    device = "GPU:0" if tf.config.list_physical_devices("GPU") else "cpu"
    if inspection.structure.precision is not None:
        return device, tf.as_dtype(inspection.structure.precision)
    name = getattr(getattr(like, "dtype", None), "name", None)
    return device, tf.float64 if name == "float64" else tf.float32


def first_layer_complaint(inspection: TensorFlowInspection, shape: tuple[int, ...]) -> Complaint | None:
    """Describe why an input's shape does not fit the shape that the model states; None if it fits or none is stated."""
    return keras_inspection.shape_complaint(inspection.structure.input_shape, shape)


def call_error(
    cause: Exception, inputs: Sequence[Any], wiring: Wiring | None, *, stepwise: bool = False
) -> ExplainError:
    """Give the error for a model that raised; an earlier check rejects inputs that do not fit the stated shape."""
    return keras_inspection.call_error(cause, inputs, wiring, stepwise=stepwise)


def _callable_of(model: Any, wiring: Wiring | None) -> tuple[Any, int | None]:
    """Give the callable of a tf.Module, tf.function, SavedModel or function, and its fixed batch size."""
    signatures = getattr(model, "signatures", None)
    if not callable(model):
        if not signatures:
            raise UnsupportedModelError(
                f"model of type {type(model).__name__} cannot be called and has no signatures: give a function "
                "that calls it."
            )
        model = signatures.get("serving_default") or next(iter(signatures.values()))
    return model if wiring is not None else _positional(model), _fixed_batch_size(model)


def _positional(function: Any) -> Any:
    """Make a SavedModel's signature, which takes its inputs by name, callable by position."""
    structured = getattr(function, "structured_input_signature", None)
    if not structured or structured[0] or len(structured[1]) != 1:
        return function
    (name,) = structured[1]
    return lambda inputs: function(**{name: inputs})


def _fixed_batch_size(function: Any) -> int | None:
    structured = getattr(function, "structured_input_signature", None)
    specs = (
        (*structured[0], *structured[1].values())
        if structured
        else getattr(function, "input_signature", None) or ()
    )
    for spec in specs:
        shape = getattr(spec, "shape", None)
        if shape is not None and shape.rank:
            return int(shape[0]) if shape[0] is not None else None
    return None
