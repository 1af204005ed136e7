"""Fingerprints of inputs and models: they show whether a golden was made with the same inputs and model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# Enough digits to avoid collisions, few enough to read.
_DIGITS = 16


def fingerprint(arrays: Iterable[Array]) -> str:
    """Give a short digest of arrays: of their shapes and of their values in single precision.

    Parameters
    ----------
    arrays : iterable of numpy.ndarray
        The order matters.

    Returns
    -------
    str
        Sixteen hexadecimal digits of a SHA-256.

    Examples
    --------
    >>> fingerprint([np.zeros((2, 3))]) == fingerprint([np.zeros((2, 3), np.float32)])
    True
    >>> fingerprint([np.zeros((2, 3))]) == fingerprint([np.zeros((3, 2))])
    False
    """
    digest = hashlib.sha256()
    for array in arrays:
        # Adding zero turns minus zero into zero.
        plain = np.ascontiguousarray(array, "<f4") + np.float32(0)
        digest.update(str(plain.shape).encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()[:_DIGITS]


def weights_fingerprint(model: Any) -> str:
    """Give the fingerprint of a model's weights and buffers; empty if the model has none.

    Parameters
    ----------
    model : object
        A PyTorch module, a Keras model, or anything else.

    Examples
    --------
    >>> weights_fingerprint(len)
    ''
    """
    if callable(getattr(model, "state_dict", None)):
        tensors = model.state_dict().values()
        return fingerprint(one.detach().cpu().float().numpy() for one in tensors if hasattr(one, "detach"))
    if callable(getattr(model, "get_weights", None)):
        return fingerprint(np.asarray(one) for one in model.get_weights())
    return ""
