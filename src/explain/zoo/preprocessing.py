"""Converts pictures and names to the input of a seed model."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import InputError
from explain.preprocessing.arithmetic import standardised
from explain.zoo.layers import Framework
from explain.zoo.model_row import SeedModel

ALPHABET = string.ascii_letters + " .,;'"


def plain_letters(name: str) -> str:
    """Strip accents and all characters outside the alphabet of 57 characters from a name.

    Parameters
    ----------
    name : str
        A name in any script; characters whose decomposition is not in the alphabet are dropped.

    Returns
    -------
    str
        The name in a–z, A–Z, space, full stop, comma, semicolon and apostrophe.

    Examples
    --------
    >>> plain_letters("Ślusàrski")
    'Slusarski'
    """
    decomposed = unicodedata.normalize("NFD", name)
    return "".join(character for character in decomposed if character in ALPHABET).strip()


def one_hot(names: Sequence[str]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Encode names one-hot over the alphabet; pad shorter names with all-zero steps at their end.

    Parameters
    ----------
    names : sequence of str
        Names in the alphabet (see `plain_letters`), none empty.

    Returns
    -------
    steps : numpy.ndarray of uint8, shape (N, T, 57)
        T is the length of the longest name.
    lengths : numpy.ndarray of int64, shape (N,)
        The length of each name.

    Raises
    ------
    InputError
        If a name is empty or has a character outside the alphabet.

    Examples
    --------
    >>> steps, lengths = one_hot(["Abe", "Li"])
    >>> steps.shape, lengths.tolist(), int(steps[1, 2].sum())
    ((2, 3, 57), [3, 2], 0)
    """
    for name in names:
        if not name or set(name) - set(ALPHABET):
            raise InputError(
                f"The name {name!r} cannot be encoded: it must have at least one character, all of them of "
                f"{ALPHABET!r}. Strip accents with explain.zoo.preprocessing.plain_letters first."
            )
    lengths = np.array([len(name) for name in names], dtype=np.int64)
    steps = np.zeros((len(names), int(lengths.max(initial=0)), len(ALPHABET)), dtype=np.uint8)
    for row, name in enumerate(names):
        steps[row, np.arange(len(name)), [ALPHABET.index(character) for character in name]] = 1
    return steps, lengths


def spell(steps: npt.NDArray[Any], lengths: npt.NDArray[np.int64]) -> list[str]:
    """Decode names from their one-hot encoding.

    Examples
    --------
    >>> spell(*one_hot(["Abe", "Li"]))
    ['Abe', 'Li']
    """
    indices = steps.argmax(axis=2)
    return ["".join(ALPHABET[i] for i in row[:length]) for row, length in zip(indices, lengths, strict=True)]


def token_ids(steps: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Give names as token ids: the place of each character in the alphabet, from 1; 0 is padding.

    Examples
    --------
    >>> token_ids(one_hot(["abc", "b"])[0]).tolist()
    [[1, 2, 3], [2, 0, 0]]
    """
    return np.where(steps.any(axis=2), steps.argmax(axis=2) + 1, 0)


def prepare(model: SeedModel, x: npt.NDArray[np.uint8], framework: Framework) -> npt.NDArray[Any]:
    """Convert a batch of a data set to the input of the model in a framework.

    Both frameworks get the same numbers from the same operations in the same order; the layout is changed last. So a
    difference between two twins never comes from their inputs.

    Parameters
    ----------
    model : SeedModel
        The model to prepare for.
    x : numpy.ndarray of uint8
        Pictures (N, H, W, 3), grey pictures (N, H, W), one-hot names (N, T, 57), or token ids (N, T).
    framework : {"torch", "tensorflow"}
        The framework whose layout to use.

    Returns
    -------
    numpy.ndarray of float32, or of int64 for token ids
        The batch, within the model's bounds, contiguous, in the layout ``model.layout[framework]``.

    Examples
    --------
    >>> import numpy as np
    >>> from explain.zoo.seed_models import seed_model
    >>> white = np.full((1, 32, 32, 3), 255, np.uint8)
    >>> x = prepare(seed_model("cifar_net"), white, "torch")
    >>> x.shape, float(x.max())
    ((1, 3, 32, 32), 1.0)
    """
    if model.layout[framework] == "NT":
        return token_ids(x) if x.ndim == 3 else x.astype(np.int64)
    if model.dataset == "names":
        return model.laid_out(x.astype(np.float32), framework)
    return model.laid_out(standardised(x, 255, model.mean, model.scale), framework)
