"""The two calls, `attribute` and `maximize`: check what is given, run it, warn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, overload

import numpy as np

from explain.algorithms.catalogue import find_method
from explain.backends.discovery import extension_for
from explain.backends.protocol import Extension, Question
from explain.errors import InputError, OptionError, TargetError
from explain.explanation.arguments import (
    OWN_ENGINE,
    bounds_of,
    check_neuron,
    display_of,
    engine_of,
    first_of,
    layout_of,
    optional_count,
    score_of,
    seed_of,
)
from explain.explanation.given_inputs import one_given, several_given
from explain.explanation.request import Request
from explain.explanation.run import run, warn
from explain.inputs.arrays import as_input, split_forward_kwargs, to_host
from explain.inputs.baseline import BaselineLike, uniform
from explain.inputs.display import Display
from explain.inputs.examples import Array
from explain.inputs.layers import LayerLike
from explain.inputs.layout import Layout
from explain.inputs.structure import structure_of
from explain.inputs.target import TargetLike
from explain.results.attribution import Attribution

# Where a maximized input starts: noise a tenth as wide as the bounds, about their middle. Wider noise
# stays visible in what is found, none at all starts every class at a point where they may be alike.
_START_WIDTH = 0.1


@overload
def attribute(
    model: Any, x: tuple[Any, ...], method: str = ..., *, layer: None = None, **arguments: Any
) -> tuple[Attribution | None, ...]: ...
@overload
def attribute(
    model: Any, x: list[Any], method: str = ..., *, layer: None = None, **arguments: Any
) -> list[Attribution | None]: ...
@overload
def attribute(
    model: Any, x: Mapping[str, Any], method: str = ..., *, layer: None = None, **arguments: Any
) -> dict[str, Attribution | None]: ...
@overload
def attribute(
    model: Any,
    x: tuple[Any, ...] | list[Any] | Mapping[str, Any],
    method: str = ...,
    *,
    layer: LayerLike,
    **arguments: Any,
) -> Any: ...
@overload
def attribute(
    model: Any,
    x: Any,
    method: str = "integrated_gradients",
    *,
    target: TargetLike = None,
    baseline: BaselineLike = None,
    score: str = "logit",
    output: int | str | None = None,
    layer: LayerLike | None = None,
    neuron: int | tuple[int, ...] | None = None,
    layout: str | Layout | None = None,
    lengths: Sequence[int] | Array | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
    framework: str | None = None,
    engine: str = OWN_ENGINE,
    batch_size: int | None = None,
    memory_budget: int | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    display: Display | Mapping[str, Any] | None = None,
    **options: Any,
) -> Attribution: ...
def attribute(
    model: Any,
    x: Any,
    method: str = "integrated_gradients",
    *,
    target: TargetLike = None,
    baseline: BaselineLike = None,
    score: str = "logit",
    output: int | str | None = None,
    layer: LayerLike | None = None,
    neuron: int | tuple[int, ...] | None = None,
    layout: str | Layout | None = None,
    lengths: Sequence[int] | Array | None = None,
    forward_kwargs: Mapping[str, Any] | None = None,
    framework: str | None = None,
    engine: str = OWN_ENGINE,
    batch_size: int | None = None,
    memory_budget: int | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    display: Display | Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Say which parts of an input a model used.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, a scikit-learn estimator or a function of tensors or arrays
        The model; it leaves as it came. For a plain function say which framework's with `framework`.
    x : numpy.ndarray or a tensor of the model's framework, or a tuple, list or dict of them
        The input with its batch axis, in the model's own layout, e.g. (N, C, H, W) or (N, H, W, C). For a model with
        an embedding layer also token ids, whole numbers of shape (N, T): each gets one value.
        Of a model that takes several inputs: a tuple or list goes to it by position, a dict by name, to a Keras model
        as Keras takes them. All are explained together. None is passed on as it is. Whole numbers that no embedding
        reads, and masks, are held as they are. `baseline`, `layout`, `lengths`, `bounds`, `display`, and the options
        ``feature_mask``, ``sliding_window_shapes``, ``strides`` and ``grid_size`` may then be of the same structure,
        with one entry an input; anything else holds for all.
    method : str
        A name or alias from `explain.methods`, e.g. ``"ig"`` or ``"saliency"``.
    target : None, int, sequence of int, tuple of int, sequence of tuple of int, or callable
        What is explained: None takes each example's predicted class; an int holds for all; a list has one
        int an example; a tuple is one index into outputs of higher rank; a list of tuples has one an
        example; a callable goes from the model's output tensor to one scalar an example.
    baseline : None, float, array or str
        For methods that compare: None (zeros), a number, an array that broadcasts to `x`, or a rule,
        ``"zeros"``, ``"mean"``, ``"blur"`` or ``"uniform"``. For methods that compare with a set of references,
        such as expected gradients: an array of reference examples in the layout of `x`, any number of them.
    score : str
        ``"logit"`` (a terminal softmax, log-softmax or sigmoid is taken off), ``"probability"``,
        ``"log_probability"`` or ``"output"`` (the model's output as it is).
    output : int or str, optional
        Which of several outputs, by position or by key.
    layer : str, (str, int) or a layer, optional
        Explains what a layer of the model gives instead of its input: the layer's name, its name and which of its
        calls, or the layer itself. For class activation maps: the layer whose map is taken, by default the last that
        has one.
    neuron : int or tuple of int, optional
        Explains one unit of that layer instead of the model's output: which inputs excite it. An index into what
        the layer gives for one example, e.g. (channel, row, column); takes the place of `target`. For conductance:
        the unit through which the inputs reach the target.
    layout : str, optional
        One letter an axis of `x` where it cannot be known: N batch, C channels or features, T time, D, H,
        W space, e.g. ``"TNC"``.
    lengths : sequence of int, optional
        The number of real steps of each example of a padded sequence; padding gets exactly zero.
    forward_kwargs : Mapping, optional
        What the model needs besides `x`, by name. An array with N rows is taken as one row an example.
    framework : str, optional
        ``"torch"``, ``"tensorflow"`` or ``"numpy"``, for functions whose framework cannot be seen.
    engine : str
        ``"explain"``, or a library that computes the same thing: ``"captum"``, ``"tf-explain"``.
    batch_size : int, optional
        How many points to hold in memory at once. By default the fastest size for this model, input and device,
        which is found on the work itself and kept for the process.
    memory_budget : int, optional
        How many bytes these points may need together. By default a quarter of the free memory.
    bounds : tuple of float, optional
        The least and the greatest valid value of `x`. By default those of `display` or of the model.
    seed : int
        Seed of everything random, drawn in NumPy.
    display : Display or Mapping, optional
        How to draw `x`: ``mean`` and ``scale`` of its normalisation, names of classes, steps or features.
    **options
        Options of the method; `explain.methods` lists them.

    Returns
    -------
    Attribution
        Signed float32 values of the shape of `x`, with what is needed to draw, compare and repeat them. Of several
        inputs one for each, in the same structure; None for one that is None, or that the method is not for. Values
        of all inputs together sum to what those of one input sum to, and `delta` is that of this sum. Of a `layer` of
        the model there is one result, whatever the inputs.

    Raises
    ------
    explain.errors.ExplainError
        A subclass that names the parameter, the value, what was expected and what to do next.

    Examples
    --------
    >>> import explain
    >>> model = explain.zoo.load("cifar_net", framework="torch")
    >>> x = explain.zoo.samples("cifar_net", framework="torch").x[:2]
    >>> a = explain.attribute(model, x, method="ig", target=3)
    >>> a.values.shape, a.score, bool((a.relative_delta < 0.05).all())
    ((2, 3, 32, 32), 'logit', True)
    """
    row = find_method(method)
    if baseline is not None and not row.uses_baseline:
        raise OptionError(
            f"baseline is not used by {row.name}, which compares the input with nothing: leave it out."
        )
    if layer is not None and row.layer == "none":
        raise OptionError(f"layer is not used by {row.name}, which explains the input: leave it out.")
    if layer is None and row.layer == "must":
        raise OptionError(
            f"layer is not given, but {row.name} is about a layer: name one, for example layer='conv2'."
        )
    if neuron is not None:
        check_neuron(row, layer, target)
    extension = extension_for(model, framework)
    about: dict[str, Any] = {"layout": layout, "bounds": bounds, "display": display}
    parted = structure_of(x, lambda one: to_host(one, extension) is not None)
    if parted is None:
        given = one_given(x, extension, model, row, options=options, **about)
    else:
        beside: dict[str, Any] = {**about, "options": options, "baseline": baseline, "lengths": lengths}
        structure, values = parted
        given = several_given(structure, values, extension, model, row, **beside)
    axes = given.layout
    taken = (given.wiring and given.wiring.names) or ()
    count = given.x.shape[axes.batch_axis]
    common, companions = split_forward_kwargs(forward_kwargs, count, extension, taken)
    request = Request(
        model=model,
        given=given,
        method=row,
        extension=extension,
        engine=engine_of(engine, row, extension),
        question=Question(axes, score_of(score), output, common, given.wiring),
        companions=companions,
        target=target,
        baseline=baseline,
        layer=layer,
        neuron=neuron,
        lengths=lengths,
        batch_size=optional_count("batch_size", batch_size),
        memory_budget=optional_count("memory_budget", memory_budget),
        seed=seed_of(seed),
    )
    result, notes = run(request)
    warn(notes, stacklevel=2)
    return result


