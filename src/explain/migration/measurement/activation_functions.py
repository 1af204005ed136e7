"""Activation functions in NumPy: those of layers, their inverses, and those at the end of a model."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from explain.inputs.examples import Array


def _sigmoid(a: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(a / 2)))


def _softmax(a: Array) -> Array:
    raised = np.exp(a - a.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def _gelu(a: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(a * ndtr(a))


def _tanh_gelu(a: Array) -> Array:
    return np.asarray(0.5 * a * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))))


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda a: np.maximum(a, 0),
    "relu6": lambda a: np.clip(a, 0, 6),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "silu": lambda a: a * _sigmoid(a),
    "gelu": _gelu,
    "gelu (tanh)": _tanh_gelu,
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "leaky relu (0.01)": lambda a: np.where(a > 0, a, 0.01 * a),
    "leaky relu (0.2)": lambda a: np.where(a > 0, a, 0.2 * a),
    "leaky relu (0.3)": lambda a: np.where(a > 0, a, 0.3 * a),
    "softplus": lambda a: np.logaddexp(0, a),
}
"""Activation functions by name."""

INVERSES: dict[str, Callable[[Array], Array]] = {
    "elu": lambda a: np.where(a > 0, a, np.log1p(np.maximum(a, -1 + 1e-7) * (a <= 0))),
    "leaky relu (0.01)": lambda a: np.where(a > 0, a, a / 0.01),
    "leaky relu (0.2)": lambda a: np.where(a > 0, a, a / 0.2),
    "leaky relu (0.3)": lambda a: np.where(a > 0, a, a / 0.3),
}
"""Inverses of the activation functions that have one."""

ENDINGS: dict[str, Callable[[Array], Array]] = {
    "softmax": _softmax,
    "log-softmax": lambda a: np.log(_softmax(a)),
    "sigmoid": _sigmoid,
}
"""Functions that turn logits into probabilities, at the end of a model."""
