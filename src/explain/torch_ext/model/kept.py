"""What a backend keeps of one call until the next asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from explain.inputs.examples import Array, Examples


@dataclass(frozen=True)
class Answers:
    """A forward pass whose graph is kept for the gradients that are asked for next."""

    examples: Examples
    points: tuple[Tensor, ...]
    explained: Tensor
    outputs: Array

    def is_of(self, examples: Examples) -> bool:
        """Tell whether it was over these very examples, whatever their target."""
        return self.examples.inputs is examples.inputs and self.examples.held is examples.held
