"""Methods that change what some operations hand on in the backward pass."""

from __future__ import annotations

import numpy as np

from explain.algorithms.gradient import zero_gradient_warnings
from explain.backend import Rule
from explain.errors import ExplainWarning, PlainGradientWarning
from explain.examples import Array
from explain.problem import Found, Problem


def guided_backprop(problem: Problem) -> Found:
    """Take the gradient, of which every ReLU hands on the positive part only.

    Springenberg, Dosovitskiy, Brox & Riedmiller, *Striving for simplicity: the all convolutional net*,
    arXiv:1412.6806. A ReLU hands on what is positive, and only where it is open.
    """
    return _rectified(problem, "guided")


def deconvolution(problem: Problem) -> Found:
    """Take the gradient, in whose place every ReLU hands on the positive part of what arrives, open or not.

    Zeiler & Fergus, *Visualizing and understanding convolutional networks*, arXiv:1311.2901.
    """
    return _rectified(problem, "deconvolution")


def _rectified(problem: Problem, rule: Rule) -> Found:
    gradients, changed = _rule_gradients(problem, rule)
    plain: tuple[tuple[str, type[ExplainWarning]], ...] = ()
    if changed == 0:
        plain = (
            (
                f"No ReLU lies between the input and the score of {problem.backend.model_name}, so that "
                f"{problem.method} has nothing to change: its map is the plain gradient, that of saliency.",
                PlainGradientWarning,
            ),
        )
    return Found(values=gradients, warnings=(*plain, *zero_gradient_warnings(gradients)))


def _rule_gradients(
    problem: Problem, rule: Rule, baselines: tuple[Array, ...] | None = None
) -> tuple[tuple[Array, ...], int]:
    """Ask a rule's gradients of all examples, in chunks, and how many operations it changed."""
    backend, examples = problem.backend, problem.examples
    parts = [
        backend.rule_gradients(
            examples.rows(rows),
            rule,
            None if baselines is None else tuple(base[rows] for base in baselines),
        )
        for rows in problem.executor.rows(len(examples))
    ]
    gradients = tuple(np.concatenate(part) for part in zip(*(found for found, _ in parts), strict=True))
    return gradients, parts[0][1]
