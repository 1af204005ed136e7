"""The order of the rows or the gates of one kernel in another kernel."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from explain.inputs.examples import Array
from explain.migration.diagnosis.hypotheses import Floats, is_explained


def flattening(kernel: Array, other: Array, shape: Sequence[int]) -> str | None:
    """Give the order of a map's axes for which the rows of one dense kernel equal the rows of another.

    Parameters
    ----------
    kernel : numpy.ndarray
        Shape (in, out): a row for each value of a map that was flattened channels last.
    other : numpy.ndarray
        The kernel whose rows are in another order.
    shape : sequence of int
        Shape of the map, channels last.

    Returns
    -------
    str, optional
        The axes from the slowest to the fastest: ``"HWC"`` if the order is the same; None if no order
        makes the kernels equal.

    Examples
    --------
    >>> kernel = np.random.default_rng(0).random((2, 2, 3, 8))
    >>> flattening(kernel.reshape(12, 8), kernel.transpose(2, 0, 1, 3).reshape(12, 8), (2, 2, 3))
    'CHW'
    """
    letters = {1: "TC", 2: "HWC", 3: "DHWC"}.get(len(shape) - 1)
    if letters is None or kernel.shape != other.shape or len(kernel) != math.prod(shape):
        return None
    for places in itertools.permutations(range(len(shape))):
        moved = np.arange(math.prod(shape)).reshape(shape).transpose(places).ravel()
        if is_explained(kernel[moved], other, 1.0):
            return "".join(letters[place] for place in places)
    return None


def gate_order(kernel: Floats, other: Floats, gates: str) -> str | None:
    """Give the order of the gates of one recurrent kernel in another; None if it is the same, or if no order fits.

    Parameters
    ----------
    kernel, other : numpy.ndarray
        The gates side by side on the last axis.
    gates : str
        A letter for each gate.

    Examples
    --------
    >>> kernel = np.random.default_rng(0).random((3, 8))
    >>> gate_order(kernel, np.roll(kernel, 2, axis=-1), "ifgo")
    'oifg'
    """
    if kernel.shape != other.shape:
        return None
    blocks, other_blocks = (np.split(one, len(gates), axis=-1) for one in (kernel, other))
    order = ""
    for block in other_blocks:
        found = [
            letter
            for letter, candidate in zip(gates, blocks, strict=True)
            if letter not in order and is_explained(candidate, block, 1.0)
        ]
        if not found:
            return None
        order += found[0]
    return order if order != gates else None
