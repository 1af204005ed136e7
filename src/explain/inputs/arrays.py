"""Checks the input and its companions, and copies them to the host."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from explain.errors import InputError
from explain.inputs.examples import Array
from explain.inputs.naming.brief import brief
from explain.inputs.naming.odd_inputs import made_an_array
from explain.inputs.structure import SINGLE, Structure


class TensorReader(Protocol):
    """The methods of an extension that the check of an input needs; the first part of `explain.backends.Extension`."""

    def is_tensor(self, value: object) -> bool:
        """Tell whether `value` is a tensor of this framework."""

    def to_numpy(self, tensor: Any) -> Array:
        """Copy a tensor of this framework, on any device, to a host array."""

    def reads_token_ids(self, model: Any) -> bool:
        """Tell whether a layer of the model maps integers to vectors; called for an input of integers."""


def as_input(
    x: Any, extension: TensorReader, name: str = "x", *, model: Any = None, is_checked_later: bool = False
) -> Array:
    """Give an input as a host array: finite, non-empty and floating, or token ids for a model that reads them.

    Parameters
    ----------
    x : object
        The input as the caller gave it.
    extension : TensorReader
        The extension of the model's framework.
    name : str
        The name of the input in messages.
    model : object, optional
        The model, if it may read token ids.
    is_checked_later : bool
        Whether to give other whole numbers and booleans as floats: how the model takes them is checked when it is open.

    Raises
    ------
    InputError
        If it is not an array or tensor, is empty, or contains integers, NaN or infinity.
    """
    array = to_host(x, extension)
    if array is None and type(x).__name__ == "PackedSequence":
        raise InputError(
            f"{name} is a PackedSequence, which has no axes for a map: give it padded, pad_packed_sequence({name}, "
            "batch_first=True)[0], with lengths= its lengths; a model for packed sequences only should pack it in its "
            "forward, with the lengths in forward_kwargs."
        )
    if array is None:
        raise InputError(made_an_array(name, x))
    if array.ndim == 0 or array.size == 0:
        raise InputError(
            f"{name} has shape {array.shape}, which contains no example: give at least one, with a batch axis."
        )
    is_whole = array.dtype.kind in "iub"
    if array.dtype.kind in "iu" and array.ndim < 3 and model is not None and extension.reads_token_ids(model):
        if array.min() < 0:
            raise InputError(f"{name} has token ids from {array.min()} on: they should be 0 or more.")
        return array.astype(np.int64)
    if is_whole and is_checked_later:
        return array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    if array.dtype.kind in "iub":
        raise InputError(
            f"{name} has dtype {array.dtype}, but the model computes in floating point: "
            f"{converted_as_in_training(name)}"
        )
    if array.dtype.kind in "SUT" or (array.dtype == object and isinstance(array.flat[0], (str, bytes))):
        raise InputError(
            f"{name} has strings, which no layer of the model looks up: give the numbers that stand for them, as in "
            "training; of a text give the string itself, and tokenizer=."
        )
    if array.dtype.kind != "f":
        raise InputError(f"{name} has dtype {array.dtype}: give real floating-point numbers.")
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        raise InputError(
            f"{name} has {len(bad)} value{'s' if len(bad) > 1 else ''} that {'are' if len(bad) > 1 else 'is'} NaN or "
            f"infinite, the first at index {tuple(bad[0].tolist())}: correct the data first."
        )
    return array


def converted_as_in_training(name: str) -> str:
    """Say how whole numbers become an input that can be explained."""
    return (
        f"convert it as in training, for example {name}.astype('float32') / 255 for pictures, or one-hot vectors for "
        "class numbers. Token ids need an embedding layer (nn.Embedding, keras.layers.Embedding) that the model calls: "
        "put its table of vectors into one, or explain a function of the vectors."
    )


def as_input_of(structure: Structure, name: str, value: Any, extension: TensorReader, model: Any) -> Array:
    """Copy a single input, or one of several, to the host.

    One of several may contain whole numbers or masks of any kind, which the model gets unchanged, or no number at all.

    Parameters
    ----------
    structure : Structure
        `SINGLE`, or the tuple, list or dict that the inputs come in.
    name : str
        The name of the input in it.
    value, extension, model : object
        The input, the extension of its framework, and the model.
    """
    if structure == SINGLE:
        return as_input(value, extension, model=model, is_checked_later=True)
    host = to_host(value, extension)
    is_empty = host is not None and host.size == 0 and host.dtype.kind in "iubf"
    if host is None or host.ndim == 0 or not (is_empty or host.dtype.kind in "iub"):
        return as_input(value, extension, f"x[{name!r}]" if structure.kind == "dict" else f"x[{name}]")
    return host


def whole_numbers_of(value: Any) -> str | None:
    """Give the name of the type of an array or a tensor of whole numbers or booleans, None for anything else.

    Examples
    --------
    >>> whole_numbers_of(np.zeros(3, np.uint8)), whole_numbers_of(np.zeros(3, bool)), whole_numbers_of(np.zeros(3))
    ('uint8', 'bool', None)
    """
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return None
    found = re.search(r"\b(u?int\d+|bool)\b", str(getattr(value, "dtype", "")))
    return None if found is None else found.group()


def to_host(value: Any, extension: TensorReader) -> Array | None:
    """Give an array or a tensor as a host array, None for anything else.

    bfloat16, which NumPy does not know, becomes float32.
    """
    if isinstance(value, np.ndarray):
        return value
    if extension.is_tensor(value):
        return extension.to_numpy(value)
    return None


def split_forward_kwargs(
    forward_kwargs: Mapping[str, Any] | None, count: int, extension: TensorReader, taken: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Separate keyword arguments that are the same for every example from those with one row per example.

    Parameters
    ----------
    forward_kwargs : Mapping, optional
        Keyword arguments of the model.
    count : int
        The number of examples N: an array or tensor with N rows goes with the examples.
    taken : sequence of str
        The names of the inputs that the model gets by name.

    Returns
    -------
    tuple of dict
        The common arguments as given, and those with one row per example as host arrays.

    Raises
    ------
    InputError
        If one of them is also given as an input, or they have no names.
    """
    if forward_kwargs is not None and not (
        isinstance(forward_kwargs, Mapping) and all(isinstance(name, str) for name in forward_kwargs)
    ):
        raise InputError(
            f"forward_kwargs={brief(forward_kwargs)} is no mapping of names to values: give the model's keyword "
            'arguments as a dict, for example forward_kwargs={"scale": 2.0}.'
        )
    twice = [name for name in forward_kwargs or {} if name in taken]
    if twice:
        raise InputError(f"{twice[0]!r} is given in x and in forward_kwargs: give it once.")
    common: dict[str, Any] = {}
    companions: dict[str, Array] = {}
    for name, value in (forward_kwargs or {}).items():
        host = to_host(value, extension)
        if host is not None and host.ndim >= 1 and host.shape[0] == count:
            companions[name] = host
        else:
            common[name] = value
    return common, companions
