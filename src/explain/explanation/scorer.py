"""A callable target of a model without a single output: it reads all that the model returns."""

from __future__ import annotations

from dataclasses import replace

from explain.backends.protocol import Backend
from explain.errors import ExplainError, ScoreError, SeveralOutputsError
from explain.explanation.request import Request


def with_scorer(request: Request, backend: Backend) -> Request:
    """Give the request with its callable target as the only output, if no single output of the model is explained.

    Runs the model once, inside the backend's session, on the first example; every other request stays as it is.

    Raises
    ------
    ScoreError
        If a kind of score is wanted that such numbers do not have.
    """
    question = request.question
    if not callable(request.target) or request.neuron is not None or question.output is not None:
        return request
    try:
        backend.outputs(request.given.examples(backend.dtype, request.companions).rows(slice(0, 1)))
    except SeveralOutputsError:
        pass
    except ExplainError:
        # The next run of the model reports it.
        return request
    else:
        return request
    if question.score in ("probability", "log_probability"):
        raise ScoreError(
            f"score={question.score!r} is not known of the number that target, a callable, makes of all that the model "
            "returns: leave score out, and compute that kind of score in target."
        )
    scorer = request.target
    return replace(request, question=replace(question, scorer=scorer), target=None)
