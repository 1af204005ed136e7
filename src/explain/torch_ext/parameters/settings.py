"""The settings of PyTorch's layers besides their tensors, with names that both frameworks share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from explain.parameters.canonical import LayerKind
from explain.parameters.padding import Pairs, added

_ACTIVATIONS: Mapping[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.Softmax: "softmax",
    nn.LogSoftmax: "log_softmax",
    nn.SiLU: "silu",
    nn.Mish: "mish",
    nn.SELU: "selu",
    nn.Softplus: "softplus",
    nn.Softsign: "softsign",
    nn.Hardsigmoid: "hard_sigmoid",
    nn.Hardswish: "hard_silu",
    nn.LogSigmoid: "log_sigmoid",
}
# Layers between a layer and its activation that do not prevent the activation from being the layer's own.
_PASSES = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.MaxPool3d,
)
_PARAMETRIC = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.Linear,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.RNNBase,
    nn.Embedding,
    nn.PReLU,
)


def settings_of(module: nn.Module, kind: LayerKind, layer: int = 0, reverse: bool = False) -> dict[str, Any]:
    """Give the settings that must be equal for a layer's tensors to have the same meaning.

    Parameters
    ----------
    module : torch.nn.Module
        The layer.
    kind : str
        The kind of the layer.
    layer, reverse : int, bool
        For a recurrent module, the number of the layer inside it, and whether it is the reverse direction.

    Examples
    --------
    >>> settings_of(nn.Conv2d(3, 8, 3, padding=1), "convolution")["padding"]
    ((1, 1), (1, 1))
    """
    own: Any = module
    if kind == "convolution":
        return {
            "strides": tuple(own.stride),
            "dilation": tuple(own.dilation),
            "groups": own.groups,
            "padding": _padding(own),
            "padding_mode": own.padding_mode,
        }
    if kind == "transposed_convolution":
        return {
            "strides": tuple(own.stride),
            "dilation": tuple(own.dilation),
            "groups": own.groups,
            # Output padding crops less at the end.
            "padding": tuple(
                (side, side - more) for side, more in zip(own.padding, own.output_padding, strict=True)
            ),
            "padding_mode": own.padding_mode,
        }
    if kind == "batch_normalization":
        return {
            "epsilon": own.eps,
            "axis": "channels",
            "batch_statistics": not own.track_running_stats or own.running_mean is None,
            "training": own.training,
            # A normalisation of maps accepts no flattened input.
            **({"flattened": None} if isinstance(own, (nn.BatchNorm2d, nn.BatchNorm3d)) else {}),
        }
    if kind == "layer_normalization":
        dtype = torch.get_default_dtype() if own.weight is None else own.weight.dtype
        epsilon = torch.finfo(dtype).eps if own.eps is None else own.eps
        return {
            "epsilon": epsilon,
            "axis": tuple(range(-len(own.normalized_shape), 0)),
            "centered": not isinstance(own, nn.RMSNorm),
        }
    if kind == "group_normalization":
        return {"epsilon": own.eps, "groups": getattr(own, "num_groups", None) or own.num_features}
    if kind == "embedding":
        return {
            "mask_zero": None,
            "padding_index": own.padding_idx,
            "max_norm": own.max_norm,
            "pooling": getattr(own, "mode", None),
        }
    if kind in ("simple_rnn", "lstm", "gru"):
        return _recurrent(own, kind, layer, reverse)
    if kind == "attention":
        return {
            "num_heads": own.num_heads,
            "extra_bias": own.bias_k is not None,
            "extra_zeros": own.add_zero_attn,
            "attention_axes": None,
        }
    return {}


def activation_name(module: nn.Module) -> str | None:
    """Give the name of an activation, None for any other module.

    Examples
    --------
    >>> activation_name(nn.GELU(approximate="tanh")), activation_name(nn.Flatten())
    ('gelu_tanh', None)
    """
    if isinstance(module, nn.GELU):
        return "gelu" if module.approximate == "none" else "gelu_tanh"
    if isinstance(module, nn.LeakyReLU):
        return f"leaky_relu({module.negative_slope:g})"
    if isinstance(module, nn.ELU):
        return f"elu({module.alpha:g})"
    return _ACTIVATIONS.get(type(module))


def neighbours(model: nn.Module) -> dict[int, dict[str, Any]]:
    """Map the identity of a module in a `torch.nn.Sequential` to the settings that follow from its neighbours.

    ``"zeros"`` is the zero padding of its input. ``"activation"`` is the activation of its output, None if another
    layer follows directly. ``"after"`` is the module with parameters that its input comes from. An unknown setting is
    absent.

    Examples
    --------
    >>> model = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> neighbours(model)[id(model[1])]
    {'zeros': ((1, 1), (1, 1)), 'activation': 'relu'}
    >>> neighbours(nn.Sequential(first := nn.Linear(3, 3), nn.Tanh(), second := nn.Linear(3, 3)))[id(second)]["after"]
    Linear(in_features=3, out_features=3, bias=True)
    """
    chains = [one for one in model.modules() if _is_chain(one)]
    inside = {id(child) for chain in chains for child in chain.children() if _is_chain(child)}
    found: dict[int, dict[str, Any]] = {}
    for chain in chains:
        # A chain inside another chain is processed as part of the outer chain.
        if id(chain) not in inside:
            _look_along(_flat(chain), found, whole=chain is model)
    return found


def zeros_around(module: nn.Module) -> Pairs | None:
    """Give the zeros before and after each axis that a padding module adds, None for any other module.

    Examples
    --------
    >>> zeros_around(nn.ZeroPad2d((1, 2, 3, 4)))
    ((3, 4), (1, 2))
    """
    kinds = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
    if not isinstance(module, kinds) or getattr(module, "value", 0) != 0:
        return None
    sides = tuple(module.padding)
    # PyTorch lists the last axis first.
    return tuple(zip(sides[::2], sides[1::2], strict=True))[::-1]


def _is_chain(module: nn.Module) -> bool:
    """Tell whether a module is a Sequential that only calls its modules one after the other."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def _flat(chain: nn.Module) -> list[nn.Module]:
    return [one for child in chain.children() for one in (_flat(child) if _is_chain(child) else [child])]


