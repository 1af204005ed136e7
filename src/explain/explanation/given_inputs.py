"""The inputs of a call with the arguments that belong to each, checked and copied to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any

import numpy as np

from explain.algorithms.catalogue import methods
from explain.algorithms.method import Method
from explain.backends.protocol import Extension
from explain.errors import BaselineError, InputError, LayoutError
from explain.explanation.arguments import bounds_of, display_of, first_of, layout_of
from explain.inputs.arrays import as_input, to_host
from explain.inputs.display import Display
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.structure import Structure, structure_of
from explain.inputs.wiring import Wiring

# For inputs that stay fixed: their axes are not used, but a layout of the right rank is.
_HELD = {1: "N", 2: "NT", 3: "NHW", 4: "NCHW", 5: "NCDHW"}


@dataclass(frozen=True)
class GivenInput:
    """An input with its arguments.

    Parameters
    ----------
    name : str
        Its key or its position among several inputs; empty for a single input.
    host : numpy.ndarray, optional
        The input on the host, in the model's layout; None where the model gets None.
    layout : Layout
        Its axes.
    options : Mapping
        The method's options, those of this input where the caller gives one an input.
    baseline, lengths : object
        As given for this input.
    has_own_baseline : bool
        Whether the caller gives a baseline for this input alone.
    bounds : tuple of float, optional
        Its least and greatest valid value.
    display : Display
        How it is drawn.
    """

    name: str
    host: Array | None
    layout: Layout
    options: Mapping[str, Any] = field(default_factory=dict)
    baseline: Any = None
    lengths: Any = None
    has_own_baseline: bool = False
    bounds: tuple[float, float] | None = None
    display: Display = field(default_factory=Display)

    @property
    def is_moved(self) -> bool:
        """Whether it is in floating point: methods change such inputs, and keep all others fixed."""
        return self.host is not None and self.host.dtype.kind == "f"

    @property
    def batch_first(self) -> Array:
        """The input batch first."""
        assert self.host is not None
        return np.ascontiguousarray(self.layout.to_batch_first(self.host))


@dataclass(frozen=True)
class Given:
    """All inputs of a call, with their arguments.

    Parameters
    ----------
    x : numpy.ndarray
        The input on the host, in the model's layout; of several inputs the first in floating point.
    like : object
        The same as the caller gives it: a model without parameters runs in its dtype and on its device.
    layout : Layout
        Its axes.
    options : Mapping
        The method's options with defaults filled in; of several inputs those that they share.
    bounds : tuple of float, optional
        Least and greatest valid value.
    display : Display
        How it is drawn.
    structure, several, wiring : Structure, tuple of GivenInput, Wiring
        Of several inputs: the tuple, list or dict that they come in, each of them, and how the model is called with
        them.
    """

    x: Array
    like: Any
    layout: Layout
    options: Mapping[str, Any]
    bounds: tuple[float, float] | None
    display: Display
    structure: Structure | None = None
    several: tuple[GivenInput, ...] = ()
    wiring: Wiring | None = None

    @property
    def as_one(self) -> GivenInput:
        """The whole as a single input, for a result that is not one of several."""
        return GivenInput("", self.x, self.layout, self.options, bounds=self.bounds, display=self.display)


def given_inputs(
    x: Any,
    extension: Extension,
    model: Any,
    row: Method,
    *,
    options: Mapping[str, Any],
    baseline: Any,
    layout: Any,
    lengths: Any,
    bounds: Any,
    display: Any,
) -> Given:
    """Check one input or several, with their arguments; parameters as in `explain.attribute`."""
    parted = structure_of(x, lambda one: to_host(one, extension) is not None)
    if parted is None:
        return _one_given(
            x, extension, model, row, options=options, layout=layout, bounds=bounds, display=display
        )
    structure, values = parted
    return several_given(
        structure,
        values,
        extension,
        model,
        row,
        options=options,
        baseline=baseline,
        layout=layout,
        lengths=lengths,
        bounds=bounds,
        display=display,
    )


def _one_given(
    x: Any,
    extension: Extension,
    model: Any,
    row: Method,
    *,
    options: Mapping[str, Any],
    layout: Any,
    bounds: Any,
    display: Any,
) -> Given:
    """Check a single input and its arguments."""
    resolved = row.resolve_options(options, methods())
    host = as_input(x, extension, model=model)
    ids = host.dtype.kind == "i"
    axes = Layout("NT") if ids and layout is None else layout_of(layout, extension, model, host.ndim)
    axes.check(host)
    shown = display_of(display)
    span = bounds_of(first_of(bounds, shown.bounds, extension.stated_bounds(model)))
    return Given(host, x, axes, resolved, span, shown)


def several_given(
    structure: Structure,
    values: Sequence[Any],
    extension: Extension,
    model: Any,
    row: Method,
    *,
    options: Mapping[str, Any],
    baseline: Any,
    layout: Any,
    lengths: Any,
    bounds: Any,
    display: Any,
) -> Given:
    """Check several inputs, each with its own arguments or with those for all; parameters as in `explain.attribute`.

    Raises
    ------
    InputError
        If one of them cannot be explained, or their numbers of examples differ.
    """
    each = _options_of_each(row, options, structure)
    baselines = structure.spread(baseline, "baseline", error=BaselineError)
    layouts = structure.spread(layout, "layout", error=LayoutError)
    of_lengths = structure.spread(lengths, "lengths", _are_numbers, InputError)
    all_bounds = structure.spread(bounds, "bounds", _are_numbers)
    displays = structure.spread(display, "display", _is_display)
    own_baseline = isinstance(baseline, (tuple, list, Mapping))
    found = []
    for place, (name, value) in enumerate(zip(structure.names, values, strict=True)):
        host = None if value is None else _on_host(value, extension, f"x[{_key(structure, name)}]")
        axes = _axes(layouts[place], extension, model, host)
        shown = display_of(displays[place])
        found.append(
            GivenInput(
                name=name,
                host=host,
                layout=axes,
                options=each[place],
                baseline=baselines[place],
                # One list of lengths is for all sequences there are.
                lengths=None if _are_numbers(lengths) and axes.time_axis is None else of_lengths[place],
                has_own_baseline=own_baseline and baselines[place] is not None,
                bounds=bounds_of(first_of(all_bounds[place], shown.bounds, extension.stated_bounds(model))),
                display=shown,
            )
        )
    _check_counts(found)
    # A model follows what can be moved, if anything can.
    first = next((place for place, one in enumerate(found) if one.is_moved), None)
    if first is None:
        first = next(place for place, one in enumerate(found) if one.host is not None)
    one = found[first]
    assert one.host is not None
    return Given(
        one.host,
        values[first],
        one.layout,
        one.options,
        None,
        Display(classes=one.display.classes),
        structure,
        tuple(found),
        _wiring_of(structure, found),
    )


def _wiring_of(structure: Structure, inputs: Sequence[GivenInput]) -> Wiring:
    """Say how the model is called with the inputs that change, those in floating point, and those that stay fixed."""
    moved = [one.name for one in inputs if one.is_moved]
    unmoved = [one.name for one in inputs if one.host is not None and not one.is_moved]
    return Wiring(
        tuple(
            None if one.host is None else (one.is_moved, (moved if one.is_moved else unmoved).index(one.name))
            for one in inputs
        ),
        tuple(one.layout.batch_axis for one in inputs),
        structure.names if structure.kind == "dict" else None,
    )


def _key(structure: Structure, name: str) -> str:
    return repr(name) if structure.kind == "dict" else name


def _options_of_each(row: Method, options: Mapping[str, Any], structure: Structure) -> list[dict[str, Any]]:
    """Resolve the options of each input; those marked `per_input` may have one value an input."""
    own = {option.name: option.per_input for option in row.options if option.per_input is not None}
    spread = {
        name: structure.spread(value, name, own[name]) if name in own else [value] * len(structure.names)
        for name, value in options.items()
    }
    return [
        row.resolve_options({name: values[place] for name, values in spread.items()}, methods())
        for place in range(len(structure.names))
    ]


def _on_host(value: Any, extension: Extension, name: str) -> Array:
    """Copy an input to the host; whole numbers and masks pass, anything else is checked as a single input is."""
    host = to_host(value, extension)
    if host is None or host.dtype.kind not in "iub" or host.ndim == 0 or host.size == 0:
        return as_input(value, extension, name)
    return host


def _axes(layout: Any, extension: Extension, model: Any, host: Array | None) -> Layout:
    if host is None:
        return Layout("N")
    if layout is not None:
        axes = layout_of(layout, extension, model, host.ndim)
        axes.check(host)
        return axes
    if host.ndim == 1 or host.dtype.kind != "f":
        if host.ndim not in _HELD:
            raise LayoutError(f"x has an input of shape {host.shape}: give its layout, one letter an axis.")
        return Layout(_HELD[host.ndim])
    return layout_of(None, extension, model, host.ndim)


def _check_counts(inputs: Sequence[GivenInput]) -> None:
    counts = {one.name: one.host.shape[one.layout.batch_axis] for one in inputs if one.host is not None}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name!r} has {count}" for name, count in counts.items())
        raise InputError(
            f"The inputs of x differ in their numbers of examples: {told}. Each should have one row an example; what "
            "is the same for all examples goes into forward_kwargs. If an input has its batch axis elsewhere, say so "
            "with layout=."
        )


def _are_numbers(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and bool(value)
        and all(isinstance(one, (Real, np.generic)) for one in value)
    )


def _is_display(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) <= {one.name for one in fields(Display)}
