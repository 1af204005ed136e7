"""The function `explain.layers`: the calls that a model makes of its layers, observed on a batch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from explain.backends.discovery import extension_for, models_inside, without_partial
from explain.backends.protocol import Backend, Extension, LayeredBackend
from explain.errors import (
    GradientError,
    InputError,
    LayerError,
    SeveralOutputsError,
    TargetError,
    UnsupportedModelError,
)
from explain.explanation.arguments import OWN_ENGINE
from explain.explanation.checked_request import checked_request
from explain.explanation.one_input import OneInput
from explain.explanation.posed import Posed, posed
from explain.explanation.request import Request
from explain.explanation.seen_layout import with_seen_layout
from explain.explanation.several_inputs import SeveralInputs
from explain.inputs.examples import Array
from explain.inputs.layer_calls import LayerCall, extent_of
from explain.inputs.layout import Layout
from explain.keras.layers import n_trained
from explain.layer_table.shared_runs import SharedRuns
from explain.layer_table.table import LayerRow, LayerTable
from explain.public_calls.callers_line import at_callers_line
from explain.public_calls.progress import counted_each
from explain.public_calls.progress_bar import shown
from explain.running.layer_view import resolve_layer
from explain.running.locks import ONE_CALL_AT_A_TIME
from explain.running.maps.default_layer import as_map

# Which output a map belongs to makes no difference: the first number of an output of any rank.
_TARGETS = (None, 0, (0, 0), (0, 0, 0), (0, 0, 0, 0))
_METHOD = "saliency"
# The order of the axes in which twins of two frameworks have the same shapes.
_CANONICAL = "TDHWC"


@at_callers_line
def layers(
    model: Any,
    x: Any = None,
    *,
    tokenizer: Any = None,
    layout: str | Layout | None = None,
    output: int | str | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
    framework: str | None = None,
) -> LayerTable:
    """List the layers that a model calls, in the order of their calls, in one notation for every framework.

    The names are those that ``layer=`` of `explain.attribute` takes. Shapes are those of one example with the channels
    last, so that twins in two frameworks have the same; axes are observed, not guessed from the classes of the layers.

    Parameters
    ----------
    model : torch.nn.Module or keras.Model
        The model; it is restored after the call.
    x : array, tensor, or tuple, list or dict of them, optional
        A batch as `explain.attribute` takes it, of which the first example is run. By default random numbers, of the
        shape that the model states: Keras models do, and the seed models.
    tokenizer : object, optional
        For strings, as in `explain.attribute`.
    layout : str, optional
        One letter per axis of `x`, where the layout cannot be inferred.
    output : int or str, optional
        Of a model with several outputs the one whose maps are meant.
    forward_kwargs : Mapping, optional
        Further arguments of the model, by name.
    framework : str, optional
        ``"torch"``, ``"tensorflow"`` or ``"jax"``, where it cannot be detected.

    Returns
    -------
    LayerTable
        A sequence of rows, one per call, with `name`, `layer` (what ``layer=`` takes), `kind`, `axes`, `shape`,
        `parameters`, `can_be_layer`, `has_map` and `is_default`. It shows itself as a table; `to_dataframe`,
        `to_json` and `text` give it in other forms.

    Raises
    ------
    explain.errors.InputError
        If `x` is left out and the model does not state its input's shape.
    explain.errors.UnsupportedModelError
        If the layers of the model cannot be accessed.

    Examples
    --------
    >>> import explain
    >>> table = explain.layers(explain.zoo.load("cifar_net", framework="torch"))
    >>> row = table[0]
    >>> row.layer, row.kind, row.axes, row.shape, row.has_map
    ('conv1', 'Conv2d', 'NHWC', (28, 28, 6), True)
    """
    model, forward_kwargs = without_partial(model, forward_kwargs)
    extension = extension_for(model, framework)
    if x is None:
        x = _example(extension, model)
    request = _request(model, x, tokenizer, layout, output, forward_kwargs, framework)
    with ONE_CALL_AT_A_TIME:
        backend = request.extension.open(request.model, request.question, request.given.like)
    _check_layers(backend, request)
    try:
        return _observed(request)
    except SeveralOutputsError:
        # The layers are the same for each output, but for the one that class activation maps use.
        first = _request(model, x, tokenizer, layout, 0, forward_kwargs, framework)
        note = (
            "The model has several outputs: give output= to see the default layer of class activation maps."
        )
        return replace(_observed(first, with_default=False), note=note)


def _observed(request: Request, *, with_default: bool = True) -> LayerTable:
    """Run the model, and make the table."""
    for target in _TARGETS:
        try:
            with shown(None, "layers"), posed(replace(request, target=target)) as problem:
                return _with_maps(problem, with_default=with_default)
        except TargetError:
            continue
    return _without_maps(
        request, "Which outputs are maps is not known: the model's output has no single number."
    )


def _request(
    model: Any,
    x: Any,
    tokenizer: Any,
    layout: Any,
    output: Any,
    forward_kwargs: Mapping[str, Any] | None,
    framework: str | None,
) -> Request:
    """Check the arguments as `explain.attribute` does, for a method whose values need no more of them."""
    return checked_request(
        model,
        x,
        _METHOD,
        tokenizer=tokenizer,
        target=None,
        baseline=None,
        score="output",
        output=output,
        layer=None,
        layer_layout=None,
        neuron=None,
        reduce=None,
        layout=layout,
        lengths=None,
        forward_kwargs=forward_kwargs,
        framework=framework,
        engine=OWN_ENGINE,
        batch_size=None,
        memory_budget=None,
        bounds=None,
        seed=0,
        display=None,
        options={},
    )


# What a message writes for a size that a model leaves open.
_OPEN_SIZE = 32


def _example(extension: Extension, model: Any) -> Array:
    """Draw an example of the shape that a model states: token ids are zeros, anything else random numbers."""
    shape = extension.stated_input_shape(model)
    if shape is None:
        raise InputError(
            "x is not given, and the model does not state the shape of one input: give explain.layers(model, x) a "
            "batch as the model takes it, for example np.zeros((1, 3, 224, 224), np.float32), of several inputs a "
            "tuple or dict. TorchScript, exported and TFLite models, SavedModels and functions have lost their layers."
        )
    if None in shape:
        sizes = (1, *(_OPEN_SIZE if size is None else size for size in shape))
        kind = "int64" if extension.reads_token_ids(model) else "float32"
        raise InputError(
            f"x is not given, and the model leaves a size open, {shape}, in the shape of its input: give a batch as "
            f"the model takes it, for example explain.layers(model, np.zeros({sizes}, np.{kind}))."
        )
    full = cast("tuple[int, ...]", (1, *shape))
    if extension.reads_token_ids(model):
        return np.zeros(full, np.int64)
    return np.random.default_rng(0).normal(size=full).astype(np.float32)


def _check_layers(backend: Backend, request: Request) -> None:
    if "layers" not in backend.provides:
        inside = models_inside(request.model, request.extension)
        remedy = f" Or give the model inside it: {' or '.join(inside)}." if inside else ""
        raise UnsupportedModelError(
            f"model is of type {backend.model_name}, whose layers cannot be accessed: TorchScript, exported and ONNX "
            "models, SavedModels and functions have lost them. Give the torch.nn.Module or keras.Model that it was "
            f"made from.{remedy}"
        )


def _with_maps(posed: Posed, *, with_default: bool) -> LayerTable:
    """Make the table of a posed problem, with the axes and the maps of each output."""
    problem = posed.problem
    backend = cast(LayeredBackend, problem.backend)
    calls = backend.layer_calls(problem.examples)
    rows, runs, maps = [], SharedRuns(problem, calls), {}
    default, note = _default(posed) if with_default else (None, "")
    for call in counted_each(calls, "layers"):
        axes = runs.axes_of(call)
        kind = axes, call.shape
        # Whether tokens come from a grid is the same for all sequences of as many.
        if kind not in maps:
            maps[kind] = _is_map(posed, replace(call, axes=axes), calls)
        is_default = default is not None and (call.name, call.call) == (default.name, default.call)
        rows.append(_Seen(call, axes, maps[kind] and call.has_examples, is_default))
    return _table(posed.request, backend, rows, note)


def _without_maps(request: Request, note: str) -> LayerTable:
    """Make the table of a model whose outputs are no scores: the calls alone."""
    with ONE_CALL_AT_A_TIME:
        opened = request.extension.open(request.model, request.question, request.given.like)
        with opened.session():
            request = with_seen_layout(request, opened)
            view = (OneInput if request.given.structure is None else SeveralInputs).prepared(request, opened)
            backend = cast(LayeredBackend, view.backend)
            rows = [_Seen(call, "", None) for call in backend.layer_calls(view.examples)]
            return _table(request, backend, rows, note)


@dataclass(frozen=True)
class _Seen:
    """A call with what was observed of its output: its axes, and whether it is a map and the default one."""

    call: LayerCall
    axes: str
    has_map: bool | None
    is_default: bool = False


def _default(posed: Posed) -> tuple[LayerCall | None, str]:
    """Give the layer that class activation maps use, or why there is none."""
    if isinstance(posed.view, SeveralInputs):
        return None, "Of several inputs, each has its own default layer of a class activation map."
    try:
        return resolve_layer(posed.problem, None, mapped=True), ""
    except (LayerError, GradientError) as cause:
        return None, f"Class activation maps have no default layer: {cause}"


def _is_map(posed: Posed, call: LayerCall, calls: Sequence[LayerCall]) -> bool | None:
    """Tell whether an output is a map over the input; None where its axes cannot be told."""
    if not call.has_examples:
        return False
    if not call.axes:
        return None if len(call.shape) > 1 else False
    problem = posed.problem
    if not problem.parts:
        return as_map(problem, call, calls) is not None
    extent = extent_of(Layout(call.axes))
    return math.prod(call.places) > 1 and any(
        sorted(extent_of(part.layout)) == sorted(extent) for part in problem.parts
    )


def _table(request: Request, backend: LayeredBackend, seen: Sequence[_Seen], note: str) -> LayerTable:
    """Put calls in rows, then the layers that are never called."""
    named = {
        name: layer for name, layer in backend.named_layers.items() if name and layer is not request.model
    }
    counts = Counter(one.call.name for one in seen)
    rows = [_row(one, named.get(one.call.name), counts[one.call.name]) for one in seen]
    # Layers that are never called and have no parameters are lists of others, and a model's inputs.
    unused = {name: n_trained(layer) for name, layer in named.items() if name not in counts}
    containing = {name[:end] for name in named for end in range(len(name)) if name[end] in "./"}
    rows += [
        LayerRow(name, 0, 0, type(named[name]).__name__, "", (), count, False, False)
        for name, count in unused.items()
        if count and name not in containing
    ]
    return LayerTable(
        tuple(rows),
        backend.model_name,
        backend.name,
        n_trained(request.model),
        _stated(request),
        note,
    )


def _row(seen: _Seen, layer: Any, n_calls: int) -> LayerRow:
    call, axes, shape = seen.call, seen.axes, seen.call.shape
    if axes:
        sizes = dict(zip(axes[1:], shape, strict=True))
        letters = [letter for letter in _CANONICAL if letter in sizes]
        axes, shape = "N" + "".join(letters), tuple(sizes[letter] for letter in letters)
    return LayerRow(
        name=call.name,
        call=call.call,
        n_calls=n_calls,
        kind=type(layer).__name__ if layer is not None else "",
        axes=axes,
        shape=tuple(shape),
        parameters=n_trained(layer),
        can_be_layer=call.has_examples,
        has_map=seen.has_map,
        is_default=seen.is_default,
    )


def _stated(request: Request) -> str:
    """Give the shape of the input, with its axes where there is one input."""
    given = request.given
    sizes = ", ".join(map(str, ("N", *np.delete(given.x.shape, given.layout.batch_axis))))
    if given.structure is not None:
        return f"of {len(given.several)} parts"
    return f"({sizes}), {given.layout.axes}"
