"""From a TensorFlow model's output to the scalar that is explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

from explain.backends.scoring import ActivationKind, RecordedActivation
from explain.errors import TargetError
from explain.inputs.layout import Layout
from explain.keras.layers import is_keras_model, layers_of, recorded_activations

_FUNCTIONAL: dict[str, ActivationKind] = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
}
# What changes the shape of an output and not its values.
_RESHAPING = ("Identity", "Reshape", "Squeeze", "ExpandDims", "Transpose")


class TensorFlowArithmetic:
    """TensorFlow's operations; see `explain.backends.scoring.Arithmetic`."""

    def softmax(self, tensor: Any, axis: int) -> Any:
        """Softmax along an axis."""
        return tf.nn.softmax(tensor, axis=axis)

    def log_softmax(self, tensor: Any, axis: int) -> Any:
        """Log-softmax along an axis."""
        return tf.nn.log_softmax(tensor, axis=axis)

    def sigmoid(self, tensor: Any) -> Any:
        """Logistic function."""
        return tf.math.sigmoid(tensor)

    def log_sigmoid(self, tensor: Any) -> Any:
        """Logarithm of the logistic function."""
        return tf.math.log_sigmoid(tensor)

    def exp(self, tensor: Any) -> Any:
        """Exponential function."""
        return tf.math.exp(tensor)

    def log(self, tensor: Any) -> Any:
        """Natural logarithm."""
        return tf.math.log(tensor)


class ActivationRecorder:
    """Finds a model's softmax, log-softmax and sigmoid layers once, and records their calls.

    Parameters
    ----------
    model : object
        The model; one whose layers cannot be reached records nothing.
    """

    def __init__(self, model: Any) -> None:
        self._layers = layers_of(model) if is_keras_model(model) else []

    @contextmanager
    def recording(self) -> Iterator[list[RecordedActivation]]:
        """Record every call of an activation layer."""
        with recorded_activations(self._layers) as recorded:
            yield recorded


def functional_activation(output: Any) -> ActivationKind | None:
    """Tell from the traced graph which activation made an output, None if it was none or was not traced."""
    if tf.is_symbolic_tensor(output):
        operation = output.op
        while operation.type in _RESHAPING:
            operation = operation.inputs[0].op
        # A log-sigmoid is written as −softplus(−x).
        if operation.type == "Neg" and operation.inputs[0].op.type == "Softplus":
            return "log_sigmoid"
        return _FUNCTIONAL.get(operation.type)
    return None


def pick_scores(outputs: Any, function: Any, indices: Any) -> Any:
    """Give one scalar an example, shape (N,).

    Parameters
    ----------
    outputs : tf.Tensor
        The explained outputs, shape (N, ...).
    function : callable, optional
        A callable target.
    indices : tf.Tensor of int64
        Else one index an example, shape (N, R).

    Raises
    ------
    TargetError
        If a callable target does not give N scalars.
    """
    if function is None:
        return tf.gather_nd(outputs, indices, batch_dims=1) if indices.shape[-1] else outputs
    scores = function(outputs)
    shape = tuple(scores.shape) if tf.is_tensor(scores) else None
    if (
        shape is None
        or any(size != 1 for size in shape[1:])
        or len(shape) == 0
        or shape[0] not in (None, outputs.shape[0])
    ):
        raise TargetError(
            f"target, a callable, gave {type(scores).__name__ if shape is None else shape} for outputs of shape "
            f"{tuple(outputs.shape)}: it should give one scalar an example, a tensor of shape (N,)."
        )
    return tf.reshape(scores, [-1])


def class_axis(outputs: Any, layout: Layout) -> int:
    """Give the axis of the classes where no activation says: where the input has its channels."""
    return 1 if layout.batch_first.channel_axis == 1 and len(outputs.shape) > 2 else -1


def is_single(outputs: Any) -> bool:
    """Tell whether there is one output an example."""
    return all(size == 1 for size in outputs.shape[1:])
