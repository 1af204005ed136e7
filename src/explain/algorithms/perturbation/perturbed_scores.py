"""Scores at perturbed inputs."""

from __future__ import annotations

import numpy as np

from explain.algorithms.example_warnings import examples_named
from explain.errors import ModelCallError
from explain.inputs.examples import Array
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
        problem.backend, problem.examples, expansion, problem.executor, in_rows=problem.in_rows
    )
    broken = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if broken.size:
        raise ModelCallError(
            f"The score is NaN or infinite at perturbed inputs of {examples_named(broken)}: "
            f"method={problem.method!r} has nothing to compare there. Give a baseline at which the model is defined, "
            "for example 'mean', 'blur' or a small number, or explain in float64."
        )
    return scores.astype(np.float64)


def lost_scores(problem: Problem, expansion: Expansion) -> Array:
    """Give how much each perturbation lowers the score, in float64, shape (N, points)."""
    lost: Array = problem.scores.astype(np.float64)[:, np.newaxis] - perturbed_scores(problem, expansion)
    return lost
