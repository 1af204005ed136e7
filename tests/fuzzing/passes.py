"""Scores and gradients of a drawn model by hand: what the definitions of the methods are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from fuzzing.architectures import Case

Array = np.ndarray
Arrays = tuple[Array, ...]


@dataclass
class ByHand:
    """The scores of a case at any points, and their gradients.

    Parameters
    ----------
    case : Case
        The model and its input.
    score : str
        The kind of the score: ``"logit"``, ``"probability"``, ``"log_probability"`` or ``"output"``.
    target : numpy.ndarray
        The index of each example into the outputs, shape (N, axes).
    unit : tuple of int, optional
        The operation whose result is the score, and the index of one of its units.
    at : tuple of int, optional
        The results that points stand in for; the inputs, or the embeddings of ids, if not given.
    """

    case: Case
    score: str
    target: Array
    unit: tuple[int, tuple[int, ...]] | None = None
    at: tuple[int, ...] = ()

    @property
    def nodes(self) -> tuple[int, ...]:
        """The results that points stand in for."""
        return self.at or tuple(index for of_input in self.case.moved for index in of_input)

    def start(self) -> Arrays:
        """Give these results for the input itself."""
        return self.at_inputs(self.case.inputs)

    def at_inputs(self, inputs: Arrays) -> Arrays:
        """Give these results for other inputs."""
        found = self.case.passes.results(inputs)
        # The points of a picture of whole numbers are floats in its units.
        return tuple(
            found[index].astype(self.case.dtype) if found[index].dtype == np.uint8 else found[index]
            for index in self.nodes
        )

    def scores(self, points: Arrays) -> Array:
        """Give the scores of points, shape (N, K), from shape (N, K, ...)."""
        return self.gradients(points, to=())[0]

    def gradients(
        self,
        points: Arrays,
        to: tuple[int, ...] | None = None,
        pointwise: Callable[[str, Any], Any] | None = None,
        gate: Callable[[Any], Any] | None = None,
    ) -> tuple[Array, Arrays]:
        """Give the scores, shape (N, K), and their gradients, shape (N, K, ...), at points of shape (N, K, ...).

        A point of an example leaves everything else as it is in that example.
        """
        count, each = points[0].shape[:2]
        rows = np.arange(count).repeat(each)
        flat = {
            node: array.reshape(-1, *array.shape[2:]) for node, array in zip(self.nodes, points, strict=True)
        }
        scores, slopes = self.case.passes.gradients(
            tuple(one[rows] for one in self.case.inputs),
            flat,
            self.nodes if to is None else to,
            lambda values: self._scores(values, rows),
            pointwise,
            gate,
        )
        return scores.reshape(count, each), tuple(one.reshape(count, each, *one.shape[1:]) for one in slopes)

    def _scores(self, values: list[Any], rows: Array) -> Any:
        passes, case = self.case.passes, self.case
        if self.unit is not None:
            node, index = self.unit
            return passes.picked(values[node], np.tile(np.array(index), (len(rows), 1)))
        return passes.picked(scored(passes, values, case, self.score), self.target[rows])


def scored(passes: Any, values: list[Any], case: Case, score: str) -> Any:
    """Give the tensor that a kind of score selects from."""
    output = values[case.output]
    probabilities = case.end.startswith(
        ("softmax", "sigmoid", "dense so", "dense si", "two", "mean", "stacked")
    )
    if score == "output":
        return output
    if score == "logit":
        assert case.logits is not None, "no result of this model is a logit"
        return values[case.logits]
    if score == "probability":
        if probabilities:
            return output
        if case.end.startswith(("log-softmax", "dense log")):
            return passes.softmax(values[case.logits], case.class_axis)
        return _probabilities(passes, output, case)
    if case.end.startswith(("log-softmax", "dense log")):
        return output
    if probabilities:
        return passes.log(output)
    return passes.log(_probabilities(passes, output, case))


def _probabilities(passes: Any, logits: Any, case: Case) -> Any:
    # The class axis is that of the last head; a head of another rank is a vector.
    axis = case.class_axis if len(logits.shape) > 2 else 1
    if len(logits.shape) == 1 or int(logits.shape[axis]) == 1:
        return passes.sigmoid(logits)
    return passes.softmax(logits, axis)
