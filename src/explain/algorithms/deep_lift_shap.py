"""DeepLift over a set of references."""

from __future__ import annotations

import numpy as np

from explain.algorithms.backward_rules import incomplete_warnings
from explain.algorithms.completeness import convergence_delta
from explain.algorithms.gradient import zero_gradient_warnings
from explain.algorithms.references import equal_reference_warnings, reference_paths, scores_at_references
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.running.problem import Problem


def deep_lift_shap(problem: Problem) -> Found:
    """Take the mean, over all references, of DeepLift's values with each as the baseline.

    Lundberg & Lee, *A unified approach to interpreting model predictions*, arXiv:1705.07874, section 4.2; the slopes
    are those of DeepLift's rescale rule, arXiv:1704.02685. The values of an example sum to its score less the mean
    score of the references, up to the convergence delta.
    """
    assert problem.references is not None, "the catalogue says that this method takes references"
    examples, count = problem.examples, len(problem.references[0])
    at_references = reference_paths(problem, np.arange(count), np.zeros(count))
    totals = tuple(np.zeros(one.shape) for one in examples.inputs)
    steepest = tuple(np.zeros((len(examples), 1), one.dtype) for one in examples.inputs)

    def compute(rows: slice, points: slice) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        block = examples.rows(np.arange(rows.start, rows.stop).repeat(points.stop - points.start))
        baselines = at_references.inputs(rows, points)
        found, _ = problem.backend.rule_gradients(block, "rescale", baselines)
        ends = zip(block.inputs, baselines, found, strict=True)
        return tuple((end - start) * slopes for end, start, slopes in ends), found

    over = problem.executor.over_blocks(len(examples), count, compute, in_rows=problem.in_rows)
    for rows, _, (shares, found) in over:
        for total, largest, share, slopes in zip(totals, steepest, shares, found, strict=True):
            by_reference = share.reshape(rows.stop - rows.start, -1, *share.shape[1:])
            total[rows] += by_reference.sum(axis=1, dtype=np.float64)
            sizes = np.abs(slopes).reshape(rows.stop - rows.start, -1).max(axis=1)
            largest[rows, 0] = np.maximum(largest[rows, 0], sizes)
    values = tuple(total / count for total in totals)
    mean_score = scores_at_references(problem).mean(axis=1, dtype=np.float64)
    delta, relative_delta = convergence_delta(values, problem.scores, mean_score)
    return Found(
        values=values,
        delta=delta,
        relative_delta=relative_delta,
        warnings=(
            *equal_reference_warnings(problem),
            *incomplete_warnings(relative_delta),
            *zero_gradient_warnings(steepest),
        ),
    )
