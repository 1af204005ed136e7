"""The coalitions of features that a surrogate is fitted to, and their weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from explain.running.coalitions import Presence


@dataclass(frozen=True)
class WeightedCoalitions:
    """Coalitions and their weights.

    Parameters
    ----------
    presence : numpy.ndarray of bool
        Which features are present, shape (K, F).
    weights : numpy.ndarray
        Shape (K,), summing to one.
    """

    presence: Presence
    weights: npt.NDArray[np.float64]


def uniform_coalitions(n_features: int, n_samples: int, seed: int) -> Presence:
    """Draw coalitions in which each feature is present or absent with equal probability, shape (n_samples, n_features).

    Examples
    --------
    >>> uniform_coalitions(3, 2, seed=0).astype(int).tolist()
    [[1, 1, 1], [1, 1, 0]]
    """
    drawn: Presence = np.random.default_rng((seed, n_features)).integers(2, size=(n_samples, n_features)) == 1
    return drawn


def shapley_coalitions(n_features: int, n_samples: int, seed: int) -> WeightedCoalitions:
    """Give at most `n_samples` coalitions, weighted so that they represent the Shapley kernel.

    A coalition of s out of F features has the weight (F − 1) / (C(F, s) · s · (F − s)) in the kernel (Lundberg & Lee,
    arXiv:1705.07874): all coalitions of a size together 1 / (s · (F − s)), up to a factor. The empty and the full one,
    whose weights are infinite, are constraints of the fit, and count among the `n_samples`.

    Sizes are taken from both ends, where a coalition has the largest weight. All coalitions of a size are
    taken while the size's share of the remaining samples covers them. For the other sizes, a size is drawn by
    weight and a coalition of that size uniformly, each with its complement (Covert & Lee, arXiv:2012.01536).
    With ``2**n_features <= n_samples`` all coalitions of every size are taken.

    Examples
    --------
    >>> every = shapley_coalitions(3, 8, seed=0)
    >>> every.presence.astype(int).tolist()
    [[0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0]]
    >>> every.weights.round(4).tolist()
    [0.1667, 0.1667, 0.1667, 0.1667, 0.1667, 0.1667]
    """
    sizes = np.arange(1, n_features)
    mass = 1 / (sizes * (n_features - sizes)) if len(sizes) else np.zeros(0)
    mass /= mass.sum() if len(sizes) else 1
    left, left_mass, first = n_samples - 2, 1.0, 1
    parts: list[Presence] = []
    weights: list[npt.NDArray[np.float64]] = []
    while first <= n_features // 2:
        both = sorted({first, n_features - first})
        count = len(both) * comb(n_features, first)
        share = float(mass[first - 1]) * len(both)
        # The last size has all the remaining mass; `min` corrects its share for rounding.
        if left * min(1.0, share / left_mass) < count * (1 - 1e-12):
            break
        parts += [np.array(list(_of_size(n_features, size)), bool) for size in both]
        weights.append(np.full(count, share / count))
        left, left_mass, first = left - count, max(left_mass - share, 1e-300), first + 1
    if first <= n_features // 2 and left >= 2:
        drawn = _paired(n_features, first, mass, left // 2, seed)
        parts.append(drawn)
        weights.append(np.full(len(drawn), left_mass / len(drawn)))
    if not parts:
        return WeightedCoalitions(np.zeros((0, n_features), bool), np.zeros(0))
    presence, place = np.unique(np.concatenate(parts), axis=0, return_inverse=True)
    together = np.bincount(place.reshape(-1), np.concatenate(weights), len(presence))
    return WeightedCoalitions(presence, together / together.sum())


def _of_size(n_features: int, size: int) -> Iterator[npt.NDArray[np.bool_]]:
    for chosen in combinations(range(n_features), size):
        one = np.zeros(n_features, bool)
        one[list(chosen)] = True
        yield one


def _paired(n_features: int, least: int, mass: npt.NDArray[np.float64], pairs: int, seed: int) -> Presence:
    """Draw coalitions of `least` to F − `least` features, and the complement of each."""
    generator = np.random.default_rng((seed, n_features))
    sizes = np.arange(least, n_features - least + 1)
    chances = mass[sizes - 1] / mass[sizes - 1].sum()
    chosen = generator.choice(sizes, size=(pairs, 1), p=chances)
    ranks = generator.random((pairs, n_features)).argsort(axis=1).argsort(axis=1)
    one = ranks < chosen
    return np.concatenate([one, ~one])
