"""The start of activation maximization: seeded noise of the right shape, within the bounds of a valid input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np

from explain.backends.discovery import extension_for, without_partial
from explain.backends.protocol import Extension
from explain.errors import InputError, OptionError, TargetError
from explain.inputs.arrays import as_input, to_host
from explain.inputs.baseline import uniform
from explain.inputs.bounds import bounds_of
from explain.inputs.display import Display, display_of
from explain.inputs.examples import Array
from explain.inputs.layout import Layout, layout_of
from explain.inputs.naming.class_names import per_example

# The width of the noise, as a share of the width of the bounds; the noise is centred between the bounds. Wider noise
# stays visible in the result. Without noise, all classes start at one point, where their gradients may be alike.
_NOISE_WIDTH = 0.1


@dataclass(frozen=True)
class Start:
    """The arguments of `explain.attribute` that start a maximization.

    Parameters
    ----------
    x : numpy.ndarray
        The noise, one input per target, in the model's layout.
    target : object
        The output to maximize; a list has one entry per input.
    layout : Layout
        The axes of `x`.
    bounds : tuple of float
        The least and the greatest valid value.
    display : Display
        How to draw an input.
    """

    x: Array
    target: Any
    layout: Layout
    bounds: tuple[float, float]
    display: Display


def start_of(
    model: Any,
    target: Any,
    shape: Sequence[int] | None,
    bounds: Any,
    like: Any,
    layout: str | Layout | None,
    seed: int,
    framework: str | None,
    display: Display | Mapping[str, Any] | None,
) -> Start:
    """Give the start of a maximization; parameters as in `explain.maximize`.

    Raises
    ------
    InputError
        If the shape of an input is not known.
    OptionError
        If the bounds of an input are not known.
    TargetError
        If the list of targets is empty.
    """
    model, _ = without_partial(model)
    extension = extension_for(model, framework)
    # What is found has none of the names of the caller's examples.
    shown = replace(display_of(display), example_names=(), step_names=())
    example = None if like is None else as_input(like, extension, name="like")
    span = bounds_of(bounds, shown.bounds, extension.stated_bounds(model), _span_of(example))
    if span is None:
        raise OptionError(
            "bounds are not known: give bounds=(least, greatest) of a valid input, for example bounds=(0, 1), or "
            "like=x with a batch of inputs."
        )
    if shape is None and example is not None:
        axes = layout_of(layout, partial(extension.default_layout, model, example.ndim))
        axes.check(example)
        one = tuple(np.delete(example.shape, axes.batch_axis).tolist())
    else:
        one = _stated_shape(extension, model) if shape is None else tuple(shape)
        axes = layout_of(layout, partial(extension.default_layout, model, len(one) + 1))
    listed = to_host(target, extension)
    target = per_example(target if listed is None else listed.tolist())
    count = len(target) if isinstance(target, (list, range)) else 1
    if count == 0:
        raise TargetError("target is an empty list: give at least one target.")
    full = (*one[: axes.batch_axis], count, *one[axes.batch_axis :])
    return Start(noise(full, axes, span, seed), target, axes, span, shown)


def noise(shape: tuple[int, ...], layout: Layout, bounds: tuple[float, float], seed: int) -> Array:
    """Draw the noise: the same for every target, and the same picture in every layout."""
    least, greatest = bounds
    middle, half = (least + greatest) / 2, (greatest - least) / 2
    width = _NOISE_WIDTH * half
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
    """Give the shape that the model states, or raise an error that says how to set the shape."""
    stated = extension.stated_input_shape(model)
    if stated is None or None in stated:
        known = "does not state" if stated is None else f"leaves open in part ({stated})"
        raise InputError(
            f"shape is not known: the model {known} the shape of its input. Give shape= without the batch axis, for "
            "example shape=(3, 32, 32), or like=x with a batch of inputs."
        )
    return cast("tuple[int, ...]", stated)
