"""Finds a layer of a model by name, and the layout of its output."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from explain.errors import LayerError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout

LayerLike = Any
"""A layer's name, ``(name, call)`` for a layer with several calls, or the layer itself."""

RecordedCall = tuple[str, tuple[int | None, ...]]
"""A call of a layer while the model runs: its name, and the shape of its output. A size may be open in a trace."""

_OPERATION = "()"
"""How the name of an operation ends that the code of the model calls between its layers, as in ``"mixed.cat()"``."""

_EXTENT = "TDHW"


@dataclass(frozen=True)
class TokenGrid:
    """The grid that a sequence of tokens comes from.

    Parameters
    ----------
    first : int
        The number of tokens before the grid, such as a class token.
    sizes : tuple of int
        The number of tokens along each axis of space or time, in the order of the input.
    order : tuple of int
        Those axes by number, the one along which consecutive tokens follow each other last. Empty for the order of the
        input, that of rows.
    """

    first: int
    sizes: tuple[int, ...]
    order: tuple[int, ...] = ()

    def laid_out(self, tokens: Array) -> Array:
        """Give tokens, shape (N, T, C), on their grid, shape (N, places..., C), without the tokens beside it.

        Examples
        --------
        >>> import numpy as np
        >>> TokenGrid(1, (2, 3)).laid_out(np.arange(7).reshape(1, 7, 1))[0, ..., 0]
        array([[1, 2, 3],
               [4, 5, 6]])

        Of columns, one after the other:

        >>> TokenGrid(1, (2, 3), order=(1, 0)).laid_out(np.arange(7).reshape(1, 7, 1))[0, ..., 0]
        array([[1, 3, 5],
               [2, 4, 6]])
        """
        own = tokens[:, self.first : self.first + math.prod(self.sizes)]
        order = self.order or tuple(range(len(self.sizes)))
        grid = own.reshape(len(tokens), *(self.sizes[axis] for axis in order), tokens.shape[-1])
        return grid.transpose(0, *(1 + order.index(axis) for axis in range(len(order))), grid.ndim - 1)


