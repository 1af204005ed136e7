"""From what a method found to the result: checked, laid out as the input was, with all that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np

from explain.backends.found import Found
from explain.backends.protocol import Finding
from explain.backends.tokens import Tokens
from explain.errors import ExplainWarning, GradientError
from explain.explanation.request import Request
from explain.inputs.display import Display
from explain.inputs.examples import Array
from explain.inputs.masking import Mask, spread_mask
from explain.inputs.target import TargetLabels
from explain.results.attribution import Attribution
from explain.running.problem import Problem

Note = tuple[str, type[ExplainWarning]]
Notes = list[Note]


@dataclass(frozen=True)
class Asked:
    """A request, and what was resolved of it.

    Parameters
    ----------
    request : Request
        What was asked.
    finding : Finding
        What kind of score was explained.
    labels : tuple
        What was explained for each example.
    baseline_rule : Mapping
        How the baseline came about; of several inputs by their names.
    predicted : numpy.ndarray, optional
        The predicted class of each example.
    before, after : list of (message, category)
        The warnings that stand before and after those of the method.
    neurons : tuple
        The unit of a layer that was asked for, for each example, if one was.
    """

    request: Request
    finding: Finding
    labels: TargetLabels
    baseline_rule: Mapping[str, Any]
    predicted: Array | None
    before: Notes
    after: Notes
    neurons: TargetLabels = ()

    def notes(self, own: Sequence[Note]) -> Notes:
        """Give all warnings, those of the method among them."""
        return [*self.before, *own, *self.after]


def wrap_up(
    asked: Asked, problem: Problem, found: Found, notes: Notes, tokens: Tokens | None = None
) -> Attribution:
    """Give the result of a request.

    Parameters
    ----------
    asked, problem, found
        What was asked, posed and found.
    notes : list of (message, category)
        The warnings that are given.
    tokens : Tokens, optional
        For a model that reads token ids.

    Raises
    ------
    GradientError
        If a value is NaN or infinite.
    """
    request, mask = asked.request, problem.examples.mask
    at_input = problem.outer is None
    layout = request.question.layout if at_input and tokens is None else problem.layout
    values = found.values[0]
    if not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        raise GradientError(
            f"The attribution is NaN or infinite for example{'s' if bad.size > 1 else ''} {bad.tolist()}: a gradient "
            "overflowed, or an operation has none at that point (a square root or a norm at zero). Explain in "
            "float64, or give a baseline away from that point."
        )
    if mask is not None and request.method.drawn != "input":
        values = np.where(spread_mask(mask, problem.layout), values, 0)

    def result(array: Array) -> Array:
        return np.ascontiguousarray(layout.from_batch_first(array), np.float32)

    attribution = Attribution(
        values=result(values),
        inputs=result(problem.examples.inputs[0]),
        layout=layout.axes,
        layer="" if problem.call is None else problem.call.label,
        neuron=asked.neurons,
        method=request.method.name,
        engine=request.engine,
        framework=problem.backend.name,
        model=problem.backend.model_name,
        target=asked.labels,
        score=asked.finding.score,
        scores=problem.scores if found.scores is None else found.scores,
        # The prediction was made where the climb started.
        predicted=None if request.method.drawn == "input" else asked.predicted,
        baseline=None if problem.baselines is None else result(problem.baselines[0]),
        baseline_rule=asked.baseline_rule,
        delta=found.delta,
        relative_delta=found.relative_delta,
        steps=found.steps,
        rule=found.rule,
        map_error=found.map_error,
        batch_size=problem.executor.used,
        mask=_shown_mask(problem),
        history=found.history,
        options=request.method.recorded_options(request.given.options),
        seed=request.seed,
        versions={
            "explain": _own_version(),
            request.extension.name: request.extension.version(),
            "numpy": np.__version__,
        },
        notes=tuple(message for message, _ in notes),
        display=_shown(request.given.display, problem),
    )
    if not at_input or tokens is None:
        return attribution
    return _by_token(attribution, tokens, of_whole_places=request.method.of_whole_places)


def _by_token(result: Attribution, tokens: Tokens, *, of_whole_places: bool) -> Attribution:
    """Give each token the sum over the numbers of its vector; their mean where each has the value of the token."""
    merged = result.values.mean if of_whole_places else result.values.sum
    return replace(
        result,
        values=merged(axis=-1, dtype=np.float64).astype(np.float32),
        inputs=tokens.ids.astype(np.float32),
        # Its vectors are of another shape than the ids; its rule says which token it is.
        baseline=None,
        layout="NT"[: tokens.ids.ndim],
    )


def _shown(display: Display, problem: Problem) -> Display:
    """Give the display of what was explained: that of the input does not fit what a layer gives."""
    return display if problem.outer is None else Display(classes=display.classes)


@cache
def _own_version() -> str:
    return version("explain-toolkit")


def _shown_mask(problem: Problem) -> Mask | None:
    """Give the mask to draw: the one that was given or found, else the one that the model works out."""
    if problem.examples.mask is not None:
        return problem.examples.mask
    axis = problem.layout.time_axis
    if axis is None:
        return None
    shape = (len(problem.examples), problem.examples.inputs[0].shape[axis])
    held: list[Mask] = [mask for mask in problem.examples.held if mask.shape == shape and not mask.all()]
    return held[0] if held else None
