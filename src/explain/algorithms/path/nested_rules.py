"""Rules of integration whose nodes stay nodes of the refined rule, so that no gradient is computed twice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from explain.inputs.examples import Array
from explain.running.paths.quadrature import nodes_and_weights

REFINED: dict[str, tuple[Callable[[int], int], int]] = {
    "midpoint": (lambda n_steps: 3 * n_steps, 5),
    "fejer": (lambda n_steps: 2 * n_steps + 1, 3),
}
"""For each rule: a function from a number of steps to that of the refined rule, and the first number."""


def levels(rule: str, most: int) -> list[int]:
    """Give the numbers of steps of a rule and its refinements: at least two, none above `most`.

    Examples
    --------
    >>> levels("midpoint", 405), levels("fejer", 100)
    ([5, 15, 45, 135, 405], [3, 7, 15, 31, 63])
    """
    refined, first = REFINED[rule]
    while refined(first) > most:
        first -= 1
    numbers = [first]
    while refined(numbers[-1]) <= most:
        numbers.append(refined(numbers[-1]))
    return numbers


def is_new(rule: str, n_steps: int) -> Array:
    """Tell which nodes of a refined rule are not nodes of the rule before it, shape (n_steps,)."""
    place = np.arange(n_steps)
    new: Array = place % 3 != 1 if rule == "midpoint" else place % 2 == 0
    return new


def weights_of(rules: list[tuple[Array, Array]], level: int, new: Array) -> Array:
    """Give the weights, in every level from the first, of the nodes that are new at `level`; shape (levels, K).

    Zero in the levels that do not have the node.
    """
    nodes = rules[level][0][new]
    weights = np.zeros((len(rules), len(new)))
    for row, (own_nodes, own_weights) in enumerate(rules):
        if row >= level - 1:
            nearest = np.abs(own_nodes[:, np.newaxis] - nodes).argmin(axis=0)
            # This is far below the distance of two nodes, and above the rounding error of one.
            same = np.abs(own_nodes[nearest] - nodes) < 1e-12
            weights[row] = np.where(same, own_weights[nearest], 0)
    return weights


def distinct(weights: Array) -> tuple[Array, Array]:
    """Write rows of weights as multiples of as few rows as possible: in most rules they are proportional.

    Returns
    -------
    shares : numpy.ndarray
        Shape (rows, M).
    rows : numpy.ndarray
        Shape (M, K); ``shares @ rows`` gives the weights.

    Examples
    --------
    >>> shares, rows = distinct(np.array([[1.0, 1.0], [0.5, 0.5], [0.0, 0.0]]))
    >>> shares.tolist(), rows.tolist()
    ([[1.0], [0.5], [0.0]], [[1.0, 1.0]])
    """
    basis: list[Array] = []
    shares = np.zeros((len(weights), len(weights)))
    for row, one in enumerate(weights):
        if not one.any():
            continue
        for place, other in enumerate(basis):
            share = one.sum() / other.sum()
            if np.allclose(one, share * other, rtol=1e-5, atol=0):
                shares[row, place] = share
                break
        else:
            shares[row, len(basis)] = 1
            basis.append(one)
    return shares[:, : len(basis)], np.stack(basis)


def nested(rule: str, n_steps: int) -> dict[int, Array]:
    """Give the weights of the rule that this one refines, on the same nodes, by its number of steps; empty if none.

    Examples
    --------
    >>> {steps: weights.tolist() for steps, weights in nested("midpoint", 3).items()}
    {1: [0.0, 1.0, 0.0]}
    """
    place = np.arange(n_steps)
    if rule == "midpoint" and n_steps % 3 == 0:
        fewer, old = n_steps // 3, place % 3 == 1
    elif rule == "fejer" and n_steps % 2 == 1 and n_steps > 1:
        fewer, old = n_steps // 2, place % 2 == 1
    else:
        return {}
    weights = np.zeros(n_steps)
    weights[old] = nodes_and_weights(rule, fewer)[1]
    return {fewer: weights}
