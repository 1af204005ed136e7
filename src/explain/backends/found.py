"""The result of a method or of a reference engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from explain.errors import ExplainWarning
from explain.inputs.examples import Array


class RuleGradients(NamedTuple):
    """The result of a backward pass in which some operations do not propagate their gradient.

    Attributes
    ----------
    gradients : tuple of numpy.ndarray
        The result at each input, of the input's shape.
    changed : int
        The number of operations that the rule applied to.
    scores_at_baselines : numpy.ndarray, optional
        The scores of the run at the baselines, shape (N,), for a rule that compares with one.
    """

    gradients: tuple[Array, ...]
    changed: int
    scores_at_baselines: Array | None = None


@dataclass(frozen=True)
class Found:
    """The result of a method.

    Parameters
    ----------
    values : tuple of numpy.ndarray
        One array per input, of the input's shape.
    delta, relative_delta : numpy.ndarray, optional
        Convergence delta of each example, shape (N,).
    steps, map_error : numpy.ndarray, optional
        The number of gradients in each example's integral, and the estimated error of its map, shape (N,).
    rule : str
        The rule of integration.
    nodes : numpy.ndarray, optional
        The nodes and weights of each example's integral, shape (N, 2, K).
    scores : numpy.ndarray, optional
        The scores, if the method changes the input; else the scores of the problem apply.
    history : numpy.ndarray, optional
        The score at each step, shape (steps + 1, N).
    warnings : tuple of (message, category)
        Warnings for the caller.
    chosen : Mapping
        What the method chose for options that the caller left to it, as the result records it.
    """

    values: tuple[Array, ...]
    delta: Array | None = None
    relative_delta: Array | None = None
    steps: Array | None = None
    rule: str = ""
    map_error: Array | None = None
    nodes: Array | None = None
    scores: Array | None = None
    history: Array | None = None
    warnings: tuple[tuple[str, type[ExplainWarning]], ...] = field(default=())
    chosen: Mapping[str, Any] = field(default_factory=dict)
