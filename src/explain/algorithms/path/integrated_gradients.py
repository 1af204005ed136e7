"""Integrated gradients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from explain.algorithms.completeness import (
    WORST_RELATIVE_DELTA,
    allowed_relative_delta,
    baselines_of,
    convergence_warnings,
    equal_baseline_warnings,
    found_with_delta,
    scores_at_baseline,
)
from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.algorithms.method import Method, Option
from explain.algorithms.options import is_count, plain_counts, positive, whole_number
from explain.algorithms.path.integral import Integral
from explain.algorithms.path.integration import integrate
from explain.algorithms.path.own_nodes import RULE
from explain.backends.found import Found
from explain.inputs.examples import Array
from explain.running.paths.quadrature import RULES
from explain.running.problem import Problem

_REMEDY = (
    "Raise n_steps (max_steps, where it is 'auto') until it falls; if it does not, take a baseline nearer to the "
    "input or explain in float64."
)


def integrated_gradients(problem: Problem) -> Found:
    """Integrate the gradient along the straight path from the baseline, times (input − baseline).

    Sundararajan, Taly & Yan, *Axiomatic attribution for deep networks*, arXiv:1703.01365. The values of an
    example sum to the difference of its scores at input and baseline, up to the convergence delta.
    """
    inputs, baselines = problem.examples.inputs, baselines_of(problem)
    at_baseline = scores_at_baseline(problem)
    integral = integrate(problem, at_baseline)
    values = tuple(
        (point - base) * gradient
        for point, base, gradient in zip(inputs, baselines, integral.gradients, strict=True)
    )
    return with_convergence(problem, values, integral, at_baseline)


def with_convergence(
    problem: Problem, values: tuple[Array, ...], integral: Integral, at_baseline: Array
) -> Found:
    """Give the values of any engine, with their convergence delta and warnings.

    `at_baseline` has the score of each example's baseline, shape (N,).
    """
    refined = integral.map_error is not None and problem.options["n_steps"] == "auto"
    allowed = allowed_relative_delta(problem.options["tolerance"]) if refined else WORST_RELATIVE_DELTA
    found = found_with_delta(
        problem,
        values,
        at_baseline,
        # One warning about an integral is enough: the map's error is more specific than the error of its sum.
        lambda relative_delta: (
            integral.warnings or convergence_warnings(relative_delta, _REMEDY, allowed=allowed)
        ),
        before=equal_baseline_warnings(problem.examples.inputs, baselines_of(problem)),
        after=zero_gradient_warnings(integral.gradients) if integral.gradients else (),
    )
    return replace(
        found,
        steps=integral.steps,
        rule=integral.rule,
        map_error=integral.map_error,
        nodes=integral.nodes,
    )


def _is_nodes(value: Any) -> bool:
    """Tell whether a value has positions on a path and weights for each example, shape (N, 2, K), or is None."""
    if value is None:
        return True
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return False
    if array.ndim != 3 or array.shape[1] != 2 or not array.size or not np.isfinite(array).all():
        return False
    return bool(((array[:, 0] >= 0) & (array[:, 0] <= 1)).all() and (array[:, 1] != 0).any(axis=1).all())


def _is_steps(value: Any) -> bool:
    """Tell whether a value is a number of steps: one for all examples, one per example, or ``"auto"``."""
    if isinstance(value, str):
        return value == "auto"
    listed = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(listed, (list, tuple)):
        return bool(listed) and all(is_count(one) for one in listed)
    return is_count(listed)


ROWS = (
    Method(
        integrated_gradients,
        aliases=("ig",),
        summary="How much each input adds to the score, compared with a baseline; sums to the difference.",
        paper="Sundararajan, Taly & Yan 2017, arXiv:1703.01365",
        needs=frozenset({"outputs", "path_gradients"}),
        options=(
            Option(
                "n_steps",
                "auto",
                "'auto', a whole number of at least 1, or one such number per example",
                _is_steps,
                "Number of gradients along the path; 'auto' takes as many as the tolerance needs.",
                plain_counts,
            ),
            Option(
                "rule",
                None,
                f"one of {', '.join(map(repr, (*RULES, RULE)))}, or None",
                lambda value: value is None or (isinstance(value, str) and value in (*RULES, RULE)),
                "Rule of integration. None: Gauss–Legendre; where n_steps is 'auto' golden nodes for a model with "
                "kinks (ReLU, max pooling), for a smooth one Fejér's or nodes where its gradient changes.",
            ),
            Option(
                "nodes",
                None,
                "None, or positions from 0 to 1 and weights for each example, shape (N, 2, K), as a.nodes has them",
                _is_nodes,
                "Nodes and weights of an earlier result, to integrate with the same.",
                lambda value: None if value is None else np.asarray(value, np.float64),
                recorded=lambda value: None if value is None else "given",
                per_input=lambda value: True,
            ),
            positive(
                "tolerance",
                0.02,
                "Where n_steps is 'auto': the largest estimated error of the map, relative to its size; above "
                "5 % also the largest relative delta.",
            ),
            whole_number("max_steps", 405, 3, "Where n_steps is 'auto': the most steps it may take."),
        ),
        uses_baseline=True,
        layer="may",
        reference_engines=("captum",),
        refused_engines={
            "tf-explain": "its integrated gradients leave out × (input − baseline), take absolute values and scale "
            "them to a picture"
        },
    ),
)
