"""A problem posed at a layer: the same explanation, of the layer's output instead of the input."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np

from explain.backends.protocol import Backend, LayeredBackend
from explain.errors import LayerError
from explain.inputs.examples import Array, Examples, Target
from explain.inputs.layer_calls import LayerCall, LayerLike, extent_of, names_operation
from explain.inputs.layout import Layout
from explain.inputs.target import TargetLabels, resolve_target
from explain.public_calls.passes import uncounted
from explain.running.execution import Executor
from explain.running.maps.axes import known_axes, with_axes
from explain.running.maps.default_layer import as_map, carries_all, default_call
from explain.running.maps.reach import Reach
from explain.running.maps.row_order import check_order
from explain.running.maps.steps import as_steps
from explain.running.named_calls import Join, find_call
from explain.running.problem import Problem

_AXES_OF_ATTENTION = "NCHW"
"""The axes of attention: heads are the channels, queries the rows, keys the columns."""
# Half precision rounds a share by 2⁻⁸ at most.
_ONE = 0.01


@uncounted()
def resolve_layer(
    problem: Problem,
    layer: LayerLike | None,
    *,
    mapped: bool,
    stated: Layout | None = None,
    reach: Reach | None = None,
) -> LayerCall:
    """Find the call of the named layer, and the axes of its output.

    Without a name: the last call with a map that carries all of the score's dependence on the input.

    Parameters
    ----------
    problem : Problem
        Posed at the input.
    layer : str, (str, int) or object, optional
        As the caller gave it.
    mapped : bool
        Whether a map over the input is needed.
    stated : Layout, optional
        The axes of the output, if the caller states them.
    reach : Reach, optional
        With several inputs: the calls that depend on this one. Those that depend on it alone come first.

    Raises
    ------
    LayerError
        If there is none, or several and `layer` does not select one, or its axes cannot be told.
    """
    if layer is None:
        call = _default_call(problem) if reach is None else _default_call_of(problem, reach)
        # The layer is cached; the order depends on the examples.
        check_order(layered(problem), problem.executor, call, problem.examples)
        return call
    key = _key_of(layer, problem.examples) if mapped and stated is None and reach is None else None
    known = None if key is None else layered(problem).observed.get(("map", problem.layout, key))
    if known is not None:
        check_order(layered(problem), problem.executor, known[0], problem.examples)
        kept: LayerCall = known[1]
        return kept
    named = call = named_call(problem, layer, partial(_meant, problem, reach))
    if stated is None and not mapped and _gives_attention(problem, call):
        return replace(call, axes=_AXES_OF_ATTENTION)
    call = with_axes(problem, call, stated)
    if not mapped:
        return call
    found = as_map(problem, call, _calls_with(layered(problem), layer, problem.examples))
    if found is None:
        raise LayerError(_no_map(problem, call, layer))
    if key is not None and named.is_only_call and found.grid is None and not problem.parts:
        # Which of several calls is meant, and the grid of tokens, are found anew.
        layered(problem).observed["map", problem.layout, key] = named, found
    return found


def _meant(problem: Problem, reach: Reach | None, calls: Sequence[LayerCall]) -> Sequence[LayerCall]:
    """Give the calls that the name of a layer means: of several inputs, those of this one; those for steps as one."""
    if reach is not None:
        label = calls[0].label if len(calls) == 1 else calls[0].name
        calls = reach.among(calls, operations=calls[0].is_operation)
        if not calls:
            raise LayerError(
                f"layer={label!r} does not read this input: name a layer that does, or leave layer out: "
                "each of several inputs then has its own."
            )
    joined = as_steps(problem, calls) if len(calls) > 1 else None
    return calls if joined is None else (joined,)


def _gives_attention(problem: Problem, call: LayerCall) -> bool:
    """Tell whether a call gives shares of keys, shape (heads, queries, keys), as many queries as keys.

    The probabilities of as many classes as a picture is wide have shares too: there, their axes are observed.
    """
    if len(call.shape) != 3 or call.shape[1] != call.shape[2] or call.shape[1] == 1:
        return False
    if len(extent_of(problem.layout)) == 2 and known_axes(problem, call) is not None:
        return False
    weights = activations_of(problem, call, problem.examples.rows(slice(0, 1)))
    sums = weights.sum(axis=-1)
    # A row is zero where everything is masked.
    return bool((weights >= 0).all() and ((np.abs(sums - 1) < _ONE) | (sums == 0)).all() and sums.any())


@uncounted()
def named_call(problem: Problem, layer: LayerLike, join: Join | None = None) -> LayerCall:
    """Find the call of a named layer, whatever the axes of its output; several as one as `join` does."""
    return _in_order(layered(problem), problem.executor, layer, problem.examples, join)


def _in_order(
    backend: LayeredBackend,
    executor: Executor,
    layer: LayerLike,
    examples: Examples,
    join: Join | None = None,
) -> LayerCall:
    """Find the call of a named layer, whose rows are in the order of the examples."""
    calls = _calls_with(backend, layer, examples)
    # To name all layers takes a walk over the model.
    is_called = isinstance(layer, str) and any(one.name == layer for one in calls)
    call = find_call(layer, calls, {} if is_called else backend.layer_names(), join)
    key = _key_of(layer, examples)
    if key is not None:
        backend.observed[key] = call
    check_order(backend, executor, call, examples)
    return call


def expected_call(backend: Backend, layer: LayerLike, examples: Examples) -> LayerCall | None:
    """Give the call that a name meant for examples of the same shapes, None if that is not known.

    A guess that announces what is asked next: which call is meant is found anew each time.
    """
    key = _key_of(layer, examples) if "layers" in backend.provides else None
    return None if key is None else cast(LayeredBackend, backend).observed.get(key)


def _key_of(layer: LayerLike, examples: Examples) -> Hashable:
    """Give the key of a named layer among what was observed of a model; None for a layer that is given as an object."""
    parts = layer if isinstance(layer, tuple) else (layer,)
    if not all(isinstance(part, (str, int)) for part in parts):
        return None
    return ("named layer", layer, *(array.shape[1:] for array in examples.inputs))


def _calls_with(backend: LayeredBackend, layer: LayerLike, examples: Examples) -> Sequence[LayerCall]:
    """Give every call of a layer, and the operations between layers if `layer` names one."""
    return backend.layer_calls(examples, operations=names_operation(layer))


def _default_call_of(problem: Problem, reach: Reach) -> LayerCall:
    """Give the default layer of one of several inputs: one that no other input reaches, if there is one."""
    try:
        return _default_call(problem, reach, alone=True)
    except LayerError:
        return _default_call(problem, reach)


def _default_call(problem: Problem, reach: Reach | None = None, *, alone: bool = False) -> LayerCall:
    """Give the cached default layer; where the target is not a class, it depends on the target and is not cached."""

    def calls(operations: bool) -> Sequence[LayerCall]:
        if reach is None:
            return layered(problem).layer_calls(problem.examples, operations=operations)
        return (reach.alone if alone else reach.read)(operations=operations)

    layers, indices = calls(False), problem.examples.target.indices
    place = 0 if reach is None else reach.place
    known, key = layered(problem).observed, ("default layer", problem.layout, place, tuple(layers))
    found: LayerCall | None = known.get(key) if indices is not None and indices.shape[1] == 1 else None
    # It was found for other examples, whose score may go another way.
    if found is not None and carries_all(problem, found):
        return found
    found = default_call(problem, layers, partial(calls, True))
    if indices is not None and indices.shape[1] == 1:
        known[key] = found
    return found


def _no_map(problem: Problem, call: LayerCall, layer: LayerLike) -> str:
    """Say why a named layer gives no map over the input."""
    extent = extent_of(problem.layout)
    if not extent:
        return (
            f"layer={call.label!r} cannot give a map over an input of layout={problem.layout.axes!r}, which has no "
            "axes of space or time: use a method that explains the input, such as method='integrated_gradients'."
        )
    own = extent_of(Layout(call.axes))
    what = (
        f"gives shape {call.shape} per example (axes {call.axes[1:]}), which is not a map of several places over "
        + (f"the input's axes of space or time, {extent}")
    )
    if own == "T" and len(extent) > 1:
        what = f"gives shape {call.shape} per example, a sequence, and no grid over the input fits its tokens"
    same = [one for one in _calls_with(layered(problem), layer, problem.examples) if one.name == call.name]
    if isinstance(layer, tuple) and as_steps(problem, same) is not None:
        return (
            f"layer={call.label!r} {what}: its {len(same)} calls are those for the steps of the input. Name all of "
            f"them, with layer={call.name!r}."
        )
    return f"layer={call.label!r} {what}: name another layer, or use method='integrated_gradients'."


def up_to_layer(
    backend: Backend, executor: Executor, layer: LayerLike, examples: Examples
) -> tuple[Backend, LayerCall]:
    """Give the model up to a layer, whose units can then be explained, and the call of the layer."""
    whole = cast(LayeredBackend, backend)
    call = _in_order(whole, executor, layer, examples)
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


def _references_at(problem: Problem, call: LayerCall) -> tuple[Array, ...] | None:
    """Give the output of a layer for the references, the same for all examples.

    Raises
    ------
    LayerError
        If it depends on what else belongs to an example, such as its mask: no set is then the same for all.
    """
    if problem.references is None:
        return None
    examples, references = problem.examples, problem.references
    count = len(references[0])
    fixed = examples.companions or examples.held or examples.unmoved or examples.mask is not None
    found = None
    for row in range(len(examples) if fixed else 1):
        repeated = examples.rows(np.full(count, row)).with_inputs(references)
        units = activations_of(problem, call, repeated)
        if found is not None and not np.allclose(units, found, rtol=1e-5, atol=1e-6):
            raise LayerError(
                f"layer={call.label!r}: its output for the references depends on what else belongs to an example (its "
                "mask, other inputs or keyword arguments), so the examples have no references in common there. "
                "Explain the examples one at a time."
            )
        found = units if found is None else found
    assert found is not None, "there is an example"
    return (found,)


def at_layer(problem: Problem, call: LayerCall) -> Problem:
    """Pose the same problem at a layer: inputs, baselines and references are the layer's outputs for the problem's."""
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
        references=_references_at(problem, call),
        layout=layout,
        bounds=None,
        call=call,
        outer=problem,
    )
