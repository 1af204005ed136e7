"""Blur integrated gradients: along a path of increasing blur."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from explain.algorithms.completeness import convergence_warnings, found_with_delta
from explain.algorithms.example_warnings import Warnings, examples_named, zero_gradient_warnings
from explain.algorithms.method import Method, Option
from explain.algorithms.options import is_positive, one_of, positive, whole_number
from explain.backends.found import Found
from explain.errors import BaselineWarning
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.running.expansion import gradient_blocks
from explain.running.problem import Problem

Edges = Literal["reflect", "zeros"]
_EDGES: tuple[str, ...] = get_args(Edges)

_SPACINGS: dict[str, Callable[[Array, float], Array]] = {
    "geometric": lambda share, greatest: (1 + greatest) ** share - 1,
    "linear": lambda share, greatest: greatest * share,
    "sqrt": lambda share, greatest: np.sqrt(greatest * share),
}
"""Each maps a share of the path, 0 to 1, and ``max_sigma`` to the standard deviation of the blur there."""

# SciPy truncates a Gaussian at this many standard deviations; the rest is 6e-5 of it.
_TRUNCATE = 4.0

_REMEDY = (
    "Raise n_steps until it falls. With spacing='geometric' and no grad_step fewer steps are needed than with the "
    "others."
)


def blur_integrated_gradients(problem: Problem) -> Found:
    """Integrate the gradient along a path of increasingly blurred inputs.

    Xu, Venugopalan & Sundararajan, *Attribution in scale and space*, arXiv:2004.03383. The values of an example sum
    to the difference of its scores at the input and at the most blurred input, up to the convergence delta.

    The gradient half-way through each step is multiplied by the step itself, the difference of two
    neighbouring blurred inputs: this is the sum over a path of straight pieces, and only the gradient is
    sampled. With ``grad_step`` the values are those of the paper's published code: the gradient at the start
    of a step, times the derivative of the blur there by a forward difference, times the change of sigma.
    """
    (inputs,), layout, options = problem.examples.inputs, problem.layout, problem.options
    path = BlurPath(
        sources=np.ascontiguousarray(layout.to_canonical(inputs), np.float64),
        lengths=None if problem.examples.mask is None else problem.examples.mask.sum(axis=1),
        layout=layout,
        dtype=inputs.dtype,
        sigma=lambda share: _SPACINGS[options["spacing"]](share, float(options["max_sigma"])),
        n_points=options["n_steps"],
        edges=options["edges"],
        grad_step=options["grad_step"],
    )
    values, alive = np.zeros(inputs.shape), np.zeros(len(inputs), bool)
    for rows, points, (gradients,) in gradient_blocks(
        problem.backend,
        problem.examples,
        path,
        problem.executor,
        in_rows=problem.in_rows,
    ):
        values[rows] += np.einsum("np...,np...->n...", path.moves(rows, points), gradients.astype(np.float64))
        alive[rows] |= gradients.reshape(len(gradients), -1).any(axis=1)
    last = path.blurred(slice(0, len(inputs)), float(path.sigma(np.ones(1))[0]))
    return found_with_delta(
        problem,
        (values,),
        problem.scores_at((last,)),
        lambda relative_delta: convergence_warnings(relative_delta, _REMEDY),
        before=_unblurred_warnings(inputs, last),
        after=zero_gradient_warnings((alive[:, np.newaxis],)),
    )


@dataclass(frozen=True)
class BlurPath:
    """An expansion: each point is its example, blurred; see `explain.running.expansion.Expansion`.

    Parameters
    ----------
    sources : numpy.ndarray of float64
        The inputs, batch first and channels last, whatever their layout.
    lengths : numpy.ndarray of int, optional
        The number of real steps of each sequence, shape (N,): a sequence is blurred as if it ended there.
    layout : Layout
        The axes of the points, batch first.
    dtype : numpy.dtype
        The precision of the points.
    sigma : callable
        From the share of the path, 0 to 1, to the standard deviation of the blur there, in positions.
    n_points : int
        The number of points per example.
    edges : str
        The values beyond an edge: ``"reflect"`` or ``"zeros"``.
    grad_step : float, optional
        The step of sigma for the finite difference of the path's derivative; None takes no derivative.
    """

    sources: Array
    lengths: Array | None
    layout: Layout
    dtype: np.dtype
    sigma: Callable[[Array], Array]
    n_points: int
    edges: Edges
    grad_step: float | None = None

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example: half-way through each step, or at its start."""
        offset = 0.5 if self.grad_step is None else 0.0
        formed = np.stack([self.blurred(rows, sigma) for sigma in self._sigmas(points, offset)], axis=1)
        return (formed.reshape(-1, *formed.shape[2:]),)

    def moves(self, rows: slice, points: slice) -> Array:
        """Give the factor of each point's gradient, float64 of shape (rows, points, ...)."""
        begins, ends = self._sigmas(points, 0), self._sigmas(points, 1)
        if self.grad_step is None:
            levels = [self._canonical(rows, sigma) for sigma in (*begins[:1], *ends)]
            moves = [before - after for before, after in pairwise(levels)]
        else:
            step = self.grad_step
            moves = [
                (self._canonical(rows, begin) - self._canonical(rows, begin + step)) / step * (end - begin)
                for begin, end in zip(begins, ends, strict=True)
            ]
        return np.stack([self._laid_out(move) for move in moves], axis=1)

    def blurred(self, rows: slice, sigma: float) -> Array:
        """Give examples blurred with `sigma`, in the layout and precision of the points."""
        return self._laid_out(self._canonical(rows, sigma)).astype(self.dtype)

    def _sigmas(self, points: slice, offset: float) -> list[float]:
        shares = (np.arange(points.start, points.stop) + offset) / self.n_points
        return [float(sigma) for sigma in self.sigma(shares)]

    def _canonical(self, rows: slice, sigma: float) -> Array:
        if self.lengths is None:
            return gaussian_blur(self.sources[rows], sigma, self.edges)
        blurred = self.sources[rows].copy()
        for one, length in zip(blurred, self.lengths[rows], strict=True):
            one[:length] = gaussian_blur(one[np.newaxis, :length], sigma, self.edges)[0]
        return blurred

    def _laid_out(self, canonical: Array) -> Array:
        channel = self.layout.channel_axis
        return canonical[..., 0] if channel is None else np.moveaxis(canonical, -1, channel)