def maximize(
    model: Any,
    target: TargetLike = None,
    *,
    shape: Sequence[int] | None = None,
    bounds: tuple[float, float] | None = None,
    like: Any = None,
    layout: str | Layout | None = None,
    seed: int = 0,
    framework: str | None = None,
    display: Display | Mapping[str, Any] | None = None,
    **arguments: Any,
) -> Attribution:
    """Find the input that most excites a score, from seeded noise.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, or a function of tensors
        The model; it leaves as it came.
    target : int, sequence of int, tuple of int, sequence of tuple of int, or callable
        What to excite. A list finds one input for each entry. A model with a single output needs none.
    shape : sequence of int, optional
        Shape of one input without the batch axis, e.g. (3, 32, 32). By default what the model states.
    bounds : tuple of float, optional
        Least and greatest valid value, kept at every step. By default those of `display` or of the model.
    like : array, optional
        A batch of inputs to take the shape, and failing all else the bounds, from.
    layout : str, optional
        One letter an axis, the batch axis N included, where it cannot be known.
    seed : int
        Seed of the start and of the jitter.
    framework, display
        As in `attribute`.
    **arguments
        Anything else that `attribute` takes, and the options of activation maximization.

    Returns
    -------
    Attribution
        ``values`` is the input that was found, ``inputs`` where it started, ``history`` the score before
        each step and after the last, shape (steps + 1, N).

    Raises
    ------
    explain.errors.InputError
        If the shape is not known; `explain.errors.OptionError` if the bounds are not.

    Examples
    --------
    >>> import explain
    >>> model = explain.zoo.load("cifar_net", framework="torch")
    >>> m = explain.maximize(model, target=3, shape=(3, 32, 32), bounds=(-1, 1), n_steps=8)
    >>> m.values.shape, bool(m.history[-1] > m.history[0])
    ((1, 3, 32, 32), True)
    """
    extension = extension_for(model, framework)
    shown = display_of(display)
    example = None if like is None else as_input(like, extension, name="like")
    span = bounds_of(first_of(bounds, shown.bounds, extension.stated_bounds(model), _span_of(example)))
    if span is None:
        raise OptionError(
            "bounds are not known: give bounds=(least, greatest) of a valid input, for example bounds=(0, 1), or "
            "like=x with a batch of inputs."
        )
    if shape is None and example is not None:
        axes = layout_of(layout, extension, model, example.ndim)
        axes.check(example)
        one = tuple(np.delete(example.shape, axes.batch_axis).tolist())
    else:
        one = _stated_shape(extension, model) if shape is None else tuple(shape)
        axes = layout_of(layout, extension, model, len(one) + 1)
    listed = to_host(target, extension)
    target = target if listed is None else listed.tolist()
    count = len(target) if isinstance(target, (list, range)) else 1
    if count == 0:
        raise TargetError("target is an empty list: give at least one target.")
    full = (*one[: axes.batch_axis], count, *one[axes.batch_axis :])
    found: Attribution = attribute(
        model,
        _start(full, axes, span, seed),
        method="activation_maximization",
        target=target,
        layout=axes,
        bounds=span,
        seed=seed,
        framework=framework,
        display=shown,
        **arguments,
    )
    return found


