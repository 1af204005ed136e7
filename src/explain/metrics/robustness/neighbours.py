"""Perturbed inputs near each example, and how far they and their maps lie from the example and its map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.catalogue import find_method
from explain.algorithms.method import Option
from explain.algorithms.options import is_positive, whole_number
from explain.errors import OptionError
from explain.inputs.baseline import drawn_in_one_order
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.metrics.places import places_of
from explain.metrics.results.measurement import Floats
from explain.metrics.subject import Subject
from explain.results.attribution import Attribution

EPS_MIN = 1e-6
"""What takes the place of zero in the denominators of relative differences."""

N_SAMPLES = whole_number("n_samples", 10, 1, "How many perturbed inputs are drawn for each example.")


def _is_radius(value: Any) -> bool:
    if isinstance(value, np.ndarray) or type(value) in (list, tuple):
        array = np.asarray(value)
        return (
            array.dtype.kind in "fiu"
            and array.size > 0
            and bool(np.isfinite(array).all() and (array > 0).all())
        )
    return is_positive(value)


RADIUS = Option(
    "radius",
    0.02,
    "a number above 0, or an array of them that broadcasts to an example, such as one for each column of a table",
    _is_radius,
    "How far each value of an input is moved at most, in the units of x as the model takes it.",
    recorded=lambda value: float(value) if np.ndim(value) == 0 else "an array",
)

# Tells these draws from those of other metrics with the same seed.
_KEY = 1

# Up to so many values of inputs are explained in one call.
_VALUES_WORTH_A_CALL = 2**16


@dataclass(frozen=True)
class Distances:
    """How far the K perturbed inputs of each of N examples lie from it, and their maps from its map, by L2 norms.

    Parameters
    ----------
    maps, inputs : numpy.ndarray of float64
        The norms of the differences, shape (N, K).
    relative_maps, relative_inputs : numpy.ndarray of float64
        The norms of the differences divided by the map, or the input, of the example, value by value.
    map_norms : numpy.ndarray of float64
        The norm of the map of each example, shape (N,).
    left_out : Mapping of int to str
        The examples that no perturbed input differs from, and why.
    """

    maps: Floats
    inputs: Floats
    relative_maps: Floats
    relative_inputs: Floats
    map_norms: Floats
    left_out: Mapping[int, str]


def perturbations(subject: Subject, row: int, radius: Any, n_samples: int) -> Floats:
    """Draw what is added to an example: each value uniform within the radius, and zero at padding.

    The draws depend on the seed and the row alone, and are the same in every layout.

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    row : int
        The example.
    radius : float or array
        The option ``radius``.
    n_samples : int
        The number of perturbed inputs, K.

    Returns
    -------
    numpy.ndarray of float64
        Shape (K, ...) of an example, in the order of the axes of `Subject.inputs`.

    Raises
    ------
    OptionError
        If the radius is an array that does not broadcast to an example.

    Examples
    --------
    >>> x = np.ones((2, 3), np.float32)
    >>> a = Attribution(x, x, "NC", "saliency", np.ones(2))
    >>> moves = perturbations(Subject(None, a, {}), 1, [0.1, 0.2, 0.3], 4)
    >>> moves.shape, bool((np.abs(moves) <= [0.1, 0.2, 0.3]).all())
    ((4, 3), True)
    """
    shape, layout = subject.inputs.shape[1:], subject.layout.batch_first
    generator = subject.generator(_KEY, row)
    drawn = drawn_in_one_order(
        (n_samples, *shape), layout, lambda size: generator.uniform(-1.0, 1.0, size=size)
    )
    places = subject.places
    real = places.spread(np.array([row]), places.real[[row]], subject.inputs.ndim)
    try:
        extent = np.broadcast_to(np.asarray(radius, np.float64), shape)
    except ValueError as cause:
        raise OptionError(
            f"radius has shape {np.shape(radius)}, which does not broadcast to an example of shape {shape} "
            f"({layout.axes[1:]}): give a number, or one for each value."
        ) from cause
    found: Floats = drawn * extent * real
    return found


def perturbed_inputs(subject: Subject, row: int, radius: Any, n_samples: int) -> Array:
    """Give the perturbed inputs of an example as they are explained, in single precision, shape (K, ...).

    Parameters and errors are those of `perturbations`.

    Examples
    --------
    >>> x = np.ones((2, 3), np.float32)
    >>> a = Attribution(x, x, "NC", "saliency", np.ones(2))
    >>> near = perturbed_inputs(Subject(None, a, {}), 1, 0.1, 4)
    >>> near.dtype, near.shape, float(near.min()) >= 0.9
    (dtype('float32'), (4, 3), True)
    """
    moved: Array = subject.inputs[row] + perturbations(subject, row, radius, n_samples)
    return moved.astype(np.float32)


def distances(subject: Subject, radius: Any, n_samples: int, eps_min: float = EPS_MIN) -> Distances:
    """Explain perturbed inputs by the same call, and give how far they and their maps lie from each example.

    The metrics of one evaluation that ask for the same perturbed inputs share them: they are explained once.

    Parameters
    ----------
    subject : Subject
        What is evaluated, with N examples.
    radius, n_samples, eps_min
        The options of the metric.

    Returns
    -------
    Distances
        Of K perturbed inputs of each example.

    Examples
    --------
    >>> import explain
    >>> model, x = lambda x: x.sum(axis=1), np.ones((2, 3))
    >>> a = explain.attribute(model, x, "feature_ablation", framework="numpy", score="output")
    >>> found = distances(Subject(model, a, {}), 0.1, 4)
    >>> found.maps.shape, bool(np.allclose(found.maps, found.inputs, rtol=1e-3)), found.map_norms.round(3).tolist()
    ((2, 4), True, [1.732, 1.732])
    """
    key = np.asarray(radius, np.float64).tobytes(), np.shape(radius), n_samples, eps_min
    kept = subject.shared.get(__name__)
    if kept is None or kept[0] != key:
        subject.shared[__name__] = kept = key, _distances(subject, radius, n_samples, eps_min)
    found: Distances = kept[1]
    return found


def worst(ratios: Floats, left_out: Mapping[int, str]) -> Floats:
    """Give the greatest ratio of each example, (N, K) to (N,), and NaN for those that are left out.

    Examples
    --------
    >>> worst(np.array([[1.0, 3.0], [2.0, 0.0]]), {1: "The map is zero."}).tolist()
    [3.0, nan]
    """
    found: Floats = ratios.max(axis=1)
    found[list(left_out)] = np.nan
    return found


def _distances(subject: Subject, radius: Any, n_samples: int, eps_min: float) -> Distances:
    count = len(subject)
    of_maps, of_inputs, relative_maps, relative_inputs = (np.empty((count, n_samples)) for _ in range(4))
    maps = _vectors(subject.attribution)
    real_values = _real_values(subject)
    of_places = find_method(subject.attribution.method).of_whole_places
    real_maps = subject.places.real if of_places else real_values
    maps = maps * real_maps
    for rows in _groups(subject, n_samples):
        moved = np.stack([perturbed_inputs(subject, row, radius, n_samples) for row in rows])
        again = subject.explained_again(rows.repeat(n_samples), moved.reshape(-1, *moved.shape[2:]))
        found = _vectors(again).reshape(len(rows), n_samples, -1)
        for row, own, inputs in zip(rows.tolist(), found, moved, strict=True):
            kept = real_maps[row]
            of_maps[row], relative_maps[row] = _norms(own[:, kept], maps[row, kept], eps_min)
            kept, start = real_values[row], subject.inputs[row].reshape(-1).astype(np.float64)
            of_inputs[row], relative_inputs[row] = _norms(
                inputs.reshape(n_samples, -1)[:, kept], start[kept], eps_min
            )
    still = np.flatnonzero((of_inputs == 0).all(axis=1))
    return Distances(
        of_maps,
        of_inputs,
        relative_maps,
        relative_inputs,
        np.linalg.norm(maps, axis=1),
        {int(row): "No perturbed input differs from it in single precision." for row in still},
    )


def _norms(others: Array, own: Floats, eps_min: float) -> tuple[Floats, Floats]:
    """Give the norms of differences, (K, D) and (D,) to (K,), and of the differences relative to the own values."""
    apart = others.astype(np.float64) - own
    return np.linalg.norm(apart, axis=1), np.linalg.norm(apart / np.where(own == 0, eps_min, own), axis=1)


def _groups(subject: Subject, n_samples: int) -> list[npt.NDArray[np.intp]]:
    """Cut the examples into groups that are explained in one call.

    A call of a single chunk takes the gradients of the pass that gave the scores; more chunks take two passes. Small
    inputs are explained together all the same: there a call costs more than the second pass.
    """
    every = np.arange(len(subject))
    if subject.explains_whole_batches:
        return [every]
    most = max(subject.explained_at_once, _VALUES_WORTH_A_CALL // max(1, subject.inputs[0].size))
    fitting = max(1, most // n_samples)
    return [every[start : start + fitting] for start in range(0, len(every), fitting)]


def _vectors(attribution: Attribution) -> Floats:
    """Give maps as vectors, (N, D): every value once, also where a place has one value for all its channels."""
    if find_method(attribution.method).of_whole_places:
        return places_of(attribution).values
    values = Layout(attribution.layout).to_batch_first(attribution.values)
    return np.asarray(values, np.float64).reshape(len(attribution), -1)


def _real_values(subject: Subject) -> npt.NDArray[np.bool_]:
    """Tell which values of the inputs, (N, D), are not padding."""
    places, inputs = subject.places, subject.inputs
    real = places.spread(np.arange(len(subject)), places.real, inputs.ndim)
    found: npt.NDArray[np.bool_] = np.broadcast_to(real, inputs.shape).reshape(len(subject), -1)
    return found
