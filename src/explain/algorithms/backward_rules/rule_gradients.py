"""Gradients that follow a backward rule, for all examples of a problem."""

from __future__ import annotations

import numpy as np

from explain.algorithms.example_warnings import zero_gradient_warnings
from explain.backends.found import Found, RuleGradients
from explain.backends.protocol import Rule
from explain.errors import PlainGradientWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem


def rule_gradients(
    problem: Problem, rule: Rule, baselines: tuple[Array, ...] | None = None, **settings: float
) -> RuleGradients:
    """Give the gradients of all examples by a rule, in chunks.

    Parameters
    ----------
    problem : Problem
        The problem with the examples.
    rule : str
        The rule; see `explain.backends.protocol.Rule`.
    baselines : tuple of numpy.ndarray, optional
        The baselines of the inputs, for a rule that compares.
    **settings : float
        Numeric settings of the rule, such as ``epsilon``.
    """
    backend, examples = problem.backend, problem.examples
    over = problem.executor.over_rows(
        len(examples),
        lambda rows: backend.rule_gradients(
            examples.rows(rows),
            rule,
            None if baselines is None else tuple(base[rows] for base in baselines),
            **settings,
        ),
    )
    parts = [found for _, found in over]
    if len(parts) == 1:
        return parts[0]
    gradients = tuple(np.concatenate(part) for part in zip(*(one.gradients for one in parts), strict=True))
    at_baselines = [one.scores_at_baselines for one in parts if one.scores_at_baselines is not None]
    return RuleGradients(gradients, parts[0].changed, np.concatenate(at_baselines) if at_baselines else None)


def rectified(problem: Problem, rule: Rule) -> Found:
    """Give the gradients by a rule for ReLUs; warn if no ReLU lies between the input and the score."""
    gradients, changed, _ = rule_gradients(problem, rule)
    warnings = zero_gradient_warnings(gradients)
    if changed == 0:
        warnings = (
            (
                f"No ReLU lies between the input and the score of {problem.backend.model_name}, so that "
                f"{problem.method} has nothing to change: it takes the plain gradient, that of saliency.",
                PlainGradientWarning,
            ),
            *warnings,
        )
    return Found(values=gradients, warnings=warnings)
