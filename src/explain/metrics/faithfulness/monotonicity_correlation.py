"""Monotonicity correlation: whether places with larger values make the score more uncertain when they are unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from explain.algorithms.method import Option
from explain.algorithms.options import whole_number
from explain.errors import EvaluationError
from explain.inputs.examples import Array
from explain.metrics.drops.compared import followed_score
from explain.metrics.drops.groups import N_GROUPS, groups_of, members
from explain.metrics.drops.shares import shares_of, summed_over_places
from explain.metrics.measured import Measured
from explain.metrics.metric import Metric
from explain.metrics.opened import Opened
from explain.metrics.places import Places
from explain.metrics.removal import REFERENCE, score_kind
from explain.metrics.subject import Subject
from explain.results.similarity import spearman

# The first key of the draws.
_REPLACEMENTS = 102


def monotonicity_correlation(subject: Subject, options: Mapping[str, Any]) -> Measured:
    """Give the correlation of ranks (Spearman) over the places of |Φᵢ| and E[(f(x) − f(x with i replaced))²].

    Nguyen & Rodríguez Martínez, *On quantitative aspects of model interpretability*, arXiv:2007.07584: the second is
    the uncertainty of the score when only the place is unknown.

    What replaces a place is drawn, independently for each: a place of the same example (the distribution of the values
    in it), or, in a table, whose columns have other units, a point between its value and the reference. With
    more places than `n_groups`, neighbours are replaced together and the sizes of their values are summed. Quantus 0.6
    draws one number from 0 to 1 for all values that it replaces together, and divides by f(x)², which changes no rank.
    """
    how = options["replacement"] or ("line" if subject.attribution.kind == "table" else "places")
    if how == "line" and subject.has_tokens:
        raise EvaluationError(
            "replacement='line' takes points between a place and the reference, and there are none between tokens: "
            "give replacement='places'."
        )
    groups, n_samples = groups_of(subject.places, options["n_groups"]), options["n_samples"]
    sizes = np.abs(summed_over_places(subject, shares_of(subject)))
    left_out = subject.no_information()
    values = np.full(len(subject), np.nan)
    with subject.opened(options["reference"], score_kind(subject, options["score"])) as model:
        drawn = [replacement_draws(subject, row, how, n_samples) for row in range(len(subject))]
        points = _Replaced(model, subject.places, groups, drawn)
        scores = model.scores_of(points).reshape(len(subject), -1, n_samples)
    uncertain = ((scores - model.scores[:, np.newaxis, np.newaxis]) ** 2).mean(axis=2)
    for row, own in enumerate(groups):
        if own.max(initial=0) < 1:
            left_out[row] = "It has one place or none: there is no correlation."
        elif row not in left_out:
            of_groups = members(own) @ sizes[row, subject.places.real[row]]
            values[row] = spearman(of_groups, uncertain[row, : len(of_groups)])
            if np.isnan(values[row]):
                left_out[row] = (
                    "All places have values of the same size, or no replacement changes the score."
                )
    return Measured(values, left_out=left_out)


def replacement_draws(subject: Subject, row: int, how: str, n_samples: int) -> Array:
    """Draw what replaces each real place of an example, in each sample: shape (n_samples, F).

    Parameters
    ----------
    subject : Subject
        What is evaluated.
    row : int
        The index of the example.
    how : {"places", "line"}
        Whether to draw the index of a real place, from 0 to F − 1, or a position from 0, the value of the place, to 1,
        the reference.
    n_samples : int
        The number of samples.
    """
    count = int(subject.places.counts[row])
    generator = subject.generator(_REPLACEMENTS, row)
    if how == "places":
        return generator.integers(0, max(1, count), (n_samples, count))
    return generator.random((n_samples, count))


class _Replaced:
    """An expansion: at each point a sample replaces one group of places; the samples of a group come in order."""

    def __init__(
        self, model: Opened, places: Places, groups: Sequence[npt.NDArray[np.intp]], drawn: Sequence[Array]
    ) -> None:
        self._inputs, self._reference = model.inputs, model.reference
        self._places, self._groups, self._drawn = places, groups, drawn
        self._n_samples = len(drawn[0])
        self.n_points = self._n_samples * max(1 + int(own.max(initial=-1)) for own in groups)

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example."""
        numbers = np.arange(points.start, points.stop)
        formed = [self._formed(row, numbers) for row in range(rows.start, rows.stop)]
        return (np.concatenate(formed),)

    def _formed(self, row: int, numbers: npt.NDArray[np.intp]) -> Array:
        group, sample = np.divmod(numbers, self._n_samples)
        own = self._by_place(self._inputs[row])
        points = np.repeat(own[np.newaxis], len(numbers), axis=0)
        # Most places of a point stay: only those of its group are formed.
        point, member = np.nonzero(self._groups[row] == group[:, np.newaxis])
        drawn = self._drawn[row][sample[point], member]
        place = np.flatnonzero(self._places.real[row])
        if drawn.dtype.kind == "i":
            points[point, place[member]] = own[place[drawn]]
        else:
            apart = self._by_place(self._reference[row]) - own
            points[point, place[member]] += drawn[:, np.newaxis] * apart[place[member]]
        return self._as_inputs(points)

    def _by_place(self, one: Array) -> Array:
        """Give an example with its places first and all the rest last: (...) to (P, values of a place)."""
        axes = [axis - 1 for axis in self._places.axes]
        return np.moveaxis(one, axes, range(len(axes))).reshape(self._places.real.shape[1], -1)

    def _as_inputs(self, points: Array) -> Array:
        """Undo `_by_place` for several points."""
        axes = self._places.axes
        rest = [one for axis, one in enumerate(self._inputs.shape) if axis and axis not in axes]
        apart = points.reshape(len(points), *self._places.shape, *rest)
        return np.moveaxis(apart, range(1, 1 + len(axes)), axes)


ROWS = (
    Metric(
        monotonicity_correlation,
        summary="The rank correlation of the size of each place's value with the uncertainty of the score when the "
        "place is unknown.",
        paper="Nguyen & Rodríguez Martínez 2020, arXiv:2007.07584",
        better="higher",
        needs=frozenset({"scores"}),
        limits=(-1.0, 1.0),
        seeded=True,
        options=(
            N_GROUPS,
            whole_number("n_samples", 10, 1, "How often each group is replaced."),
            Option(
                "replacement",
                None,
                "None, 'places' or 'line'",
                lambda value: value is None or (isinstance(value, str) and value in ("places", "line")),
                "What replaces a place: another place of the example, or a point between it and the reference. None: "
                "another place, and in tables a point on the line.",
            ),
            REFERENCE,
            followed_score("auto"),
        ),
    ),
)
