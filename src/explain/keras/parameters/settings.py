"""The settings of Keras layers besides their tensors, with names that both frameworks share; no Keras import."""

from __future__ import annotations

from typing import Any

from explain.keras.activations import activation_of, is_known, named_activation
from explain.keras.flattened_maps import map_after, row_before
from explain.keras.graph import Graph, input_shape_of, is_on_graph
from explain.parameters.canonical import LayerKind
from explain.parameters.padding import added, cropping, resolved_padding


def settings_of(
    layer: Any,
    kind: LayerKind,
    graph: Graph,
    part: str = "",
    taking: Any = None,
) -> dict[str, Any]:
    """Give the settings that must be equal for a layer's tensors to have the same meaning.

    Parameters
    ----------
    layer : keras.Layer
        The layer; for a Bidirectional, one of its two layers.
    kind : str
        The kind of the layer.
    graph : Graph
        The graph of its model.
    part : str
        The part of the layer, for example ``"depthwise"``; empty for the whole layer.
    taking : keras.layers.Bidirectional, optional
        The Bidirectional that contains it.
    """
    found: dict[str, Any] = {}
    if kind == "convolution" and part == "pointwise":
        sides = (1,) * layer.rank
        found = {"strides": sides, "dilation": sides, "groups": 1, "padding": tuple((0, 0) for _ in sides)}
        found["padding_mode"] = "zeros"
    elif kind == "convolution":
        found = _convolution(layer, graph)
    elif kind == "transposed_convolution":
        found = _transposed(layer)
    elif kind == "batch_normalization":
        found = {
            "epsilon": layer.epsilon,
            "axis": "channels",
            "batch_statistics": False,
            "training": False,
        }
    elif kind == "layer_normalization":
        found = _layer_normalization(layer)
    elif kind == "group_normalization":
        found = {"epsilon": layer.epsilon, "groups": layer.groups}
    elif kind == "embedding":
        found = {"mask_zero": layer.mask_zero, "padding_index": None, "max_norm": None, "pooling": None}
    elif kind in ("simple_rnn", "lstm", "gru"):
        return _recurrent(layer, kind, getattr(taking, "merge_mode", None)) | _flattened(
            taking or layer, graph
        )
    elif kind == "attention":
        axes = layer.attention_axes
        count = len(input_shape_of(layer) or (0,) * (2 + len(axes or (1,))))
        found = {
            "num_heads": layer.num_heads,
            "extra_bias": False,
            "extra_zeros": False,
            "attention_axes": None
            if axes is None or tuple(axes) == tuple(range(1, count - 1))
            else tuple(axes),
        }
    if kind in ("dense", "batch_normalization", "layer_normalization"):
        found |= _flattened(layer, graph)
    activation = None if part == "depthwise" or kind == "attention" else activation_of(layer)
    if part == "depthwise" or activation is not None:
        known = True
    else:
        activation, known = graph.following_activation(layer)
    return found | {"activation": activation, "activation_known": known and is_known(activation)}


def _convolution(layer: Any, graph: Graph) -> dict[str, Any]:
    strides = _per_axis(layer.strides, layer.rank)
    dilation = _per_axis(layer.dilation_rate, layer.rank)
    shape = input_shape_of(layer)
    last = layer.data_format != "channels_first"
    unknown: tuple[int | None, ...] = (None,) * layer.rank
    sizes = unknown if shape is None else (shape[1:-1] if last else shape[2:])
    padding = resolved_padding(
        layer.padding, sizes, _per_axis(layer.kernel_size, layer.rank), strides, dilation
    )
    zeros = graph.zeros_before(layer)
    if zeros is not None and not isinstance(padding, str):
        padding, zeros = added(padding, zeros), None
    return {
        # The zeros of a padding layer before, if the convolution's own padding is not known in numbers.
        "zeros": zeros,
        "strides": strides,
        "dilation": dilation,
        # A depthwise convolution has as many groups as input channels: its kernel shows them.
        "groups": getattr(layer, "groups", None),
        "padding": padding,
        "padding_mode": "zeros",
    }


def _transposed(layer: Any) -> dict[str, Any]:
    strides, dilation = tuple(layer.strides), tuple(layer.dilation_rate)
    longer = layer.output_padding
    padding = []
    for axis, (stride, apart, side) in enumerate(zip(strides, dilation, layer.kernel_size, strict=True)):
        reach = (side - 1) * apart + 1
        more = None if longer is None else longer[axis]
        if layer.padding == "valid":
            padding.append((0, min(reach - stride, 0) if more is None else -more))
        else:
            # The length of the output minus (size - 1) · stride.
            length = stride if more is None else reach - 2 * (reach // 2) + more
            padding.append(cropping(reach, stride, length))
    return {
        "strides": strides,
        "dilation": dilation,
        "groups": getattr(layer, "groups", 1),
        "padding": tuple(padding),
        "padding_mode": "zeros",
    }


def _layer_normalization(layer: Any) -> dict[str, Any]:
    axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
    shape = input_shape_of(layer)
    counted = tuple(sorted(axis - len(shape) if axis >= 0 and shape is not None else axis for axis in axes))
    centered = hasattr(layer, "beta") and not getattr(layer, "rms_scaling", False)
    return {"epsilon": layer.epsilon, "axis": counted, "centered": centered}


def _recurrent(layer: Any, kind: LayerKind, merge_mode: str | None) -> dict[str, Any]:
    cell = getattr(layer, "cell", layer)
    found: dict[str, Any] = {
        "go_backwards": bool(getattr(layer, "go_backwards", False)),
        "merge_mode": merge_mode,
        "activation": named_activation(cell.activation) or "linear",
    }
    if kind != "simple_rnn":
        found["recurrent_activation"] = named_activation(cell.recurrent_activation) or "linear"
    if kind == "gru":
        found["reset_after"] = bool(cell.reset_after)
    return found


def _flattened(layer: Any, graph: Graph) -> dict[str, Any]:
    """Give the maps flattened before a layer, None if there are none; an empty dict if that is unknown."""
    if is_on_graph(layer):
        made = map_after(layer)
        return {"flattened": row_before(graph, layer)} | ({} if made is None else {"unflattened": made})
    shape = input_shape_of(layer)
    return {"flattened": None} if shape is not None and len(shape) > 3 else {}


def _per_axis(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)
