"""The result of a rule's backward pass at the inputs of a TensorFlow model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.protocol import Rule
from explain.errors import UnsupportedModelError
from explain.inputs.examples import Arrays, Examples
from explain.keras.calls import replaced
from explain.tf_ext.backward_rules.backward import backward
from explain.tf_ext.backward_rules.deep_lift import rescaled
from explain.tf_ext.backward_rules.guided import rectified
from explain.tf_ext.backward_rules.relevance import shared_out
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass
from explain.tf_ext.model.opened import OpenedModel
from explain.tf_ext.model.tracing import Beside


def rule_gradients(
    opened: OpenedModel, examples: Examples, rule: Rule, baselines: Arrays | None = None, epsilon: float = 0.0
) -> tuple[Arrays, int]:
    """Give the result of a rule's backward pass at the inputs, and the number of operations with a rule."""
    padded = opened.padded(examples)
    arguments: list[Any] = [opened.tensors(padded.inputs)]
    if baselines is not None:
        arguments.append(opened.tensors(opened.padded(examples.with_inputs(baselines)).inputs))
    if rule in ("epsilon", "epsilon_plus"):
        # The first axis of every argument of a trace is the batch axis.
        arguments.append(tf.constant(np.full(len(padded), epsilon)))
    found, changed = opened.run(_BY_RULE[rule], padded, *arguments, static=(rule,))
    return tuple(part.numpy()[: len(examples)] for part in found), int(changed)


def _rectified(
    forward: TensorFlowForwardPass, rule: Rule, points: tuple[Any, ...], beside: Beside
) -> tuple[tuple[Any, ...], Any]:
    """Propagate with the rule of guided backpropagation or of deconvolution."""
    rules = rectified(forward.model_name, deconvolution=rule == "deconvolution")
    return backward(_scores(forward, points, beside), points, rules, forward.model_name)


def _rescaled(
    forward: TensorFlowForwardPass,
    rule: Rule,
    points: tuple[Any, ...],
    baselines: tuple[Any, ...],
    beside: Beside,
) -> tuple[tuple[Any, ...], Any]:
    """Propagate with DeepLift's rescale rule."""
    graph = tf.compat.v1.get_default_graph()
    first = 0 if tf.executing_eagerly() else len(graph.get_operations())
    scores = _scores(forward, points, beside)
    second = len(graph.get_operations())
    other = _scores(forward, baselines, beside)
    rules = rescaled(scores, points, forward.model_name, other, first, second)
    return backward(scores, points, rules, forward.model_name)


def _shared_out(
    forward: TensorFlowForwardPass, rule: Rule, points: tuple[Any, ...], epsilon: Any, beside: Beside
) -> tuple[tuple[Any, ...], Any]:
    """Propagate with a rule of layer-wise relevance propagation; relevance is the result at a point times its value."""
    scores = _scores(forward, points, beside)
    rules = shared_out(scores, points, forward.model_name, epsilon, plus=rule == "epsilon_plus")
    return backward(scores, points, rules, forward.model_name)


_BY_RULE: Mapping[Rule, Callable[..., Any]] = {
    "guided": _rectified,
    "deconvolution": _rectified,
    "rescale": _rescaled,
    "epsilon": _shared_out,
    "epsilon_plus": _shared_out,
}


def _scores(forward: TensorFlowForwardPass, points: tuple[Any, ...], beside: Beside) -> Any:
    """Give the scores in a trace with every operation visible."""
    if tf.executing_eagerly():
        raise UnsupportedModelError(
            f"{forward.model_name} cannot be traced, and only a trace shows its operations. Use "
            "integrated_gradients or saliency, which run operation by operation."
        )
    with _unrolled(forward, points), _in_place_of_calls(forward), _unfused(forward):
        return forward.scores(points, beside)


@contextmanager
def _unrolled(forward: TensorFlowForwardPass, points: tuple[Any, ...]) -> Iterator[None]:
    """Unroll recurrent layers if their number of steps is known: a loop hides its operations."""
    axis = forward.question.layout.batch_first.time_axis
    # With several inputs, the sequence that a loop iterates over is unknown.
    steps = 1 if forward.question.wiring else None if axis is None else points[0].shape[axis]
    with ExitStack() as stack:
        if steps is not None:
            for layer in forward.layers:
                if getattr(layer, "unroll", None) is False:
                    stack.enter_context(replaced(layer, "unroll", True))
                    if getattr(layer, "_could_use_gpu_kernel", False):
                        # This kernel of Keras 2 is a loop on any device.
                        stack.enter_context(replaced(layer, "_could_use_gpu_kernel", False))
        yield


@contextmanager
def _unfused(forward: TensorFlowForwardPass) -> Iterator[None]:
    """Let the layer normalisations of Keras 2 show their operations: they borrow those of a batch normalisation."""
    with ExitStack() as stack:
        for layer in forward.layers:
            if getattr(layer, "_fused", False):
                stack.enter_context(replaced(layer, "_fused", False))
        yield


@contextmanager
def _in_place_of_calls(forward: TensorFlowForwardPass) -> Iterator[None]:
    """Trace functions of TensorFlow, such as a grouped convolution of Keras, as their operations."""
    if any(getattr(layer, "groups", 1) > 1 and getattr(layer, "rank", 0) == 3 for layer in forward.layers):
        # Over volumes a CPU runs one as a compiled function alone.
        yield
        return
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
