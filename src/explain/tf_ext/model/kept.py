"""What a backend keeps of one call until the next asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.inputs.examples import Examples


@dataclass(frozen=True)
class Answers:
    """Gradients that were taken with the outputs, kept until they are asked for."""

    examples: Examples
    gradients: tuple[Any, ...]
    scores: Any
    indices: Any

    def is_of(self, examples: Examples) -> bool:
        """Tell whether they are of these very examples and of the target that was resolved since."""
        return (
            bool(self.gradients)
            and self.examples.inputs is examples.inputs
            and self.examples.held is examples.held
            and examples.target.indices is not None
            and np.array_equal(self.indices.numpy()[: len(examples)], examples.target.indices)
        )
