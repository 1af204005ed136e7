"""The activations of Keras layers, by names that both frameworks share; does not import Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from explain.keras.layers import class_name

_PLAIN_ACTIVATIONS: Mapping[str, str | None] = {
    "linear": None,
    "swish": "silu",
    "hard_swish": "hard_silu",
    "leaky_relu": "leaky_relu(0.2)",
    "elu": "elu(1)",
}
# Operations of `keras.ops` in a graph.
_OPERATIONS: Mapping[str, str] = {
    "Relu": "relu",
    "Relu6": "relu6",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Silu": "silu",
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
}
_KNOWN = frozenset(
    [
        "relu",
        "relu6",
        "leaky_relu",
        "elu",
        "selu",
        "silu",
        "mish",
        "gelu",
        "gelu_tanh",
        "tanh",
        "sigmoid",
        "softmax",
        "log_softmax",
        "log_sigmoid",
        "softplus",
        "softsign",
        "hard_sigmoid",
        "hard_silu",
        "exponential",
    ]
)

ACTIVATIONS = frozenset({"Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Gelu", *_OPERATIONS})
"""The layers and operations that only apply an activation."""


def activation_of(layer: Any) -> str | None:
    """Give the name of the activation that a layer applies; None if it applies none."""
    name = class_name(layer)
    if name == "ReLU":
        return _rectifier(layer)
    if name == "LeakyReLU":
        return f"leaky_relu({layer.negative_slope:g})"
    if name == "ELU":
        return f"elu({layer.alpha:g})"
    if name == "Softmax":
        return "softmax"
    if name in _OPERATIONS:
        return _OPERATIONS[name]
    if name == "Gelu":
        return "gelu_tanh" if layer.approximate else "gelu"
    return named_activation(getattr(layer, "activation", None))


def named_activation(function: Any) -> str | None:
    """Give the name of a function of `keras.activations`, None for the linear one.

    Examples
    --------
    >>> def leaky_relu(x): return x
    >>> named_activation(leaky_relu), named_activation(None)
    ('leaky_relu(0.2)', None)
    """
    if function is None:
        return None
    if class_name(function) in ("ReLU", "LeakyReLU", "ELU", "Softmax"):
        return activation_of(function)
    name = str(getattr(function, "__name__", type(function).__name__))
    return _PLAIN_ACTIVATIONS.get(name, name)


def is_known(activation: str | None) -> bool:
    """Tell whether a name is an activation that both frameworks have; the name of a user's function is not.

    Examples
    --------
    >>> is_known("gelu"), is_known("leaky_relu(0.2)"), is_known("<lambda>")
    (True, True, False)
    """
    return activation is None or activation.partition("(")[0] in _KNOWN


def _rectifier(layer: Any) -> str:
    slope, threshold = float(layer.negative_slope or 0), float(layer.threshold or 0)
    if threshold:
        return f"relu(threshold={threshold:g})"
    if slope:
        return f"leaky_relu({slope:g})"
    if layer.max_value is None:
        return "relu"
    return "relu6" if float(layer.max_value) == 6 else f"relu(max={float(layer.max_value):g})"
