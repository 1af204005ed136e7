"""Nodes and weights on [0, 1], made once in NumPy, in the model's precision."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np

from explain.errors import OptionError
from explain.inputs.examples import Array

Rule = Literal["gauss_legendre", "midpoint", "fejer", "trapezoid", "riemann_left", "riemann_right"]
RULES: tuple[str, ...] = get_args(Rule)


def nodes_and_weights(
    rule: str, n_steps: int, dtype: np.dtype[Any] | type = np.float64
) -> tuple[Array, Array]:
    """Give the `n_steps` nodes of a quadrature rule on [0, 1] and their weights, which sum to one.

    Parameters
    ----------
    rule : str
        One of `RULES`. ``"fejer"`` is Fejér's second rule (Waldvogel, BIT 46, 2006): near Gauss–Legendre in
        accuracy, and its n nodes are every second node of the rule with 2n + 1 nodes.
    n_steps : int
        The number of nodes, at least 1 (2 for the trapezoid, whose ends are nodes).
    dtype : numpy.dtype
        The precision in which the path's points will be formed. The nodes are rounded here, once, so that
        both frameworks get the same points.

    Raises
    ------
    OptionError
        If the rule is unknown or has too few steps.

    Examples
    --------
    >>> nodes, weights = nodes_and_weights("midpoint", 2)
    >>> nodes.tolist(), weights.tolist()
    ([0.25, 0.75], [0.5, 0.5])
    """
    if rule not in RULES:
        raise OptionError(
            f"rule={rule!r} is not a rule of integration: the rules are {', '.join(map(repr, RULES))}."
        )
    least = 2 if rule == "trapezoid" else 1
    if n_steps < least:
        raise OptionError(f"n_steps={n_steps} is too few for rule={rule!r}: give at least {least}.")
    if rule == "gauss_legendre":
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)
        nodes, weights = (nodes + 1) / 2, weights / 2
    elif rule == "fejer":
        angles = np.pi * np.arange(1, n_steps + 1) / (n_steps + 1)
        odd = np.arange(1, n_steps + 1, 2)
        nodes = (1 - np.cos(angles)) / 2
        weights = 2 / (n_steps + 1) * np.sin(angles) * (np.sin(np.outer(angles, odd)) / odd).sum(axis=1)
        # The sum is one in exact arithmetic; this removes rounding errors.
        weights /= weights.sum()
    elif rule == "trapezoid":
        nodes = np.linspace(0.0, 1.0, n_steps)
        weights = np.full(n_steps, 1 / (n_steps - 1))
        weights[[0, -1]] /= 2
    else:
        offset = {"midpoint": 0.5, "riemann_left": 0.0, "riemann_right": 1.0}[rule]
        nodes = (np.arange(n_steps) + offset) / n_steps
        weights = np.full(n_steps, 1 / n_steps)
    return nodes.astype(dtype), weights.astype(dtype)
