"""The positions of an input that form one feature, which is removed or kept as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.masking import Mask, spread_mask

FEATURE_RULES = ("elements", "positions", "grid", "superpixels")

# The number of features that a rule aims at: few enough that a hundred model calls inform about each, enough
# to show a shape.
_SUPERPIXELS = 50
_GRID_PARTS = 8
_DEFAULT_RULE = {"image": "superpixels", "volume": "grid", "sequence": "positions", "table": "elements"}


@dataclass(frozen=True)
class Features:
    """The feature of every position of every example.

    Parameters
    ----------
    indices : numpy.ndarray of int64
        From 0 on, shape (N, ...) as the input, batch first; -1 at padding, which is never removed.
    counts : numpy.ndarray of int64
        The number of features of each example, shape (N,).
    """

    indices: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Give the greatest number of features of an example."""
        return int(self.counts.max())

    def spread(self, row: int, by_feature: Array, padding: Any = 0) -> Array:
        """Give each position of an example the value of its feature: (..., F) to (..., *shape of an example).

        Examples
        --------
        >>> two = Features(np.array([[0, 0, 1, -1]]), np.array([2]))
        >>> two.spread(0, np.array([[5.0, 7.0]])).tolist()
        [[5.0, 5.0, 7.0, 0.0]]
        """
        with_padding = np.concatenate(
            [by_feature, np.full((*by_feature.shape[:-1], 1), padding, by_feature.dtype)], axis=-1
        )
        # Unlike indexing, take gives a result with points first in memory, which is then faster to read.
        spread: Array = with_padding.take(self.indices[row], axis=-1)
        return spread


def resolve_features(feature_mask: Any, inputs: Array, layout: Layout, mask: Mask | None = None) -> Features:
    """Give the features of every example.

    Parameters
    ----------
    feature_mask : None, str or array of int
        None: superpixels of a picture, steps of a sequence, columns of a table, a grid in a volume. Or a rule:
        ``"elements"`` (every value by itself), ``"positions"`` (every position in space or time, its channels
        together), ``"grid"`` (each axis of space or time in eight parts), ``"superpixels"`` (SLIC, about fifty).
        Or numbers from 0 on, of a shape that broadcasts to the input's, batch first.
    inputs : numpy.ndarray
        The input, batch first.
    layout : Layout
        Its axes, batch first.
    mask : numpy.ndarray of bool, optional
        True where a step is real, shape (N, T); padding belongs to no feature.

    Raises
    ------
    OptionError
        If the rule does not apply to such an input, or the array does not fit.

    Examples
    --------
    >>> resolve_features("positions", np.zeros((1, 3, 2)), Layout("NTC")).indices.tolist()
    [[[0, 0], [1, 1], [2, 2]]]
    """
    rule = _DEFAULT_RULE[layout.kind] if feature_mask is None else feature_mask
    if not isinstance(rule, str):
        indices = _given(rule, inputs)
    elif rule == "elements":
        indices = np.broadcast_to(_elements(inputs.shape[1:], layout), inputs.shape)
    elif rule == "superpixels":
        indices = _superpixels(inputs, layout)
    else:
        indices = _parts(inputs.shape, layout, None if rule == "positions" else _GRID_PARTS)
    if mask is not None:
        indices = np.where(spread_mask(mask, layout), indices, -1)
    numbered = [np.unique(one, return_inverse=True) for one in indices]
    # Number the features from 0 on without gaps; padding stays -1.
    padded = [int(names[0] == -1) for names, _ in numbered]
    return Features(
        np.stack(
            [
                inverse.reshape(inputs.shape[1:]) - one
                for (_, inverse), one in zip(numbered, padded, strict=True)
            ]
        ),
        np.array([len(names) - one for (names, _), one in zip(numbered, padded, strict=True)]),
    )


def joint_features(
    given: Sequence[Any], inputs: Sequence[Array], layouts: Sequence[Layout], *, alike: bool = False
) -> list[Array]:
    """Number the features of several inputs, each by its own rule or array: one array per input, of its shape.

    Numbers in arrays stay as they are: a number that two inputs share is one feature of both. The features of
    rules get the numbers after them.

    Parameters
    ----------
    given : sequence of None, str or array of int
        As in `resolve_features`, one per input.
    inputs, layouts : sequence of numpy.ndarray, sequence of Layout
        The inputs, batch first.
    alike : bool
        Whether features should be the same in all examples: then a grid replaces superpixels.

    Examples
    --------
    >>> table = np.zeros((1, 2))
    >>> [one.tolist() for one in joint_features([None, np.array([4, 0])], [table, table], [Layout("NC")] * 2)]
    [[[5, 6]], [[4, 0]]]
    """
    found: list[Array | None] = [
        None if rule is None or isinstance(rule, str) else _given(rule, one)
        for rule, one in zip(given, inputs, strict=True)
    ]
    start = max((int(one.max()) + 1 for one in found if one is not None), default=0)
    numbered: list[Array] = []
    for own, rule, one, layout in zip(found, given, inputs, layouts, strict=True):
        if own is None:
            usual = "grid" if alike and rule is None and layout.kind == "image" else rule
            features = resolve_features(usual, one, layout)
            own = features.indices + start
            start += len(features)
        numbered.append(own)
    return numbered


