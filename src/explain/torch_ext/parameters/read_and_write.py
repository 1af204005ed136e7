"""The parameters of a PyTorch model's layers, read in canonical axes and written back from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from explain.errors import ModelNotBuiltError, PortError
from explain.keras.layers import is_keras_model
from explain.keras.parameters import read_and_write as keras_parameters
from explain.parameters import torch_axes
from explain.parameters.canonical import Array, LayerKind, ParameterLayer
from explain.parameters.padding import added
from explain.parameters.read_and_write import StoredLayer, read_layers, write_layers
from explain.torch_ext.model.layers.calls import named_layers
from explain.torch_ext.model.transfer import to_host
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
# The first matching row determines the kind.
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
_PARAMETRIZED = (
    "has a parametrization: its weight is computed from other tensors and cannot be written. Remove it first, with "
    "torch.nn.utils.parametrize.remove_parametrizations."
)


def read_parameters(model: Any) -> tuple[ParameterLayer, ...]:
    """Give the layers of a model that hold parameters, in the order in which they are defined.

    Raises
    ------
    ModelNotBuiltError
        If the shape of a parameter is not known yet.
    PortError
        If the model has no accessible modules, or a module whose parameters are not plain tensors.

    Examples
    --------
    >>> (layer,) = read_parameters(nn.Sequential(nn.Linear(3, 2)))
    >>> layer.name, layer.kind, layer.shapes
    ('0', 'dense', {'kernel': (3, 2), 'bias': (2,)})
    """
    if is_keras_model(model):
        return keras_parameters.read_parameters(model, _keras_names(model))
    return read_layers(_stored_layers(model), _TorchStore())


def write_parameters(model: Any, layers: Sequence[ParameterLayer]) -> None:
    """Change a model's tensors in place, see `explain.parameters.read_and_write.write_layers`.

    The tensor objects, their device and their dtype stay the same, so that an optimiser still refers to them.

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
    write_layers(_stored_layers(model), layers, _TorchStore())


def read_raw_parameters(model: Any) -> tuple[ParameterLayer, ...]:
    """Give the parameters of a model as PyTorch stores them, those of one module together, in their order.

    Raises
    ------
    PortError
        If the model has no parameters of floating-point numbers.

    Examples
    --------
    >>> (layer,) = read_raw_parameters(torch.jit.script(nn.Sequential(nn.Linear(3, 2))))
    >>> layer.name, layer.kind, layer.shapes
    ('0', 'weights', {'weight': (2, 3), 'bias': (2,)})
    """
    if is_keras_model(model):
        return keras_parameters.read_raw_parameters(model, _keras_names(model))
    return read_layers(_raw_layers(model), _TorchStore())


def write_raw_parameters(model: Any, layers: Sequence[ParameterLayer]) -> None:
    """Change a model's tensors in place, as `read_raw_parameters` gives them."""
    if is_keras_model(model):
        keras_parameters.write_raw_parameters(model, layers, _keras_names(model))
        return
    write_layers(_raw_layers(model), layers, _TorchStore())


def _raw_layers(model: Any) -> list[StoredLayer]:
    found: dict[str, dict[str, Tensor]] = {}
    if isinstance(model, nn.Module):
        for path, parameter in model.named_parameters():
            if parameter.is_floating_point() and not nn.parameter.is_lazy(parameter):
                module, _, name = path.rpartition(".")
                found.setdefault(module, {})[name] = parameter
    if not found:
        raise PortError(
            f"model is of type {type(model).__name__} and has no parameters of floating-point numbers: give a "
            "torch.nn.Module that is neither quantised nor frozen into constants."
        )
    return [StoredLayer(module, "", "weights", tensors) for module, tensors in found.items()]


class _TorchStore:
    """Tensors of PyTorch, as `explain.parameters.read_and_write.ParameterStore`."""

    def to_canonical(self, layer: StoredLayer, own: Mapping[str, Array]) -> dict[str, Array]:
        return torch_axes.to_canonical(layer.kind, own, layer.settings.get("num_heads", 1))

    def to_native(self, layer: StoredLayer, tensors: Mapping[str, Array]) -> dict[str, Array]:
        return torch_axes.to_native(layer.kind, tensors, layer.shapes)

    def to_host(self, tensor: Tensor) -> Array:
        # A copy: the result must not change with the model.
        return np.array(to_host(tensor))

    def cast(self, array: Array, like: Tensor) -> Tensor:
        return torch.from_numpy(np.array(array)).to(device=like.device, dtype=like.dtype)

    def is_finite(self, value: Tensor) -> bool:
        return bool(torch.isfinite(value).all())

    def is_equal(self, first: Tensor, second: Tensor) -> bool:
        return torch.equal(first, second)

    @torch.no_grad()
    def assign(self, tensor: Tensor, value: Tensor) -> None:
        tensor.copy_(value)


