"""The frozen list of real architectures, and the rules that were written before any of them was explained.

The list was committed before the work that it judges. Since then only an architecture that could not be built may be
repaired, and the commit says so.
"""

from __future__ import annotations

from architectures.architecture import Architecture
from architectures.keras_models import KERAS_MODELS
from architectures.torch_sequences import TORCH_SEQUENCES
from architectures.torch_vision import TORCH_VISION

ARCHITECTURES: tuple[Architecture, ...] = (*TORCH_VISION, *TORCH_SEQUENCES, *KERAS_MODELS)

# The methods: every family, and where a family has several, those that differ in what they ask of a model.
METHODS = (
    "saliency",
    "input_x_gradient",
    "smoothgrad",
    "integrated_gradients",
    "expected_gradients",
    "guided_backprop",
    "deep_lift",
    "lrp",
    "activation",
    "conductance",
    "grad_cam",
    "layer_cam",
    "occlusion",
    "feature_ablation",
    "kernel_shap",
    "activation_maximization",
)

# What no right answer exists for, whatever the library does. All else is applicable, and an error is a refusal.
NO_GRID = "a table or a graph has no axis of space or time, so there is no map of places"
WHOLE_NUMBERS = (
    "ids are whole numbers of a table: there is no value to search or to interpolate with other examples"
)


def not_applicable(architecture: Architecture, method: str) -> str | None:
    """Give the reason why a method has no meaning for this architecture, or None where it has one."""
    if method in ("grad_cam", "layer_cam") and architecture.domain in ("table", "graph"):
        return NO_GRID
    if method in ("activation_maximization", "expected_gradients") and architecture.ids is not None:
        return WHOLE_NUMBERS
    return None
