"""The parameters of a Keras model's layers, read in canonical axes and written back from them.

Written once for whatever framework Keras runs on; Keras is not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from explain.errors import ModelNotBuiltError, PortError
from explain.keras.graph import Graph, in_order_of_calls
from explain.keras.layers import class_name
from explain.keras.parameter_axes import to_canonical, to_native
from explain.keras.parameter_settings import settings_of
from explain.parameters.canonical import Array, LayerKind, ParameterLayer

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


@dataclass(frozen=True, eq=False)
class Held:
    """What one `ParameterLayer` is of in the model itself.

    Parameters
    ----------
    name, part, kind, settings, channels_last
        As in `ParameterLayer`.
    variables : Mapping of str to keras.Variable
        By Keras's names.
    form : str
        How they are held, see `explain.keras.parameter_axes.to_canonical`.
    finish : callable, optional
        Works out what the layer keeps of its variables besides, when they were changed.
    """

    name: str
    part: str
    kind: LayerKind
    variables: Mapping[str, Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    form: str = ""
    channels_last: bool = True
    finish: Callable[[], None] | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each variable, by its name."""
        return {name: tuple(variable.shape) for name, variable in self.variables.items()}


def read_parameters(model: Any, names: Mapping[int, str]) -> tuple[ParameterLayer, ...]:
    """Give the layers of a Keras model that hold parameters, in the order in which its graph calls them.

    Of a model without a graph they are in the order in which it has them.

    Parameters
    ----------
    model : keras.Model
        Built.
    names : Mapping of int to str
        The names of its layers by their identity, in that order.

    Raises
    ------
    ModelNotBuiltError
        If it has no weights yet.
    PortError
        If a layer's numbers are no plain tensors.
    """
    return tuple(
        ParameterLayer(
            one.name,
            one.kind,
            to_canonical(one.kind, {name: _read(value) for name, value in one.variables.items()}, one.form),
            one.settings,
            one.part,
            one.channels_last,
        )
        for one in _held(model, names)
    )


def write_parameters(model: Any, layers: Sequence[ParameterLayer], names: Mapping[int, str]) -> None:
    """Give a model's layers the tensors of `layers`, which have the names of its own, all or none.

    Parameters
    ----------
    model : keras.Model
        The model.
    layers : sequence of ParameterLayer
        Of each, the tensors, in canonical axes; a layer that is not among them stays as it is.
    names : Mapping of int to str
        As in `read_parameters`.

    Raises
    ------
    PortError
        If a tensor does not fit; nothing is changed then.
    """
    own = {(one.name, one.part): one for one in _held(model, names)}
    planned: dict[int, tuple[Any, Array]] = {}
    finishing: list[Callable[[], None]] = []
    for layer in layers:
        held = own[layer.name, layer.part]
        finishing += [] if held.finish is None else [held.finish]
        native = to_native(layer.kind, layer.tensors, held.shapes, held.form)
        if set(native) != set(held.variables):
            raise PortError(
                f"{layer.label!r} holds {sorted(held.variables)}, and was given {sorted(native)}."
            )
        for name, variable in held.variables.items():
            value = _fitted(f"{layer.label}, {name}", variable, native[name])
            # Two layers may share a variable.
            if id(variable) in planned and not np.array_equal(planned[id(variable)][1], value):
                raise PortError(
                    f"{layer.label}, {name} is the same variable as that of another layer, and they were given "
                    "different values: the two layers are tied in this model and not in the other one."
                )
            planned[id(variable)] = variable, value
    _write(list(planned.values()), finishing)


def _fitted(label: str, variable: Any, array: Array) -> Array:
    """Give an array in a variable's precision, checked."""
    if tuple(array.shape) != tuple(variable.shape):
        raise PortError(f"{label} has shape {tuple(variable.shape)}, and was given {tuple(array.shape)}.")
    now = np.asarray(variable)
    with np.errstate(over="ignore"):
        value: Array = array.astype(now.dtype)
    if not np.isfinite(value.astype(np.float64)).all() and np.isfinite(array).all():
        raise PortError(f"{label} is of {variable.dtype}, in which some of the values given are infinite.")
    return value


def _write(planned: Sequence[tuple[Any, Array]], finishing: Sequence[Callable[[], None]]) -> None:
    before = [np.array(np.asarray(variable)) for variable, _ in planned]
    try:
        for variable, value in planned:
            variable.assign(value)
        for finish in finishing:
            finish()
    except BaseException:
        for (variable, _), kept in zip(planned, before, strict=True):
            variable.assign(kept)
        for finish in finishing:
            finish()
        raise


def _read(variable: Any) -> Array:
    array: Array = np.array(np.asarray(variable))
    # bfloat16, which NumPy does not know.
    return array.astype(np.float32) if array.dtype.kind == "V" or array.dtype == np.float16 else array


def _held(model: Any, names: Mapping[int, str]) -> list[Held]:
    if not model.built:
        raise ModelNotBuiltError(
            f"The Keras model {model.name!r} is not built: it has no weights, since it has never seen an input shape. "
            "Call model.build((None, *shape_of_one_example)), or call it once on a batch."
        )
    graph = Graph(model)
    found: list[Held] = []
    whole: list[Any] = []
    by_name: dict[str, Any] = {"": model}

    def walk(layer: Any) -> None:
        for inner in in_order_of_calls(list(layer._layers)):
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
    return _with_order(graph, _with_flattening(graph, found), by_name)


def _with_flattening(graph: Graph, layers: list[Held]) -> list[Held]:
    """Say of the dense layers of a model without a graph what was flattened before them, where only one fits."""
    known = graph.flattened
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


