"""The integral of the gradient along a path: with a given number of steps, or to a given error of the map."""

from __future__ import annotations

from typing import Any

import numpy as np

from explain.algorithms.path.adaptive_refinement import refine_adaptive
from explain.algorithms.path.golden_refinement import RULE as GOLDEN
from explain.algorithms.path.golden_refinement import refine_golden, sum_golden
from explain.algorithms.path.integral import Integral, moved_inputs, summed_gradients
from explain.algorithms.path.nested_refinement import bound_of_difference, refine_nested
from explain.algorithms.path.nested_rules import REFINED, nested
from explain.algorithms.path.own_nodes import RULE as ADAPTIVE
from explain.algorithms.path.own_nodes import at_nodes
from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.running.paths.quadrature import nodes_and_weights
from explain.running.problem import Problem

FIXED_RULE = "gauss_legendre"
"""The rule for a fixed number of steps if the options name none: that of Captum."""


def fixed_steps(options: Any, count: int, otherwise: int) -> Array:
    """Give the number of steps of each example, shape (N,), where it does not depend on the map.

    Parameters
    ----------
    options : Mapping
        The options of integrated gradients.
    count : int
        The number of examples N.
    otherwise : int
        The number for ``"auto"`` with an engine that cannot estimate the map's error.

    Raises
    ------
    OptionError
        If a number is given for each example, but not for N of them.
    """
    given = options["n_steps"]
    steps = np.asarray(otherwise if given == "auto" else given, np.int64)
    if steps.ndim and len(steps) != count:
        raise OptionError(
            f"n_steps has {len(steps)} entries for a batch of {count}: give one per example, one number for all, or "
            "'auto'."
        )
    return np.broadcast_to(steps, (count,))


def integrate(problem: Problem, at_baseline: Array) -> Integral:
    """Integrate as the options say; `at_baseline` has the scores of the baselines, shape (N,)."""
    if problem.options["nodes"] is not None:
        return at_nodes(problem, problem.options["nodes"])
    if problem.options["n_steps"] == "auto":
        return _to_tolerance(problem, at_baseline)
    rule = problem.options["rule"] or FIXED_RULE
    if rule == ADAPTIVE:
        raise OptionError(
            f"rule={rule!r} chooses its nodes by the gradients, and n_steps={problem.options['n_steps']!r} does not "
            "tell them: leave n_steps at 'auto', or give the nodes of a result, nodes=a.nodes, alone."
        )
    steps = fixed_steps(problem.options, len(problem.examples), 0)
    gradients = tuple(np.zeros_like(array) for array in problem.examples.inputs)
    error = np.full(len(problem.examples), np.nan)
    for n_steps in np.unique(steps):
        rows = np.flatnonzero(steps == n_steps)
        if rule == GOLDEN:
            means, error[rows] = sum_golden(problem, rows, int(n_steps))
            for total, part in zip(gradients, means, strict=True):
                total[rows] = part
            continue
        alphas, weights = nodes_and_weights(rule, int(n_steps), problem.backend.dtype)
        refined_from = nested(rule, int(n_steps))
        sums = summed_gradients(problem, rows, alphas, np.stack([weights, *refined_from.values()]))
        for total, part in zip(gradients, sums, strict=True):
            total[rows] = part[0]
        for fewer in refined_from:
            later, earlier = (tuple(part[row] for part in sums) for row in range(2))
            error[rows] = bound_of_difference(moved_inputs(problem, rows), later, earlier, n_steps / fewer)
    return Integral(gradients, steps.copy(), rule, None if np.isnan(error).any() else error)


def _to_tolerance(problem: Problem, at_baseline: Array) -> Integral:
    """Refine until the estimated error of each map is within the tolerance, by the rule that the gradients ask for."""
    rule = problem.options["rule"]
    if rule is None:
        rule = GOLDEN if problem.backend.has_kinks(problem.examples) else ADAPTIVE
    if rule == GOLDEN:
        return refine_golden(problem, at_baseline)
    if rule == ADAPTIVE:
        return refine_adaptive(problem, at_baseline)
    if rule not in REFINED:
        raise OptionError(
            f"rule={rule!r} cannot be refined to a tolerance: give n_steps a number, or rule one of "
            f"{', '.join(map(repr, (GOLDEN, ADAPTIVE, *REFINED)))}, or None."
        )
    return refine_nested(problem, at_baseline, rule)
