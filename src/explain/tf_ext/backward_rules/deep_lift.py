"""Backward passes in which some operations hand on something else than their gradient.

A trace is gone through from the score to the input, operation by operation, with the gradient that TensorFlow has
registered for each, or a rule in its place. Layers are not looked at: one that is called twice and a function that is
no layer are then like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from explain.backends.protocol import Rule
from explain.errors import UnsupportedModelError
from explain.inputs.examples import Array, Examples
from explain.keras.layers import replaced
from explain.tf_ext.backward_rules.backward import (
    ALSO_AFFINE,
    CALLS,
    ELEMENTWISE,
    POOLS,
    backward,
    dependent_on,
    gradient_of,
    unknown,
)
from explain.tf_ext.model.graph import is_affine_kind, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from explain.tf_ext.backend import TensorFlowBackend

_RECTIFIERS = names("Relu Relu6")
# A smaller difference is none, and the slope is taken: the root of the precision, below which a quotient of two
# rounded differences says less than the slope does. Captum has 1e-10, in single precision too.
_NO_DIFFERENCE, _NO_SINGLE_DIFFERENCE = 2.0**-26, 2.0**-11


def rule_gradients(
    backend: TensorFlowBackend,
    examples: Examples,
    rule: Rule,
    baselines: tuple[Array, ...] | None,
    epsilon: float,
) -> tuple[tuple[Array, ...], int]:
    """Give what a rule's backward pass brings to the inputs, and how many operations it changed."""
    count = len(examples)
    runs = [examples.inputs] if baselines is None else [examples.inputs, baselines]
    if backend.fixed_batch_size is not None:
        runs = [examples.with_inputs(run).padded(backend.fixed_batch_size).inputs for run in runs]
        examples = examples.padded(backend.fixed_batch_size)
    arguments: list[Any] = [backend.tensors(run) for run in runs]
    if rule in ("epsilon", "epsilon_plus"):
        # The first axis of all that a trace takes is that of the examples.
        arguments.append(tf.constant(np.full(len(examples), epsilon)))
    found, changed = backend.run(f"{rule}_gradients", examples, *arguments)
    return tuple(part.numpy()[:count] for part in found), int(changed)


