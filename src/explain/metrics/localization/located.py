"""What metrics of localization share: the values of an example beside the mask of its object."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from explain.metrics.measured import Measured, one_by_one
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject

Inside = npt.NDArray[np.bool_]


def located(subject: Subject, measure: Callable[[int, Floats, Inside], float | str]) -> Measured:
    """Measure examples one by one; those whose map orders nothing are left out.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with masks.
    measure : callable
        From the index of an example, the values of its F real places and which of them are in the mask, both of shape
        (F,), to its number, or to the sentence that says why it has none.
    """
    masks, places = subject.masks, subject.places
    assert masks is not None, "a metric that needs masks gets them"
    silent = subject.no_information()

    def of_row(row: int) -> float | str:
        return silent[row] if row in silent else measure(row, places.of(row), masks[row, places.real[row]])

    return one_by_one(len(subject), of_row)


def share_in_top(values: Floats, inside: Inside, count: int) -> float:
    """Give the share of the `count` largest values that lie inside.

    Where the last of them are equal to further values, it is the share that is expected
    if some of them are taken at random, so that it depends on no order of the places.

    Examples
    --------
    >>> values, inside = np.array([3.0, 1.0, 1.0, 0.0]), np.array([True, True, False, False])
    >>> share_in_top(values, inside, 1), share_in_top(values, inside, 2), share_in_top(values, inside, 3)
    (1.0, 0.75, 0.6666666666666666)
    """
    least = np.partition(values, len(values) - count)[len(values) - count]
    above, equal = values > least, values == least
    taken = (count - np.count_nonzero(above)) / np.count_nonzero(equal)
    found = np.count_nonzero(inside & above) + taken * np.count_nonzero(inside & equal)
    return float(found / count)


def positive_share(values: Floats, inside: Inside) -> float | str:
    """Give the share of the positive values' sum that lies inside, or why there is none.

    Examples
    --------
    >>> positive_share(np.array([3.0, 1.0, -2.0]), np.array([True, False, False]))
    0.75
    """
    positive = np.maximum(values, 0)
    if not positive.any():
        return "The map has no positive value."
    return float(positive[inside].sum() / positive.sum())
