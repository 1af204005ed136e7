"""What methods that compare with a set of references share: lines from them, and their scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from explain.algorithms.path.integrated_gradients import equal_baseline_warnings
from explain.errors import BaselineError, ExplainWarning
from explain.inputs.examples import Array, Examples
from explain.inputs.masking import spread_mask
from explain.running.expansion import Expansion, ReferencePaths, Repeated, expanded_scores
from explain.running.problem import Problem


def reference_paths(
    problem: Problem, chosen: npt.NDArray[np.intp], alphas: Array, ends: Expansion | None = None
) -> ReferencePaths:
    """Give points on lines from references to each example; padding stays as it is in the example.

    Parameters
    ----------
    problem : Problem
        Of a method that takes references.
    chosen : numpy.ndarray of int
        The reference of each point, shape (K,).
    alphas : numpy.ndarray
        Where on the line, from 0 at the reference to 1, shape (K,).
    ends : Expansion, optional
        Where the lines end; the examples themselves if not given.
    """
    assert problem.references is not None, "the catalogue says that this method takes references"
    mask = problem.examples.mask
    return ReferencePaths(
        Repeated(problem.examples.inputs, len(chosen)) if ends is None else ends,
        problem.references,
        chosen,
        alphas.astype(problem.backend.dtype),
        None if mask is None else spread_mask(mask, problem.layout),
    )


def scores_at_references(problem: Problem) -> Array:
    """Give the score of every reference in the place of every example, shape (N, R).

    Raises
    ------
    BaselineError
        If any is NaN or infinite.
    """
    assert problem.references is not None, "the catalogue says that this method takes references"
    backend, examples, executor = problem.backend, problem.examples, problem.executor
    count, indices = len(problem.references[0]), examples.target.indices
    beside = bool(examples.companions or examples.held or examples.unmoved) or examples.mask is not None
    if indices is None or beside or problem.in_rows:
        paths = reference_paths(problem, np.arange(count), np.zeros(count))
        scores = expanded_scores(backend, examples, paths, executor, in_rows=problem.in_rows)
    else:
        # Of an example only its target has a say in the score of a reference: one pass serves all examples.
        references = Examples(problem.references)
        parts = executor.over_rows(count, lambda rows: backend.outputs(references.rows(rows))[0])
        outputs = np.concatenate([part for _, part in parts])
        scores = np.stack([outputs[(slice(None), *index)] for index in indices])
    if not np.isfinite(scores).all():
        bad = np.flatnonzero(~np.isfinite(scores).all(axis=0))
        raise BaselineError(
            f"The score at the references {bad.tolist()} of baseline is NaN or infinite: there is no difference of "
            "scores to share out. Leave them out."
        )
    return scores


def equal_reference_warnings(problem: Problem) -> list[tuple[str, type[ExplainWarning]]]:
    """Tell of the examples that are their own reference, where the set has only one."""
    assert problem.references is not None, "the catalogue says that this method takes references"
    if len(problem.references[0]) > 1:
        return []
    inputs = problem.examples.inputs
    paths = reference_paths(problem, np.zeros(1, np.intp), np.zeros(1))
    return equal_baseline_warnings(inputs, paths.inputs(slice(0, len(inputs[0])), slice(0, 1)))
