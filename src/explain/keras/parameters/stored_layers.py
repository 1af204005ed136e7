"""Finds the layers of a Keras model that hold parameters, and their variables; does not import Keras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from explain.errors import PortError
from explain.keras.building import check_complete
from explain.keras.flattened_maps import built_flattenings
from explain.keras.graph import Graph, in_order_of_calls
from explain.keras.layers import class_name, derives_from, direct_layers
from explain.keras.parameters.settings import settings_of
from explain.parameters.canonical import LayerKind
from explain.parameters.read_and_write import StoredLayer

_KINDS: Mapping[str, LayerKind] = {
    "Dense": "dense",
    "EinsumDense": "dense",
    "Embedding": "embedding",
    "BatchNormalization": "batch_normalization",
    "LayerNormalization": "layer_normalization",
    "RMSNormalization": "layer_normalization",
    "GroupNormalization": "group_normalization",
    "MultiHeadAttention": "attention",
}
_CELLS: Mapping[str, LayerKind] = {"SimpleRNNCell": "simple_rnn", "LSTMCell": "lstm", "GRUCell": "gru"}
_NAMES: Mapping[str, Sequence[str]] = {
    "embedding": ("embeddings",),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "layer_normalization": ("gamma", "beta"),
    "group_normalization": ("gamma", "beta"),
    "simple_rnn": ("kernel", "recurrent_kernel", "bias"),
    "lstm": ("kernel", "recurrent_kernel", "bias"),
    "gru": ("kernel", "recurrent_kernel", "bias"),
}


def stored_layers(model: Any, names: Mapping[int, str]) -> list[StoredLayer]:
    """Find the layers of a Keras model that hold parameters, in the order in which its graph calls them.

    Layers inside a layer that is read as a whole are omitted. Without a graph, layers have the order of the model's
    own list of layers.

    Parameters
    ----------
    model : keras.Model
        A built model.
    names : Mapping of int to str
        The names of the model's layers by the layers' identity, in the order of the layers.

    Raises
    ------
    ModelNotBuiltError, UnsupportedModelError
        If the model has no weights yet, or no `call`.
    PortError
        If a layer's parameters are not plain tensors.
    """
    check_complete(model)
    if any(base.__module__.split(".")[0] == "tf_keras" for base in type(model).__mro__):
        raise PortError(
            f"model is a {type(model).__name__} of Keras 2 (tf_keras), whose layers are not read: build it in Keras 3, "
            "and give it the weights with set_weights."
        )
    graph = Graph(model)
    found: list[StoredLayer] = []
    whole: list[Any] = []
    by_name: dict[str, Any] = {"": model}

    def walk(layer: Any) -> None:
        for inner in in_order_of_calls(direct_layers(layer)):
            if any(inner is other for other in whole):
                continue
            whole.append(inner)
            name = names.get(id(inner), inner.name)
            by_name[name] = inner
            found.extend(_parts_of(name, inner, graph))
            if not _is_read_whole(inner):
                walk(inner)

    found.extend(_own_weights("", model))
    walk(model)
    return _with_order(graph, _with_flattening(model, found), by_name)


def _with_flattening(model: Any, layers: list[StoredLayer]) -> list[StoredLayer]:
    """Add the maps flattened before them to dense layers of a model without a graph, if only one layer fits."""
    known = built_flattenings(model)
    takers = [
        one.shapes["kernel"][0] if one.kind == "dense" and "flattened" not in one.settings else None
        for one in layers
    ]
    return [
        replace(one, settings={**one.settings, "flattened": known[taken]})
        if taken is not None and taken in known and takers.count(taken) == 1
        else one
        for one, taken in zip(layers, takers, strict=True)
    ]


def _with_order(graph: Graph, layers: list[StoredLayer], by_name: Mapping[str, Any]) -> list[StoredLayer]:
    """Add to each layer the layers with parameters that its inputs come from, if the graph shows them."""
    names = {id(by_name[one.name]): one.name for one in layers}
    found: list[StoredLayer] = []
    for layer in layers:
        before = graph.layers_before(by_name[layer.name], names)
        settings = {} if before is None else {"after": tuple(names[id(one)] for one in before)}
        if layer.part == "pointwise":
            settings = {"after": (layer.name,)}
        found.append(replace(layer, settings={**layer.settings, **settings}))
    return found


def _is_read_whole(layer: Any) -> bool:
    if class_name(layer) == "MultiHeadAttention":
        # Attention with a gate has one layer more than PyTorch's: its layers are read individually.
        return not getattr(layer, "_use_gate", False)
    return hasattr(layer, "cell") or hasattr(layer, "backward_layer")


def _parts_of(name: str, layer: Any, graph: Graph) -> Iterator[StoredLayer]:
    kind = class_name(layer)
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        raise PortError(
            f"{name} ({kind}) is quantised or has LoRA weights beside its kernel: its parameters are not plain "
            "tensors. Use the model from which it was made."
        )
    if kind == "SpectralNormalization":
        raise PortError(
            f"{name} ({kind}) recomputes its layer's kernel in training: replace it by a plain layer with the "
            "current kernel."
        )
    if hasattr(layer, "backward_layer"):
        for part, inner in (("forward", layer.forward_layer), ("backward", layer.backward_layer)):
            yield from _recurrent(name, part, inner, graph, layer)
        return
    if hasattr(layer, "cell") or kind in _CELLS:
        yield from _recurrent(name, "", layer, graph, None)
        return
    last = getattr(layer, "data_format", None) != "channels_first"
    if derives_from(layer, "BaseSeparableConv"):
        depthwise = {"kernel": layer.depthwise_kernel}
        pointwise = _present({"kernel": layer.pointwise_kernel, "bias": layer.bias})
        for part, variables, form in (("depthwise", depthwise, "depthwise"), ("pointwise", pointwise, "")):
            settings = settings_of(layer, "convolution", graph, part)
            if part == "depthwise":
                settings["groups"] = int(layer.depthwise_kernel.shape[-2])
            yield StoredLayer(name, part, "convolution", variables, settings, form, last)
        return
    if derives_from(layer, "BaseConvTranspose"):
        variables = _present({"kernel": layer.kernel, "bias": layer.bias})
        settings = settings_of(layer, "transposed_convolution", graph)
        yield StoredLayer(name, "", "transposed_convolution", variables, settings, "", last)
        return
    if derives_from(layer, "BaseConv") or derives_from(layer, "BaseDepthwiseConv"):
        depthwise_too = derives_from(layer, "BaseDepthwiseConv")
        variables = _present({"kernel": layer.kernel, "bias": layer.bias})
        settings = settings_of(layer, "convolution", graph)
        if depthwise_too:
            settings["groups"] = int(layer.kernel.shape[-2])
        yield StoredLayer(
            name, "", "convolution", variables, settings, "depthwise" if depthwise_too else "", last
        )
        return
    if kind == "PReLU":
        yield StoredLayer(name, "", "weights", {"alpha": layer.alpha}, {}, "rectifier")
        return
    known = _KINDS.get(kind)
    if known == "attention" and not _is_read_whole(layer):
        known = None
    if kind == "ReversibleEmbedding" and layer.tie_weights:
        known = "embedding"
    if kind == "EinsumDense" and not _is_dense(layer):
        known = None
    if known is None:
        yield from _own_weights(name, layer)
        return
    if known == "attention":
        variables = _attention(layer)
    elif known == "dense":
        variables = _present({"kernel": layer.kernel, "bias": layer.bias})
    else:
        variables = _present({one: getattr(layer, one, None) for one in _NAMES[known]})
        if kind == "RMSNormalization":
            variables = _present({"gamma": layer.scale})
    if known in ("batch_normalization", "group_normalization"):
        last = layer.axis in (-1, _rank(layer) - 1)
    # A normalisation without variables still has its epsilon.
    yield StoredLayer(name, "", known, variables, settings_of(layer, known, graph), "", last)


def _rank(layer: Any) -> int:
    spec = layer.input_spec
    return int(spec.ndim or max(spec.axes, default=0) + 1)


def _recurrent(name: str, part: str, layer: Any, graph: Graph, taking: Any) -> Iterator[StoredLayer]:
    cell = getattr(layer, "cell", layer)
    kind = _CELLS.get(class_name(cell))
    if kind is None:
        variables = {variable.path.split("/", 1)[-1]: variable for variable in layer.weights}
        yield StoredLayer(name, part, "weights", variables)
        return
    variables = _present({one: getattr(cell, one, None) for one in _NAMES[kind]})
    form = "single_bias" if kind == "gru" and not cell.reset_after else ""
    yield StoredLayer(name, part, kind, variables, settings_of(layer, kind, graph, part, taking), form)


def _own_weights(name: str, layer: Any) -> Iterator[StoredLayer]:
    """Give a layer's own weights by their names; their function is unknown."""
    # A frozen variable stays among the trainable ones of its own layer.
    trained = layer._trainable_variables
    variables = by_name([*trained, *layer._non_trainable_variables])
    if variables:
        buffers = tuple(variables)[len(trained) :]
        finish = getattr(layer, "finalize_state", None)
        yield StoredLayer(name, "", "weights", variables, finish=finish, buffers=buffers)


def by_name(variables: Iterable[Any]) -> dict[str, Any]:
    """Give variables by their names, a name that is taken with an underscore."""
    found: dict[str, Any] = {}
    for variable in variables:
        label = variable.name
        while label in found:
            label += "_"
        found[label] = variable
    return found


def _attention(layer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("query", "key", "value", "output"):
        dense = getattr(layer, f"{name}_dense")
        found |= _present({f"{name}_kernel": dense.kernel, f"{name}_bias": dense.bias})
    return found


def _is_dense(layer: Any) -> bool:
    """Tell whether an EinsumDense is a Dense layer: it multiplies the last axis by a matrix."""
    given, _, rest = layer.equation.replace("...", "").partition(",")
    kernel, _, result = rest.partition("->")
    return len(kernel) == 2 and given[-1:] == kernel[0] and result == given[:-1] + kernel[1]


def _present(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variable for name, variable in variables.items() if variable is not None}
