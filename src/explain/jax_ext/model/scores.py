"""Computes the explained scalar from the output of a model on JAX, and its gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from explain.backends.outputs.target_function import called_target, check_scalars
from explain.backends.scoring import Arithmetic, no_gradient_reason
from explain.errors import GradientError

ARITHMETIC = Arithmetic(
    softmax=jax.nn.softmax,
    log_softmax=jax.nn.log_softmax,
    sigmoid=jax.nn.sigmoid,
    log_sigmoid=jax.nn.log_sigmoid,
    exp=jnp.exp,
    log=jnp.log,
)
"""JAX's operations on arrays."""


def pick_scores(outputs: Any, function: Any, indices: Any) -> Any:
    """Give one scalar per example, shape (N,), from the explained outputs, shape (N, ...).

    Without a callable target, `indices` are one index per example, shape (N, R).

    Raises
    ------
    TargetError
        If a callable target does not give N scalars.
    """
    if function is None:
        if not indices.shape[-1]:
            return outputs
        return outputs[(jnp.arange(len(outputs)), *(indices[:, axis] for axis in range(indices.shape[-1])))]
    return scalars_of(function, outputs, len(outputs))


def scalars_of(function: Callable[[Any], Any], outputs: Any, count: int) -> Any:
    """Give what a callable target makes of outputs: one scalar per example, shape (N,).

    Raises
    ------
    TargetError
        If it does not give N scalars.
    """
    scores = called_target(function, outputs)
    shape = tuple(scores.shape) if isinstance(scores, jax.Array) else None
    check_scalars(scores, shape, outputs, count, "a JAX array")
    return jnp.reshape(scores, (-1,))


def scores_and_gradients(
    scores_of: Callable[[Sequence[Any]], tuple[Any, Any]], points: Sequence[Any], model_name: str
) -> tuple[Any, tuple[Any, ...], Any]:
    """Give scores, the gradient of every example's score to every point, and what else the function gives.

    Parameters
    ----------
    scores_of : callable
        From points to the scores, shape (N,), and anything else.
    points : sequence of jax.Array
        The points; whole numbers have a gradient of zero.
    model_name : str
        The model, for messages.

    Raises
    ------
    GradientError
        If the scores are no floating-point numbers.
    """
    moves = [jnp.issubdtype(point.dtype, jnp.floating) for point in points]

    def of_moving(*moving: Any) -> tuple[Any, Any]:
        left = iter(moving)
        return scores_of(
            [next(left) if moves_here else point for moves_here, point in zip(moves, points, strict=True)]
        )

    moving = [point for moves_here, point in zip(moves, points, strict=True) if moves_here]
    scores, pull_back, beside = jax.vjp(of_moving, *moving, has_aux=True)
    if not (moving and jnp.issubdtype(scores.dtype, jnp.floating)):
        raise GradientError(no_gradient_reason(model_name))
    left = iter(pull_back(jnp.ones_like(scores)))
    gradients = tuple(
        next(left) if moves_here else jnp.zeros(point.shape)
        for moves_here, point in zip(moves, points, strict=True)
    )
    return scores, gradients, beside
