"""Infidelity: how far the map is from predicting what the score does when the input is perturbed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.algorithms.method import Option
from explain.algorithms.options import positive, whole_number
from explain.errors import EvaluationError
from explain.metrics.drops.shares import shares_of, summed_over_places
from explain.metrics.drops.subsets import SUBSET_SIZE, of_subsets, random_subsets, size_of
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.opened import Opened
from explain.metrics.removal import REFERENCE
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject
from explain.running.noise import NoisyPoints

# Values of the inputs at a time, of the points that are formed to be multiplied by the map: 32 MB.
_AT_A_TIME = 2**22


def infidelity(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give E[(I·Φ − (f(x) − f(x − I)))²] over random perturbations I of the input x, with the explained score f.

    Yeh et al., *On the (In)fidelity and Sensitivity of Explanations*, arXiv:1901.09392, definition 2.1.

    Gaussian noise has the standard deviation `noise`, a share of the range of each example, at each value. Removal
    replaces a random subset of the places by the reference x₀: there I is x − x₀, elsewhere zero.

    Values Φ that are slopes multiply I itself. Others are shares of the score, which have x − x₀ in them: they multiply
    I / (x − x₀), which for removal is 1 at the removed places, so that I·Φ is the sum of their values; where x is x₀
    the denominator is 1 (the same as Captum's ``multiply_by_inputs``). Values of token ids are summed likewise.

    With `normalize`, I·Φ is scaled by the β that makes the result least, as in Captum. Quantus 0.6 draws nothing: it
    removes the squares of a grid one after the other, cumulatively, and multiplies any map by x − x₀.
    """
    kind = options["perturbation"] or (
        "gaussian" if subject.is_slope and not subject.has_tokens else "removal"
    )
    if kind == "gaussian" and subject.has_tokens:
        raise EvaluationError(
            "perturbation='gaussian' adds noise to the input, but the input is tokens, which cannot change gradually: "
            "give perturbation='removal'."
        )
    with subject.opened(options["reference"]) as model:
        perturbed = _with_noise if kind == "gaussian" else _with_removal
        found, left_out = perturbed(subject, model, options)
    values = np.full(len(subject), np.nan)
    for row, (predicted, dropped) in found.items():
        values[row] = squared_distance(predicted, dropped, options["normalize"])
    return Measured(values, left_out=left_out)


def squared_distance(predicted: Floats, dropped: Floats, normalize: bool) -> float:
    """Give the mean squared distance of I·Φ from the drops, with `normalize` after the best scaling of I·Φ.

    Examples
    --------
    >>> squared_distance(np.array([1.0, 2.0]), np.array([2.0, 4.0]), False)
    2.5
    >>> squared_distance(np.array([1.0, 2.0]), np.array([2.0, 4.0]), True)
    0.0
    """
    if normalize:
        predicted = predicted * ((predicted @ dropped) / (float(predicted @ predicted) or 1.0))
    return float(np.mean((predicted - dropped) ** 2))


def noisy_points(subject: Subject, model: Opened, noise: float, n_samples: int) -> NoisyPoints:
    """Give the points x − I of Gaussian noise I: the same draws for each example, scaled by its range."""
    problem = model.problem
    return NoisyPoints(problem.examples, problem.layout, noise, n_samples, subject.seed)


def _with_noise(
    subject: Subject, model: Opened, options: Mapping[str, Any]
) -> tuple[dict[int, tuple[Floats, Floats]], dict[int, str]]:
    n_samples = options["n_samples"]
    points = noisy_points(subject, model, options["noise"], n_samples)
    inputs = np.asarray(model.inputs, np.float64)
    if subject.is_slope:
        factors = subject.values
    else:
        apart = inputs - model.reference
        factors = shares_of(subject) / np.where(apart == 0, 1.0, apart)
    predicted = np.empty((len(subject), n_samples))
    step = max(1, _AT_A_TIME // inputs[0].size)
    # Points outside: a group of draws is then drawn once for all examples.
    for start in range(0, n_samples, step):
        part = slice(start, min(start + step, n_samples))
        for row, one in enumerate(inputs):
            (moved,) = points.inputs(slice(row, row + 1), part)
            predicted[row, part] = (one - moved).reshape(len(moved), -1) @ factors[row].ravel()
    dropped = model.scores[:, np.newaxis] - model.scores_of(points)
    left_out = {
        int(row): "The input has one value everywhere: noise that is a share of its range is zero."
        for row in points.without_range
    }
    found = {row: one for row, one in enumerate(zip(predicted, dropped, strict=True)) if row not in left_out}
    return found, left_out


def _with_removal(
    subject: Subject, model: Opened, options: Mapping[str, Any]
) -> tuple[dict[int, tuple[Floats, Floats]], dict[int, str]]:
    n_samples = options["n_samples"]
    counts = subject.places.counts.tolist()
    sizes = [size_of(options["subset_size"], count) for count in counts]
    left_out = {
        row: f"It has {count} places, fewer than subset_size={size}."
        for row, (count, size) in enumerate(zip(counts, sizes, strict=True))
        if size > count
    }
    if subject.is_slope and not subject.has_tokens:
        by_value = subject.values * (np.asarray(model.inputs, np.float64) - model.reference)
    else:
        by_value = shares_of(subject)
    found = of_subsets(
        subject,
        model,
        summed_over_places(subject, by_value),
        {row: n_samples for row in range(len(subject)) if row not in left_out},
        lambda row: random_subsets(subject, row, sizes[row], n_samples),
    )
    return found, left_out


ROWS = (
    Metric(
        infidelity,
        summary="How far the map is from predicting the change of the score when the input is perturbed at random.",
        paper="Yeh et al. 2019, arXiv:1901.09392",
        better="lower",
        needs=frozenset({"scores"}),
        limits=(0.0, float("inf")),
        aliases=("infd",),
        seeded=True,
        options=(
            Option(
                "perturbation",
                None,
                "None, 'gaussian' or 'removal'",
                lambda value: value is None or (isinstance(value, str) and value in ("gaussian", "removal")),
                "What moves the input. None: Gaussian noise for methods whose values are slopes, removal of random "
                "places for the others and for token ids.",
            ),
            whole_number("n_samples", 64, 1, "The number of perturbations of each example."),
            positive("noise", 0.1, "The standard deviation of the noise, as a share of the example's range."),
            SUBSET_SIZE,
            REFERENCE,
            Option(
                "normalize",
                False,
                "True or False",
                lambda value: isinstance(value, bool),
                "Whether the map is scaled first by the factor that fits best, so that only its pattern counts.",
            ),
        ),
    ),
)
