"""Computes the explained scalar from a TensorFlow model's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from explain.backends.outputs.target_function import called_target, check_scalars
from explain.backends.question import Finding
from explain.backends.scoring import Arithmetic, no_gradient_reason
from explain.errors import GradientError, ScoreError

ARITHMETIC = Arithmetic(
    softmax=tf.nn.softmax,
    log_softmax=tf.nn.log_softmax,
    sigmoid=tf.math.sigmoid,
    log_sigmoid=tf.math.log_sigmoid,
    exp=tf.math.exp,
    log=tf.math.log,
)
"""TensorFlow's operations on tensors."""


def pick_scores(outputs: Any, function: Any, indices: Any) -> Any:
    """Give one scalar per example, shape (N,), from the explained outputs, shape (N, ...).

    Without a callable target, `indices` are one index per example, shape (N, R).

    Raises
    ------
    TargetError
        If a callable target does not give N scalars.
    """
    if function is None:
        return tf.gather_nd(outputs, indices, batch_dims=1) if indices.shape[-1] else outputs
    return scalars_of(function, outputs, outputs.shape[0])


def where_picked(outputs: Any, indices: Any) -> Any:
    """Tell for each output whether it is the one that the example's indices pick; none for indices out of range.

    Examples
    --------
    >>> where_picked(tf.zeros((2, 3)), tf.constant([[1], [5]])).numpy().tolist()
    [[False, True, False], [False, False, False]]
    """
    found: Any = None
    for axis in range(1, len(outputs.shape)):
        known = outputs.shape[axis]
        places: Any = tf.range(tf.shape(outputs, indices.dtype)[axis]) if known is None else np.arange(known)
        # Of one axis, as almost always, each slice would be three more operations.
        own = indices if indices.shape[-1] == 1 else indices[:, axis - 1 : axis]
        here = tf.equal(tf.reshape(own, [-1, *[1] * axis]) if axis > 1 else own, places)
        found = here if found is None else tf.logical_and(found[..., None], here)
    return found


def scores_where(picked: Any, outputs: Any) -> Any:
    """Give one number per example, shape (N,): the output that is picked, 0 where none is."""
    of_others = tf.zeros((), outputs.dtype)
    return tf.reduce_sum(tf.where(picked, outputs, of_others), axis=list(range(1, len(outputs.shape))))


def scalars_of(function: Callable[[Any], Any], outputs: Any, count: int | None) -> Any:
    """Give what a callable target makes of outputs: one scalar per example, shape (N,); N may not be known yet.

    Raises
    ------
    TargetError
        If it does not give N scalars.
    """
    # In a trace it may fail only because it is traced: it is then called again without one.
    scores = called_target(function, outputs) if tf.executing_eagerly() else function(outputs)
    check_scalars(scores, tuple(scores.shape) if tf.is_tensor(scores) else None, outputs, count)
    return tf.reshape(scores, [-1])


def gradients_of_scores(
    tape: Any, scores: Any, tensors: Sequence[Any], model_name: str, picked: Any = None
) -> tuple[Any, ...]:
    """Give the gradient of every example's score to some tensors; zeros for a tensor that no score depends on.

    With `picked`, `scores` are all outputs of each example, and its score is the one that is picked. To pick it with
    operations of which a gradient is taken takes many times as many.

    Raises
    ------
    GradientError
        If the scores depend on none of them.
    """
    arriving = None if picked is None else tf.cast(picked, scores.dtype)
    gradients = tape.gradient(scores, tensors, output_gradients=arriving)
    if all(gradient is None for gradient in gradients):
        raise GradientError(no_gradient_reason(model_name))
    return tuple(
        tf.zeros_like(tensor) if gradient is None else tf.convert_to_tensor(gradient)
        for tensor, gradient in zip(tensors, gradients, strict=True)
    )


def check_same_score(traced: Finding | None, now: Finding) -> None:
    """Refuse a run operation by operation that explains another score than the traces before it.

    Outputs may be traced where their gradients cannot. A trace reaches the logits of activations that are moved, as
    of several heads; a run operation by operation does not.

    Raises
    ------
    ScoreError
        If the scores are of two kinds.
    """
    if traced is not None and traced.score != now.score:
        raise ScoreError(
            f"score={traced.score!r} cannot be computed: the gradients of the model run outside of TensorFlow's "
            f"graphs, where only its {now.score} is reached. Give score={now.score!r}, or return logits from the model."
        )
