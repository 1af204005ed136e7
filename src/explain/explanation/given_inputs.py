"""The inputs of a call and the arguments of each, checked and copied to the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from numbers import Real
from typing import Any

import numpy as np

from explain.algorithms.catalogue import methods
from explain.algorithms.method import Method
from explain.backends.protocol import Extension
from explain.errors import BaselineError, InputError, LayoutError
from explain.inputs.arrays import as_input_of, to_host, whole_numbers_of
from explain.inputs.baseline import RULES
from explain.inputs.bounds import bounds_of
from explain.inputs.display import Display, display_of
from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout, layout_of
from explain.inputs.naming.odd_inputs import made_one_input
from explain.inputs.structure import SINGLE, Structure, check_counts, structure_of
from explain.inputs.text.spelling import Spelled, Spelling, spelled, strings_in
from explain.inputs.wiring import Wiring, takes_one_input

_ONE_AXIS = Layout("N")
# Layouts of inputs that stay fixed, by rank: a layout of the right rank is required, but the axes are not used.
_FIXED = {1: "N", 2: "NT", 3: "NHW", 4: "NCHW", 5: "NCDHW"}


@dataclass(frozen=True)
class GivenInput:
    """An input with its arguments.

    Parameters
    ----------
    name : str
        Its key or its position among several inputs; empty for a single input.
    host : numpy.ndarray, optional
        The input on the host, in the model's layout; None where the model receives None.
    layout : Layout
        The axes of the input.
    options : Mapping
        The method's options; where the caller gives one value per input, the value for this input.
    baseline, lengths : object
        The arguments of the call for this input.
    has_own_baseline : bool
        Whether the caller gives a baseline for this input alone.
    bounds : tuple of float, optional
        The least and the greatest valid value of the input.
    display : Display
        How to draw the input.
    states_layout : bool
        Whether the caller states the layout.
    spelling : Spelling, optional
        The strings that `host` stands for, if the input is strings.
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
    states_layout: bool = True
    spelling: Spelling | None = None

    @property
    def is_moved(self) -> bool:
        """Whether the input has numbers in floating point: methods change such inputs and leave all others fixed."""
        return self.host is not None and self.host.dtype.kind == "f" and not self.is_empty

    @property
    def is_empty(self) -> bool:
        """Whether the input has no numbers, such as the features of a kind that these examples lack."""
        return self.host is not None and self.host.size == 0

    @property
    def batch_first(self) -> Array:
        """The input with its batch axis first."""
        assert self.host is not None
        return np.ascontiguousarray(self.layout.to_batch_first(self.host))


