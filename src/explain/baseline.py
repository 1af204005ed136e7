"""What an input is compared with: the baseline of a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import BaselineError
from explain.examples import Array
from explain.layout import Layout
from explain.masking import spread_mask

RULES = ("zeros", "mean", "blur", "uniform")

BaselineLike = float | str | Array | None

# A blur this wide leaves only where light and dark lie; a narrower one leaves edges to attribute to nothing.
_BLUR_SHARE_OF_SIDE = 1 / 8


def resolve_baseline(
    baseline: Any,
    inputs: Array,
    layout: Layout,
    *,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    mask: npt.NDArray[np.bool_] | None = None,
) -> tuple[Array, Mapping[str, Any]]:
    """Give the baseline of each example and how it came about.

    Parameters
    ----------
    baseline : None, float, array or str
        None means zeros; a number fills every position; an array broadcasts to `inputs` (with or without
        the batch axis); a rule is ``"zeros"``, ``"mean"`` (of each example and channel), ``"blur"``
        (Gaussian over space or time, sigma an eighth of the longest side) or ``"uniform"`` (seeded,
        within `bounds`).
    inputs : numpy.ndarray
        The input, batch first.
    layout : Layout
        Its axes, batch first.
    bounds : tuple of float, optional
        Least and greatest valid value; needed by ``"uniform"``.
    seed : int
        Seed of ``"uniform"``; drawn in one order of axes whatever the layout, so that both frameworks get
        the same baseline.
    mask : numpy.ndarray of bool, optional
        Where a step is real, shape (N, T). Padding is held: there the baseline equals the input.

    Returns
    -------
    numpy.ndarray
        The baseline, of the shape and dtype of `inputs`.
    Mapping
        ``{"rule": ...}`` with what else is needed to repeat it.

    Raises
    ------
    BaselineError
        If the rule is unknown, needs what is not there, or the array does not broadcast or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 2, 2)
    >>> resolve_baseline("mean", x, Layout("NCT"))[0].tolist()
    [[[0.5, 0.5], [2.5, 2.5]]]
    """
    real = np.ones((1,) * inputs.ndim, bool) if mask is None else spread_mask(mask, layout)
    values, rule = _of_real_positions(baseline, inputs, layout, bounds, seed, real)
    values = np.where(real, values, inputs)
    return np.ascontiguousarray(values, dtype=inputs.dtype), rule


def _of_real_positions(
    baseline: Any,
    inputs: Array,
    layout: Layout,
    bounds: tuple[float, float] | None,
    seed: int,
    real: npt.NDArray[np.bool_],
) -> tuple[Array, Mapping[str, Any]]:
    if baseline is None:
        return np.zeros_like(inputs), {"rule": "zeros"}
    if isinstance(baseline, str):
        return _by_rule(baseline, inputs, layout, bounds, seed, real)
    try:
        values = np.asarray(baseline, dtype=inputs.dtype)
    except (TypeError, ValueError) as cause:
        raise BaselineError(
            f"baseline of type {type(baseline).__name__} is not a baseline: give None (zeros), a number, an array "
            f"that broadcasts to {inputs.shape}, or a rule ({', '.join(map(repr, RULES))})."
        ) from cause
    if not np.isfinite(values).all():
        raise BaselineError("baseline has NaN or infinity in it: give finite values.")
    try:
        full = np.broadcast_to(values, inputs.shape)
    except ValueError as cause:
        raise BaselineError(
            f"baseline has shape {values.shape}, which does not broadcast to the input's {inputs.shape}: give the "
            "shape of x, of one example, or a number."
        ) from cause
    if values.ndim == 0:
        return full, {"rule": "constant", "value": float(values)}
    return full, {"rule": "array"}


def _by_rule(
    rule: str,
    inputs: Array,
    layout: Layout,
    bounds: tuple[float, float] | None,
    seed: int,
    real: npt.NDArray[np.bool_],
) -> tuple[Array, Mapping[str, Any]]:
    extent = tuple(index for index, letter in enumerate(layout.axes) if letter in "TDHW")
    if rule == "zeros":
        return np.zeros_like(inputs), {"rule": rule}
    if rule == "mean":
        # A table has no extent: its mean over the only axis there is.
        axes = extent or tuple(range(1, inputs.ndim))
        mean = inputs.mean(axis=axes, keepdims=True, where=np.broadcast_to(real, inputs.shape))
        return np.broadcast_to(mean, inputs.shape), {"rule": rule}
    if rule == "blur":
        if not extent:
            raise BaselineError(
                f'baseline="blur" needs an axis of space or time, but layout={layout.axes!r} has none: use '
                '"mean", "zeros" or an array.'
            )
        from scipy.ndimage import gaussian_filter

        sigma = max(inputs.shape[axis] for axis in extent) * _BLUR_SHARE_OF_SIDE
        weight = np.broadcast_to(real, inputs.shape).astype(np.float64)
        # The share of the Gaussian that lies on real positions: one everywhere where nothing is padding.
        share = gaussian_filter(weight, sigma=sigma, axes=extent, mode="nearest")
        blurred = gaussian_filter(inputs * weight, sigma=sigma, axes=extent, mode="nearest")
        return np.divide(blurred, share, out=np.zeros_like(blurred), where=share > 0), {
            "rule": rule,
            "sigma": sigma,
        }
    if rule == "uniform":
        if bounds is None:
            raise BaselineError(
                'baseline="uniform" draws within bounds, which are not known: give bounds=(least, greatest).'
            )
        return uniform(inputs.shape, layout, bounds, seed), {
            "rule": rule,
            "bounds": list(bounds),
            "seed": seed,
        }
    raise BaselineError(
        f"baseline={rule!r} is not a rule: the rules are {', '.join(map(repr, RULES))}; or give a number or an array."
    )


def uniform(shape: tuple[int, ...], layout: Layout, bounds: tuple[float, float], seed: int) -> Array:
    """Draw uniform values in one order of axes, then lay them out: the same picture in every layout.

    Examples
    --------
    >>> import numpy as np
    >>> last = uniform((1, 4, 5, 3), Layout("NHWC"), (0.0, 1.0), 7)
    >>> first = uniform((1, 3, 4, 5), Layout("NCHW"), (0.0, 1.0), 7)
    >>> bool((np.moveaxis(last, -1, 1) == first).all())
    True
    """
    channel_axis = layout.channel_axis
    canonical = shape
    if channel_axis is not None:
        canonical = (*shape[:channel_axis], *shape[channel_axis + 1 :], shape[channel_axis])
    draws = np.random.default_rng(seed).uniform(*bounds, size=canonical)
    return draws if channel_axis is None else np.moveaxis(draws, -1, channel_axis)
