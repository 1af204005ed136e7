"""What a caller asked for, each part checked by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from explain.backend import Extension, Question
from explain.display import Display
from explain.examples import Array
from explain.method import Method


@dataclass(frozen=True)
class Request:
    """What a caller asked for, each part checked by itself.

    Parameters
    ----------
    model, x : object, numpy.ndarray
        The model as given; the input on the host, in the model's layout.
    like : object
        The input as it was given, whose dtype and device a model without parameters follows.
    method, options : Method, Mapping
        The row of the catalogue; its options, defaults filled in.
    extension, engine : Extension, str
        Whose model it is; who computes.
    question : Question
        What is asked of the model.
    companions : Mapping
        Keyword arguments of the model with one row an example.
    target, baseline, layer, neuron, lengths : object
        As given; what they mean depends on the model's output and layout.
    batch_size, memory_budget, bounds, seed, display
        As in `explain.attribute`.
    """

    model: Any
    x: Array
    like: Any
    method: Method
    options: Mapping[str, Any]
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
    bounds: tuple[float, float] | None
    seed: int
    display: Display