def _start(shape: tuple[int, ...], layout: Layout, bounds: tuple[float, float], seed: int) -> Array:
    """Draw the noise to start from: the same for every target, and the same picture in every layout."""
    least, greatest = bounds
    middle, half = (least + greatest) / 2, (greatest - least) / 2
    width = _START_WIDTH * half
    one = (*shape[: layout.batch_axis], 1, *shape[layout.batch_axis + 1 :])
    noise = layout.from_batch_first(
        uniform(
            layout.to_batch_first(np.empty(one)).shape,
            layout.batch_first,
            (middle - width, middle + width),
            seed,
        )
    )
    return np.broadcast_to(noise, shape).astype(np.float32)


def _span_of(example: Array | None) -> tuple[float, float] | None:
    return None if example is None else (float(example.min()), float(example.max()))


def _stated_shape(extension: Extension, model: Any) -> tuple[int, ...]:
    """Give the shape that the model states, or say how to give it."""
    stated = extension.stated_input_shape(model)
    if stated is None or None in stated:
        known = "does not state" if stated is None else f"leaves open in part ({stated})"
        raise InputError(
            f"shape is not known: the model {known} the shape of its input. Give shape= without the batch axis, for "
            "example shape=(3, 32, 32), or like=x with a batch of inputs."
        )
    return cast("tuple[int, ...]", stated)