@dataclass(frozen=True)
class Given:
    """All inputs of a call and their arguments.

    Parameters
    ----------
    x : numpy.ndarray
        The input on the host, in the model's layout; for several inputs, the first in floating point.
    like : object
        The same input as the caller passed it: a model without parameters runs in its dtype and on its device.
    layout : Layout
        The axes of `x`.
    options : Mapping
        The method's options with defaults filled in; for several inputs, the options of this first input.
    bounds : tuple of float, optional
        Least and greatest valid value.
    display : Display
        How to draw the input.
    states_layout : bool
        Whether the caller states the layout of every input that methods change.
    structure, several, wiring : Structure, tuple of GivenInput, Wiring
        For several inputs: the structure that contains them (tuple, list or dict), each input, and how the model is
        called with them.
    whole : str, optional
        The type of the input as the caller gave it, if `x` are whole numbers or booleans converted to floats.
    alone : GivenInput, optional
        The only input, if there is one.
    """

    x: Array
    like: Any
    layout: Layout
    options: Mapping[str, Any]
    bounds: tuple[float, float] | None
    display: Display
    states_layout: bool = True
    structure: Structure | None = None
    several: tuple[GivenInput, ...] = ()
    wiring: Wiring | None = None
    whole: str | None = None
    alone: GivenInput | None = None

    @cached_property
    def spellings(self) -> Mapping[int, Spelling]:
        """The strings of inputs that are strings, by the position of the input."""
        each = self.several or ((self.alone,) if self.alone is not None else ())
        return {place: one.spelling for place, one in enumerate(each) if one.spelling is not None}

    @property
    def as_one(self) -> GivenInput:
        """All inputs as one `GivenInput`, for a call with a single result."""
        return GivenInput(
            "",
            self.x,
            self.layout,
            self.options,
            bounds=self.bounds,
            display=self.display,
            states_layout=self.states_layout,
            spelling=None if self.alone is None else self.alone.spelling,
        )

    def examples(self, dtype: np.dtype[Any], companions: Mapping[str, Array]) -> Examples:
        """Give all inputs as the model takes them, in the layouts that are known so far."""
        there = [one for one in self.several or (self.as_one,) if one.host is not None]
        moved = tuple(one.batch_first.astype(dtype, copy=False) for one in there if one.is_moved)
        unmoved = tuple(one.batch_first for one in there if not one.is_moved)
        if self.structure is None:
            # Token ids are the input, too.
            moved, unmoved = moved + unmoved, ()
        return Examples(moved, companions=companions, unmoved=unmoved)


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
    """Check one or several inputs, each with its own arguments or with the arguments for all.

    The parameters are those of `explain.attribute`; `row` is the method's row of the catalogue.

    Raises
    ------
    InputError
        If an input cannot be explained, or the inputs differ in their number of examples.
    explain.errors.ExplainError
        Other subclasses, which name the argument that is wrong.
    """
    structure, values = structure_of(x, lambda one: to_host(one, extension) is not None) or (SINGLE, [x])
    _check_number(structure, values, extension, model)
    each = _options_of_each(row, options, structure)
    baselines = structure.spread(baseline, "baseline", error=BaselineError)
    layouts = structure.spread(layout, "layout", error=LayoutError)
    of_lengths = structure.spread(lengths, "lengths", _are_numbers, InputError)
    all_bounds = structure.spread(bounds, "bounds", _are_numbers)
    displays = structure.spread(display, "display", is_display)
    own_baseline = isinstance(baseline, (tuple, list, Mapping))
    found = []
    for place, (name, value) in enumerate(zip(structure.names, values, strict=True)):
        host, axes = None, _ONE_AXIS
        strings = (
            None
            if value is None
            else _spelled(row, structure, place, value, baselines[place], extension, model)
        )
        if strings is not None:
            baselines[place] = strings.baseline
            if strings.lengths is not None:
                of_lengths[place] = strings.lengths
        if value is not None or structure == SINGLE:
            if strings is None:
                host = as_input_of(structure, name, value, extension, model)
            else:
                # Among several inputs, those in floating point change as a whole.
                changes = row.keeps_values and structure != SINGLE
                host = strings.codes.astype(np.float32) if changes else strings.codes
            default = partial(_default_axes, structure, host, extension, model)
            if strings is not None:
                default = partial(Layout, "NT"[: host.ndim])
            axes = layout_of(layouts[place], default)
            axes.check(host)
        shown = display_of(displays[place])
        found.append(
            GivenInput(
                name=name,
                host=host,
                layout=axes,
                options=each[place],
                baseline=baselines[place],
                # A single list of lengths applies to all inputs that are sequences.
                lengths=None if _are_numbers(lengths) and axes.time_axis is None else of_lengths[place],
                spelling=None if strings is None else strings.spelling,
                has_own_baseline=own_baseline and baselines[place] is not None,
                bounds=bounds_of(all_bounds[place], shown.bounds, extension.stated_bounds(model)),
                display=shown,
                states_layout=layouts[place] is not None,
            )
        )
    # A model without parameters takes its dtype and device from an input that methods change, if there is one.
    first = next((place for place, one in enumerate(found) if one.is_moved), None)
    if first is None:
        first = next(place for place, one in enumerate(found) if one.host is not None)
    one = found[first]
    assert one.host is not None
    if structure == SINGLE:
        return Given(
            one.host,
            x,
            one.layout,
            one.options,
            one.bounds,
            one.display,
            states_layout=one.states_layout,
            whole=whole_numbers_of(x) if one.host.dtype.kind == "f" else None,
            alone=one,
        )
    _check_counts(found)
    if all(each.host is None or each.host.size == 0 for each in found):
        raise InputError(
            f"x has inputs of shape {', '.join(str(each.host.shape) for each in found if each.host is not None)}, in "
            "which there is no number to explain: give at least one example with numbers."
        )
    return Given(
        one.host,
        values[first],
        one.layout,
        one.options,
        None,
        Display(classes=next((each.display.classes for each in found if each.display.classes), ())),
        states_layout=all(each.states_layout for each in found if each.is_moved),
        structure=structure,
        several=tuple(found),
        wiring=_wiring_of(structure, found),
    )


