"""How a model uses its layers with parameters when it runs: in which order, and on what input.

To find the map that was flattened before a layer, one channel of a map is set to NaN: the features that
change belong to that channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from explain.errors import ModelCallError
from explain.parameters.canonical import ParameterLayer
from explain.parameters.flattened import Block, Row, block_of, row_of, without_vectors
from explain.parameters.recorded_use import Run, Use

# Parts of a layer that read its input.
_FIRST_PARTS = ("", "l0", "l0_reverse", "forward", "backward")
# The number of maps before a layer that are tried as its flattened input.
_MOST_MAPS_TRIED = 12

_MAKE_MAPS = ("convolution", "transposed_convolution", "batch_normalization", "group_normalization")
_CONVOLVE = ("convolution", "transposed_convolution")
_RECURRENT = ("simple_rnn", "lstm", "gru")
_TAKE_ROWS = (*_RECURRENT, "dense", "batch_normalization", "layer_normalization")


def as_used(layers: Sequence[ParameterLayer], run: Run) -> tuple[ParameterLayer, ...]:
    """Give layers in the order of their first use, with the observations in their settings.

    The observations are ``"flattened"``, the maps that were flattened to its input; ``"sizes"``, the sizes of
    a convolution's input along each axis of space; ``"after"``, the layer whose unchanged output is its
    input. Layers without a use come last.

    Parameters
    ----------
    layers : sequence of ParameterLayer
        The model's layers.
    run : Run
        Runs the model.

    Raises
    ------
    ModelCallError
        If the model fails.
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
    """Tell whether a layer takes rows of features: one per example, or one per step of a sequence."""
    ranks = (2, 3) if layer.kind in ("dense", *_RECURRENT) else (2,)
    return layer.kind in _TAKE_ROWS and len(use.takes) in ranks


def _rows(
    uses: Sequence[Use], wanted: Sequence[int], layers: dict[str, ParameterLayer], run: Run
) -> dict[int, Row | None]:
    """Give the rows that can be observed, by the number of the use; None for a row without a map."""
    maps = [
        place for place, use in enumerate(uses) if layers[use.name].kind in _MAKE_MAPS and len(use.gives) > 2
    ]
    rows: dict[int, Row | None] = {}
    blocks: dict[int, list[tuple[int, Block]]] = {place: [] for place in wanted}
    doubtful: set[int] = set()
    for number in reversed(maps[-_MOST_MAPS_TRIED:]):
        takers = [place for place in wanted if place > number and place not in rows and place not in doubtful]
        if not takers:
            continue
        axis = -1 if layers[uses[number].name].channels_last else 1
        channels = uses[number].gives[axis]
        channel = min(1, channels - 1)
        try:
            marked = run(number, axis, channel)
        except ModelCallError:
            # The model does not run on NaN: nothing can be observed.
            doubtful.update(takers)
            break
        for place in takers:
            touched = _touched(uses[place], marked[place] if place < len(marked) else None)
            if touched is None or not touched.any():
                continue
            found = block_of(touched, channels, channel)
            if found is None:
                # An operation between them mixes channels: the order of the row cannot be observed.
                doubtful.add(place)
                continue
            blocks[place].append(found)
            row = row_of(blocks[place], len(touched))
            if row is not None and sum(block.width for _, block in blocks[place]) == len(touched):
                rows[place] = without_vectors(row)
    for place in wanted:
        row = row_of(blocks[place], uses[place].takes[-1])
        if not any(number < place for number in maps):
            # The input itself may be a flattened map, which only the model's graph shows.
            continue
        if place not in rows and place not in doubtful and row is not None:
            rows[place] = without_vectors(row)
    return rows


def _touched(before: Use, after: Use | None) -> npt.NDArray[np.bool_] | None:
    """Find the features that changed, NaN included; None if the model took another branch."""
    if after is None or after.name != before.name or before.features is None or after.features is None:
        return None
    if before.features.shape != after.features.shape:
        return None
    changed = ~(before.features == after.features)
    touched: npt.NDArray[np.bool_] = np.logical_or.reduce(changed.reshape(-1, changed.shape[-1]), axis=0)
    return touched
