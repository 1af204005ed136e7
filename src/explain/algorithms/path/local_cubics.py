"""A rule of integration on any nodes, and what each gap between them adds to the error of the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.inputs.examples import Array

# What a gap adds to the squared error: a share of the error of gradients that jump anywhere in the gap, and the
# difference of the two rules. Both were chosen on the `lstm` of benchmarks/cases.py and a random GELU network.
_JUMP, _BEND = 0.25 / 12, 2.0


@dataclass(frozen=True)
class Judged:
    """The weights of some nodes, and what each gap between them may add to the error.

    Parameters
    ----------
    weights : numpy.ndarray
        Shape (K,).
    gaps : numpy.ndarray
        The squared error that each gap may add, shape (K + 1,), with the gaps at both ends of the path.
    """

    weights: Array
    gaps: Array


def judged(nodes: Array, products: Array) -> Judged:
    """Give the weights of nodes, and what each gap between them may add to the error.

    Each gap is integrated as the mean of the parabolas through its ends and one neighbour more, which is exact
    for cubics on equal gaps; the ends of the path as the line through the two nearest nodes. Where gradients are so
    rough that this differs from the trapezoid rule by more than half of what the gradient changes in the gap, the
    difference is scaled down to that half.

    Parameters
    ----------
    nodes : numpy.ndarray
        At least three positions between 0 and 1, rising, shape (K,).
    products : numpy.ndarray
        The gradients at the nodes times input − baseline, shape (K, D).

    Examples
    --------
    >>> nodes = np.array([0.125, 0.375, 0.625, 0.875])
    >>> found = judged(nodes, nodes[:, np.newaxis] ** 2)
    >>> bool(abs(found.weights @ nodes**2 - 1 / 3) < 0.01), found.gaps.shape
    (True, (5,))
    """
    gap = np.diff(nodes)
    step = np.diff(products, axis=0)
    squared = np.einsum("kd,kd->k", step, step)
    jump = gap * np.sqrt(squared)
    # The second derivative at each inner node is bend · (step after / gap after − step before / gap before).
    bend = 2 / (gap[:-1] + gap[1:])
    share = np.full(len(gap), 0.5)
    share[[0, -1]] = 1
    before, own, after = (np.zeros(len(gap)) for _ in range(3))
    before[1:] = -share[1:] * bend / gap[:-1]
    after[:-1] = share[:-1] * bend / gap[1:]
    own[1:] += share[1:] * bend / gap[1:]
    own[:-1] -= share[:-1] * bend / gap[:-1]
    scale = -(gap**3) / 12
    before, own, after = before * scale, own * scale, after * scale
    one_on = np.einsum("kd,kd->k", step[:-1], step[1:])
    size = own**2 * squared
    size[1:] += before[1:] ** 2 * squared[:-1] + 2 * before[1:] * own[1:] * one_on
    size[:-1] += after[:-1] ** 2 * squared[1:] + 2 * after[:-1] * own[:-1] * one_on
    size[1:-1] += 2 * before[1:-1] * after[1:-1] * np.einsum("kd,kd->k", step[:-2], step[2:])
    size = np.sqrt(np.maximum(size, 0))
    taken = np.divide(jump / 2, size, out=np.ones_like(size), where=size > jump / 2)
    of_step = taken * own
    of_step[:-1] += taken[1:] * before[1:]
    of_step[1:] += taken[:-1] * after[:-1]
    ends = np.array([nodes[0], 1 - nodes[-1]])
    nearest = gap[[0, -1]]
    of_step[[0, -1]] += np.array([-0.5, 0.5]) * ends * np.minimum(1, ends / nearest)
    edges = np.concatenate([[0], (nodes[1:] + nodes[:-1]) / 2, [1]])
    weights = np.diff(edges)
    weights[1:] += of_step
    weights[:-1] -= of_step
    at_ends = ends**2 / nearest * np.sqrt(squared[[0, -1]])
    inner = _JUMP * jump**2 + _BEND * np.minimum(size, jump / 2) ** 2
    return Judged(weights, np.concatenate([at_ends[:1] ** 2 / 3, inner, at_ends[1:] ** 2 / 3]))


def split(nodes: Array, gaps: Array, target: float, most: int) -> Array:
    """Give new nodes that bring the squared error of all gaps to a target, shape (M,); at least one, at most `most`.

    A gap that is cut into m equal parts is expected to add 1 / m⁴ of what it adds now; none is cut into more than four.
    Where the choice of two gaps is nearly equal, the first one is taken, so that rounding seldom decides.

    Examples
    --------
    >>> split(np.array([0.25, 0.75]), np.array([0.0, 1.0, 0.0]), 0.2, 8)
    array([0.5])
    """
    parts = np.arange(1, 5)
    gains = gaps[:, np.newaxis] * (1 / parts[:-1] ** 4.0 - 1 / parts[1:] ** 4.0)
    with np.errstate(divide="ignore"):
        rank = np.round(64 * np.log(gains))
    # By falling gain, then by rising number of parts, so that a gap is cut into two before it is cut into three.
    order = np.lexsort((np.tile(parts[:-1], len(gaps)), -rank.ravel()))
    left = gaps.sum() - np.cumsum(gains.ravel()[order])
    enough = np.flatnonzero(left <= target)
    count = min(int(enough[0]) + 1 if len(enough) else len(order), most)
    cut = np.bincount(order[:count] // len(parts[:-1]), minlength=len(gaps)) + 1
    edges = np.concatenate([[0], nodes, [1]])
    rows = np.repeat(np.arange(len(gaps)), cut - 1)
    place = np.concatenate([np.arange(1, one) for one in cut])
    new: Array = edges[rows] + np.diff(edges)[rows] * place / cut[rows]
    return new
