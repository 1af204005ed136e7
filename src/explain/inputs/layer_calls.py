"""Finds a layer of a model by name, and the layout of its output."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explain.errors import LayerError
from explain.inputs.layout import Layout

LayerLike = Any
"""A layer's name, ``(name, call)`` for a layer with several calls, or the layer itself."""

RecordedCall = tuple[str, tuple[int | None, ...]]
"""A call of a layer while the model runs: its name, and the shape of its output. A size may be open in a trace."""

_EXTENT = "TDHW"


@dataclass(frozen=True)
class LayerCall:
    """One recorded call of a layer.

    Parameters
    ----------
    name : str
        The layer's name in the model.
    call : int
        The number of the call: 0 for the first.
    shape : tuple of int
        Shape of its output for one example.
    channels_last : bool
        Whether its channels or features are the last axis; else they are the first after the batch.
    is_only_call : bool
        Whether the model calls it just once.
    is_leaf : bool
        Whether it contains no other recorded layer.
    batch_axis : int
        The axis of the examples in its output as the layer gives it; everywhere else it is the first.
    """

    name: str
    call: int
    shape: tuple[int, ...]
    channels_last: bool
    is_only_call: bool = True
    is_leaf: bool = True
    batch_axis: int = 0

    @property
    def label(self) -> str:
        """The call for messages.

        Examples
        --------
        >>> LayerCall("pool", 1, (16, 5, 5), channels_last=False, is_only_call=False).label
        'pool[1]'
        """
        return self.name if self.is_only_call else f"{self.name}[{self.call}]"

    def layout(self, of_input: Layout) -> Layout:
        """Give the axes of the layer's output, batch first, for an input of that layout.

        The axes of space and time are named as in the input if there are equally many; else T, HW or DHW by
        number.

        Examples
        --------
        >>> LayerCall("conv", 0, (16, 5, 5), channels_last=False).layout(Layout("NCHW")).axes
        'NCHW'
        >>> LayerCall("dense", 0, (84,), channels_last=True).layout(Layout("NCHW")).axes
        'NC'
        """
        count = len(self.shape) - 1
        extent = "".join(letter for letter in of_input.axes if letter in _EXTENT)
        if len(extent) != count:
            extent = {0: "", 1: "T", 2: "HW", 3: "DHW"}.get(count, "")
        if len(extent) != count:
            raise LayerError(
                f"layer={self.label!r} gives {len(self.shape)} axes per example, more than can be named: take a layer "
                "with channels and at most three axes of space."
            )
        return Layout(f"N{extent}C" if self.channels_last else f"NC{extent}")


def as_calls(
    recorded: Sequence[tuple[str, tuple[int, ...], bool, int]], separator: str
) -> tuple[LayerCall, ...]:
    """Number recorded calls, given as (name, shape of one example, channels last, batch axis), in order.

    Examples
    --------
    >>> found = as_calls([("a.relu", (4,), True, 0), ("a.relu", (4,), True, 0), ("a", (4,), True, 0)], ".")
    >>> [(call.label, call.is_leaf) for call in found]
    [('a.relu[0]', True), ('a.relu[1]', True), ('a', False)]
    """
    names = [name for name, *_ in recorded]
    return tuple(
        LayerCall(
            name,
            names[:index].count(name),
            shape,
            channels_last,
            is_only_call=names.count(name) == 1,
            is_leaf=not any(other.startswith(f"{name}{separator}") for other in names),
            batch_axis=batch_axis,
        )
        for index, (name, shape, channels_last, batch_axis) in enumerate(recorded)
    )


def find_call(layer: LayerLike, calls: Sequence[LayerCall], names: Mapping[int, str]) -> LayerCall:
    """Find a call by the layer's name, or by the layer itself.

    Parameters
    ----------
    layer : str, (str, int) or object
        A name, a name and which call, or the layer itself.
    calls : sequence of LayerCall
        All calls of the model.
    names : Mapping of int to str
        The names of the layers by the `id` of the layer.

    Raises
    ------
    LayerError
        If there is no such layer, or the model never calls it, or `layer` does not select one of several
        calls.

    Examples
    --------
    >>> calls = [LayerCall("relu", call, (4,), True, is_only_call=False) for call in (0, 1)]
    >>> find_call(("relu", 1), calls, {}).label
    'relu[1]'
    """
    name, call = layer if isinstance(layer, tuple) and len(layer) == 2 else (layer, None)
    if not isinstance(name, str):
        name = names.get(id(name), name)
    own = [one for one in calls if one.name == name]
    if not own and isinstance(name, str):
        # The last part of a nested layer's name suffices, if it is unique.
        inner = {one.name for one in calls if one.name.endswith((f".{name}", f"/{name}"))}
        own = [one for one in calls if len(inner) == 1 and one.name in inner]
    if not own:
        called = list(dict.fromkeys(one.name for one in calls))
        near = difflib.get_close_matches(str(name), called, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = name in names.values()
        what = (
            "is never called by the model, or gives no tensor whose axes are known (it packs its sequences, or its "
            "steps run backwards)"
            if known
            else "is not a layer of the model"
        )
        raise LayerError(
            f"layer={layer!r} {what}.{hint} Name another with layer=; it calls: {', '.join(called) or 'none'}."
        )
    if call is None:
        if len(own) > 1:
            raise LayerError(
                f"layer={name!r} is called {len(own)} times: say which call, for example "
                f"layer=({name!r}, {len(own) - 1}) for the last."
            )
        return own[0]
    if isinstance(call, bool) or not isinstance(call, int) or not -len(own) <= call < len(own):
        raise LayerError(
            f"layer={layer!r}: {name!r} is called {len(own)} time{'s' if len(own) > 1 else ''}, so the call should be "
            f"a number from 0 to {len(own) - 1}."
        )
    return own[call]


def with_maps(calls: Sequence[LayerCall], layout: Layout) -> list[LayerCall]:
    """Give the calls of layers without inner layers whose output is a map over the input's axes, the last call first.

    Raises
    ------
    LayerError
        If there is none.
    """
    found = [call for call in reversed(calls) if call.is_leaf and has_map(call, layout)]
    if found:
        return found
    axes = sum(letter in _EXTENT for letter in layout.axes)
    raise LayerError(
        f"No layer of the model gives a map over {axes or 'any'} axes of space or time, as an input of "
        f"layout={layout.axes!r} has: a class activation map needs one. Name a layer with layer=, or use "
        "method='integrated_gradients'."
    )


def has_map(call: LayerCall, layout: Layout) -> bool:
    """Tell whether a call's output is a map: as many axes of space or time as the input, and more than one position.

    Examples
    --------
    >>> has_map(LayerCall("pool", 0, (16, 1, 1), channels_last=False), Layout("NCHW"))
    False
    """
    axes = sum(letter in _EXTENT for letter in layout.axes)
    extent = call.shape[:-1] if call.channels_last else call.shape[1:]
    return axes > 0 and len(extent) == axes and max(extent) > 1
