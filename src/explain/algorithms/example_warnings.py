"""Warnings that name the examples of the batch that they are about."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from explain.errors import ExplainWarning, ZeroGradientWarning
from explain.inputs.examples import Array

Warnings = tuple[tuple[str, type[ExplainWarning]], ...]
"""Messages and their categories, as `Found.warnings` takes them."""


def examples_named(rows: Array | Collection[int]) -> str:
    """Name examples by their row in the batch.

    Examples
    --------
    >>> examples_named([2]), examples_named(np.array([0, 3]))
    ('example [2]', 'examples [0, 3]')
    """
    return f"example{'s' if len(rows) > 1 else ''} {[int(row) for row in rows]}"


def zero_gradient_warnings(gradients: tuple[Array, ...]) -> Warnings:
    """Warn of the examples whose gradient is zero everywhere."""
    # Nearly every map has a positive value, and finding one is faster than comparing every value with zero.
    flat = [part.reshape(len(part), -1) for part in gradients]
    if flat[0].max(axis=1).min() > 0:
        return ()
    dead = np.flatnonzero(~np.logical_or.reduce([np.any(part, axis=1) for part in flat]))
    if dead.size == 0:
        return ()
    return (
        (
            f"The gradient is zero everywhere for {examples_named(dead)}: the map says nothing there. The score may be "
            "saturated (explain the logit: score='logit'), constant, or cut off from the input by a rounding, an "
            "argmax or dead ReLUs.",
            ZeroGradientWarning,
        ),
    )
