"""The result of a rule's backward pass at the inputs of a TensorFlow model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.found import RuleGradients
from explain.backends.protocol import Rule
from explain.errors import GradientError, UnsupportedModelError
from explain.inputs.examples import Arrays, Examples
from explain.keras.backend import KerasBackend
from explain.keras.calls import replaced
from explain.keras.model.tracing import Beside
from explain.public_calls.passes import takes_passes
from explain.tf_ext.backward_rules.backward import backward
from explain.tf_ext.backward_rules.deep_lift import rescaled
from explain.tf_ext.backward_rules.grouped import groups_of
from explain.tf_ext.backward_rules.guided import rectified
from explain.tf_ext.backward_rules.kinds import COMPOSITE
from explain.tf_ext.backward_rules.relevance import shared_out
from explain.tf_ext.model.forward_pass import TensorFlowForwardPass, asked_of
from explain.tf_ext.model.graph import name_of
from explain.tf_ext.model.opened import OpenedModel


class TracedBackend(KerasBackend, OpenedModel):
    """What a rule needs of the backend."""


def rule_gradients(
    opened: TracedBackend,
    examples: Examples,
    rule: Rule,
    baselines: Arrays | None = None,
    epsilon: float = 0.0,
) -> RuleGradients:
    """Give the result of a rule's backward pass at the inputs."""
    padded = opened.padded(examples)
    answers = _with_outputs(opened, examples, padded, rule)
    if answers is not None:
        return answers
    arguments: list[Any] = [opened.points(padded)]
    if baselines is not None:
        arguments.append(opened.tensors(opened.padded(examples.with_inputs(baselines)).inputs))
    if rule in ("epsilon", "epsilon_plus"):
        # The first axis of every argument of a trace is the batch axis.
        arguments.append(tf.constant(np.full(len(padded), epsilon)))
    found, changed, *others = opened.run_traced(_BY_RULE[rule], padded, *arguments, static=(rule,))
    gradients = tuple(part.numpy()[: len(examples)] for part in found)
    at_baselines = others[0].numpy()[: len(examples)] if others else None
    return RuleGradients(gradients, int(changed), at_baselines)


def _with_outputs(
    opened: TracedBackend, examples: Examples, padded: Examples, rule: Rule
) -> RuleGradients | None:
    """Give the result by the trace that also gives the outputs, if there is one, perhaps from its last run."""
    asked = opened.serving(padded)
    if asked != (rule_answers, (rule,)):
        return None
    found = opened.cached_answers(examples, asked)
    if found is None:
        _, *found, _ = opened.run(rule_answers, padded, opened.points(padded), static=(rule,))
    gradients, changed = found
    # What it does not find, the rule by itself does, or tells why not.
    if not gradients:
        return None
    return RuleGradients(tuple(part.numpy()[: len(examples)] for part in gradients), int(changed))


@takes_passes()
def rule_answers(
    forward: TensorFlowForwardPass, rule: Rule, points: tuple[Any, ...], beside: Beside
) -> tuple[Any, ...]:
    """Give outputs, the result of a rule for ReLUs, how many it changed, and target indices from one run.

    No result if operations are hidden in a loop or a function, or if the target does not fit.
    """
    graph = tf.compat.v1.get_default_graph()
    first = len(graph.get_operations())
    outputs = forward.read(points, beside).explained
    indices, picked, fits = asked_of(outputs, beside[-1])
    if not fits or not _shows_all(forward, graph.get_operations()[first:]):
        return outputs, (), tf.constant(0), indices
    rules = rectified(forward.model_name, deconvolution=rule == "deconvolution")
    try:
        gradients, changed = backward(outputs, points, rules, forward.model_name, picked)
    except (GradientError, UnsupportedModelError):
        return outputs, (), tf.constant(0), indices
    return outputs, gradients, changed, indices


def _shows_all(forward: TensorFlowForwardPass, operations: Sequence[Any]) -> bool:
    """Tell whether a trace that was made without `_visible` shows what one with it shows."""
    return not (
        any(name_of(one) in COMPOSITE or groups_of(one, ("Conv3D",)) > 1 for one in operations)
        or any(getattr(layer, "_fused", False) for layer in forward.layers)
    )


