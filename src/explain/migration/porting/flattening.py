"""Maps that are flattened before a dense layer: their order, and the conversion of one order into the other.

PyTorch flattens a map with the channels first, Keras with the channels last. The weights of the layer after it are then
in another order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from explain.errors import PortError
from explain.migration.porting.dependence import channels_of
from explain.parameters.canonical import Array, LayerKind, ParameterLayer
from explain.parameters.flattened import Block, Row, order_between

Layers = Sequence[ParameterLayer]

# Layers whose channels are first or last by framework, and layers whose features are last in both.
_MAPS: frozenset[LayerKind] = frozenset(
    {"convolution", "transposed_convolution", "batch_normalization", "group_normalization"}
)
# Layers whose kernel has a row for each input feature.
_KERNELS: frozenset[LayerKind] = frozenset({"dense", "simple_rnn", "lstm", "gru"})
_ROWS: frozenset[LayerKind] = frozenset(
    {"dense", "embedding", "simple_rnn", "lstm", "gru", "attention", "layer_normalization"}
)


def reordering(
    source: ParameterLayer, target: ParameterLayer, source_layers: Layers, target_layers: Layers
) -> npt.NDArray[np.intp] | None:
    """Give, for each input feature of the target, its index in the source; None if the order is the same.

    Parameters
    ----------
    source, target : ParameterLayer
        A pair.
    source_layers, target_layers : sequence of ParameterLayer
        All layers of the two models, in order: the previous layer determines how a map is flattened.

    Raises
    ------
    PortError
        If it is unknown whether, or in which order, a map is flattened.

    Examples
    --------
    >>> kernel = {"kernel": np.zeros((6, 4))}
    >>> convolution = ParameterLayer("conv", "convolution", {"kernel": np.zeros((3, 3, 1, 2))}, channels_last=False)
    >>> here = ParameterLayer("fc", "dense", kernel, channels_last=False)
    >>> there = ParameterLayer("fc", "dense", kernel, {"flattened": (Block(3, 2),)})
    >>> reordering(here, there, [convolution, here], [there]).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    count = _features(source)
    if count is None or _features(target) != count:
        return None
    settings = (source.settings, target.settings)
    if any("flattened" in one and one["flattened"] is None for one in settings):
        return None
    stated = [one["flattened"] for one in settings if "flattened" in one]
    if not stated:
        if source.channels_last != target.channels_last and source.kind in _KERNELS:
            _refuse_what_may_be_flattened(source, target, count, source_layers, target_layers)
        return None
    if len(stated) == 1 and source.channels_last == target.channels_last:
        # Models of one framework flatten in the same order: the order that one model states also applies to the other.
        return None
    row = stated[0]
    here = _channels_are_last(source, source_layers, row)
    there = _channels_are_last(target, target_layers, row)
    if here is None or there is None or sum(block.width for block in row) != count:
        raise PortError(
            f"Before {source.label!r} of the source and {target.label!r} of the target a map is flattened in an "
            "unknown order: flatten it by a Flatten layer directly after the last convolution or pool."
        )
    return None if here == there else order_between(row, here, there)


