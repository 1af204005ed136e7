"""What a caller asked for, each part checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explain.algorithms.method import Method
from explain.backends.protocol import Extension, Question
from explain.explanation.given_inputs import Given
from explain.inputs.examples import Array


@dataclass(frozen=True)
class Request:
    """What a caller asked for, each part checked by itself.

    Parameters
    ----------
    model, given : object, Given
        The model as given; the input, or several, with what is given for each.
    method : Method
        The row of the catalogue.
    extension, engine : Extension, str
        Whose model it is; who computes.
    question : Question
        What is asked of the model.
    companions : Mapping
        Keyword arguments of the model with one row an example.
    target, baseline, layer, neuron, lengths : object
        As given; what they mean depends on the model's output and layout.
    batch_size, memory_budget, seed
        As in `explain.attribute`.
    """

    model: Any
    given: Given
    method: Method
    extension: Extension
    engine: str
    question: Question
    companions: Mapping[str, Array]
    target: Any
    baseline: Any
    layer: Any
    neuron: Any
    lengths: Any
    batch_size: int | None
    memory_budget: int | None
    seed: int