def _look_along(modules: list[nn.Module], found: dict[int, dict[str, Any]], *, whole: bool) -> None:
    for place, module in enumerate(modules):
        about: dict[str, Any] = {}
        if place and (zeros := zeros_around(modules[place - 1])) is not None:
            about["zeros"] = zeros
        holds = (
            one for one in reversed(modules[:place]) if isinstance(one, _PARAMETRIC) or _has_parameters(one)
        )
        before = next(holds, None)
        # A module that is called twice comes after two layers.
        if isinstance(before, _PARAMETRIC) and sum(one is module for one in modules) == 1:
            about["after"] = before
        following = [one for one in modules[place + 1 :] if not isinstance(one, _PASSES)][:1]
        if following:
            name = activation_name(following[0])
            if name is not None:
                about["activation"] = name
            elif isinstance(following[0], _PARAMETRIC):
                about["activation"] = None
        elif whole:
            about["activation"] = None
        if about:
            found[id(module)] = about


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _padding(module: Any) -> Pairs | None:
    """Give a convolution's padding, None where it is not known: in a subclass with its own `forward`.

    The padding of a subclass that pads its input with submodules is known. PyTorch's "same" requires a stride of 1; an
    odd zero goes at the end, as in TensorFlow.
    """
    zeros = [found for child in module.children() if (found := zeros_around(child)) is not None]
    if not (zeros or type(module).forward.__module__.startswith("torch.nn.") or list(module.children())):
        return None
    if module.padding == "valid":
        pairs: Pairs = tuple((0, 0) for _ in module.kernel_size)
    elif module.padding == "same":
        totals = [apart * (side - 1) for apart, side in zip(module.dilation, module.kernel_size, strict=True)]
        pairs = tuple((total // 2, total - total // 2) for total in totals)
    else:
        pairs = tuple((side, side) for side in module.padding)
    for more in zeros:
        pairs = added(pairs, more)
    return pairs


def _recurrent(module: Any, kind: LayerKind, layer: int, reverse: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"go_backwards": reverse}
    bidirectional = getattr(module, "bidirectional", False)
    found["merge_mode"] = "concat" if bidirectional else None
    if kind == "simple_rnn":
        found["activation"] = module.nonlinearity
    else:
        found["activation"], found["recurrent_activation"] = "tanh", "sigmoid"
    if kind == "gru":
        found["reset_after"] = True
    return found
