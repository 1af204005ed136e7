"""Guided backpropagation and deconvolution: every ReLU propagates no negative gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from explain.backends.operations.score_graph import names
from explain.errors import UnsupportedModelError
from explain.tf_ext.backward_rules.backward import Rules, gradient_of
from explain.tf_ext.backward_rules.kinds import COMPOSITE
from explain.tf_ext.model.graph import name_of

_RECTIFIERS = names("Relu Relu6")


def rectified(model_name: str, *, deconvolution: bool) -> Rules:
    """Make every ReLU propagate the positive part of its gradient; with `deconvolution`, of the incoming gradient.

    The backward pass raises `UnsupportedModelError` for a ReLU inside a loop or a function, which it cannot change.
    """

    def propagate(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        if name_of(operation) in _RECTIFIERS and not _is_gate(operation):
            rules.changed.append(operation)
            return [tf.nn.relu(arriving[0] if deconvolution else gradient_of(operation, arriving)[0])]
        if name_of(operation) in COMPOSITE and _calls_a_rectifier(operation):
            raise UnsupportedModelError(
                f"The operation {operation.name} ({name_of(operation)}) of {model_name} runs a ReLU inside a loop "
                "or a loaded function, where the backward pass cannot change it. Build a recurrent layer with "
                "unroll=True, or use saliency or integrated_gradients, which need no rules."
            )
        return gradient_of(operation, arriving)

    rules = Rules(propagate)
    return rules


def _is_gate(operation: Any) -> bool:
    """Tell whether a bounded ReLU is divided by its bound: a hard sigmoid, as in Keras's hard swish, is no ReLU."""
    if name_of(operation) != "Relu6":
        return False
    above = list(operation.outputs[0].consumers())
    # Also after a product: x * relu6(x + 3) / 6.
    above += [second for first in above if name_of(first) == "Mul" for second in first.outputs[0].consumers()]
    divisors = [tf.get_static_value(one.inputs[1]) for one in above if name_of(one) == "RealDiv"]
    return any(divisor is not None and divisor.size == 1 and divisor.item() == 6 for divisor in divisors)


def _calls_a_rectifier(operation: Any) -> bool:
    """Tell whether any function that a graph can call contains a ReLU."""
    library = operation.graph.as_graph_def().library.function
    return any(node.op in _RECTIFIERS for function in library for node in function.node_def)