@dataclass(frozen=True)
class Fold:
    """Where the rows of one example are in the output of a layer that sees several rows of each, such as its frames.

    Parameters
    ----------
    rows : int
        The number of rows of an example.
    blocks : int
        How many blocks of all examples follow each other: 1 where the rows of an example do; as many as rows where the
        first rows of all examples come first, then the second ones. Two videos, whose frames were put in front of each
        other, are 2.
    own : (int, int), optional
        The first row and the one behind the last, where only some rows of an example are meant: those of one of several
        inputs.
    """

    rows: int
    blocks: int
    own: tuple[int, int] | None = None

    def of_examples(self, array: Array) -> Array:
        """Give rows as a layer has them with one axis of examples, and one of the rows that are meant unless it is one.

        Examples
        --------
        >>> import numpy as np
        >>> Fold(2, blocks=2).of_examples(np.arange(6)).tolist()
        [[0, 3], [1, 4], [2, 5]]
        >>> Fold(2, blocks=2, own=(1, 2)).of_examples(np.arange(6)).tolist()
        [3, 4, 5]
        """
        row = array.shape[1:]
        apart = array.reshape(self.blocks, -1, self.rows // self.blocks, *row).swapaxes(0, 1)
        rows = apart.reshape(-1, self.rows, *row)
        if self.own is None:
            return rows
        first, stop = self.own
        return rows[:, first] if stop - first == 1 else rows[:, first:stop]


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
        Whether its channels or features are the last axis, as far as the classes of the layers tell; else they are
        the first after the batch.
    is_only_call : bool
        Whether the model calls it just once.
    is_leaf : bool
        Whether it contains no other recorded layer.
    batch_axis : int
        The axis of the examples in its output as the layer gives it; everywhere else it is the first.
    fixes_axes : bool
        Whether the layer's operation itself, such as a convolution, determines `channels_last`.
    keeps_axes : bool
        Whether its output has the shape of the last layer that determines it, and no layer between them reads the
        channels on another axis.
    axes : str
        The axes of its output, batch first, as they were observed; empty before they are.
    grid : TokenGrid, optional
        Where the output is a sequence of tokens that come from a grid over the input: that grid.
    fold : Fold, optional
        Where the rows of an example are, if it has several: they are then the first axis of `shape`, unless one of them
        alone is meant.
    has_examples : bool
        Whether it is known which part of its output belongs to which example.
    """

    name: str
    call: int
    shape: tuple[int, ...]
    # What is found out about a call does not make it another call: calls are parts of keys.
    channels_last: bool = field(compare=False)
    is_only_call: bool = True
    is_leaf: bool = True
    batch_axis: int = 0
    fixes_axes: bool = field(default=False, compare=False)
    keeps_axes: bool = field(default=False, compare=False)
    axes: str = field(default="", compare=False)
    grid: TokenGrid | None = field(default=None, compare=False)
    fold: Fold | None = None
    has_examples: bool = True

    @property
    def is_operation(self) -> bool:
        """Whether it is an operation that the code of the model calls between its layers, and no layer."""
        return names_operation(self.name)

    @property
    def has_steps(self) -> bool:
        """Whether the first axis of `shape` is that of the rows of an example, such as its frames."""
        return self.fold is not None and not self._is_of_one_row

    @property
    def _is_of_one_row(self) -> bool:
        own = None if self.fold is None else self.fold.own
        return own is not None and own[1] - own[0] == 1

    @property
    def _letter_of_steps(self) -> str:
        return "T"

    def of_rows(self, first: int, stop: int) -> LayerCall:
        """Give the call with some rows of each example only; one row is not an axis of its own.

        Examples
        --------
        >>> call = LayerCall("conv", 0, (2, 16, 5, 5), channels_last=False, fold=Fold(2, 2))
        >>> call.of_rows(0, 1).shape, call.of_rows(0, 2).shape
        ((16, 5, 5), (2, 16, 5, 5))
        """
        assert self.fold is not None, "its rows are the examples"
        count, row = stop - first, self.shape[1:]
        fold = replace(self.fold, own=(first, stop))
        return replace(self, fold=fold, shape=row if count == 1 else (count, *row))

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

        They are the observed ones, if they were observed. Else the axes of space and time are named as in the input if
        there are equally many, and T, HW or DHW by number if not.

        Examples
        --------
        >>> LayerCall("conv", 0, (16, 5, 5), channels_last=False).layout(Layout("NCHW")).axes
        'NCHW'
        >>> LayerCall("dense", 0, (84,), channels_last=True).layout(Layout("NCHW")).axes
        'NC'

        The rows of an example are steps:

        >>> LayerCall("conv", 0, (9, 16, 5, 5), channels_last=False, fold=Fold(9, 1)).layout(Layout("NTCHW")).axes
        'NTCHW'
        """
        if self.axes:
            return Layout(self.axes)
        if self.has_steps:
            letter = self._letter_of_steps
            row = LayerCall(self.name, self.call, self.shape[1:], self.channels_last)
            of_row = row.layout(Layout(of_input.axes.replace(letter, "")))
            if letter in of_row.axes:
                letter = "D"
            return Layout(f"N{letter}{of_row.axes[1:]}")
        extent = self.extent(of_input)
        return Layout(f"N{extent}C" if self.channels_last else f"NC{extent}")

    def extent(self, of_input: Layout) -> str:
        """Give the letters of the output's axes of space and time, by their number, in the order of the input.

        Raises
        ------
        LayerError
            If there are more axes than letters.
        """
        count = len(self.shape) - 1
        letters = extent_of(of_input)
        if len(letters) != count:
            letters = {0: "", 1: "T", 2: "HW", 3: "DHW"}.get(count, "")
        if len(letters) != count:
            raise LayerError(
                f"layer={self.label!r} gives {len(self.shape)} axes per example, more than can be named: take a layer "
                "with channels and at most three axes of space."
            )
        return letters

    @property
    def places(self) -> tuple[int, ...]:
        """The sizes of the output's observed axes of space and time, or of its grid of tokens."""
        if self.grid is not None:
            return self.grid.sizes
        letters = zip(self.axes[1:], self.shape, strict=True)
        return tuple(size for letter, size in letters if letter in _EXTENT)


def operation_name(path: str, separator: str, operation: str) -> str:
    """Give the name of an operation that the code of a layer calls, of the model's own code with an empty path.

    Examples
    --------
    >>> operation_name("mixed", ".", "cat"), operation_name("", ".", "add")
    ('mixed.cat()', 'add()')
    """
    return f"{path}{separator if path else ''}{operation}{_OPERATION}"


def names_operation(layer: LayerLike) -> bool:
    """Tell whether a layer, as the caller gave it, is an operation between layers.

    Examples
    --------
    >>> names_operation("mixed.cat()"), names_operation(("add()", 1)), names_operation("mixed")
    (True, True, False)
    """
    name = layer[0] if isinstance(layer, tuple) and layer else layer
    return isinstance(name, str) and name.endswith(_OPERATION)


def extent_of(layout: Layout) -> str:
    """Give the letters of a layout's axes of space and time.

    Examples
    --------
    >>> extent_of(Layout("NCHW"))
    'HW'
    """
    return "".join(letter for letter in layout.axes if letter in _EXTENT)


class LayerKinds(Protocol):
    """The part of a backend that knows the kinds of its framework's layers; None stands for no layer."""

    separator: str

    @staticmethod
    def has_channels_last(layer: Any, before: bool) -> bool:
        """Tell whether the output of a layer has its channels last, from whether its input has."""

    @staticmethod
    def fixes_axes(layer: Any) -> bool:
        """Tell whether the operation of a layer determines which of its axes are space."""


def listed(
    recorded: Sequence[RecordedCall],
    batch_axes: Sequence[int],
    layers: Mapping[str, Any],
    kinds: LayerKinds,
    *,
    channels_last: bool,
    count: int,
) -> tuple[tuple[LayerCall, ...], list[int | None]]:
    """Give the calls whose outputs may belong to examples, and how many rows each of them has.

    Parameters
    ----------
    recorded : sequence of RecordedCall
        All calls, in the order in which they end.
    batch_axes : sequence of int
        The axis of the examples in the output of each.
    layers, kinds
        The layers by name, and what tells their kinds.
    channels_last : bool
        Whether the input has its channels last.
    count : int
        The number of examples that were run.
    """
    found: list[tuple[str, tuple[int, ...], bool, int, bool, bool]] = []
    rows: list[int | None] = []
    last = channels_last
    # The shape of the last operation that fixes its axes, and whether its channels are last.
    fixed: tuple[tuple[int, ...], bool] = (), last
    for (name, shape), axis in zip(recorded, batch_axes, strict=True):
        layer = layers.get(name)
        last = kinds.has_channels_last(layer, last)
        sizes = tuple(size for size in (*shape[:axis], *shape[axis + 1 :]) if size is not None)
        # Of what folds the examples, only the calls of layers are followed.
        is_folding = names_operation(name) and shape[axis : axis + 1] not in ((None,), (count,))
        if not sizes or len(sizes) != len(shape) - 1 or is_folding:
            continue
        is_fixed = kinds.fixes_axes(layer)
        if is_fixed:
            fixed = sizes, last
        found.append((name, sizes, last or len(sizes) == 1, axis, is_fixed, fixed == (sizes, last)))
        rows.append(shape[axis])
    names = [name for name, *_ in found]
    layer_names = {name for name in names if not names_operation(name)}
    calls = tuple(
        LayerCall(
            name,
            names[:index].count(name),
            sizes,
            is_last,
            is_only_call=names.count(name) == 1,
            is_leaf=not any(other.startswith(f"{name}{kinds.separator}") for other in layer_names),
            batch_axis=axis,
            fixes_axes=is_fixed,
            keeps_axes=is_kept,
        )
        for index, (name, sizes, is_last, axis, is_fixed, is_kept) in enumerate(found)
    )
    return calls, rows
