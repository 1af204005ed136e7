"""Random subsets of the places: the sum of their values, and the drop of the score without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from explain.algorithms.method import Option
from explain.algorithms.options import is_count, is_number
from explain.metrics.opened import Opened, Presence
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject

SUBSET_SIZE = Option(
    "subset_size",
    0.25,
    "a share of the places above 0 and below 1, or a whole number of at least 1",
    lambda value: is_count(value) or (is_number(value) and 0 < value < 1),
    "How many places are removed together: a share of them, or their number.",
)

# The first key of the draws.
_SUBSETS = 101


def size_of(subset_size: float, count: int) -> int:
    """Give the number of places in a subset: a share of all, at least one; a whole number stays as it is.

    Examples
    --------
    >>> size_of(0.25, 10), size_of(0.25, 1), size_of(7, 10)
    (3, 1, 7)
    """
    return int(subset_size) if is_count(subset_size) else max(1, int(subset_size * count + 0.5))


def random_subsets(subject: Subject, row: int, size: int, n_subsets: int) -> Presence:
    """Draw subsets of the real places of an example, each of `size` places without repeats.

    The draws depend on the seed, the example's index, its number of places and the size alone, so that metrics which
    ask for the same subsets share their scores; the first of many are those of few.

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    row : int
        The index of the example.
    size : int
        The number of places in each subset, from 1 to F.
    n_subsets : int
        The number of subsets.

    Returns
    -------
    numpy.ndarray of bool
        True for the places of each subset, shape (n_subsets, F).
    """
    count = int(subject.places.counts[row])
    drawn = subject.generator(_SUBSETS, row, size).random((n_subsets, count))
    chosen = np.argpartition(drawn, size - 1, axis=1)[:, :size]
    found = np.zeros((n_subsets, count), bool)
    np.put_along_axis(found, chosen, True, axis=1)
    return found


def of_subsets(
    subject: Subject,
    model: Opened,
    values: Floats,
    counts: Mapping[int, int],
    subsets: Callable[[int], Presence],
) -> dict[int, tuple[Floats, Floats]]:
    """Give the sum of values over each subset of places, and how much the score drops without it.

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    model : Opened
        The model, open.
    values : numpy.ndarray of float64
        The value of each place, shape (N, P).
    counts : Mapping of int to int
        By the index of an example: the number of its subsets. Other examples are left out.
    subsets : callable
        From the index of an example to the subsets of its real places, shape (count, F); called once for each, since
        all of them together may take much memory.

    Returns
    -------
    dict
        By the index of an example: the sums and the drops (the score of the input minus that without the subset), each
        of shape (count,).
    """
    most, real = max(counts.values(), default=0), subject.places.real
    sums = {}

    def kept(row: int) -> Presence:
        # A point that keeps everything costs nothing.
        found = np.ones((most, int(subject.places.counts[row])), bool)
        if row in counts:
            removed = subsets(row)
            sums[row] = removed @ values[row, real[row]]
            found[: len(removed)] = ~removed
        return found

    scores = model.scores_keeping(kept, most)
    return {row: (own, model.scores[row] - scores[row, : len(own)]) for row, own in sums.items()}
