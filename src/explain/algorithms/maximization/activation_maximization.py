"""Activation maximization: the input that most excites a score."""

from __future__ import annotations

import numpy as np

from explain.algorithms.method import Method
from explain.algorithms.options import non_negative, whole_number
from explain.backends.found import Found
from explain.errors import OptionError
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.masking import spread_mask
from explain.public_calls.progress import counted
from explain.running.problem import Problem

# Adam with its usual decay rates. The floor of the denominator is a hundredth of the gradient's largest root
# mean square: a smaller gradient at a position is rounding noise, which would still cause full steps and make
# the results of two frameworks diverge.
_DECAY_MEAN, _DECAY_SQUARE, _FLOOR = 0.9, 0.999, 1e-2


def activation_maximization(problem: Problem) -> Found:
    """Maximize the score by Adam, from the input and within the bounds, with L2 and total-variation penalties.

    Simonyan, Vedaldi & Zisserman, arXiv:1312.6034 (the objective and the L2 penalty); Mahendran & Vedaldi,
    arXiv:1412.0035 (total variation with exponent 2, jitter); Kingma & Ba, arXiv:1412.6980 (Adam).

    Steps are taken on ``u = (x − middle) / half range`` in [−1, 1] and float64, so that learning rate and
    penalties mean the same for every model; the score's gradient is divided by the largest root mean square
    that it had so far in each example, so that the rounding noise that remains where the score saturates
    stays small. The learning rate falls to zero along half a cosine.
    """
    options, layout = problem.options, problem.layout
    if problem.bounds is None:
        raise OptionError(
            "bounds are not known: activation maximization stays within the valid input values at every step. "
            "Give bounds=(least, greatest), for example bounds=(-1, 1), or a display that states them."
        )
    least, greatest = problem.bounds
    middle, half = (least + greatest) / 2, (greatest - least) / 2
    start, *others = problem.examples.inputs
    real = _real_positions(problem, start)
    position = np.clip((start.astype(np.float64) - middle) / half, -1, 1)
    mean, square = np.zeros_like(position), np.zeros_like(position)
    largest = np.zeros((len(position), *([1] * (position.ndim - 1))))
    moved_axes = tuple(index for index, letter in enumerate(layout.axes) if letter in "DHW")
    generator = np.random.default_rng(problem.seed)
    n_steps, history = options["n_steps"], []

    def picture(position: Array) -> Array:
        inside = np.clip(middle + half * position, least, greatest)
        return np.where(real, inside, start).astype(start.dtype)

    with counted(n_steps, "steps") as work:
        for step in range(n_steps):
            work.begins()
            shift = generator.integers(-options["jitter"], options["jitter"] + 1, size=len(moved_axes))
            shown = np.roll(picture(position), shift, axis=moved_axes)
            gradients, scores = problem.gradients_at((shown, *others))
            history.append(scores)
            gradient = np.roll(gradients[0].astype(np.float64), -shift, axis=moved_axes)
            largest = np.maximum(largest, _root_mean_square(gradient))
            ascent = np.divide(gradient, largest, out=np.zeros_like(gradient), where=largest > 0)
            ascent -= options["l2_weight"] * position
            ascent -= options["tv_weight"] * total_variation_gradient(position, layout)
            ascent = np.where(real, ascent, 0.0)
            mean = _DECAY_MEAN * mean + (1 - _DECAY_MEAN) * ascent
            square = _DECAY_SQUARE * square + (1 - _DECAY_SQUARE) * ascent**2
            direction = (mean / (1 - _DECAY_MEAN ** (step + 1))) / (
                np.sqrt(square / (1 - _DECAY_SQUARE ** (step + 1))) + _FLOOR
            )
            rate = options["learning_rate"] * (1 + np.cos(np.pi * step / n_steps)) / 2
            position = np.clip(position + rate * direction, -1, 1)
            work.advance()
    found = picture(position)
    final = problem.scores_at((found, *others))
    return Found(values=(found,), scores=final, history=np.stack([*history, final]))


def total_variation_gradient(position: Array, layout: Layout) -> Array:
    """Give the gradient of half the summed squared differences of neighbours in space and time.

    Examples
    --------
    >>> import numpy as np
    >>> total_variation_gradient(np.array([[[0.0, 1.0, 0.0]]]), Layout("NCT")).tolist()
    [[[-1.0, 2.0, -1.0]]]
    """
    gradient = np.zeros_like(position)
    for axis, letter in enumerate(layout.axes):
        if letter in "TDHW":
            difference = np.diff(position, axis=axis)
            gradient -= np.diff(difference, axis=axis, prepend=0, append=0)
    return gradient


def _root_mean_square(gradient: Array) -> Array:
    """Give the size of each example's gradient, shaped to divide it."""
    size: Array = np.sqrt(np.mean(gradient**2, axis=tuple(range(1, gradient.ndim)), keepdims=True))
    return size


def _real_positions(problem: Problem, start: Array) -> Array:
    """Tell which positions may change: all but the padding of a sequence."""
    mask = problem.examples.mask
    if mask is None:
        return np.ones((1,) * start.ndim, bool)
    return spread_mask(mask, problem.layout)


ROWS = (
    Method(
        activation_maximization,
        aliases=("maximize", "feature_visualization"),
        seeded=True,
        summary="The input that most excites the score, found by gradient ascent within the bounds.",
        paper="Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034; Mahendran & Vedaldi 2014, arXiv:1412.0035",
        needs=frozenset({"outputs", "gradients"}),
        options=(
            whole_number("n_steps", 128, 1, "Number of steps of Adam."),
            non_negative(
                "learning_rate", 0.05, "First step size, in half ranges of the input; falls to zero."
            ),
            non_negative(
                "l2_weight", 0.1, "Weight of the penalty on the distance from the middle of the bounds."
            ),
            non_negative(
                "tv_weight", 0.5, "Weight of the penalty on differences of neighbours in space and time."
            ),
            whole_number("jitter", 2, 0, "Largest random shift of the picture at a step, in pixels."),
        ),
        drawn="input",
    ),
)