def gaussian_blur(sources: Array, sigma: float, edges: Edges) -> Array:
    """Blur along every axis but the first (examples) and the last (channels).

    Parameters
    ----------
    sources : numpy.ndarray of float64
        Shape (N, ..., C).
    sigma : float
        Standard deviation in positions.
    edges : str
        ``"reflect"`` mirrors at the edge, which preserves the sum; ``"zeros"`` assumes zeros beyond it.

    Examples
    --------
    >>> gaussian_blur(np.array([[[0.0], [1.0], [0.0]]]), 0.5, "reflect").ravel().round(3).tolist()
    [0.107, 0.787, 0.107]
    """
    for axis in range(1, sources.ndim - 1):
        matrix = _blur_matrix(sources.shape[axis], sigma, edges)
        moved = np.moveaxis(sources, axis, 1)
        # One product per example: then its shape, and with it every bit of the result, does not depend on the
        # number of examples.
        flat = matrix @ np.ascontiguousarray(moved).reshape(*moved.shape[:2], -1)
        sources = np.moveaxis(flat.reshape(moved.shape), 1, axis)
    return sources


def _blur_matrix(size: int, sigma: float, edges: Edges) -> Array:
    """Give the matrix that blurs an axis, shape (size, size).

    A wide Gaussian reaches hundreds of positions; as a matrix its cost depends on the length of the axis only.

    Examples
    --------
    >>> _blur_matrix(2, 0.5, "zeros").round(3).tolist()
    [[0.787, 0.106], [0.106, 0.787]]
    """
    if sigma == 0:
        return np.eye(size)
    radius = int(_TRUNCATE * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    gaussian = np.exp(-0.5 * (offsets / sigma) ** 2)
    sampled = np.arange(size)[:, np.newaxis] + offsets
    weights = np.broadcast_to(gaussian / gaussian.sum(), sampled.shape)
    if edges == "zeros":
        inside = (sampled >= 0) & (sampled < size)
    else:
        sampled %= 2 * size
        sampled = np.where(sampled < size, sampled, 2 * size - 1 - sampled)
        inside = np.ones(sampled.shape, bool)
    places = (np.arange(size)[:, np.newaxis] * size + sampled)[inside]
    return np.bincount(places, weights=weights[inside], minlength=size * size).reshape(size, size)


def _unblurred_warnings(inputs: Array, last: Array) -> Warnings:
    # Blurring does not change a picture of a single value, up to rounding.
    scale = np.abs(inputs).reshape(len(inputs), -1).max(axis=1)
    moved = np.abs(inputs - last).reshape(len(inputs), -1).max(axis=1)
    same = np.flatnonzero(moved <= 1e-6 * scale)
    if same.size == 0:
        return ()
    return (
        (
            f"Blurring changes nothing in {examples_named(same)}, which is even all "
            "over: there is nothing to attribute, and the map says nothing there.",
            BaselineWarning,
        ),
    )


ROWS = (
    Method(
        blur_integrated_gradients,
        aliases=("blur_ig",),
        summary="How much the detail that a blur removes adds to the score; needs no baseline.",
        paper="Xu, Venugopalan & Sundararajan 2020, arXiv:2004.03383",
        needs=frozenset({"outputs", "gradients"}),
        kinds=("image", "volume", "sequence"),
        options=(
            whole_number("n_steps", 100, 1, "Number of steps from the input to the most blurred one."),
            positive("max_sigma", 50.0, "Standard deviation of the strongest blur, in pixels or steps."),
            one_of("spacing", "geometric", _SPACINGS, "How the standard deviation grows along the path."),
            one_of("edges", "reflect", _EDGES, "Values beyond the edges when blurring."),
            Option(
                "grad_step",
                None,
                "None or a number above 0",
                lambda value: value is None or is_positive(value),
                "Step of the derivative of the blur. None: differences of neighbouring blurred inputs instead.",
            ),
        ),
    ),
)
