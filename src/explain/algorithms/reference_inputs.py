"""Comparison with a set of references: lines from them, and their scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explain.algorithms.completeness import equal_baseline_warnings
from explain.algorithms.example_warnings import Warnings
from explain.errors import BaselineError
from explain.inputs.examples import Array, Examples
from explain.inputs.masking import spread_mask
from explain.running.expansion import Expansion, ReferencePaths, Repeated, expanded_scores
from explain.running.problem import Problem


def references_of(problem: Problem) -> tuple[Array, ...]:
    """Give the references of a problem whose method has `takes_references`."""
    assert problem.references is not None, "the catalogue says that this method takes references"
    return problem.references


def reference_paths(
    problem: Problem, chosen: npt.NDArray[np.intp], alphas: Array, ends: Expansion | None = None
) -> ReferencePaths:
    """Give points on lines from references to each example; padding stays as it is in the example.

    Parameters
    ----------
    problem : Problem
        A problem of a method that takes references.
    chosen : numpy.ndarray of int
        The reference of each point, shape (K,).
    alphas : numpy.ndarray
        The position on the line, from 0 at the reference to 1 at its end, shape (K,).
    ends : Expansion, optional
        The ends of the lines; the examples themselves if not given.
    """
    mask = problem.examples.mask
    return ReferencePaths(
        Repeated(problem.examples.inputs, len(chosen)) if ends is None else ends,
        references_of(problem),
        chosen,
        alphas.astype(problem.backend.dtype),
        None if mask is None else spread_mask(mask, problem.layout),
    )


def scores_at_references(problem: Problem) -> Array:
    """Give the score of every reference with each example's target and fixed inputs, shape (N, R).

    Raises
    ------
    BaselineError
        If any is NaN or infinite.
    """
    backend, examples, executor = problem.backend, problem.examples, problem.executor
    references, indices = references_of(problem), examples.target.indices
    count = len(references[0])
    fixed = examples.companions or examples.held or examples.unmoved or examples.outer
    has_fixed_parts = bool(fixed) or examples.mask is not None
    if indices is None or has_fixed_parts or problem.in_rows:
        paths = reference_paths(problem, np.arange(count), np.zeros(count))
        scores = expanded_scores(backend, examples, paths, executor, in_rows=problem.in_rows)
    else:
        # The score of a reference depends on the example only through the target: one pass is enough for all
        # examples.
        alone = Examples(references)
        parts = executor.over_rows(count, lambda rows: backend.outputs(alone.rows(rows))[0])
        outputs = np.concatenate([part for _, part in parts])
        scores = np.stack([outputs[(slice(None), *index)] for index in indices])
    if not np.isfinite(scores).all():
        bad = np.flatnonzero(~np.isfinite(scores).all(axis=0))
        raise BaselineError(
            f"The score at the references {bad.tolist()} of baseline is NaN or infinite: there is no difference of "
            "scores to attribute. Leave these references out."
        )
    return scores


def equal_reference_warnings(problem: Problem) -> Warnings:
    """Warn of the examples that equal the only reference; several references give no warning."""
    if len(references_of(problem)[0]) > 1:
        return ()
    inputs = problem.examples.inputs
    paths = reference_paths(problem, np.zeros(1, np.intp), np.zeros(1))
    return equal_baseline_warnings(inputs, paths.inputs(slice(0, len(inputs[0])), slice(0, 1)))
