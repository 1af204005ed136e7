"""What would make one array out of another: the known ways in which the same values come out differently."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explain.inputs.examples import Array
from explain.migration.measurement.distance import apart
from explain.results.names import number

Floats = npt.NDArray[np.float64]

# What a hypothesis leaves unexplained: rounding, also that of half precision behind it.
_EXPLAINED = 2e-3
# And how much less that must be than what was to be explained.
_OF_THE_WHOLE = 0.05


@dataclass(frozen=True)
class Hypothesis:
    """One way in which b comes out of a, which explains what it was tried on.

    Parameters
    ----------
    cause : str
        Its name.
    sentence : str
        What was found.
    """

    cause: str
    sentence: str


def is_explained(a: Array, b: Array, whole: float) -> bool:
    """Tell whether two arrays are equal up to rounding, and much nearer than `whole`.

    Examples
    --------
    >>> is_explained(np.ones(3), np.ones(3), 0.5), is_explained(np.ones(3), 1.1 * np.ones(3), 0.5)
    (True, False)
    """
    if a.shape != b.shape or not np.isfinite(b).all():
        return False
    return apart(a, b) < min(_EXPLAINED, _OF_THE_WHOLE * whole)


def of_inputs(a: Array, b: Array, whole: float, *, shifts: bool = True) -> Hypothesis | None:
    """Explain how what reaches one model's layer comes out of what reaches the other's.

    Parameters
    ----------
    a, b : numpy.ndarray
        Batch first, channels or features last.
    whole : float
        How far they are apart.
    shifts : bool
        Whether something may have been added to the values besides a scale: not to those of a kernel.

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
    """Explain by an activation that only one of the two has.

    Examples
    --------
    >>> a = np.random.default_rng(0).normal(size=(2, 9))
    >>> of_activations(a, np.maximum(a, 0), 0.7).sentence
    'b applies relu where a applies none'
    """
    for name, function in _ACTIVATIONS.items():
        for first, second, one, other in (("b", "a", a, b), ("a", "b", b, a)):
            if is_explained(function(one), other, whole):
                return Hypothesis("activation", f"{first} applies {name} where {second} applies none")
    # Of two activations of one value only one that can be undone shows which.
    for name, inverse in _INVERSES.items():
        for other_name, other_function in _ACTIVATIONS.items():
            if other_name != name and is_explained(other_function(inverse(a)), b, whole):
                return Hypothesis("activation", f"a applies {name}, b {other_name}")
            if other_name != name and is_explained(other_function(inverse(b)), a, whole):
                return Hypothesis("activation", f"b applies {name}, a {other_name}")
    return None


def of_dropped(a: Array, b: Array) -> Hypothesis | None:
    """Explain by a dropout that only one of the two applies: single values are zero, the others scaled alike.

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
    """Explain by what lies at the border of a map only.

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


def flattening(kernel: Array, other: Array, shape: Sequence[int]) -> str | None:
    """Say in which order of a map's axes the rows of a dense kernel come in another kernel.

    Parameters
    ----------
    kernel : numpy.ndarray
        Shape (in, out), its rows the values of a map that was flattened channels last.
    other : numpy.ndarray
        The same rows in another order.
    shape : sequence of int
        The map, channels last.

    Returns
    -------
    str, optional
        The axes from the slowest to the fastest: ``"HWC"`` if the order is the same; None if the rows are others.

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
    """Give the order of one recurrent kernel's gates in another one, None where it is no other order.

    Parameters
    ----------
    kernel, other : numpy.ndarray
        The gates side by side on the last axis.
    gates : str
        A letter for each.

    Examples
    --------
    >>> kernel = np.random.default_rng(0).random((3, 8))
    >>> gate_order(kernel, np.roll(kernel, 2, axis=-1), "ifgo")
    'oifg'
    """
    if kernel.shape != other.shape:
        return None
    own, theirs = (np.split(one, len(gates), axis=-1) for one in (kernel, other))
    order = ""
    for block in theirs:
        found = [
            letter
            for letter, candidate in zip(gates, own, strict=True)
            if letter not in order and is_explained(candidate, block, 1.0)
        ]
        if not found:
            return None
        order += found[0]
    return order if order != gates else None


def _moved(a: Array) -> Iterator[tuple[str, str, Array]]:
    """Give what an array would be with its axes, channels or steps in another order."""
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
    """Say by which scale and shift b comes out of a, the same everywhere or for each channel."""
    one, other = (np.asarray(x, np.float64).reshape(-1, x.shape[-1]) for x in (a, b))
    scale, shift = _line(one.ravel(), other.ravel(), shifts)
    if is_explained(scale * one + shift, other, whole):
        return _as_words(scale, shift)
    if one.shape[1] > 16 or len(one) < 8:
        return None
    lines = [_line(one[:, channel], other[:, channel], shifts) for channel in range(one.shape[1])]
    scales, shifts = np.array(lines).T
    if is_explained(one * scales + shifts, other, whole):
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


def _softplus(a: Array) -> Array:
    return np.logaddexp(0, a)


def _sigmoid(a: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(a / 2)))


def _gelu(a: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(a * ndtr(a))


def _tanh_gelu(a: Array) -> Array:
    return np.asarray(0.5 * a * (1 + np.tanh(math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))))


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda a: np.maximum(a, 0),
    "relu6": lambda a: np.clip(a, 0, 6),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "silu": lambda a: a * _sigmoid(a),
    "gelu": _gelu,
    "gelu (tanh)": _tanh_gelu,
    "elu": lambda a: np.where(a > 0, a, np.expm1(np.minimum(a, 0))),
    "leaky relu (0.01)": lambda a: np.where(a > 0, a, 0.01 * a),
    "leaky relu (0.2)": lambda a: np.where(a > 0, a, 0.2 * a),
    "leaky relu (0.3)": lambda a: np.where(a > 0, a, 0.3 * a),
    "softplus": _softplus,
}
_INVERSES: dict[str, Callable[[Array], Array]] = {
    "elu": lambda a: np.where(a > 0, a, np.log1p(np.maximum(a, -1 + 1e-7) * (a <= 0))),
    "leaky relu (0.01)": lambda a: np.where(a > 0, a, a / 0.01),
    "leaky relu (0.2)": lambda a: np.where(a > 0, a, a / 0.2),
    "leaky relu (0.3)": lambda a: np.where(a > 0, a, a / 0.3),
}
