"""The checked request of a caller, and the type of a warning about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from explain.algorithms.method import Method
from explain.backends.protocol import Extension
from explain.backends.question import Question
from explain.errors import ExplainWarning
from explain.explanation.given_inputs import Given
from explain.inputs.examples import Array
from explain.inputs.layout import Layout
from explain.inputs.naming.class_names import class_names_of
from explain.inputs.reduction import Reduction
from explain.inputs.text.batch import Texts

Note = tuple[str, type[ExplainWarning]]
"""A warning: its message and its class."""

Notes = list[Note]


@dataclass(frozen=True)
class Request:
    """The request of a caller, each argument checked by itself.

    Parameters
    ----------
    model, given : object, Given
        The model as the caller passed it; the input or inputs, with the arguments of each.
    method : Method
        The method's row of the catalogue.
    extension, engine : Extension, str
        The extension of the model's framework; the engine that computes the result.
    question : Question
        The part of the request that is needed to open the backend.
    companions : Mapping
        Keyword arguments of the model with one row per example.
    reduce : str, optional
        How the values at a token's embedding vector become one number; None leaves it to the method.
    target, baseline, layer, neuron, lengths : object
        As the caller passed them: checked against the model's outputs and layers when the problem is posed.
    layer_layout : Layout, optional
        The axes of the layer's output, if the caller states them.
    texts : Texts, optional
        The texts, if the caller gave strings.
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
    reduce: Reduction | None
    target: Any
    baseline: Any
    layer: Any
    layer_layout: Layout | None
    neuron: Any
    lengths: Any
    batch_size: int | None
    memory_budget: int | None
    seed: int
    texts: Texts | None = None

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs: of `display`, else those that the model states."""
        return self.given.display.classes or class_names_of(self.model)
