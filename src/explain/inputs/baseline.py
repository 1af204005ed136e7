"""The baseline: the values that an input is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.errors import BaselineError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.masking import spread_mask
from explain.inputs.naming.brief import brief
from explain.inputs.naming.suggestions import suggestion

RULES = ("zeros", "mean", "blur", "uniform")

BaselineLike = float | str | Array | None

# A blur this wide keeps only regions of light and dark; a narrower one keeps edges, which then get no attribution.
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
    """Give the baseline of each example and the rule that it follows.

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
        Seed of ``"uniform"``; drawn in one order of axes for every layout, so that both frameworks get
        the same baseline.
    mask : numpy.ndarray of bool, optional
        True where a step is real, shape (N, T). At padding the baseline equals the input.

    Returns
    -------
    numpy.ndarray
        The baseline, of the shape and dtype of `inputs`.
    Mapping
        ``{"rule": ...}`` with the values needed to reproduce it.

    Raises
    ------
    BaselineError
        If the rule is unknown or lacks an axis or bounds that it needs, or the array does not broadcast or is
        not finite; or if the inputs are whole numbers or booleans and the baseline is not.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(4.0).reshape(1, 2, 2)
    >>> resolve_baseline("mean", x, Layout("NCT"))[0].tolist()
    [[[0.5, 0.5], [2.5, 2.5]]]
    """
    real = np.ones((1,) * inputs.ndim, bool) if mask is None else spread_mask(mask, layout)
    if baseline is None or isinstance(baseline, str):
        values, rule = _by_rule("zeros" if baseline is None else baseline, inputs, layout, bounds, seed, real)
    else:
        values, rule = _as_given(baseline, inputs)
    values = np.where(real, values, inputs)
    return np.ascontiguousarray(_of_type(values, inputs.dtype, rule)), rule


def _of_type(values: Array, dtype: np.dtype[Any], rule: Mapping[str, Any]) -> Array:
    """Give a baseline in the type of the inputs: whole numbers and booleans are not rounded."""
    with np.errstate(invalid="ignore"):
        found: Array = values.astype(dtype, copy=False)
    if dtype.kind != "f" and not np.array_equal(found, values):
        shown = rule.get("value", repr(rule["rule"]))
        raise BaselineError(
            f"baseline {shown} gives values that are not of dtype {dtype}, which x has and the model gets: give "
            f"{'True and False' if dtype.kind == 'b' else 'whole numbers'}, or x as floats if the model takes them."
        )
    return found


def resolve_references(baseline: Any, inputs: Array) -> tuple[Array, Mapping[str, Any]]:
    """Give the set of reference examples that every input is compared with, and its record in the result.

    Parameters
    ----------
    baseline : array
        R reference examples, at least one, shape (R, ...) with the batch axis first. Nothing is broadcast.
    inputs : numpy.ndarray
        The input, batch first.

    Returns
    -------
    numpy.ndarray
        The references, shape (R, ...), of the dtype of `inputs`.
    Mapping
        ``{"rule": "references", "count": R}``.

    Raises
    ------
    BaselineError
        If there are none, or they are not examples like those of `inputs`, or are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> references, rule = resolve_references(np.zeros((5, 3)), np.ones((2, 3)))
    >>> references.shape, rule
    ((5, 3), {'rule': 'references', 'count': 5})
    """
    one = inputs.shape[1:]
    expected = (
        f"an array of reference examples, shape (R, {', '.join(map(str, one))}) with the batch axis first"
    )
    example = "for example baseline=x_train[:64]"
    if baseline is None:
        raise BaselineError(
            "baseline is not given: this method compares the input with a set of reference examples. Give "
            f"{expected}, {example}."
        )
    if not isinstance(baseline, np.ndarray):
        shown = (
            repr(baseline)
            if isinstance(baseline, str | float | int)
            else f"of type {type(baseline).__name__}"
        )
        raise BaselineError(
            f"baseline {shown} is not a set of references: give {expected}, {example}. A single reference is a set of "
            "one."
        )
    if baseline.ndim != inputs.ndim or baseline.shape[1:] != one or len(baseline) == 0:
        remedy = " Add the batch axis." if baseline.shape == one else ""
        raise BaselineError(
            f"baseline has shape {baseline.shape}, which contains no examples like those of x: give {expected}, "
            f"{example}; they are not broadcast.{remedy}"
        )
    return np.ascontiguousarray(_finite(baseline, inputs.dtype, expected)), {
        "rule": "references",
        "count": len(baseline),
    }


def _finite(baseline: Any, dtype: npt.DTypeLike, expected: str) -> Array:
    """Give an array of finite numbers, or raise an error that says what was expected."""
    try:
        values: Array = np.asarray(baseline, dtype=dtype)
    except (TypeError, ValueError) as cause:
        raise BaselineError(
            f"baseline of type {type(baseline).__name__} is not a baseline: give {expected}."
        ) from cause
    if not np.isfinite(values).all():
        raise BaselineError("baseline contains NaN or infinity: give finite values.")
    return values


def _as_given(baseline: Any, inputs: Array) -> tuple[Array, Mapping[str, Any]]:
    dtype = inputs.dtype
    if dtype.kind != "f":
        # Exact numbers, which `_of_type` compares with what becomes of them.
        is_whole = (
            isinstance(baseline, int) or getattr(getattr(baseline, "dtype", None), "kind", "f") in "iub"
        )
        dtype = np.dtype(np.int64 if is_whole else np.float64)
    values = _finite(
        baseline,
        dtype,
        f"None (zeros), a number, an array that broadcasts to {inputs.shape}, or a rule "
        f"({', '.join(map(repr, RULES))})",
    )
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
        # A table has no axis of space or time: take the mean over its only axis.
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
        # The share of the Gaussian on real positions: one everywhere without padding.
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
        f"baseline={brief(rule)} is not a rule: the rules are {', '.join(map(repr, RULES))}; or give a number or "
        f"an array.{suggestion(rule, RULES)}"
    )


def uniform(shape: tuple[int, ...], layout: Layout, bounds: tuple[float, float], seed: int) -> Array:
    """Draw uniform values in one order of axes, then transpose them: the same picture in every layout.

    Examples
    --------
    >>> import numpy as np
    >>> last = uniform((1, 4, 5, 3), Layout("NHWC"), (0.0, 1.0), 7)
    >>> first = uniform((1, 3, 4, 5), Layout("NCHW"), (0.0, 1.0), 7)
    >>> bool((np.moveaxis(last, -1, 1) == first).all())
    True
    """
    generator = np.random.default_rng(seed)
    return drawn_in_one_order(shape, layout, lambda size: generator.uniform(*bounds, size=size))


def drawn_in_one_order(
    shape: tuple[int, ...], layout: Layout, draw: Callable[[tuple[int, ...]], Array]
) -> Array:
    """Draw in one order of axes, batch first and channels last, and transpose the draws to the layout.

    Parameters
    ----------
    shape : tuple of int
        The wanted shape, in the order of `layout`.
    layout : Layout
        The axes, batch first.
    draw : callable
        Gives draws of a shape.
    """
    channel_axis = layout.channel_axis
    if channel_axis is None:
        return draw(shape)
    return np.moveaxis(
        draw((*shape[:channel_axis], *shape[channel_axis + 1 :], shape[channel_axis])), -1, channel_axis
    )