def rectified_backward(
    scores: Any, points: Sequence[Any], model_name: str, *, deconvolution: bool = False
) -> tuple[tuple[Any, ...], Any]:
    """Go back from scores to points; every ReLU hands on no negative gradient."""
    changed: list[Any] = []

    def hand_on(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        if operation.type in _RECTIFIERS:
            changed.append(operation)
            if deconvolution:
                return [tf.nn.relu(arriving[0])]
            return [tf.nn.relu(gradient_of(operation, arriving)[0])]
        if operation.type in CALLS and _calls_a_rectifier(operation):
            raise UnsupportedModelError(
                f"The operation {operation.name} ({operation.type}) of {model_name} runs a ReLU out of reach of the "
                "backward pass: a loop or a function of its own. Build the layer with unroll=True, call the function "
                "without tf.function, or use saliency or integrated_gradients, which need no rules."
            )
        return gradient_of(operation, arriving)

    return backward(scores, points, hand_on, model_name), tf.constant(len(changed))


def rescaled_backward(
    scores: Any, points: Sequence[Any], model_name: str, at_baselines: Any, first: int, second: int
) -> tuple[tuple[Any, ...], Any]:
    """Go back from scores to points; every non-linear operation hands on the slope between baseline and input.

    Parameters
    ----------
    scores, at_baselines : tf.Tensor
        The scores of a run at the points, and of one at the baselines, in one trace.
    points : sequence of tf.Tensor
        The inputs.
    model_name : str
        For messages.
    first, second : int
        How many operations the trace had before each run.
    """
    operations = at_baselines.graph.get_operations()
    # What a trace takes from outside it takes once, at its first use.
    runs = [
        [one for one in run if one.type not in ("Placeholder", "Const")]
        for run in (operations[first:second], operations[second:])
    ]
    if [one.type for one in runs[0]] != [one.type for one in runs[1]]:
        raise UnsupportedModelError(
            f"DeepLift: {model_name} runs other operations for the baseline than for the input, so that "
            "they cannot be compared one by one. Use integrated_gradients, which needs no rules."
        )
    _check_states(runs[0], runs[1], model_name)
    other = dict(zip(*runs, strict=True))
    dependent = dependent_on(operations[:second], points)
    changed: list[Any] = []

    def hand_on(operation: Any, arriving: Sequence[Any]) -> Sequence[Any]:
        if operation.type in ELEMENTWISE:
            changed.append(operation)
            return [_slope(operation, other[operation], arriving)]
        if operation.type in POOLS:
            changed.append(operation)
            return [_shared_out(operation, other[operation], arriving)]
        if not is_affine_kind(operation, dependent) and operation.type not in ALSO_AFFINE:
            raise UnsupportedModelError(unknown("DeepLift", operation, dependent, model_name))
        return gradient_of(operation, arriving)

    return backward(scores, points, hand_on, model_name), tf.constant(len(changed))


def _check_states(first: Sequence[Any], second: Sequence[Any], model_name: str) -> None:
    """Refuse a model whose second run reads what the first wrote: it would not begin where the first began."""
    written = {one.inputs[0].ref() for one in first if one.type.startswith("Assign") and one.inputs}
    if any(
        one.type == "ReadVariableOp" and one.inputs[0].ref() in written and one.outputs[0].dtype.is_floating
        for one in second
    ):
        raise UnsupportedModelError(
            f"method='deep_lift' runs the model at the input and at the baseline in one go, and {model_name} keeps a "
            "state between them: build it with stateful=False, or use integrated_gradients, which runs it anew at "
            "every point."
        )


@contextmanager
def unrolled_layers(layers: Sequence[Any], steps: int | None) -> Iterator[None]:
    """Let recurrent layers write out their steps, where their number is known: a loop hides its operations."""
    with ExitStack() as stack:
        if steps is not None:
            for layer in layers:
                if getattr(layer, "unroll", None) is False:
                    stack.enter_context(replaced(layer, "unroll", True))
        yield


def _calls_a_rectifier(operation: Any) -> bool:
    """Tell whether any function that a graph can call has a ReLU in it."""
    library: Mapping[str, Any] = {
        function.signature.name: function for function in operation.graph.as_graph_def().library.function
    }
    return any(node.op in _RECTIFIERS for function in library.values() for node in function.node_def)


def _slope(operation: Any, other: Any, arriving: Sequence[Any]) -> Any:
    """Hand on (f(x) − f(b)) / (x − b) times what arrives; the gradient where x and b are alike."""
    step = operation.inputs[0] - other.inputs[0]
    rise = operation.outputs[0] - other.outputs[0]
    alike = _is_none(step)
    slope = rise / tf.where(alike, tf.ones_like(step), step)
    return tf.where(alike, gradient_of(operation, arriving)[0], arriving[0] * slope)


def _is_none(step: Any) -> Any:
    return tf.abs(step) < (_NO_DIFFERENCE if step.dtype == tf.float64 else _NO_SINGLE_DIFFERENCE)


def _shared_out(operation: Any, other: Any, arriving: Sequence[Any]) -> Any:
    """Share out the change of a maximum between the place that has it at the input and that at the baseline.

    Captum's rule: with c the greater of both maxima, c − max(b) goes to the input's place and max(x) − c to the
    baseline's, each divided by what changed at that place.
    """
    step = operation.inputs[0] - other.inputs[0]
    highest, before = operation.outputs[0], other.outputs[0]
    crossing = tf.maximum(highest, before)
    shares = gradient_of(operation, [arriving[0] * (crossing - before)])[0]
    shares += gradient_of(other, [arriving[0] * (highest - crossing)])[0]
    alike = _is_none(step)
    slope = shares / tf.where(alike, tf.ones_like(step), step)
    return tf.where(alike, gradient_of(operation, arriving)[0], slope)
