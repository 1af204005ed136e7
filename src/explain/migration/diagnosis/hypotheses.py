"""Hypotheses on how the values of one model result from the other's: scaled, reordered, activated, dropped."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explain.inputs.examples import Array
from explain.migration.measurement.activation_functions import ACTIVATIONS, INVERSES
from explain.migration.measurement.distance import apart
from explain.results.names import number

Floats = npt.NDArray[np.float64]

# The relative L2 that a hypothesis may leave unexplained: rounding, also in half precision.
_EXPLAINED = 2e-3
# The same bound as a share of the difference to explain.
_OF_THE_WHOLE = 0.05


@dataclass(frozen=True)
class Hypothesis:
    """A way to compute b from a that explains their difference.

    Parameters
    ----------
    cause : str
        Its cause, one of `CAUSES`.
    sentence : str
        The finding, in words.
    """

    cause: str
    sentence: str


def is_explained(a: Array, b: Array, whole: float) -> bool:
    """Tell whether two arrays are equal up to rounding, and much closer than `whole`, the difference to explain.

    Examples
    --------
    >>> is_explained(np.ones(3), np.ones(3), 0.5), is_explained(np.ones(3), 1.1 * np.ones(3), 0.5)
    (True, False)
    """
    if a.shape != b.shape or not np.isfinite(b).all():
        return False
    return apart(a, b) < min(_EXPLAINED, _OF_THE_WHOLE * whole)


def of_inputs(a: Array, b: Array, whole: float, *, shifts: bool = True) -> Hypothesis | None:
    """Explain two inputs by another order of axes, channels or steps, and by a scale and shift.

    Parameters
    ----------
    a, b : numpy.ndarray
        Batch first, channels or features last.
    whole : float
        The relative L2 of the two.
    shifts : bool
        Whether to allow a shift besides a scale; a kernel has no shift.

    Examples
    --------
    >>> a = np.random.default_rng(0).random((2, 4, 4, 3))
    >>> of_inputs(a, a[..., ::-1], 0.5).cause, of_inputs(a, 255 * a, 0.996).cause
    ('channel order', 'value range')
    """
    for cause, words, moved in _moved(a):
        if moved.shape != b.shape:
            continue
        if is_explained(moved, b, whole):
            return Hypothesis(cause, words)
    for cause, words, moved in itertools.chain([("", "", a)], _moved(a)):
        scaled = _scaled(moved, b, whole, shifts) if moved.shape == b.shape else None
        if scaled is not None:
            both = f"{words}, and {scaled}" if words else scaled
            return Hypothesis(cause or "value range", both)
    return None


def of_activations(a: Array, b: Array, whole: float) -> Hypothesis | None:
    """Explain two outputs by an activation that only one of the models applies, or by two different ones.

    Examples
    --------
    >>> a = np.random.default_rng(0).normal(size=(2, 9))
    >>> of_activations(a, np.maximum(a, 0), 0.7).sentence
    'b applies relu where a applies none'
    """
    for name, function in ACTIVATIONS.items():
        for first, second, one, other in (("b", "a", a, b), ("a", "b", b, a)):
            if is_explained(function(one), other, whole):
                return Hypothesis("activation", f"{first} applies {name} where {second} applies none")
    # Two different activations of the same values can be recognised only if one of them has an inverse.
    for name, inverse in INVERSES.items():
        for other_name, other_function in ACTIVATIONS.items():
            if other_name != name and is_explained(other_function(inverse(a)), b, whole):
                return Hypothesis("activation", f"a applies {name}, b {other_name}")
            if other_name != name and is_explained(other_function(inverse(b)), a, whole):
                return Hypothesis("activation", f"b applies {name}, a {other_name}")
    return None


def of_dropped(a: Array, b: Array) -> Hypothesis | None:
    """Explain by a dropout that only one model applies: single values are zero, the others scaled by one factor.

    Examples
    --------
    >>> a = 1 + np.random.default_rng(0).random((2, 50))
    >>> of_dropped(a, a * (np.arange(100).reshape(2, 50) % 2) * 2).sentence
    'b drops 50 % of the values, as in training'
    """
    if a.shape != b.shape:
        return None
    for name, kept, dropped in (("b", a, b), ("a", b, a)):
        gone = (dropped == 0) & (kept != 0)
        left = (dropped != 0) & (kept != 0)
        if not gone.any() or not left.any():
            continue
        ratio = dropped[left] / kept[left]
        if np.ptp(ratio) < 1e-3 * abs(float(ratio.mean())) and abs(float(ratio.mean()) - 1) > 1e-3:
            share = gone.sum() / (gone.sum() + left.sum())
            return Hypothesis(
                "training mode", f"{name} drops {100 * share:.0f} % of the values, as in training"
            )
    return None


def of_border(a: Array, b: Array, whole: float) -> Hypothesis | None:
    """Explain by padding: two maps that differ only at their border.

    Examples
    --------
    >>> a = np.random.default_rng(0).random((1, 9, 9, 2))
    >>> b = a.copy(); b[:, 0] = 0
    >>> of_border(a, b, 0.3).cause
    'padding'
    """
    if a.shape != b.shape or a.ndim < 4:
        return None
    for width in range(1, min(a.shape[1:-1]) // 2):
        inner = (slice(None), *[slice(width, -width)] * (a.ndim - 2))
        if a[inner].size * 4 < a.size:
            return None
        if is_explained(a[inner], b[inner], whole):
            return Hypothesis("padding", f"the two differ only within {width} of the border of the map")
    return None


def _moved(a: Array) -> Iterator[tuple[str, str, Array]]:
    """Give an array with its channels, axes or steps in other orders, each with its cause and its words."""
    if a.ndim >= 3:
        channels = a.shape[-1]
        orders = itertools.permutations(range(channels)) if channels in (2, 3, 4) else []
        for order in orders:
            if order != tuple(range(channels)):
                names = ", ".join(map(str, order))
                yield "channel order", f"b has the channels of a in the order {names}", a[..., list(order)]
    for one, other in itertools.combinations(range(1, a.ndim - 1), 2):
        words = "height and width" if a.ndim == 4 else f"axes {one} and {other}"
        yield "height and width", f"b has {words} of a exchanged", a.swapaxes(one, other)
    if a.ndim == 3:
        yield "time order", "b has the steps of a from last to first", a[:, ::-1]
        yield "time order", "b has time and features of a exchanged", a.swapaxes(1, 2)


def _scaled(a: Array, b: Array, whole: float, shifts: bool) -> str | None:
    """Describe the scale and shift by which b results from a, the same for all values or one for each channel."""
    one, other = (np.asarray(x, np.float64).reshape(-1, x.shape[-1]) for x in (a, b))
    scale, shift = _line(one.ravel(), other.ravel(), shifts)
    if is_explained(scale * one + shift, other, whole):
        return _as_words(scale, shift)
    if one.shape[1] > 16 or len(one) < 8:
        return None
    lines = [_line(one[:, channel], other[:, channel], shifts) for channel in range(one.shape[1])]
    scale_of_each, shift_of_each = np.array(lines).T
    if is_explained(one * scale_of_each + shift_of_each, other, whole):
        each = "; ".join(_as_words(*line) for line in lines)
        return f"for each channel, {each}"
    return None


def _as_words(scale: float, shift: float) -> str:
    small = abs(shift) < 1e-3 * abs(scale)
    return f"b = {number(scale)} · a" + (
        "" if small else f" {'+' if shift > 0 else '−'} {number(abs(shift))}"
    )


def _line(a: Floats, b: Floats, shifts: bool) -> tuple[float, float]:
    """Fit b = scale · a + shift by least squares."""
    if not shifts:
        size = float(a @ a)
        return (float(a @ b) / size if size else 1.0), 0.0
    centred = a - a.mean()
    spread = float(centred @ centred)
    if spread == 0:
        return 1.0, float(b.mean() - a.mean())
    scale = float(centred @ b) / spread
    return scale, float(b.mean() - scale * a.mean())
