"""How the layers that hold parameters are used when their model runs: in which order, and on what.

Which map was put in a row before a layer is seen by spoiling one channel of the map: the features that are others then
are that channel's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from explain.errors import ModelCallError
from explain.inputs.wiring import Wiring
from explain.parameters.canonical import Array, ParameterLayer
from explain.parameters.flattened import Block, Row, block_of, row_of, without_vectors

# Parts of a layer that are given its input.
_FIRST_PARTS = ("", "l0", "l0_reverse", "forward", "backward")
# Through how many maps before a layer is looked for what was put in a row.
_MAPS_LOOKED_AT = 12

_MAKE_MAPS = ("convolution", "transposed_convolution", "batch_normalization", "group_normalization")
_CONVOLVE = ("convolution", "transposed_convolution")
_RECURRENT = ("simple_rnn", "lstm", "gru")
_TAKE_ROWS = (*_RECURRENT, "dense", "batch_normalization", "layer_normalization")


@dataclass(frozen=True, eq=False)
class Use:
    """One call of a layer.

    Parameters
    ----------
    name : str
        The layer's name.
    takes, gives : tuple of int
        The shapes of its first input and of its output, batch axis included; empty for what is no tensor.
    features : numpy.ndarray, shape (features), optional
        Of an input (N, features) or (N, steps, features).
    after : str, optional
        The layer whose output is its first input, as it is.
    """

    name: str
    takes: tuple[int, ...]
    gives: tuple[int, ...]
    features: Array | None = None
    after: str | None = None


class Run(Protocol):
    """Runs a model on its examples and notes each use of a layer with parameters, in the order in which they begin."""

    def __call__(self, spoiled: int | None = None, axis: int = -1, channel: int = 0) -> list[Use]:
        """Run; what the use number `spoiled` gives has not-a-number at a place of an axis, all along the others."""


def as_used(layers: Sequence[ParameterLayer], run: Run) -> tuple[ParameterLayer, ...]:
    """Give layers in the order in which they are first used, and what was seen of each, in its settings.

    Those are ``"flattened"``, what was put in a row before it; ``"sizes"``, of a convolution those of its input along
    each axis of space; ``"after"``, the layer whose output it is given as it is. Layers that are not used come last.

    Parameters
    ----------
    layers : sequence of ParameterLayer
        Of the model.
    run : Run
        Runs it.
    """
    uses = run()
    kinds = {one.name: one for one in layers}
    first = {use.name: place for place, use in reversed(list(enumerate(uses)))}
    wanted = sorted(
        {first[one.name] for one in layers if one.name in first and _takes_rows(one, uses[first[one.name]])}
    )
    rows = _rows(uses, wanted, kinds, run)
    found = []
    for layer in sorted(layers, key=lambda one: first.get(one.name, len(uses))):
        place = first.get(layer.name)
        if place in rows and layer.part in _FIRST_PARTS:
            layer = replace(layer, settings={**layer.settings, "flattened": rows[place]})
        elif layer.kind in _TAKE_ROWS and place is not None and place not in wanted:
            layer = replace(layer, settings={**layer.settings, "flattened": None})
        if place is not None and layer.kind in _CONVOLVE and len(uses[place].takes) > 2:
            takes = uses[place].takes
            sizes = takes[1:-1] if layer.channels_last else takes[2:]
            layer = replace(layer, settings={**layer.settings, "sizes": sizes})
        alone = sum(one.name == layer.name for one in layers) == 1
        if place is not None and alone and (after := uses[place].after) is not None:
            layer = replace(layer, settings={"after": (after,), **layer.settings})
        found.append(layer)
    return tuple(found)


def _takes_rows(layer: ParameterLayer, use: Use) -> bool:
    """Tell whether a layer takes rows of features: one an example, or one a step of a sequence."""
    ranks = (2, 3) if layer.kind in ("dense", *_RECURRENT) else (2,)
    return layer.kind in _TAKE_ROWS and len(use.takes) in ranks


def inputs_and_wiring(x: Any) -> tuple[Sequence[Any], Wiring | None]:
    """Give the inputs of a model one by one, and how it is called with them if there are several.

    Examples
    --------
    >>> inputs_and_wiring({"a": 1, "b": 2})
    ([1, 2], Wiring(sources=(), batch_axes=(0, 0), names=('a', 'b')))
    """
    if isinstance(x, Mapping):
        return list(x.values()), Wiring((), (0,) * len(x), tuple(x))
    if isinstance(x, tuple):
        return list(x), Wiring((), (0,) * len(x))
    return [x], None


def _rows(
    uses: Sequence[Use], wanted: Sequence[int], layers: dict[str, ParameterLayer], run: Run
) -> dict[int, Row | None]:
    """Give the rows that are found out, by the number of the use; None for one in which no map was put."""
    maps = [
        place for place, use in enumerate(uses) if layers[use.name].kind in _MAKE_MAPS and len(use.gives) > 2
    ]
    rows: dict[int, Row | None] = {}
    blocks: dict[int, list[tuple[int, Block]]] = {place: [] for place in wanted}
    doubtful: set[int] = set()
    for number in reversed(maps[-_MAPS_LOOKED_AT:]):
        takers = [place for place in wanted if place > number and place not in rows and place not in doubtful]
        if not takers:
            continue
        axis = -1 if layers[uses[number].name].channels_last else 1
        channels = uses[number].gives[axis]
        channel = min(1, channels - 1)
        try:
            spoiled = run(number, axis, channel)
        except ModelCallError:
            # It does not take what is no number: nothing is seen.
            doubtful.update(takers)
            break
        for place in takers:
            touched = _touched(uses[place], spoiled[place] if place < len(spoiled) else None)
            if touched is None or not touched.any():
                continue
            found = block_of(touched, channels, channel)
            if found is None:
                # It goes through what mixes channels: in which order it was put in a row cannot be seen.
                doubtful.add(place)
                continue
            blocks[place].append(found)
            row = row_of(blocks[place], len(touched))
            if row is not None and sum(block.width for _, block in blocks[place]) == len(touched):
                rows[place] = without_vectors(row)
    for place in wanted:
        row = row_of(blocks[place], uses[place].takes[-1])
        if not any(number < place for number in maps):
            # The input itself may be a map that is put in a row, which only the model's graph tells.
            continue
        if place not in rows and place not in doubtful and row is not None:
            rows[place] = without_vectors(row)
    return rows


def _touched(before: Use, after: Use | None) -> npt.NDArray[np.bool_] | None:
    """Tell which features changed, what is no number included; None where the model went another way."""
    if after is None or after.name != before.name or before.features is None or after.features is None:
        return None
    if before.features.shape != after.features.shape:
        return None
    changed = ~(before.features == after.features)
    touched: npt.NDArray[np.bool_] = np.logical_or.reduce(changed.reshape(-1, changed.shape[-1]), axis=0)
    return touched
