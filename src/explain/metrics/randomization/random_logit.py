"""Random logit: whether the map changes when another class is explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.errors import EvaluationError
from explain.inputs.examples import Array
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.places import places_of
from explain.metrics.randomization.map_similarity import SIMILARITY, check_similarity, similarity_of
from explain.metrics.subject import Subject

KEY = 0x109175
"""The first key of the generators of `other_class`, before the index of the example."""


def random_logit(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the similarity of the map to that of another class, drawn for each example with equal chances.

    A map that is the same for every class does not explain the one that it was asked about. The values of the places
    are compared with their signs: of two classes whose scores are each other's negative, a gradient gives -1.

    Sixt, Granz & Landgraf, *When explanations lie*, arXiv:1912.09818, section 4, who compare images by structural
    similarity, ``similarity="ssim"``. Quantus 0.6 takes structural similarity along the flattened map, of maps divided
    by their maxima.
    """
    similarity = options["similarity"]
    check_similarity(subject, similarity)
    count = _number_of_classes(subject)
    rows = np.arange(len(subject))
    others = [
        other_class(subject.generator(KEY, row), _own(subject.attribution.target[row]), count)
        for row in range(len(subject))
    ]
    found = places_of(subject.explained_again(rows, target=others))
    left_out = subject.no_information()
    values = np.full(len(subject), np.nan)
    for row in range(len(subject)):
        if row in left_out:
            continue
        values[row] = similarity_of(subject.places.of(row), found.of(row), similarity, found.shape)
        if np.isnan(values[row]):
            left_out[row] = f"The map for the class {others[row]} is constant: there is nothing to compare."
    return Measured(values, left_out=left_out)


def other_class(generator: np.random.Generator, own: int, count: int) -> int:
    """Draw a class other than that of an example.

    Parameters
    ----------
    generator : numpy.random.Generator
        ``Subject.generator(KEY, row)``.
    own, count : int
        The class of the example, and the number of classes.

    Examples
    --------
    >>> other_class(np.random.default_rng(0), 1, 2)
    0
    """
    drawn = int(generator.integers(0, count - 1))
    return drawn + (drawn >= own)


def _own(target: Any) -> int:
    if not isinstance(target, (int, np.integer)):
        raise EvaluationError(
            f"metrics='random_logit' explains another class, but the target is {target!r}, not the number of one: "
            "explain a class, such as target=0, or leave the metric out."
        )
    return int(target)


def _number_of_classes(subject: Subject) -> int:
    with subject.opened() as model:
        problem = model.problem

        def outputs(rows: slice) -> Array:
            return problem.backend.outputs(problem.examples.rows(rows))[0]

        _, found = next(problem.executor.over_rows(len(subject), outputs))
    shape = found.shape[1:]
    if len(shape) != 1 or shape[0] < 2:
        raise EvaluationError(
            f"metrics='random_logit' explains another class, but the outputs of one example have shape {shape}, not "
            "(classes,) with two classes or more: leave it out."
        )
    return int(shape[0])


ROWS = (
    Metric(
        random_logit,
        summary="How alike the map is to that of another class, drawn for each example.",
        paper="Sixt, Granz & Landgraf 2020, arXiv:1912.09818",
        better="lower",
        needs=frozenset({"scores", "explanations"}),
        limits=(-1.0, 1.0),
        options=(SIMILARITY,),
        seeded=True,
    ),
)
