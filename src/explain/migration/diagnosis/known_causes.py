"""The causes that a divergence may have, each with its remedy."""

from __future__ import annotations

from dataclasses import dataclass

CAUSES = {
    "height and width": "Exchange height and width: of the kernel, or of the picture before the model.",
    "channel order": "Give both models their channels in the same order, RGB or BGR: in the preprocessing, or in the "
    "first layer's kernel.",
    "value range": "Scale the input of both models alike, for example both to [0, 1]; put a layer that rescales "
    "into both models or into neither.",
    "preprocessing": "Compare the two preprocessings step by step: the inputs of the first layer are not the same.",
    "padding": "Use the same padding: PyTorch's padding=p adds p zeros at both ends, 'same' as few as the size needs, "
    "with strides unevenly. Put a zero-padding layer before and pad with 'valid'.",
    "epsilon": "Set the same epsilon: the default of batch normalisation is 1e-5 in PyTorch and 1e-3 in Keras.",
    "training mode": "Run both models in inference mode: call model.eval() in PyTorch, and no Keras layer with "
    "training=True.",
    "flatten order": "Reorder the rows of the dense layer's kernel, or flatten in the same order: PyTorch flattens "
    "channels first, Keras channels last. explain.port does it.",
    "gate order": "Reorder the gates: PyTorch's GRU has r, z, n and Keras's z, r, n; both have i, f, g, o in an LSTM. "
    "explain.port does it.",
    "weights": "Copy this layer's weights again, from the same checkpoint: explain.port copies all of them.",
    "precision": "Compare the models in one precision, or allow for the rounding with tolerances=.",
    "activation": "Apply the same activation in both models.",
    "pooling": "Use the same pool: window, strides and padding.",
    "time order": "Give both models the steps in the same order, and the axes in the order that each takes.",
    "settings": "Give the layer the same settings in both models.",
    "architecture": "Compare the two architectures: a layer is missing in one of them, or has another output shape.",
    "gradient": "Look for what stops or changes a gradient in one of the models: detach, stop_gradient, a custom one.",
    "unknown": "Compare the code of the two layers by hand, with their inputs and outputs.",
}
"""The remedies by the name of the cause."""


@dataclass(frozen=True)
class Diagnosis:
    """The likely cause of a divergence.

    Parameters
    ----------
    cause : str
        One of `CAUSES`.
    evidence : str
        The findings that indicate the cause.
    at_input : bool
        Whether the models diverge before their first layer.
    """

    cause: str
    evidence: str
    at_input: bool = False

    @property
    def remedy(self) -> str:
        """How to fix it."""
        return CAUSES[self.cause]