def is_feature_mask(value: Any) -> bool:
    """Tell whether a value can be a feature mask: None, a rule, or an array of whole numbers from 0 on."""
    if value is None or isinstance(value, str):
        return value is None or value in FEATURE_RULES
    array = _as_array(value)
    return array is not None and array.size > 0 and array.dtype.kind in "iu" and bool(array.min() >= 0)


def recorded_feature_mask(value: Any) -> Any:
    """Give the record of a feature mask in a result: a rule, or an array's shape and the start of its hash."""
    array = None if value is None or isinstance(value, str) else _as_array(value)
    if array is None:
        return value
    fixed = np.ascontiguousarray(array, dtype="<i8")
    return {"shape": list(fixed.shape), "sha256": sha256(fixed.tobytes()).hexdigest()[:16]}


def _as_array(value: Any) -> Array | None:
    """Convert to an array, also from a framework's tensor."""
    try:
        return np.asarray(value)
    # A tensor on a device, or one without numbers, may raise any error.
    except Exception:
        return None


def _given(feature_mask: Any, inputs: Array) -> Array:
    numbers = np.asarray(feature_mask)
    try:
        return np.broadcast_to(numbers, inputs.shape)
    except ValueError as cause:
        raise OptionError(
            f"feature_mask has shape {numbers.shape}, which does not broadcast to the input's {inputs.shape}, batch "
            "first: give one number per position, for one example or for each."
        ) from cause


def _elements(shape: tuple[int, ...], layout: Layout) -> Array:
    """Number the values of an example in one order of axes, so that a number gets the same random draw in twin models.

    Examples
    --------
    >>> _elements((2, 3), Layout("NCT")).tolist()
    [[0, 2, 4], [1, 3, 5]]
    """
    axis = layout.channel_axis
    if axis is None:
        return np.arange(int(np.prod(shape))).reshape(shape)
    channels = shape[axis - 1]
    others = (*shape[: axis - 1], *shape[axis:])
    return np.moveaxis(np.arange(int(np.prod(shape))).reshape(*others, channels), -1, axis - 1)


def _parts(shape: tuple[int, ...], layout: Layout, most: int | None) -> Array:
    """Number the positions in space and time, with each axis cut into at most `most` parts."""
    extent = [index for index, letter in enumerate(layout.axes) if letter in "TDHW"]
    if not extent:
        raise OptionError(
            f"feature_mask needs an axis of space or time for 'positions' and 'grid', but layout={layout.axes!r} has "
            "none: give 'elements' or an array."
        )
    numbers = np.zeros((1,) * len(shape), np.int64)
    for axis in extent:
        size = 1 if most is None else ceil(shape[axis] / most)
        part = np.arange(shape[axis]) // size
        numbers = numbers * (part[-1] + 1) + part.reshape(
            [-1 if index == axis else 1 for index in range(len(shape))]
        )
    return np.broadcast_to(numbers, shape)


def _superpixels(inputs: Array, layout: Layout) -> Array:
    """Segment every picture by SLIC, in one order of axes, so that twin models get the same superpixels."""
    if layout.kind != "image":
        raise OptionError(
            f"feature_mask='superpixels' needs a picture, but layout={layout.axes!r} is not one: give 'positions', "
            "'grid', 'elements' or an array."
        )
    from skimage.segmentation import slic

    found = []
    for picture in np.asarray(layout.to_canonical(inputs), np.float64):
        span = picture.max() - picture.min()
        scaled = (picture - picture.min()) / (span if span > 0 else 1)
        found.append(slic(scaled, n_segments=_SUPERPIXELS, start_label=0, channel_axis=-1))
    segments = np.stack(found)[..., np.newaxis]
    channel = layout.channel_axis
    return np.broadcast_to(
        segments[..., 0] if channel is None else np.moveaxis(segments, -1, channel), inputs.shape
    )
