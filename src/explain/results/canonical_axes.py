"""Converts the arrays of an attribution to batch first and channels last, from any layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from explain.inputs.layout import Layout
from explain.results.attribution import Attribution
from explain.results.heatmap import Floats


def canonical(attribution: Attribution, array: npt.NDArray[Any]) -> Floats:
    """Give an array of the inputs' shape batch first and channels last, as float64.

    Examples
    --------
    >>> ones = np.ones((1, 3, 2, 2), np.float32)
    >>> canonical(Attribution(ones, ones, "NCHW", "saliency", np.ones(1)), ones).shape
    (1, 2, 2, 3)
    """
    layout = Layout(attribution.layout)
    layout.check(array)
    return layout.to_canonical(np.asarray(array, np.float64))


def without_padding(attribution: Attribution, values: Floats) -> list[Floats]:
    """Give the values of each example that are not padding, in one flat array.

    Parameters
    ----------
    attribution : Attribution
        Its mask and layout define the padding.
    values : numpy.ndarray of float64
        From `canonical`, e.g. (N, T, C).

    Returns
    -------
    list of numpy.ndarray
        One array per example, with one axis.

    Examples
    --------
    >>> ones = np.ones((1, 2, 1), np.float32)
    >>> a = Attribution(ones, ones, "NTC", "saliency", np.ones(1), mask=np.array([[True, False]]))
    >>> without_padding(a, canonical(a, ones))
    [array([1.])]
    """
    if attribution.mask is None or Layout(attribution.layout).time_axis is None:
        return [one.ravel() for one in values]
    masks = np.asarray(attribution.mask, bool)
    return [one[real].ravel() for one, real in zip(values, masks, strict=True)]
