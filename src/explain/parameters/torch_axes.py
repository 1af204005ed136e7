"""From the tensors of PyTorch's layers to canonical axes and back; PyTorch is not imported."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from explain.errors import PortError
from explain.parameters.canonical import Array, LayerKind, swapped_gates

Shapes = Mapping[str, tuple[int, ...]]

_NORM_NAMES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
# The axes of the input and the output channels in PyTorch's kernels.
_CHANNEL_AXES = {"convolution": (1, 0), "transposed_convolution": (0, 1)}
_PROJECTIONS = ("query", "key", "value")


def to_canonical(kind: LayerKind, own: Mapping[str, Array], heads: int = 1) -> dict[str, Array]:
    """Give a layer's tensors in canonical axes.

    Parameters
    ----------
    kind : str
        The kind of the layer.
    own : Mapping of str to numpy.ndarray
        Its tensors under PyTorch's names, those of a recurrent layer without a suffix (``"weight_ih"``).
    heads : int
        Number of heads of attention.

    Examples
    --------
    >>> to_canonical("convolution", {"weight": np.zeros((8, 3, 5, 7))})["kernel"].shape
    (5, 7, 3, 8)
    """
    if kind == "dense":
        return {"kernel": own["weight"].T} | _renamed(own, {"bias": "bias"})
    if kind in _CHANNEL_AXES:
        kernel = np.moveaxis(own["weight"], _CHANNEL_AXES[kind], (-2, -1))
        return {"kernel": kernel} | _renamed(own, {"bias": "bias"})
    if kind in ("batch_normalization", "group_normalization"):
        return _renamed(own, _NORM_NAMES)
    if kind == "layer_normalization":
        # With three axes or more, the first is the channels.
        return {
            name: np.moveaxis(vector, 0, -1) if vector.ndim > 2 else vector
            for name, vector in _renamed(own, _NORM_NAMES).items()
        }
    if kind == "embedding":
        return {"embeddings": own["weight"]}
    if kind in ("simple_rnn", "lstm", "gru"):
        return _recurrent(kind, own)
    if kind == "attention":
        return _attention(own, heads)
    return dict(own)


def to_native(kind: LayerKind, tensors: Mapping[str, Array], shapes: Shapes) -> dict[str, Array]:
    """Convert canonical tensors to those of a PyTorch layer, see `to_canonical`.

    Parameters
    ----------
    kind : str
        The kind of the layer.
    tensors : Mapping of str to numpy.ndarray
        In canonical axes.
    shapes : Mapping of str to tuple of int
        For attention, the layer's own shape of every tensor, by PyTorch's name.

    Examples
    --------
    >>> own = to_native("dense", {"kernel": np.zeros((3, 2))}, {"weight": (2, 3)})
    >>> own["weight"].shape
    (2, 3)
    """
    if kind == "dense":
        return {"weight": tensors["kernel"].T} | _renamed(tensors, {"bias": "bias"})
    if kind in _CHANNEL_AXES:
        kernel = np.moveaxis(tensors["kernel"], (-2, -1), _CHANNEL_AXES[kind])
        return {"weight": kernel} | _renamed(tensors, {"bias": "bias"})
    back = {canonical: own for own, canonical in _NORM_NAMES.items()}
    if kind in ("batch_normalization", "group_normalization"):
        return _renamed(tensors, back)
    if kind == "layer_normalization":
        return {
            name: np.moveaxis(vector, -1, 0) if vector.ndim > 2 else vector
            for name, vector in _renamed(tensors, back).items()
        }
    if kind == "embedding":
        return {"weight": tensors["embeddings"]}
    if kind in ("simple_rnn", "lstm", "gru"):
        return _native_recurrent(kind, tensors)
    if kind == "attention":
        return _native_attention(tensors, shapes)
    return dict(tensors)


def _renamed(tensors: Mapping[str, Array], names: Mapping[str, str]) -> dict[str, Array]:
    return {names[name]: tensor for name, tensor in tensors.items() if name in names}


def _recurrent(kind: LayerKind, own: Mapping[str, Array]) -> dict[str, Array]:
    """Convert a recurrent layer. PyTorch adds two biases; only their sum matters, except in a GRU."""
    found = {"kernel": own["weight_ih"].T, "recurrent_kernel": own["weight_hh"].T}
    if kind == "gru":
        found = {name: swapped_gates(kernel) for name, kernel in found.items()}
    if "bias_ih" in own:
        if kind == "gru":
            found["bias"] = swapped_gates(np.stack([own["bias_ih"], own["bias_hh"]]))
        else:
            found["bias"] = own["bias_ih"] + own["bias_hh"]
    return found


def _native_recurrent(kind: LayerKind, tensors: Mapping[str, Array]) -> dict[str, Array]:
    order = swapped_gates if kind == "gru" else np.asarray
    found = {"weight_ih": order(tensors["kernel"]).T, "weight_hh": order(tensors["recurrent_kernel"]).T}
    if "bias" in tensors:
        bias = order(tensors["bias"])
        found["bias_ih"], found["bias_hh"] = bias if kind == "gru" else (bias, np.zeros_like(bias))
    return found


def _attention(own: Mapping[str, Array], heads: int) -> dict[str, Array]:
    kernels = (
        np.split(own["in_proj_weight"], 3)
        if "in_proj_weight" in own
        else [own["q_proj_weight"], own["k_proj_weight"], own["v_proj_weight"]]
    )
    found: dict[str, Array] = {}
    for name, kernel in zip(_PROJECTIONS, kernels, strict=True):
        found[f"{name}_kernel"] = kernel.T.reshape(kernel.shape[1], heads, -1)
    if "in_proj_bias" in own:
        for name, bias in zip(_PROJECTIONS, np.split(own["in_proj_bias"], 3), strict=True):
            found[f"{name}_bias"] = bias.reshape(heads, -1)
    out = own["out_proj.weight"]
    found["output_kernel"] = out.T.reshape(heads, -1, out.shape[0])
    if "out_proj.bias" in own:
        found["output_bias"] = own["out_proj.bias"]
    return found | {name: own[name] for name in ("bias_k", "bias_v") if name in own}


def _native_attention(tensors: Mapping[str, Array], shapes: Shapes) -> dict[str, Array]:
    kernels = []
    for name in _PROJECTIONS:
        kernel = tensors[f"{name}_kernel"]
        kernels.append(kernel.reshape(kernel.shape[0], -1).T)
    if "in_proj_weight" in shapes:
        if len({kernel.shape for kernel in kernels}) > 1:
            raise PortError(
                "attention: a torch.nn.MultiheadAttention whose queries, keys and values have one matrix takes "
                f"projections of one shape, not {[kernel.shape for kernel in kernels]}: give it kdim and vdim."
            )
        found = {"in_proj_weight": np.concatenate(kernels)}
    else:
        found = dict(zip(("q_proj_weight", "k_proj_weight", "v_proj_weight"), kernels, strict=True))
    if "query_bias" in tensors:
        found["in_proj_bias"] = np.concatenate([tensors[f"{name}_bias"].reshape(-1) for name in _PROJECTIONS])
    out = tensors["output_kernel"]
    found["out_proj.weight"] = out.reshape(-1, out.shape[-1]).T
    if "output_bias" in tensors:
        found["out_proj.bias"] = tensors["output_bias"]
    return found | {name: tensors[name] for name in ("bias_k", "bias_v") if name in tensors}
