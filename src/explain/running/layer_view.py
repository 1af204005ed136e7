"""A problem posed at a layer: the same explanation, of the layer's output instead of the input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import GradientError, LayerError
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layer_calls import LayerCall, LayerLike, find_call, has_map, with_maps
from explain.inputs.target import TargetLabels, resolve_target
from explain.running.problem import Problem


def resolve_layer(
    problem: Problem,
    layer: LayerLike | None,
    *,
    mapped: bool,
    reads: Callable[[LayerCall], bool] = lambda call: True,
) -> LayerCall:
    """Find the call of the named layer; without a name, the last one with a map that the score depends on.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    layer : str, (str, int) or object, optional
        As the caller gave it.
    mapped : bool
        Whether a map is needed.
    reads : callable
        Tells whether a layer's output depends on this input, which with several inputs it need not.

    Raises
    ------
    LayerError
        If there is none, or several and `layer` does not select one.
    """
    backend = layered(problem)
    calls = backend.layer_calls(problem.examples)
    if layer is None:
        return _last_with_map(problem, with_maps([*filter(reads, calls)], problem.layout))
    call = find_call(layer, calls, backend.layer_names())
    if mapped and not has_map(call, problem.layout):
        raise LayerError(
            f"layer={call.label!r} gives shape {call.shape} per example, which is not a map over the axes of space or "
            f"time that an input of layout={problem.layout.axes!r} has: name an earlier layer, or leave layer out."
        )
    if not reads(call):
        raise LayerError(
            f"layer={call.label!r} does not read this input: name a layer that does, or leave layer out: "
            "each of several inputs then has its own."
        )
    return call


def _last_with_map(problem: Problem, calls: Sequence[LayerCall]) -> LayerCall:
    """Give the first of some calls, in reverse order, whose map affects the score at more than one position.

    A recurrent layer may give a whole sequence though the model uses only its last step: its map then has no
    information, and in another framework the same layer gives only that step.

    Raises
    ------
    LayerError
        If there is none, though the score depends on one position of a map.
    GradientError
        If the score has no gradient to any of them.
    """
    if "gradients" not in problem.backend.provides:
        return calls[0]
    one, alone = problem.examples.rows(slice(0, 1)), False
    unread: dict[LayerCall, GradientError] = {}
    for call in calls:
        try:
            _, slopes = layered(problem).units_and_gradients(call, one)
        except GradientError as cause:
            # The score may depend on a recurrent layer's state and not on its sequence, which is its first output.
            unread[call] = cause
            continue
        places = call.layout(problem.layout).to_canonical(slopes).any(axis=-1)
        if np.count_nonzero(places) > 1:
            return call
        alone = alone or bool(places.any())
    if alone:
        raise LayerError(
            "Of every layer that gives a map over space or time, the score depends on one place only, as on the last "
            "step of a recurrent layer: a class activation map would have no information. Name a layer with layer= if "
            "you want it nevertheless, or use method='integrated_gradients'."
        )
    read = [call for call in calls if call not in unread]
    if not read:
        raise unread[calls[0]]
    return read[0]


def up_to_layer(backend: Backend, layer: LayerLike, examples: Examples) -> tuple[Backend, LayerCall]:
    """Give the model up to a layer, whose units can then be explained, and the call of the layer."""
    whole = cast(LayeredBackend, backend)
    call = find_call(layer, whole.layer_calls(examples), whole.layer_names())
    return whole.until(call), call


def resolve_neuron(problem: Problem, call: LayerCall, neuron: Any) -> tuple[Target, TargetLabels]:
    """Find the unit of a layer for each example; raise `TargetError` if there is no such unit."""
    return resolve_target(neuron, activations_of(problem, call, problem.examples), "neuron")


def layered(problem: Problem) -> LayeredBackend:
    """Give the backend as a `LayeredBackend`; its primitives were checked before."""
    return cast(LayeredBackend, problem.backend)


def activations_of(problem: Problem, call: LayerCall, examples: Examples) -> Array:
    """Give the output of a layer for examples, shape (N, ...), in the precision of points; computed chunk by chunk."""
    backend = layered(problem)
    parts = problem.executor.over_rows(
        len(examples), lambda rows: backend.activations(call, examples.rows(rows))
    )
    return np.ascontiguousarray(np.concatenate([units for _, units in parts]), dtype=backend.dtype)


def at_layer(problem: Problem, call: LayerCall) -> Problem:
    """Pose the same problem at a layer: inputs and baselines are the layer's outputs for those of the problem."""
    examples, layout = problem.examples, call.layout(problem.layout)
    activations = activations_of(problem, call, examples)
    baselines = problem.baselines
    if baselines is not None:
        baselines = (activations_of(problem, call, examples.with_inputs(baselines)),)
    axis, mask = layout.time_axis, examples.mask
    if mask is not None and (axis is None or activations.shape[axis] != mask.shape[1]):
        mask = None
    return replace(
        problem,
        backend=layered(problem).at(call),
        examples=examples.at_layer(activations, mask),
        baselines=baselines,
        layout=layout,
        bounds=None,
        call=call,
        outer=problem,
    )
