"""Warnings that name the examples of the batch that they are about."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from explain.errors import ExplainWarning, ZeroGradientWarning
from explain.inputs.examples import Array

Warnings = tuple[tuple[str, type[ExplainWarning]], ...]
"""Messages and their categories, as `Found.warnings` takes them."""

NAMED_EXAMPLES = re.compile(r"\b[Ee]xamples? \[(\d+(?:, \d+)*)\]")
"""How `examples_named` writes examples in a warning."""

# More examples than the first are not written out where people read.
_MOST_NAMED, _FIRST_NAMED = 12, 8


def examples_named(rows: Array | Collection[int]) -> str:
    """Name examples by their row in the batch.

    Examples
    --------
    >>> examples_named([2]), examples_named(np.array([0, 3]))
    ('example [2]', 'examples [0, 3]')
    """
    return f"example{'s' if len(rows) > 1 else ''} {[int(row) for row in rows]}"


def examples_shortened(note: str) -> str:
    """Write a warning for people: of many examples that it names, the first few and how many more.

    The notes of a result keep all of them, so that a part of the result keeps what is about its examples.

    Examples
    --------
    >>> examples_shortened(f"The map is zero for {examples_named(range(100))}.")
    'The map is zero for examples [0, 1, 2, 3, 4, 5, 6, 7, … 92 more].'
    """
    return NAMED_EXAMPLES.sub(_first_few, note)


def _first_few(found: re.Match[str]) -> str:
    rows = found.group(1).split(", ")
    if len(rows) <= _MOST_NAMED:
        return found.group()
    return f"{found.group()[0]}xamples [{', '.join(rows[:_FIRST_NAMED])}, … {len(rows) - _FIRST_NAMED} more]"


def zero_gradient_warnings(gradients: tuple[Array, ...]) -> Warnings:
    """Warn of the examples whose gradient is zero everywhere."""
    # Nearly every map has a positive value, and finding one is faster than comparing every value with zero.
    flat = [part.reshape(len(part), -1) for part in gradients]
    if (np.maximum.reduce(flat[0], axis=1) > 0).all():
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
