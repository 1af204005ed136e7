"""An integral of the gradient along each example's path, and what every way to it shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explain.algorithms.completeness import baselines_of
from explain.algorithms.example_warnings import Warnings, examples_named
from explain.errors import ConvergenceWarning
from explain.inputs.examples import Array
from explain.running.problem import Problem


@dataclass(frozen=True)
class Integral:
    """The mean gradient along each example's path, and how it was integrated.

    Parameters
    ----------
    gradients : tuple of numpy.ndarray
        One array per input, of the input's shape; none if another engine computed the values.
    steps : numpy.ndarray of int
        The number of gradients in each weighted mean, shape (N,).
    rule : str
        The rule of integration.
    map_error : numpy.ndarray, optional
        Estimated error of each example's map, relative to its size, shape (N,).
    warnings : tuple of (message, category)
        Warnings for the caller.
    nodes : numpy.ndarray, optional
        The nodes and weights of each example, shape (N, 2, K), where no rule and number of steps tells them; padding
        has the weight 0.
    """

    gradients: tuple[Array, ...]
    steps: Array
    rule: str
    map_error: Array | None = None
    warnings: Warnings = ()
    nodes: Array | None = None


def summed_gradients(problem: Problem, rows: Array, alphas: Array, weights: Array) -> tuple[Array, ...]:
    """Give sums over the gradients of some examples, one array per input, of shape (M, N, ...)."""
    examples, baselines = problem.examples, baselines_of(problem)
    if len(rows) < len(examples):
        examples, baselines = examples.rows(rows), tuple(base[rows] for base in baselines)
    dtype = problem.backend.dtype
    return problem.backend.path_gradients(
        examples, baselines, alphas.astype(dtype), weights.astype(dtype), problem.executor
    )


def moved_inputs(problem: Problem, rows: Array) -> tuple[Array, ...]:
    """Give input − baseline of some examples, one array per input."""
    ends, starts = problem.examples.inputs, baselines_of(problem)
    return tuple(end[rows] - start[rows] for end, start in zip(ends, starts, strict=True))


def squares(values: Array) -> Array:
    """Give the sum of the squares of each example's values, shape (N,)."""
    total: Array = np.square(values).reshape(len(values), -1).sum(axis=1)
    return total


def sizes(moved: tuple[Array, ...], gradients: tuple[Array, ...]) -> Array:
    """Give the Euclidean norm of each example's products of input − baseline and a gradient, shape (N,)."""
    total = np.zeros(len(moved[0]))
    for step, gradient in zip(moved, gradients, strict=True):
        product = (step * gradient).reshape(len(total), -1)
        total += np.einsum("nd,nd->n", product, product, dtype=np.float64)
    norms: Array = np.sqrt(total)
    return norms


def weighted_sum(weights: Array, parts: Array) -> Array:
    """Add up arrays with weights, over the first axis.

    Not as a product of matrices: the threads of NumPy's BLAS go on waiting for work after a large one, and those of a
    framework that computes the next chunk take several times as long.
    """
    total: Array = np.zeros(parts.shape[1:], parts.dtype)
    product = np.empty_like(total)
    for weight, part in zip(weights.tolist(), parts, strict=True):
        np.multiply(part, weight, out=product)
        total += product
    return total


def too_far(far: Array, error: Array, tolerance: float, most: int) -> Warnings:
    """Give the warning of examples whose maps have not reached the tolerance."""
    return (
        (
            f"The map has not reached tolerance={tolerance:g} within {most} steps for "
            f"{examples_named(far)}: the best map found is given, with an estimated error of up to "
            f"{error[far].max():.1%} (map_error has that of each). Raise "
            "max_steps (the error falls as 1 / n_steps or faster) or tolerance; or take a baseline nearer to the "
            "input.",
            ConvergenceWarning,
        ),
    )
