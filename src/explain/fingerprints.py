"""Fingerprints of models and arrays: whether a result was made with the same weights and inputs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.backends.discovery import extension_for
from explain.errors import PortError, UnsupportedModelError
from explain.parameters.canonical import ParameterLayer
from explain.parameters.flattened_rows import rows_channels_last
from explain.public_calls.callers_line import at_callers_line

Array = npt.NDArray[Any]


def digest(arrays: Iterable[Array]) -> str:
    """Give the SHA-256 of arrays: of their shapes and of their values in single precision.

    Parameters
    ----------
    arrays : iterable of numpy.ndarray
        The order matters.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> digest([np.zeros((2, 3))]) == digest([np.zeros((2, 3), np.float32)])
    True
    >>> digest([np.zeros((2, 3))]) == digest([np.zeros((3, 2))])
    False
    """
    found = hashlib.sha256()
    for array in arrays:
        # Adding zero turns minus zero into zero.
        plain = np.ascontiguousarray(array, "<f4") + np.float32(0)
        found.update(str(plain.shape).encode())
        found.update(plain.tobytes())
    return found.hexdigest()


@at_callers_line
def fingerprint(model: Any) -> str:
    """Give the fingerprint of a model: a digest of its weights and buffers that does not depend on the framework.

    The tensors of each layer are brought to canonical axes, channels last, and to single precision, so that a model
    and its port have the same fingerprint. Neither the names of layers count nor the order in which they are defined;
    so two layers of the same shapes that change places are not seen, nor are settings without weights, such as a
    stride. A model whose layers cannot be told apart, such as a scripted one, has the digest of its tensors in their
    order.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model or another model
        It is not run.

    Returns
    -------
    str
        64 hexadecimal digits; empty if no weights can be read, as of a plain function.

    Raises
    ------
    explain.errors.ModelNotBuiltError
        If the shape of a weight is not known yet.
    explain.errors.UnsupportedModelError
        If it is no model.

    Examples
    --------
    >>> import explain
    >>> one, twin = (explain.zoo.load("names_rnn", framework) for framework in ("torch", "tensorflow"))
    >>> explain.fingerprint(one) == explain.fingerprint(twin)
    True
    >>> explain.fingerprint(len)
    ''
    """
    try:
        layers = extension_for(model).parameters(model)
    except UnsupportedModelError:
        # A function, of which no framework is known.
        if not callable(model):
            raise
        return _of_tensors(model)
    except PortError:
        return _of_tensors(model)
    if not layers:
        return _of_tensors(model)
    before: Sequence[ParameterLayer | None] = [None, *layers[:-1]]
    each = sorted(_of_layer(layer, last) for layer, last in zip(layers, before, strict=True))
    return hashlib.sha256("".join(each).encode()).hexdigest()


def _of_layer(layer: ParameterLayer, before: ParameterLayer | None) -> str:
    tensors = dict(layer.tensors)
    if layer.kind == "dense" and "kernel" in tensors:
        order = rows_channels_last(layer, before)
        if order is not None:
            tensors["kernel"] = tensors["kernel"][order]
    names = sorted(tensors)
    return hashlib.sha256(
        f"{layer.kind} {names} {digest(tensors[name] for name in names)}".encode()
    ).hexdigest()


def _of_tensors(model: Any) -> str:
    if callable(getattr(model, "state_dict", None)):
        tensors = [one for one in model.state_dict().values() if hasattr(one, "detach")]
        return digest(one.detach().cpu().float().numpy() for one in tensors) if tensors else ""
    if callable(getattr(model, "get_weights", None)):
        weights = model.get_weights()
        return digest(np.asarray(one) for one in weights) if weights else ""
    return ""