@takes_passes()
def _rectified(
    forward: TensorFlowForwardPass, rule: Rule, points: tuple[Any, ...], beside: Beside
) -> tuple[tuple[Any, ...], Any]:
    """Propagate with the rule of guided backpropagation or of deconvolution."""
    rules = rectified(forward.model_name, deconvolution=rule == "deconvolution")
    outputs, picked = _visible(forward, lambda: forward.picked_of(forward.outputs(points, beside), beside))
    return backward(outputs, points, rules, forward.model_name, picked)


@takes_passes(forward=2)
def _rescaled(
    forward: TensorFlowForwardPass,
    rule: Rule,
    points: tuple[Any, ...],
    baselines: tuple[Any, ...],
    beside: Beside,
) -> tuple[tuple[Any, ...], Any, Any]:
    """Propagate with DeepLift's rescale rule; also give the scores at the baselines."""
    graph = tf.compat.v1.get_default_graph()
    first = 0 if tf.executing_eagerly() else len(graph.get_operations())
    scores = _scores(forward, points, beside)
    second = len(graph.get_operations())
    other = _scores(forward, baselines, beside)
    rules = rescaled(scores, points, forward.model_name, other, first, second)
    return *backward(scores, points, rules, forward.model_name), other


@takes_passes()
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
    return _visible(forward, lambda: forward.scores(points, beside))


def _visible(forward: TensorFlowForwardPass, compute: Callable[[], Any]) -> Any:
    """Run the model in a trace with every operation visible."""
    if tf.executing_eagerly():
        raise UnsupportedModelError(
            f"{forward.model_name} cannot be traced, and only a trace shows its operations. Use "
            "integrated_gradients or saliency, which run operation by operation."
        )
    graph = tf.compat.v1.get_default_graph()
    first = len(graph.get_operations())
    with _unrolled(forward), _unfused(forward):
        with _in_place_of_calls(forward):
            found = compute()
        if any(groups_of(one, ("Conv3D",)) > 1 for one in graph.get_operations()[first:]):
            # The model's own code convolves volumes in groups: a CPU runs the compiled function alone, without a rule.
            found = compute()
    return found


@contextmanager
def _unrolled(forward: TensorFlowForwardPass) -> Iterator[None]:
    """Unroll recurrent layers whose number of steps is known when they are called: a loop hides its operations."""

    def unrolling(layer: Any) -> Callable[..., Any]:
        own = layer.call

        @functools.wraps(own)
        def call(*arguments: Any, **keywords: Any) -> Any:
            sequence = next(iter((*arguments, *keywords.values())))
            steps = sequence.shape[0 if getattr(layer, "time_major", False) else 1]
            with nullcontext() if steps is None else replaced(layer, "unroll", True):
                return own(*arguments, **keywords)

        return call

    with ExitStack() as stack:
        for layer in forward.layers:
            if getattr(layer, "unroll", None) is False:
                stack.enter_context(replaced(layer, "call", unrolling(layer)))
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
    """Trace functions of TensorFlow, such as a grouped convolution of Keras, as their operations.

    Over volumes a CPU runs a grouped convolution as a compiled function alone: there it is one over all channels.
    """
    before = tf.config.functions_run_eagerly()
    with ExitStack() as stack:
        for layer in forward.layers:
            if getattr(layer, "groups", 1) > 1 and getattr(layer, "rank", 0) == 3:
                stack.enter_context(replaced(layer, "convolution_op", _over_all_channels(layer)))
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(before)


def _over_all_channels(layer: Any) -> Callable[[Any, Any], Any]:
    """Give the grouped convolution of a Keras layer as one over all channels, in which no group reads another."""
    own = layer.convolution_op

    def convolved(inputs: Any, kernel: Any) -> Any:
        groups = tf.split(tf.convert_to_tensor(kernel), layer.groups, -1)
        width, rank = groups[0].shape[-2], len(groups[0].shape)
        spread = [
            tf.pad(one, [[0, 0]] * (rank - 2) + [[width * place, width * (layer.groups - 1 - place)], [0, 0]])
            for place, one in enumerate(groups)
        ]
        return own(inputs, tf.concat(spread, -1))

    return convolved