def reordering_of_outputs(source: ParameterLayer, target: ParameterLayer) -> npt.NDArray[np.intp] | None:
    """Give, for each output feature of the target, its index in the source, if the features are reshaped into a map.

    PyTorch reshapes features into a map with the channels first, Keras with the channels last.

    Parameters
    ----------
    source, target : ParameterLayer
        A pair.

    Examples
    --------
    >>> here = ParameterLayer("fc", "dense", {"kernel": np.zeros((2, 6))}, channels_last=False)
    >>> there = ParameterLayer("fc", "dense", {"kernel": np.zeros((2, 6))}, {"unflattened": Block(3, 2)})
    >>> reordering_of_outputs(here, there).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    stated = [one.settings["unflattened"] for one in (source, target) if "unflattened" in one.settings]
    if not stated:
        return None
    block: Block = stated[0]
    orders = [
        one.settings["unflattened"].channels_last if "unflattened" in one.settings else one.channels_last
        for one in (source, target)
    ]
    # Models of one framework reshape in the same order: the order that one model states also applies to the other.
    if (len(stated) == 1 and source.channels_last == target.channels_last) or orders[0] == orders[1]:
        return None
    return order_between((block,), [orders[0]], [orders[1]])


def with_outputs_reordered(tensors: Mapping[str, Array], order: npt.NDArray[np.intp]) -> dict[str, Array]:
    """Give tensors with their output features in another order.

    Examples
    --------
    >>> with_outputs_reordered({"kernel": np.array([[1, 2]]), "bias": np.array([5, 6])}, np.array([1, 0]))["bias"]
    array([6, 5])
    """
    return {name: tensor[..., order] for name, tensor in tensors.items()}


def reordered(layer: ParameterLayer, order: npt.NDArray[np.intp]) -> dict[str, Array]:
    """Give the tensors of a layer with their input features in another order.

    Examples
    --------
    >>> layer = ParameterLayer("fc", "dense", {"kernel": np.array([[1], [2]]), "bias": np.array([5])})
    >>> reordered(layer, np.array([1, 0]))["kernel"].tolist()
    [[2], [1]]
    """
    return {
        name: tensor if layer.kind in _KERNELS and name != "kernel" else tensor[order]
        for name, tensor in layer.tensors.items()
    }


def _features(layer: ParameterLayer) -> int | None:
    """Give the number of input features of a layer; None if its input is not a vector of features."""
    if layer.kind in _KERNELS:
        return int(layer.tensors["kernel"].shape[0])
    if layer.kind in ("batch_normalization", "layer_normalization"):
        sizes = {shape for shape in layer.shapes.values() if len(shape) == 1}
        return sizes.pop()[0] if len(sizes) == 1 else None
    return None


def _channels_are_last(layer: ParameterLayer, layers: Layers, row: Row) -> list[bool] | None:
    """Tell for each map in a row if it is flattened channels last: as the model states, else as its framework does."""
    if "flattened" not in layer.settings:
        return [layer.channels_last or not _is_spatial(block, layer, layers) for block in row]
    own: Row = layer.settings["flattened"]
    if [block[:2] for block in own] != [block[:2] for block in row]:
        return None
    orders = [True if block.positions == 1 else block.channels_last for block in own]
    return None if None in orders else [bool(order) for order in orders]


def _is_spatial(block: Block, layer: ParameterLayer, layers: Layers) -> bool:
    """Tell whether a block is a map; if the model does not state it, by the last layer before with as many channels."""
    if block.positions == 1 or block.spatial is not None:
        return block.positions > 1 and bool(block.spatial)
    before = _before(layer, layers, block.channels)
    return before is None or before.kind in _MAPS


def _before(layer: ParameterLayer, layers: Layers, channels: int | None = None) -> ParameterLayer | None:
    """Give the last layer before another, or the last one before it with a given number of channels or features."""
    place = next(number for number, one in enumerate(layers) if one is layer)
    for before in reversed(layers[:place]):
        if before.kind in _MAPS | _ROWS and channels in (None, channels_of(before)):
            return before
    return None


def _refuse_what_may_be_flattened(
    source: ParameterLayer, target: ParameterLayer, count: int, source_layers: Layers, target_layers: Layers
) -> None:
    """Refuse features that may be a flattened map of several positions, if neither model states whether they are."""
    before = [_before(source, source_layers), _before(target, target_layers)]
    channels = {channels_of(one) for one in before if one is not None and one.kind in _MAPS}
    # After a layer with features last, or with as many channels as features, no map of several positions is flattened.
    if any(one is None or one.kind in _ROWS for one in before) or len(channels) != 1:
        return
    (many,) = channels
    if many is None or count % many or count == many:
        return
    raise PortError(
        f"{source.label!r} of the source and {target.label!r} of the target take {count} features, {count // many} "
        f"times the {many} channels of the layer before. Neither model states whether they are a flattened map, whose "
        "order differs between PyTorch and Keras: give x, a batch of examples, which shows it, or flatten it by a "
        "keras.layers.Flatten in the model."
    )
