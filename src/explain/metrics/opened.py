"""A model that is open for a metric: its scores at other inputs, each asked for once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from explain.errors import EvaluationError, ModelCallError
from explain.explanation.posed import Posed
from explain.inputs.examples import Array
from explain.metrics.places import Places
from explain.metrics.results.measurement import Floats
from explain.running.expansion import Expansion, expanded_block, expanded_scores
from explain.running.problem import Problem

Presence = npt.NDArray[np.bool_]
Packed = npt.NDArray[np.uint8]

ScoreCache = dict[Hashable, float]
"""Scores by what was asked: the kind of score and target, inputs and reference, the example and the places kept."""


class Opened:
    """A model that is open: its scores at the examples, and at others that are made from them.

    Parameters
    ----------
    posed : Posed
        The opened model, with the reference as its baseline.
    places : Places
        The places of the examples.
    cache : dict
        Scores that are known.

    Attributes
    ----------
    problem : Problem
        The model, examples and reference, as methods see them; token ids may be vectors of an embedding.
    scores : numpy.ndarray of float64
        The score of each example, shape (N,).
    """

    def __init__(self, posed: Posed, places: Places, cache: ScoreCache) -> None:
        self.problem: Problem = posed.problem
        self.scores: Floats = np.asarray(posed.problem.scores, np.float64)
        self.kind = posed.finding.score
        self._places, self._cache = places, cache
        # Of two methods with other baselines, the same places that are kept give other inputs.
        target = posed.problem.examples.target
        explained = target.function if target.indices is None else _digest(target.indices)
        self._key = self.kind, explained, _digest(self.inputs), _digest(self.reference)

    @property
    def inputs(self) -> Array:
        """The inputs as the model gets them, batch first."""
        return self.problem.examples.inputs[0]

    @property
    def reference(self) -> Array:
        """What takes the place of what is removed, of the shape of the inputs."""
        assert self.problem.baselines is not None
        return self.problem.baselines[0]

    def scores_keeping(self, kept: Callable[[int], Presence], n_points: int) -> Floats:
        """Give the scores with some places kept and the others replaced by the reference.

        Parameters
        ----------
        kept : callable
            From the index of an example to the places that each of its points keeps, of shape (points, F), where F
            is the number of its real places.
        n_points : int
            The number of points of each example.

        Returns
        -------
        numpy.ndarray of float64
            Shape (N, points).
        """
        count = len(self.scores)
        found = np.empty((count, n_points))
        keys: list[list[Hashable]] = []
        wanted: dict[Hashable, tuple[int, Packed]] = {}
        for row in range(count):
            own = np.asarray(kept(row), bool)
            assert own.shape == (n_points, int(self._places.counts[row])), "one entry for each real place"
            ends = {own.shape[1]: float(self.scores[row])}
            keys.append([])
            packed = np.packbits(own, axis=1)
            for bits, number in zip(packed, own.sum(axis=1), strict=True):
                key = (self._key, row, blake2b(bits.tobytes(), digest_size=16).digest())
                keys[row].append(key)
                if number in ends:
                    # Nothing is removed.
                    self._cache[key] = ends[number]
                elif key not in self._cache:
                    # A bit a place: subsets of large pictures take much memory.
                    wanted[key] = row, bits
        if wanted:
            self._score(wanted)
        for row in range(count):
            found[row] = [self._cache[key] for key in keys[row]]
        return found

    def scores_of(self, expansion: Expansion) -> Floats:
        """Give the scores at the points of an expansion of the examples, shape (N, points)."""
        problem = self.problem
        with _at_made_inputs():
            scores = expanded_scores(
                problem.backend, problem.examples, expansion, problem.executor, in_rows=problem.in_rows
            )
        return _finite(scores.astype(np.float64))

    def outputs_of(self, expansion: Expansion) -> Floats:
        """Give all outputs of the explained kind at the points of an expansion, shape (N, points, ...)."""
        problem = self.problem
        n_points, count = expansion.n_points, len(self.scores)
        found: Floats | None = None

        def compute(rows: slice, points: slice) -> Array:
            return problem.backend.outputs(expanded_block(problem.examples, expansion, rows, points))[0]

        over = problem.executor.over_blocks(count, n_points, compute, in_rows=problem.in_rows)
        for rows, points, outputs in over:
            if found is None:
                found = np.empty((count, n_points, *outputs.shape[1:]))
            found[rows, points] = outputs.reshape(rows.stop - rows.start, -1, *outputs.shape[1:])
        assert found is not None
        return _finite(found)

    def _score(self, wanted: dict[Hashable, tuple[int, Packed]]) -> None:
        """Ask for scores and remember them."""
        rows = np.array([row for row, _ in wanted.values()])
        if self.problem.in_rows:
            # Each point must be in the row of its example: every example gets as many points as the longest needs.
            places: list[list[int]] = [
                np.flatnonzero(rows == row).tolist() for row in range(len(self.scores))
            ]
        else:
            places = []
        kept = [one for _, one in wanted.values()]
        scores = self._in_rows(kept, places) if places else self._at(rows, kept)
        for key, score in zip(wanted, scores.tolist(), strict=True):
            self._cache[key] = score

    def _at(self, rows: npt.NDArray[np.intp], kept: list[Packed]) -> Floats:
        """Give the scores with some places kept, each with its example: shape (M,)."""
        problem = self.problem
        bare = problem.examples.without_inputs()

        def compute(part: slice) -> Array:
            own = rows[part]
            return problem.backend.scores(bare.rows(own).with_inputs((self._formed(own, kept[part]),)))

        with _at_made_inputs():
            parts = list(problem.executor.over_rows(len(rows), compute))
        return _finite(np.concatenate([np.asarray(scores, np.float64) for _, scores in parts]))

    def _in_rows(self, kept: list[Packed], places: list[list[int]]) -> Floats:
        most = max(map(len, places))
        padded = np.array([own + own[-1:] * (most - len(own)) if own else [-1] * most for own in places])
        by_row = self.scores_of(_Kept(self, kept, padded))
        found = np.empty(len(kept))
        for row, own in enumerate(places):
            found[own] = by_row[row, : len(own)]
        return found

    def _formed(self, rows: npt.NDArray[np.intp], kept: list[Packed]) -> Array:
        """Form the inputs with some places kept, shape (M, ...)."""
        places, counts = self._places, self._places.counts
        over = np.ones((len(rows), places.real.shape[1]), bool)
        for one, row, own in zip(over, rows, kept, strict=True):
            one[places.real[row]] = np.unpackbits(own, count=int(counts[row]))
        return np.where(places.spread(rows, over, self.inputs.ndim), self.inputs[rows], self.reference[rows])


class _Kept:
    """An expansion: the points of each example keep some of its places; a number below zero keeps all."""

    def __init__(self, opened: Opened, kept: list[Packed], numbers: npt.NDArray[np.intp]) -> None:
        self._opened, self._kept, self._numbers = opened, kept, numbers
        self.n_points = numbers.shape[1]

    def inputs(self, rows: slice, points: slice) -> tuple[Array, ...]:
        """Form the points of a block, example by example."""
        numbers = self._numbers[rows, points]
        every = np.arange(rows.start, rows.stop).repeat(numbers.shape[1])
        counts = self._opened._places.counts
        own = [
            np.packbits(np.ones(int(counts[row]), bool)) if number < 0 else self._kept[number]
            for row, number in zip(every, numbers.ravel(), strict=True)
        ]
        return (self._opened._formed(every, own),)


def _digest(array: Array) -> bytes:
    return blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).digest()


@contextmanager
def _at_made_inputs() -> Iterator[None]:
    """Say of a model that refuses an input that it is none of the caller's."""
    try:
        yield
    except ModelCallError as error:
        cause = error.__cause__
        if isinstance(cause, OSError):
            # Of a connection or a file, whatever the input.
            raise
        raise EvaluationError(
            f"The model raised {type(cause).__name__} at an input that the metric makes from x, but not at x itself: "
            f"{cause} Give a reference at which the model is defined, for example reference='mean' or 'blur'."
        ) from cause


def _finite(scores: Floats) -> Floats:
    if not np.isfinite(scores).all():
        raise EvaluationError(
            "The model's score is NaN or infinite at an input that the metric makes from x: give a reference at which "
            "the model is defined, for example reference='mean' or 'blur', or explain in float64."
        )
    return scores
