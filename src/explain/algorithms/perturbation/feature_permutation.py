"""Feature permutation: one feature at a time exchanged between examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explain.algorithms.feature_values import at_positions
from explain.algorithms.method import Method
from explain.algorithms.options import FEATURE_MASK
from explain.algorithms.perturbation.perturbed_scores import lost_scores
from explain.backends.found import Found
from explain.errors import InputError, OptionError
from explain.inputs.examples import Array
from explain.inputs.features import Features, resolve_features
from explain.inputs.masking import spread_mask
from explain.running.problem import Problem


def feature_permutation(problem: Problem) -> Found:
    """Exchange one feature at a time between the examples; each of its positions gets the drop of the score.

    Fisher, Rudin & Dominici, *All models are wrong, but many are useful*, arXiv:1801.01489; the values are
    those of Captum's ``FeaturePermutation``. An example is compared with other examples of its batch, so its
    values depend on them.
    """
    (inputs,) = problem.examples.inputs
    count = len(inputs)
    if count < 2:
        raise InputError(
            "x has 1 example, but feature_permutation exchanges features between the examples of a batch: give at "
            "least 2, or take feature_ablation, which compares with a baseline."
        )
    features = _features_of_all(problem)
    permutations = drawn_permutations(len(features), count, problem.seed)
    mask = problem.examples.mask
    real = np.ones((count, *([1] * (inputs.ndim - 1))), bool)
    if mask is not None:
        real = spread_mask(mask, problem.layout)
    lost = lost_scores(problem, Exchanged((inputs,), features.indices[0], real, permutations))
    return Found(values=(at_positions(features, lost),))


@dataclass(frozen=True)
class Exchanged:
    """An expansion: each point takes one feature from another example; see `explain.running.expansion.Expansion`.

    Parameters
    ----------
    ends : tuple of numpy.ndarray
        One array, shape (N, ...): the inputs.
    indices : numpy.ndarray of int
        The feature of every position, the same for all examples, of the shape of one example.
    real : numpy.ndarray of bool
        False for padding; broadcasts over the inputs.
    permutations : numpy.ndarray of int
        For each feature, the example that each example takes it from, shape (features, N).
    """

    ends: tuple[Array, ...]
    indices: npt.NDArray[np.int64]
    real: npt.NDArray[np.bool_]
    permutations: npt.NDArray[np.int64]

    @property
    def n_points(self) -> int:
        """The number of points per example."""
        return len(self.permutations)

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example."""
        (end,) = self.ends
        numbers = np.arange(points.start, points.stop).reshape(-1, *([1] * self.indices.ndim))
        exchanged = (self.indices == numbers) & self.real[rows][:, np.newaxis]
        others = end[self.permutations[points, rows].T]
        formed = np.where(exchanged, others, end[rows][:, np.newaxis])
        return (formed.reshape(-1, *end.shape[1:]),)


def drawn_permutations(n_features: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw a permutation of the examples for each feature, never the identity.

    Returns
    -------
    numpy.ndarray of int64
        Shape (features, N).

    Examples
    --------
    >>> drawn_permutations(2, 2, seed=0).tolist()
    [[1, 0], [1, 0]]
    """
    generator = np.random.default_rng(seed)
    in_place = np.arange(count)
    drawn = np.tile(in_place, (n_features, 1))
    while (idle := (drawn == in_place).all(axis=1)).any():
        drawn[idle] = generator.permuted(drawn[idle], axis=1)
    return drawn


def _features_of_all(problem: Problem) -> Features:
    """Give features that are the same in every example; padding, which may differ, is excluded by `Exchanged.real`."""
    (inputs,), given = problem.examples.inputs, problem.options["feature_mask"]
    if given is None and problem.layout.kind == "image":
        given = "grid"
    features = resolve_features(given, inputs, problem.layout)
    if (features.indices != features.indices[:1]).any():
        raise OptionError(
            "feature_mask differs between the examples, but feature_permutation exchanges the same feature between "
            "them: give 'grid', 'positions', 'elements' or an array for one example (superpixels differ between "
            "pictures)."
        )
    return features


ROWS = (
    Method(
        feature_permutation,
        aliases=("permutation",),
        of_whole_places=True,
        keeps_values=True,
        seeded=True,
        compares_examples=True,
        summary="How much the score drops when one feature at a time is that of another example of the batch.",
        paper="Fisher, Rudin & Dominici 2018, arXiv:1801.01489",
        needs=frozenset({"outputs"}),
        options=(FEATURE_MASK,),
    ),
)
