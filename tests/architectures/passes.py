"""Plain forward and backward passes of the references: what a model gives at points that stand in for an example.

Nothing here imports `explain`. A `Passes` answers for one architecture; each framework has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from architectures.architecture import EXAMPLES, Architecture

Array = np.ndarray

# Inputs of a dict whose whole numbers an embedding reads, in the order in which a user gives them.
READ_BY_EMBEDDINGS = ("token_ids", "segment_ids", "encoder_token_ids", "decoder_token_ids", "input_ids")

# Where one input is read by several embeddings, or an embedding is not the one that `Architecture.ids` names.
EMBEDDINGS: dict[str, dict[Any, tuple[str, ...]]] = {
    "T5 encoder": {None: ("transformer.encoder.embed_tokens",)},
    "Wide & Deep": {None: ("embedding.embedding", "linear.fc")},
    "factorisation machine": {None: ("linear.fc", "embedding.embedding")},
    "neural matrix factorisation": {0: ("users",), 1: ("items",)},
}
# Networks whose kinks lie so close that single precision alone moves a map: both sides compute in double.
DOUBLE = {"GoogLeNet", "NFNet", "RepVGG", "U-Net (one class)", "DeepLabV3+", "MobileNetV3", "FPN"}
SEGMENTS = {
    "KerasHub BERT": "segment_embedding",
    "KerasHub ALBERT": "segment_embedding",
    "KerasHub ELECTRA": "segment_embedding",
    "KerasHub FNet": "segment_embedding",
}


@dataclass(frozen=True)
class Part:
    """One input that is explained: numbers, or the vectors that an embedding gives for its ids.

    Attributes
    ----------
    key
        Its place in the input: None where it is the only one.
    embedding
        The name of the embedding that reads it, or None for numbers.
    start
        Its values for each example, batch first: (N, ...), for ids (N, T, E) or (N, E).
    """

    key: Any
    embedding: str | None
    start: Array


class Passes:
    """What the passes of both frameworks share."""

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.model = architecture.build()
        self.x = architecture.inputs()
        self.dtype = np.float64 if architecture.name in DOUBLE else np.float32
        if self.dtype == np.float64:
            self.model, self.x = self.model.double(), self.x.astype(np.float64)
        self.arguments = dict(architecture.arguments)
        self.time_first = self.arguments.get("layout") == "TN"
        self.count = len(self.first_input) if not self.time_first else EXAMPLES
        self.parts = self.found_parts()
        self.dependent: bool | None = None

    @property
    def first_input(self) -> Array:
        if isinstance(self.x, dict):
            return next(iter(self.x.values()))
        return self.x[0] if isinstance(self.x, tuple) else self.x

    def every_input(self) -> list[tuple[Any, Array]]:
        """Every input with its place."""
        if isinstance(self.x, dict):
            return list(self.x.items())
        return list(enumerate(self.x)) if isinstance(self.x, tuple) else [(None, self.x)]

    def found_parts(self) -> list[Part]:
        """The inputs that are explained."""
        parts = []
        names = EMBEDDINGS.get(self.architecture.name, {})
        for key, array in self.every_input():
            if array.dtype.kind == "f":
                parts.append(Part(key, None, array))
            elif key is None or isinstance(key, int) or key in READ_BY_EMBEDDINGS:
                embedding = self.architecture.ids or "token_embedding"
                if key == "segment_ids":
                    embedding = SEGMENTS.get(self.architecture.name, "segment_embedding")
                for name in names.get(key, (embedding,)):
                    parts.append(Part(key, name, self.vectors(name, key, array)))
        return parts

    def rows_of(self, array: Array, rows: Array) -> Array:
        """The rows of an input for points that stand for these examples."""
        return array[:, rows] if self.time_first else array[rows]

    def with_points(self, points: Sequence[Array], rows: Array) -> tuple[Any, dict[str, Array]]:
        """The input with the points of numbers in place, and the points at embeddings by name."""
        numbers = {
            part.key: one for part, one in zip(self.parts, points, strict=True) if part.embedding is None
        }
        given = {key: numbers.get(key, self.rows_of(array, rows)) for key, array in self.every_input()}
        vectors = {
            (part.embedding, part.key): one
            for part, one in zip(self.parts, points, strict=True)
            if part.embedding is not None
        }
        if isinstance(self.x, dict):
            return given, vectors
        return tuple(given.values()), vectors

    def kwargs_rows(self, rows: Array) -> dict[str, Any]:
        """The further arguments of the model, those with a row per example by these rows."""
        return {
            name: value[rows] if isinstance(value, np.ndarray) and len(value) == self.count else value
            for name, value in self.arguments.get("forward_kwargs", {}).items()
        }

    def given_arguments(self) -> dict[str, Any]:
        """What a user gives to `attribute` besides: further arguments of the model are the framework's tensors."""
        further = self.arguments.get("forward_kwargs")
        return (
            self.arguments
            if further is None
            else {**self.arguments, "forward_kwargs": self.as_tensors(further)}
        )

    def as_tensors(self, further: dict[str, Any]) -> dict[str, Any]:
        return further

    def picked(self, output: Any) -> Any:
        """The explained score of each example, from what the model (or its logits) gives."""
        architecture = self.architecture
        if architecture.score is not None:
            return architecture.score(output)
        if architecture.logits is None:
            if "output" in self.arguments:
                output = output[self.arguments["output"]]
            elif hasattr(output, "logits"):
                output = output.logits
        target = architecture.target
        if target is None:
            return output
        return output[(slice(None), *(target if isinstance(target, tuple) else (target,)))]

    # Answered by each framework.

    def vectors(self, name: str, key: Any, ids: Array) -> Array:
        """What an embedding gives for the ids of an input, batch first."""
        raise NotImplementedError

    def scores(self, points: Sequence[Array], rows: Array) -> Array:
        """The score at each point, (P,): `points` has for each part (P, ...), `rows` the example of each."""
        raise NotImplementedError

    def gradients(self, points: Sequence[Array], rows: Array, rectified: bool = False) -> list[Array]:
        """The gradient of each point's score to it; `rectified` with the rule of guided backpropagation."""
        raise NotImplementedError

    def relevances(self) -> list[Array] | None:
        """The relevance of each part by the ε-rule; None where there is no reference."""
        raise NotImplementedError

    def in_chunks(
        self, answer: Callable[..., Any], points: Sequence[Array], rows: Array, size: int = 64
    ) -> list[Any]:
        return [
            answer([one[start : start + size] for one in points], rows[start : start + size])
            for start in range(0, len(rows), size)
        ]

    @property
    def rows(self) -> Array:
        return np.arange(self.count)

    @property
    def starts(self) -> list[Array]:
        return [part.start for part in self.parts]