def _with_order(graph: Graph, layers: list[Held], by_name: Mapping[str, Any]) -> list[Held]:
    """Say of each layer which layers with parameters its inputs come from, where the graph tells."""
    names = {id(by_name[one.name]): one.name for one in layers}
    found: list[Held] = []
    for held in layers:
        before = graph.layers_before(by_name[held.name], names)
        settings = {} if before is None else {"after": tuple(names[id(one)] for one in before)}
        if held.part == "pointwise":
            settings = {"after": (held.name,)}
        found.append(replace(held, settings={**held.settings, **settings}))
    return found


def _is_read_whole(layer: Any) -> bool:
    if class_name(layer) == "MultiHeadAttention":
        # One with a gate has a layer more than attention has elsewhere: its layers are read one by one.
        return not getattr(layer, "_use_gate", False)
    return hasattr(layer, "cell") or hasattr(layer, "backward_layer")


def _parts_of(name: str, layer: Any, graph: Graph) -> Iterator[Held]:
    kind = class_name(layer)
    if getattr(layer, "quantization_mode", None) is not None or getattr(layer, "lora_enabled", False):
        raise PortError(
            f"{name} ({kind}) is quantised or has LoRA weights beside its kernel: its numbers are no plain tensors. "
            "Use the model from which it was made."
        )
    if kind == "SpectralNormalization":
        raise PortError(
            f"{name} ({kind}) works its layer's kernel out anew in training: put a plain layer in its place, with "
            "the kernel as it is now."
        )
    if hasattr(layer, "backward_layer"):
        for part, inner in (("forward", layer.forward_layer), ("backward", layer.backward_layer)):
            yield from _recurrent(name, part, inner, graph, layer)
        return
    if hasattr(layer, "cell") or kind in _CELLS:
        yield from _recurrent(name, "", layer, graph, None)
        return
    last = getattr(layer, "data_format", None) != "channels_first"
    if _derives(layer, "BaseSeparableConv"):
        depthwise = {"kernel": layer.depthwise_kernel}
        pointwise = _present({"kernel": layer.pointwise_kernel, "bias": layer.bias})
        for part, variables, form in (("depthwise", depthwise, "depthwise"), ("pointwise", pointwise, "")):
            settings = settings_of(layer, "convolution", graph, part)
            if part == "depthwise":
                settings["groups"] = int(layer.depthwise_kernel.shape[-2])
            yield Held(name, part, "convolution", variables, settings, form, last)
        return
    if _derives(layer, "BaseConvTranspose"):
        variables = _present({"kernel": layer.kernel, "bias": layer.bias})
        settings = settings_of(layer, "transposed_convolution", graph)
        yield Held(name, "", "transposed_convolution", variables, settings, "", last)
        return
    if _derives(layer, "BaseConv") or _derives(layer, "BaseDepthwiseConv"):
        depthwise_too = _derives(layer, "BaseDepthwiseConv")
        variables = _present({"kernel": layer.kernel, "bias": layer.bias})
        settings = settings_of(layer, "convolution", graph)
        if depthwise_too:
            settings["groups"] = int(layer.kernel.shape[-2])
        yield Held(name, "", "convolution", variables, settings, "depthwise" if depthwise_too else "", last)
        return
    if kind == "PReLU":
        yield Held(name, "", "weights", {"alpha": layer.alpha}, {}, "rectifier")
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
    # A normalisation without variables has its epsilon.
    yield Held(name, "", known, variables, settings_of(layer, known, graph), "", last)


def _rank(layer: Any) -> int:
    spec = layer.input_spec
    return int(spec.ndim or max(spec.axes, default=0) + 1)


def _recurrent(name: str, part: str, layer: Any, graph: Graph, taking: Any) -> Iterator[Held]:
    cell = getattr(layer, "cell", layer)
    kind = _CELLS.get(class_name(cell))
    if kind is None:
        variables = {variable.path.split("/", 1)[-1]: variable for variable in layer.weights}
        yield Held(name, part, "weights", variables)
        return
    variables = _present({one: getattr(cell, one, None) for one in _NAMES[kind]})
    form = "single_bias" if kind == "gru" and not cell.reset_after else ""
    yield Held(name, part, kind, variables, settings_of(layer, kind, graph, part, taking), form)


def _own_weights(name: str, layer: Any) -> Iterator[Held]:
    """Give the weights that a layer holds itself, by their names, for what they do is not known."""
    own = [*layer._trainable_variables, *layer._non_trainable_variables]
    variables: dict[str, Any] = {}
    for variable in own:
        label = variable.name
        while label in variables:
            label += "_"
        variables[label] = variable
    if variables:
        yield Held(name, "", "weights", variables, finish=getattr(layer, "finalize_state", None))


def _attention(layer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("query", "key", "value", "output"):
        dense = getattr(layer, f"{name}_dense")
        found |= _present({f"{name}_kernel": dense.kernel, f"{name}_bias": dense.bias})
    return found


def _is_dense(layer: Any) -> bool:
    """Tell an EinsumDense that does what a Dense layer does: the last axis by a matrix."""
    given, _, rest = layer.equation.replace("...", "").partition(",")
    kernel, _, result = rest.partition("->")
    return len(kernel) == 2 and given[-1:] == kernel[0] and result == given[:-1] + kernel[1]


def _derives(layer: Any, name: str) -> bool:
    return any(
        base.__name__ == name and base.__module__.split(".")[0] == "keras" for base in type(layer).__mro__
    )


def _present(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {name: variable for name, variable in variables.items() if variable is not None}
