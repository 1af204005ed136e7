"""The parameters of a PyTorch model's layers, read in canonical axes and written back from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from explain.errors import ModelNotBuiltError, PortError
from explain.keras import parameters as keras_parameters
from explain.keras.layers import is_keras_model
from explain.parameters.canonical import Array, LayerKind, ParameterLayer
from explain.parameters.padding import added
from explain.torch_ext.model.layers import named_layers
from explain.torch_ext.model.transfer import to_host
from explain.torch_ext.parameters.axes import to_canonical, to_native
from explain.torch_ext.parameters.settings import neighbours, settings_of

_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
_RECURRENT: Mapping[type[nn.Module], LayerKind] = {
    nn.RNN: "simple_rnn",
    nn.LSTM: "lstm",
    nn.GRU: "gru",
    nn.RNNCell: "simple_rnn",
    nn.LSTMCell: "lstm",
    nn.GRUCell: "gru",
}
# Of the first that a module is an instance of.
_KINDS: Sequence[tuple[Any, LayerKind]] = (
    (nn.modules.conv._ConvTransposeNd, "transposed_convolution"),
    (nn.modules.conv._ConvNd, "convolution"),
    (nn.Linear, "dense"),
    (_INSTANCE_NORMS, "group_normalization"),
    (nn.modules.batchnorm._BatchNorm, "batch_normalization"),
    ((nn.LayerNorm, nn.RMSNorm), "layer_normalization"),
    (nn.GroupNorm, "group_normalization"),
    ((nn.Embedding, nn.EmbeddingBag), "embedding"),
    (nn.MultiheadAttention, "attention"),
    *_RECURRENT.items(),
)


@dataclass(frozen=True, eq=False)
class Held:
    """What one `ParameterLayer` is of in the model itself.

    Parameters
    ----------
    name, part, kind : str
        As in `ParameterLayer`.
    module : torch.nn.Module
        The module.
    tensors : Mapping of str to torch.Tensor
        Parameters and buffers, those of a recurrent layer without their ending.
    settings : Mapping
        As in `ParameterLayer`.
    computed : bool
        Whether a tensor is worked out from others (a parametrization), so that it can be read and not written.
    """

    name: str
    part: str
    kind: LayerKind
    module: nn.Module
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any] = field(default_factory=dict)
    computed: bool = False

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by its name."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


def read_parameters(model: Any) -> tuple[ParameterLayer, ...]:
    """Give the layers of a model that hold parameters, in the order in which they are defined.

    Raises
    ------
    ModelNotBuiltError
        If the shape of a parameter is not known yet.
    PortError
        If the model has no modules to be seen, or has one whose numbers are no plain tensors.

    Examples
    --------
    >>> (layer,) = read_parameters(nn.Sequential(nn.Linear(3, 2)))
    >>> layer.name, layer.kind, layer.shapes
    ('0', 'dense', {'kernel': (3, 2), 'bias': (2,)})
    """
    if is_keras_model(model):
        return keras_parameters.read_parameters(model, _keras_names(model))
    return tuple(
        ParameterLayer(
            one.name,
            one.kind,
            to_canonical(
                one.kind,
                # Copies: what is read must not change with the model.
                {name: np.array(to_host(tensor)) for name, tensor in one.tensors.items()},
                one.settings.get("num_heads", 1),
            ),
            one.settings,
            one.part,
            channels_last=False,
        )
        for one in _held(model)
    )


def write_parameters(model: Any, layers: Sequence[ParameterLayer]) -> None:
    """Give a model's layers the tensors of `layers`, which have the names of its own, all or none.

    Tensors are changed in place: they stay the objects that an optimiser knows, on their device, of their precision.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    layers : sequence of ParameterLayer
        Of each, the tensors, in canonical axes; a layer that is not among them stays as it is.

    Raises
    ------
    PortError
        If a tensor does not fit, or cannot be written; nothing is changed then.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(3, 2))
    >>> write_parameters(model, [ParameterLayer("0", "dense", {"kernel": np.ones((3, 2)), "bias": np.ones(2)})])
    >>> model[0].weight.sum().item()
    6.0
    """
    if is_keras_model(model):
        keras_parameters.write_parameters(model, layers, _keras_names(model))
        return
    own = {(one.name, one.part): one for one in _held(model)}
    planned: dict[int, tuple[Tensor, Tensor, str]] = {}
    for layer in layers:
        held = own[layer.name, layer.part]
        if held.computed:
            raise PortError(
                f"{layer.label!r} has a parametrization: its weight is worked out from other tensors and cannot be "
                "written. Remove it first, with torch.nn.utils.parametrize.remove_parametrizations."
            )
        native = to_native(layer.kind, layer.tensors, held.shapes)
        if set(native) != set(held.tensors):
            raise PortError(f"{layer.label!r} holds {sorted(held.tensors)}, and was given {sorted(native)}.")
        for name, tensor in held.tensors.items():
            _plan(planned, f"{layer.label}, {name}", tensor, native[name])
    _write(planned)


def _plan(planned: dict[int, tuple[Tensor, Tensor, str]], label: str, tensor: Tensor, array: Array) -> None:
    if tuple(array.shape) != tuple(tensor.shape):
        raise PortError(f"{label} has shape {tuple(tensor.shape)}, and was given {tuple(array.shape)}.")
    value = torch.from_numpy(np.array(array)).to(device=tensor.device, dtype=tensor.dtype)
    if tensor.dtype.is_floating_point and np.isfinite(array).all() and not bool(torch.isfinite(value).all()):
        raise PortError(f"{label} is of {tensor.dtype}, in which some of the values given are infinite.")
    # Two layers may share a tensor.
    key = id(tensor)
    if key in planned and not torch.equal(planned[key][1], value):
        raise PortError(
            f"{label} is the same tensor as {planned[key][2]}, and they were given different values: the two layers "
            "are tied in this model and not in the other one."
        )
    planned[key] = tensor, value, label


def _write(planned: Mapping[int, tuple[Tensor, Tensor, str]]) -> None:
    before = [tensor.detach().clone() for tensor, _, _ in planned.values()]
    with torch.no_grad():
        try:
            for tensor, value, _ in planned.values():
                tensor.copy_(value)
        except BaseException:
            for (tensor, _, _), kept in zip(planned.values(), before, strict=True):
                tensor.copy_(kept)
            raise


def _held(model: Any) -> list[Held]:
    """Give what holds parameters; a module inside another that was read whole is passed over."""
    if isinstance(model, torch.jit.ScriptModule) or not isinstance(model, nn.Module):
        raise PortError(
            f"model is of type {type(model).__name__}, whose layers cannot be told from each other: give the "
            "torch.nn.Module that it was made from."
        )
    names = {id(module): name for name, module in model.named_modules()}
    beside = {
        key: {**about, "after": (names[id(about["after"])],)} if "after" in about else about
        for key, about in neighbours(model).items()
    }
    found: list[Held] = []
    whole: list[str] = []
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}." if outer else "") for outer in whole):
            continue
        _refuse_what_cannot_be_read(name, module)
        kind = next((kind for classes, kind in _KINDS if isinstance(module, classes)), None)
        if kind is not None or parametrize.is_parametrized(module):
            whole.append(name)
        found.extend(_parts_of(name, module, kind, beside.get(id(module), {})))
    return found


def _parts_of(
    name: str, module: nn.Module, kind: LayerKind | None, beside: Mapping[str, Any]
) -> Iterator[Held]:
    computed = parametrize.is_parametrized(module)
    with _still(module):
        tensors = _tensors_of(module)
    if kind in ("simple_rnn", "lstm", "gru"):
        cells = isinstance(module, nn.RNNCellBase)
        endings = [("", 0, False)] if cells else list(_endings(module))
        for ending, layer, reverse in endings:
            own = {key.removesuffix(ending): value for key, value in tensors.items() if key.endswith(ending)}
            part = ending[1:] if len(endings) > 1 else ""
            yield Held(name, part, kind, module, own, settings_of(module, kind, layer, reverse), computed)
        return
    if kind is None:
        if tensors:
            yield Held(name, "", "weights", module, tensors, computed=computed)
        return
    if kind == "group_normalization" and isinstance(module, _INSTANCE_NORMS) and module.track_running_stats:
        raise PortError(
            f"{name!r} is a {type(module).__name__} with running statistics, which no other layer has: make it with "
            "track_running_stats=False."
        )
    settings = settings_of(module, kind)
    if settings.get("padding") is not None and "zeros" in beside:
        settings["padding"] = added(settings["padding"], beside["zeros"])
    if "activation" in beside:
        settings |= {"activation": beside["activation"], "activation_known": True}
    else:
        settings |= {"activation": None, "activation_known": False}
    if "after" in beside:
        settings["after"] = beside["after"]
    # A normalisation without tensors has its epsilon.
    yield Held(name, "", kind, module, tensors, settings, computed)


def _endings(module: Any) -> Iterator[tuple[str, int, bool]]:
    if getattr(module, "proj_size", 0):
        raise PortError(
            f"An LSTM with proj_size={module.proj_size} projects its state, which no Keras layer does: it does not "
            "carry over."
        )
    for layer in range(module.num_layers):
        yield f"_l{layer}", layer, False
        if module.bidirectional:
            yield f"_l{layer}_reverse", layer, True


def _tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """Give a module's own parameters and persistent buffers that are no counters; of attention those of its output."""
    found: dict[str, Tensor] = {
        name: tensor for name, tensor in module._parameters.items() if tensor is not None
    }
    if parametrize.is_parametrized(module):
        parametrized: Any = module.parametrizations
        found |= {name: getattr(module, name).detach() for name in parametrized}
    passing = module._non_persistent_buffers_set
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in passing and buffer.dtype.is_floating_point:
            found[name] = buffer
    if isinstance(module, nn.MultiheadAttention):
        found |= {f"out_proj.{name}": tensor for name, tensor in module.out_proj.named_parameters()}
    return found


