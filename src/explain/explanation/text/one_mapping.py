"""Whether a model of texts takes all that its tokenizer gives as one mapping, found by calling it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explain.backends.protocol import Extension
from explain.backends.question import Question
from explain.errors import ExplainError, ScoreError
from explain.inputs.examples import Array, Examples
from explain.inputs.layout import Layout
from explain.inputs.wiring import Wiring, takes_one_mapping
from explain.running.locks import ONE_CALL_AT_A_TIME


def takes_mapping(model: Any, extension: Extension, given: Mapping[str, Array]) -> bool:
    """Tell whether a model takes token ids and their mask as one mapping, and not the ids alone.

    The model is called on the first text, only if its parameters leave the question open.

    Parameters
    ----------
    model, extension : object, Extension
        The model, and the extension of its framework.
    given : Mapping of str to numpy.ndarray
        What the model would take, shape (N, T) each, the ids first.
    """
    if not takes_one_mapping(model, given):
        return False
    first = [array[:1] for array in given.values()]
    layout, names = Layout("NT"), tuple(given)
    sources = tuple((False, place) for place in range(len(first)))
    alone = Question(layout, score="output")
    together = Question(layout, score="output", wiring=Wiring(sources, (0,) * len(first), names))
    if _runs(model, extension, alone, Examples((first[0],)), first[0]):
        return False
    return _runs(model, extension, together, Examples((), unmoved=tuple(first)), first[0])


def _runs(model: Any, extension: Extension, question: Question, examples: Examples, like: Array) -> bool:
    with ONE_CALL_AT_A_TIME:
        backend = extension.open(model, question, np.asarray(like))
        try:
            with backend.session():
                backend.outputs(examples)
        except ScoreError:
            # It has run, and gives several outputs.
            return True
        except ExplainError:
            return False
    return True
