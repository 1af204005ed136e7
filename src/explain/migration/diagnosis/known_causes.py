"""What a divergence may come from, and the place at which one is looked for."""

from __future__ import annotations

from dataclasses import dataclass

from explain.migration.diagnosis.hypotheses import flattening
from explain.migration.measurement.alignment import Aligned
from explain.migration.measurement.distance import flatten_order
from explain.migration.measurement.matching import Model

CAUSES = {
    "height and width": "Exchange the two axes of space: of the kernel, or of the picture before it reaches the model.",
    "channel order": "Give both models their channels in the same order, RGB or BGR: in the preprocessing, or in the "
    "first layer's kernel.",
    "value range": "Scale the input of both models alike, for example both to [0, 1]; a layer that rescales belongs "
    "into both models or into neither.",
    "preprocessing": "Compare the two preprocessings step by step: what reaches the first layer is not the same.",
    "padding": "Pad alike: PyTorch's padding=p puts p zeros at both ends, 'same' as few as the size needs, with "
    "strides unevenly. Put a layer of zeros in front and pad with 'valid'.",
    "epsilon": "Set the same epsilon: PyTorch's batch normalisation has 1e-5 by default, Keras's 1e-3.",
    "training mode": "Run both models as in inference: call model.eval() in PyTorch, and no Keras layer with "
    "training=True.",
    "flatten order": "Reorder the rows of the dense layer's kernel, or flatten in the same order: PyTorch flattens "
    "channels first, Keras channels last. explain.port does it.",
    "gate order": "Reorder the gates: PyTorch's GRU has r, z, n and Keras's z, r, n; both have i, f, g, o in an LSTM. "
    "explain.port does it.",
    "weights": "Copy this layer's weights again, from the same checkpoint: explain.port copies all of them.",
    "precision": "Compare the models in one precision, or allow for its rounding with tolerances=.",
    "activation": "Apply the same activation in both models.",
    "pooling": "Pool alike: the same window, strides and rule at the border.",
    "time order": "Give both models the steps in the same order, and the axes as each wants them.",
    "settings": "Set the layer alike in both models.",
    "architecture": "Compare the two architectures: a layer is missing in one of them, or gives another shape.",
    "gradient": "Look for what stops or changes a gradient in one of the models: detach, stop_gradient, a custom one.",
    "unknown": "Compare the two layers' code by hand, with what they are given and what they give.",
}
"""The likely causes by name, each with what to do."""


@dataclass(frozen=True)
class Diagnosis:
    """A likely cause.

    Parameters
    ----------
    cause : str
        One of `CAUSES`.
    evidence : str
        What speaks for it.
    at_input : bool
        Whether it lies before the first layer.
    """

    cause: str
    evidence: str
    at_input: bool = False

    @property
    def remedy(self) -> str:
        """What to do."""
        return CAUSES[self.cause]


@dataclass(frozen=True, eq=False)
class Here:
    """A pair of calls in their models, and whether it is the first."""

    pair: Aligned
    a: Model
    b: Model
    is_first: bool = False

    @property
    def names(self) -> str:
        """What the layer is called, in both models."""
        one, other = self.pair.a.name, self.pair.b.name
        return one if one == other else f"{one} (a) and {other} (b)"

    @property
    def map_before(self) -> tuple[int, ...] | None:
        """The map whose flattening reaches the layer, channels last, if it is one."""
        inputs = self.pair.inputs[0]
        if inputs is None or inputs.ndim != 2:
            return None
        width = inputs.shape[1]
        of_a = self.a.flattened_before(self.a.observation.calls.index(self.pair.a), width)
        return of_a or self.b.flattened_before(self.b.observation.calls.index(self.pair.b), width)

    @property
    def flattened_as_in_b(self) -> str | None:
        """The order of the map's axes in which its values reach the layer in b; None if they are other values."""
        shape, (one, other) = self.map_before, self.pair.inputs
        if shape is None or one is None or other is None:
            return None
        rows = one if self.a.flattens_channels_last else one[:, flatten_order(shape)]
        return flattening(rows.T, other.T, shape)
