"""What the methods that perturb the input share: scores at the perturbed inputs, and values at positions."""

from __future__ import annotations

import numpy as np

from explain.errors import ModelCallError
from explain.inputs.examples import Array
from explain.inputs.features import Features
from explain.running.expansion import Expansion, expanded_scores
from explain.running.problem import Problem


def perturbed_scores(problem: Problem, expansion: Expansion) -> Array:
    """Give the score of every perturbed input in float64, shape (N, points).

    Raises
    ------
    ModelCallError
        If any is NaN or infinite.
    """
    if expansion.n_points == 0:
        return np.zeros((len(problem.examples), 0))
    scores = expanded_scores(
        problem.backend,
        problem.examples,
        expansion,
        problem.executor,
        # A stateful model keeps a state for each row of its batch, and is known by its fixed batch size.
        in_rows=problem.backend.fixed_batch_size is not None,
    )
    broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if broken.size:
        raise ModelCallError(
            f"The score is NaN or infinite at perturbed inputs of example{'s' if broken.size > 1 else ''} "
            f"{broken.tolist()}: method={problem.method!r} has nothing to compare there. Give a baseline at which the "
            "model is defined, for example 'mean', 'blur' or a small number, or explain in float64."
        )
    return scores.astype(np.float64)


def lost_scores(problem: Problem, expansion: Expansion) -> Array:
    """Give what each perturbation takes from the score, in float64, shape (N, points)."""
    lost: Array = problem.scores.astype(np.float64)[:, np.newaxis] - perturbed_scores(problem, expansion)
    return lost


def at_positions(features: Features, by_feature: Array) -> Array:
    """Give each position what its feature has, whatever the feature's size: (N, F) to (N, ...)."""
    return np.stack([features.spread(row, of_example) for row, of_example in enumerate(by_feature)])
