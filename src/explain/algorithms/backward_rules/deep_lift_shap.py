"""DeepLIFT-SHAP: DeepLift over a set of references."""

from __future__ import annotations

import numpy as np

from explain.algorithms.backward_rules.deep_lift import incomplete_warnings
from explain.algorithms.completeness import found_with_delta
from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.algorithms.method import Method
from explain.algorithms.reference_inputs import (
    equal_reference_warnings,
    reference_paths,
    references_of,
    scores_at_references,
)
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.running.problem import Problem


def deep_lift_shap(problem: Problem) -> Found:
    """Take the mean, over all references, of DeepLift's values with each as the baseline.

    Lundberg & Lee, *A unified approach to interpreting model predictions*, arXiv:1705.07874, section 4.2; the
    slopes are those of DeepLift's rescale rule, arXiv:1704.02685. The values of an example sum to its score
    minus the mean score of the references, up to the convergence delta.
    """
    examples, count = problem.examples, len(references_of(problem)[0])
    at_references = reference_paths(problem, np.arange(count), np.zeros(count))
    totals = tuple(np.zeros(one.shape) for one in examples.inputs)
    steepest = tuple(np.zeros((len(examples), 1), one.dtype) for one in examples.inputs)

    def compute(rows: slice, points: slice) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        block = examples.rows(np.arange(rows.start, rows.stop).repeat(points.stop - points.start))
        baselines = at_references.inputs(rows, points)
        found = problem.backend.rule_gradients(block, "rescale", baselines).gradients
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
    return found_with_delta(
        problem,
        values,
        mean_score,
        incomplete_warnings,
        before=equal_reference_warnings(problem),
        after=zero_gradient_warnings(steepest),
    )


ROWS = (
    Method(
        deep_lift_shap,
        title="DeepLIFT-SHAP",
        aliases=("deeplift_shap", "deepliftshap", "deep_shap"),
        summary="DeepLift averaged over a set of references; sums to the mean score difference.",
        paper="Lundberg & Lee 2017, arXiv:1705.07874; Shrikumar et al. 2017, arXiv:1704.02685",
        needs=frozenset({"outputs", "backward_rules"}),
        uses_baseline=True,
        takes_references=True,
        layer="may",
    ),
)