def _stored_layers(model: Any) -> list[StoredLayer]:
    """Find the modules that hold parameters; omit modules inside a module that is read as a whole."""
    if isinstance(model, torch.jit.ScriptModule) or not isinstance(model, nn.Module):
        raise PortError(
            f"model is of type {type(model).__name__}, whose layers cannot be distinguished: give the "
            "torch.nn.Module that it was made from."
        )
    names = {id(module): name for name, module in model.named_modules()}
    beside = {
        key: {**about, "after": (names[id(about["after"])],)} if "after" in about else about
        for key, about in neighbours(model).items()
    }
    found: list[StoredLayer] = []
    whole: list[str] = []
    for name, module in model.named_modules():
        if any(name.startswith(f"{outer}." if outer else "") for outer in whole):
            continue
        _reject_unreadable(name, module)
        kind = next((kind for classes, kind in _KINDS if isinstance(module, classes)), None)
        if kind is not None or parametrize.is_parametrized(module):
            whole.append(name)
        found.extend(_parts_of(name, module, kind, beside.get(id(module), {})))
    return found


def _parts_of(
    name: str, module: nn.Module, kind: LayerKind | None, beside: Mapping[str, Any]
) -> Iterator[StoredLayer]:
    why_read_only = _PARAMETRIZED if parametrize.is_parametrized(module) else ""
    stored = partial(StoredLayer, name, channels_last=False, why_read_only=why_read_only)
    with _parametrizations_in_inference_mode(module):
        tensors = _tensors_of(module)
    if kind in ("simple_rnn", "lstm", "gru"):
        cells = isinstance(module, nn.RNNCellBase)
        suffixes = [("", 0, False)] if cells else list(_suffixes(module))
        for suffix, layer, reverse in suffixes:
            own = {key.removesuffix(suffix): value for key, value in tensors.items() if key.endswith(suffix)}
            part = suffix[1:] if len(suffixes) > 1 else ""
            yield stored(part, kind, own, settings_of(module, kind, layer, reverse))
        return
    if kind is None:
        if tensors:
            yield stored(
                "", "weights", tensors, buffers=tuple(name for name in tensors if name in module._buffers)
            )
        return
    if kind == "group_normalization" and isinstance(module, _INSTANCE_NORMS) and module.track_running_stats:
        raise PortError(
            f"{name!r} is a {type(module).__name__} with running statistics, which no other layer has: build it with "
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
    # A normalisation without tensors still has its epsilon.
    yield stored("", kind, tensors, settings)


def _suffixes(module: Any) -> Iterator[tuple[str, int, bool]]:
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
    """Give a module's own parameters and persistent floating-point buffers; for attention, also `out_proj`'s."""
    found: dict[str, Tensor] = {
        name: tensor for name, tensor in module._parameters.items() if tensor is not None
    }
    if parametrize.is_parametrized(module):
        parametrized: Any = module.parametrizations
        found |= {name: getattr(module, name).detach() for name in parametrized}
    non_persistent = module._non_persistent_buffers_set
    for name, buffer in module._buffers.items():
        if buffer is not None and name not in non_persistent and buffer.dtype.is_floating_point:
            found[name] = buffer
    if isinstance(module, nn.MultiheadAttention):
        found |= {f"out_proj.{name}": tensor for name, tensor in module.out_proj.named_parameters()}
    return found


def _reject_unreadable(name: str, module: nn.Module) -> None:
    shown = f"{name or 'model'} ({type(module).__name__})"
    if any(one is not None and nn.parameter.is_lazy(one) for one in module._parameters.values()):
        raise ModelNotBuiltError(
            f"{shown} is a lazy module whose shape is not known yet: call the model once on a batch first."
        )
    if "quantized" in type(module).__module__.split("."):
        raise PortError(
            f"{shown} is quantised: its parameters are not plain tensors. Use the model from which it was made."
        )
    if "weight_g" in module._parameters or "weight_orig" in module._parameters:
        raise PortError(
            f"{shown} has a weight that a hook computes before each call (weight_norm, spectral_norm or pruning of "
            "torch.nn.utils): remove it first, with remove_weight_norm, remove_spectral_norm or prune.remove."
        )


@contextmanager
def _parametrizations_in_inference_mode(module: nn.Module) -> Iterator[None]:
    """Prevent a read from changing parametrizations: in training mode, a read of spectral norm runs an iteration."""
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
