"""Each of several inputs as the caller gave it, with what is given for it, checked and brought to the host."""

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
from explain.inputs.structure import Structure
from explain.inputs.wiring import Wiring

# What is held as it is needs no more of a layout than that it can be laid out.
_HELD = {1: "N", 2: "NT", 3: "NHW", 4: "NCHW", 5: "NCDHW"}


@dataclass(frozen=True)
class GivenInput:
    """One of several inputs.

    Parameters
    ----------
    name : str
        Its key, or its position.
    host : numpy.ndarray, optional
        As the model wants it, on the host; None where the model gets None.
    layout : Layout
        Its axes.
    options : Mapping
        The method's options, its own where they are given for each input.
    baseline, lengths : object
        As given for it.
    has_own_baseline : bool
        Whether its baseline was given for it alone.
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
        """Whether it holds numbers in floating point, which can be moved."""
        return self.host is not None and self.host.dtype.kind == "f"

    @property
    def batch_first(self) -> Array:
        """The input batch first."""
        assert self.host is not None
        return np.ascontiguousarray(self.layout.to_batch_first(self.host))


@dataclass(frozen=True)
class Given:
    """What a call is about, with what is given for it.

    Parameters
    ----------
    x : numpy.ndarray
        The input on the host, in the model's layout; the first of several that is moved.
    like : object
        The same as it was given, whose dtype and device a model without parameters follows.
    layout : Layout
        Its axes.
    options : Mapping
        The method's options, defaults filled in; those that several inputs share.
    bounds : tuple of float, optional
        Least and greatest valid value.
    display : Display
        How it is drawn.
    structure, several, wiring : Structure, tuple of GivenInput, Wiring
        How several inputs are held together, each of them, and where each comes from when the model is called.
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


def one_given(
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
    """Check one input and what is given for it; parameters as in `explain.attribute`."""
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
    """Check several inputs, and spread to them what is given for each or for all; parameters as in `explain.attribute`.

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
    """Say where each input comes from when the model is called: what is in floating point is moved."""
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
    """Resolve the options of each input: those that are per input may be given for each."""
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
    """Bring one input to the host: floating point is checked as one input is, whole numbers and masks are taken."""
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