def _check_number(structure: Structure, values: Sequence[Any], extension: Extension, model: Any) -> None:
    """Refuse several inputs for a model that takes one."""
    if structure is SINGLE:
        return
    hosts = [host for one in values if (host := to_host(one, extension)) is not None]
    if structure.kind not in ("tuple", "list") or len(hosts) < 2 or not takes_one_input(model):
        return
    stated = extension.stated_input_shape(model)
    advice = made_one_input(
        [one.shape for one in hosts],
        [one.dtype.kind for one in hosts],
        None if stated is None else len(stated) + 1,
    )
    raise InputError(
        f"x is a {structure.kind} of {len(values)} arrays, of shapes {_shapes(hosts)}, which are {len(values)} inputs, "
        f"but the model takes one: {advice}."
    )


def _shapes(arrays: Sequence[Array]) -> str:
    """List shapes, equal ones once."""
    shapes = [one.shape for one in arrays]
    return f"{shapes[0]} each" if len(set(shapes)) == 1 else ", ".join(map(str, shapes[:4]))


def _spelled(
    row: Method,
    structure: Structure,
    place: int,
    value: Any,
    baseline: Any,
    extension: Extension,
    model: Any,
) -> Spelled | None:
    """Give an input of strings as numbers; None for any other input, and for a model that reads no strings."""
    strings = strings_in(value, lambda one: to_host(one, extension))
    if strings is None:
        return None
    # Extensions of other packages need not know of strings.
    readers = getattr(extension, "string_readers", lambda model: None)(model)
    if readers is None:
        return None
    is_rule = isinstance(baseline, str) and baseline in RULES
    if structure != SINGLE and row.keeps_values and (isinstance(baseline, Real) or is_rule):
        # Given for all inputs: a number, or a rule for numbers.
        baseline = None
    if is_rule and row.keeps_values and baseline is not None:
        raise BaselineError(
            f"baseline={baseline!r} is a rule for numbers, but method={row.name!r} puts strings in the place of "
            f"strings: give one, such as ''; for the string {baseline!r} itself np.array([{baseline!r}])."
        )
    is_numbers = not row.keeps_values and (is_rule or isinstance(baseline, Real))
    splitting = readers.splitting_of(structure.names[place], place)
    found = spelled(
        strings,
        baseline if row.uses_baseline and not is_numbers else None,
        readers,
        splitting,
        padded=not row.keeps_values,
        references=row.takes_references,
    )
    # The vectors of strings may start anywhere.
    return replace(found, baseline=baseline) if is_numbers else found


def _wiring_of(structure: Structure, inputs: Sequence[GivenInput]) -> Wiring:
    """Describe how the model is called with inputs that change (in floating point) and inputs that stay fixed."""
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


def _options_of_each(row: Method, options: Mapping[str, Any], structure: Structure) -> list[dict[str, Any]]:
    """Resolve the options of each input; an option marked `per_input` may have one value per input."""
    if structure is SINGLE:
        return [row.resolve_options(options, methods())]
    own = {option.name: option.per_input for option in row.options if option.per_input is not None}
    spread = {
        name: structure.spread(value, name, own[name]) if name in own else [value] * len(structure.names)
        for name, value in options.items()
    }
    return [
        row.resolve_options({name: values[place] for name, values in spread.items()}, methods())
        for place in range(len(structure.names))
    ]


def _default_axes(structure: Structure, host: Array, extension: Extension, model: Any) -> Layout:
    """Give the default layout of an input."""
    if structure == SINGLE and host.dtype.kind == "i":
        if host.ndim == 1:
            raise InputError(
                f"x has shape {host.shape}, token ids without a batch axis: give x[None] for one sequence of "
                f"{len(host)} tokens, or layout='N' for {len(host)} examples of one token each."
            )
        return Layout("NT")
    if structure == SINGLE and host.ndim == 1:
        return Layout(_FIXED[1])
    if structure != SINGLE and (host.ndim == 1 or host.dtype.kind != "f"):
        if host.ndim not in _FIXED:
            raise LayoutError(f"x has an input of shape {host.shape}: give its layout, one letter per axis.")
        return Layout(_FIXED[host.ndim])
    return extension.default_layout(model, host.ndim)


def _check_counts(inputs: Sequence[GivenInput]) -> None:
    arrays = {one.name: one.host for one in inputs if one.host is not None}
    check_counts(arrays, {one.name: one.layout.batch_axis for one in inputs})


def _are_numbers(value: Any) -> bool:
    is_several = isinstance(value, (tuple, list)) and bool(value)
    return is_several and all(isinstance(one, (Real, np.generic)) for one in value)


def is_display(value: Any) -> bool:
    """Tell whether a mapping has the fields of a `Display`, not a display for each of several inputs."""
    return isinstance(value, Mapping) and set(value) <= {one.name for one in fields(Display)}
