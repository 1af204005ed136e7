"""The levels of refinement of the golden nodes: which sums a level needs, and how its error follows from them.

Where gradients jump, a jump at α moves a weighted mean of gradients by the jump times the distance from α to the border
of the two cells beside it. Jumps at random places, as kinks make them, so give every difference of two weighted means,
and the error of one, a size that follows from the nodes alone, up to one common factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from explain.inputs.examples import Array
from explain.running.paths.quadrature import density, golden_positions, golden_widths, graded

_FIBONACCI = (2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765, 10946)

FIRST = 8
"""The number of nodes of the first level, whose gradients are kept one by one."""

# The ratio of two close levels.
_FINE = 1.07


def numbers_up_to(most: int, *, fine: bool = False) -> tuple[int, ...]:
    """Give the numbers of nodes of all levels up to `most`, the last.

    They are Fibonacci numbers and three between any two: at these numbers few nodes have a cell of a size of their own,
    so that few sums are needed. Where each node has its own sum anyway, they may be as close as one likes: `fine`.

    Examples
    --------
    >>> numbers_up_to(60)
    (2, 3, 5, 8, 10, 13, 15, 16, 18, 21, 24, 26, 29, 34, 39, 42, 47, 55, 60)
    >>> numbers_up_to(60, fine=True)
    (2, 3, 5, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 39, 42, 45, 48, 51, 55, 59, 60)
    """
    found = {2, 3, 5, FIRST, 10}
    if fine:
        number = FIRST
        while number < most:
            found.add(number)
            number = max(number + 2, round(_FINE * number))
    else:
        for place in range(4, len(_FIBONACCI)):
            number = _FIBONACCI[place]
            found |= {number, *(number + _FIBONACCI[place - back] for back in (4, 3, 2))}
    return (*sorted(number for number in found if number < most), most)


@dataclass(frozen=True)
class Level:
    """A level of refinement.

    Parameters
    ----------
    nodes : numpy.ndarray
        All its nodes, in the order of the sequence, shape (K,).
    slopes : numpy.ndarray
        The weight of each node in the sum that it belongs to, shape (K,).
    sum_of : numpy.ndarray of int
        The sum to which each node belongs, shape (K,): nodes that are weighted alike, here and at all later levels, are
        in one sum.
    shares : numpy.ndarray
        The share of each sum in this level's mean, shape (sums,).
    """

    nodes: Array
    slopes: Array
    sum_of: npt.NDArray[np.intp]
    shares: Array

    @property
    def number(self) -> int:
        """The number of nodes."""
        return len(self.nodes)

    @property
    def sums(self) -> int:
        """The number of sums."""
        return len(self.shares)


@lru_cache(maxsize=16)
def levels_up_to(most: int, *, apart: bool) -> tuple[Level, ...]:
    """Give the levels from the first to `most` nodes, at least one.

    Parameters
    ----------
    most : int
        The number of nodes of the last level.
    apart : bool
        Whether levels may be so close that nearly every node needs a sum of its own.
    """
    numbers = numbers_up_to(most, fine=apart)
    first = max(place for place, number in enumerate(numbers) if number <= max(FIRST, numbers[0]))
    positions = golden_positions(most)
    slopes, alphas = density(positions), graded(positions)
    means = np.zeros((len(numbers), most))
    for place, number in enumerate(numbers):
        means[place, :number] = golden_widths(number)
    widths = means.copy()
    means *= slopes
    totals = means.sum(axis=1, keepdims=True)
    found = []
    for place in range(first, len(numbers)):
        number = numbers[place]
        alike = widths[place:, :number].round(9)
        sum_of = np.unique(alike, axis=1, return_inverse=True)[1].reshape(-1)
        # The first node of each sum stands for all of them.
        chosen = np.unique(sum_of, return_index=True)[1]
        shares = widths[place, chosen] / totals[place]
        found.append(Level(alphas[:number], slopes[:number], sum_of, shares))
    return tuple(found)


@dataclass(frozen=True)
class Gaps:
    """What the differences of neighbouring gradients say of the error of their mean.

    Parameters
    ----------
    factors : numpy.ndarray
        The usual error of a jump of size one anywhere in each gap, shape (K − 1,): H / √12 for a gap of width H. The
        jumps between an end of the path and its nearest node are not seen: they are as frequent as in the nearest gap,
        and each moves the mean by its distance from the end.
    rough : numpy.ndarray
        From the differences to those parts of them that the neighbours do not foretell, times the factors, shape
        (K − 1, K − 1). Of jumps at random places the sum of the squares is the same on average.
    bent : numpy.ndarray
        From the differences to the error of the mean of a smooth gradient, shape (K − 1,): that of the second
        derivatives that they show, and of the slopes at the ends.
    """

    factors: Array
    rough: Array
    bent: Array

    @classmethod
    def between(cls, nodes: Array) -> Gaps:
        """Give the factors for at least two nodes in rising order."""
        gaps = np.diff(nodes)
        count = len(gaps)
        squares = gaps**2 / 12
        for gap, end in ((0, nodes[0]), (-1, 1 - nodes[-1])):
            squares[gap] += end**3 / (3 * gaps[gap])
        factors = np.sqrt(squares)
        rough = np.eye(count)
        for gap in range(count):
            beside = [other for other in (gap - 1, gap + 1) if 0 <= other < count]
            for other in beside:
                rough[gap, other] = -gaps[gap] / gaps[other] / len(beside)
            # Jumps are as frequent as gaps are wide.
            rough[gap] *= factors[gap] / np.sqrt((rough[gap] ** 2 * gaps).sum() / gaps[gap])
        # The second derivative at each inner node, and in a gap the mean of those at its ends.
        second = (np.eye(count)[1:] / gaps[1:, np.newaxis] - np.eye(count)[:-1] / gaps[:-1, np.newaxis]) * (
            2 / (gaps[1:] + gaps[:-1])[:, np.newaxis]
        )
        bent = np.zeros(count)
        for gap in range(count):
            at_ends = second[max(0, gap - 1) : gap + 1]
            if len(at_ends):
                bent += gaps[gap] ** 3 / 12 * at_ends.mean(axis=0)
        bent[0] += nodes[0] ** 2 / 2 / gaps[0]
        bent[-1] -= (1 - nodes[-1]) ** 2 / 2 / gaps[-1]
        return cls(factors, rough, bent)