def _refuse_what_cannot_be_read(name: str, module: nn.Module) -> None:
    shown = f"{name or 'model'} ({type(module).__name__})"
    if any(one is not None and nn.parameter.is_lazy(one) for one in module._parameters.values()):
        raise ModelNotBuiltError(
            f"{shown} is a lazy module whose shape is not known yet: call the model once on a batch before."
        )
    if "quantized" in type(module).__module__.split("."):
        raise PortError(
            f"{shown} is quantised: its numbers are no plain tensors. Use the model from which it was made."
        )
    if "weight_g" in module._parameters or "weight_orig" in module._parameters:
        raise PortError(
            f"{shown} has a weight that a hook works out before each call (weight_norm, spectral_norm or pruning of "
            "torch.nn.utils): remove it first, with remove_weight_norm, remove_spectral_norm or prune.remove."
        )


@contextmanager
def _still(module: nn.Module) -> Iterator[None]:
    """Hold what a parametrization keeps: spectral norm takes a step of its iteration in training mode."""
    inside = list(module.parametrizations.modules()) if parametrize.is_parametrized(module) else []  # type: ignore[union-attr]
    before = [one.training for one in inside]
    try:
        for one in inside:
            one.training = False
        yield
    finally:
        for one, training in zip(inside, before, strict=True):
            one.training = training


def _keras_names(model: Any) -> dict[int, str]:
    return {id(layer): name for name, layer in named_layers(model).items()}
