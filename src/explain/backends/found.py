"""What a method, or a reference engine, gives back."""

from __future__ import annotations

from dataclasses import dataclass, field

from explain.errors import ExplainWarning
from explain.inputs.examples import Array


@dataclass(frozen=True)
class Found:
    """What a method found.

    Parameters
    ----------
    values : tuple of numpy.ndarray
        One array an input, of its shape.
    delta, relative_delta : numpy.ndarray, optional
        Convergence delta of each example, shape (N,).
    steps, map_error : numpy.ndarray, optional
        The number of gradients in each example's integral, and the estimated error of its map, shape (N,).
    rule : str
        The rule of integration.
    scores : numpy.ndarray, optional
        The scores, if the method moves the input; else those of the problem are right.
    history : numpy.ndarray, optional
        The score at each step, shape (steps + 1, N).
    warnings : tuple of (message, category)
        Warnings for the caller.
    """

    values: tuple[Array, ...]
    delta: Array | None = None
    relative_delta: Array | None = None
    steps: Array | None = None
    rule: str = ""
    map_error: Array | None = None
    scores: Array | None = None
    history: Array | None = None
    warnings: tuple[tuple[str, type[ExplainWarning]], ...] = field(default=())
