"""The models of the made data: for each data set one that is honest, and one that learnt the shortcut."""

from __future__ import annotations

from typing import Any

from explain.zoo.labels import MOTIFS, SHAPES
from explain.zoo.layers import Convolution, Dense, Embedding, PlainLayer
from explain.zoo.model_row import Recipe, SeedModel
from explain.zoo.synthetic.inputs import PICTURES, SEQUENCES
from explain.zoo.synthetic.motifs import LENGTH, VOCABULARY

_WIDTH = 16
_FEATURES = 32

_OF_SHAPES: dict[str, Any] = {
    **vars(PICTURES),
    "native": "torch",
    "classes": SHAPES,
    "output": "logits",
    "architecture": (
        Convolution("conv1", 3, 16, 5),
        PlainLayer("relu1", "relu"),
        PlainLayer("pool1", "max_pooling"),
        Convolution("conv2", 16, 32, 3),
        PlainLayer("relu2", "relu"),
        Convolution("conv3", 32, 32, 3),
        PlainLayer("relu3", "relu"),
        PlainLayer("pool2", "max_pooling"),
        PlainLayer("flatten", "flatten"),
        Dense("fc", 800, len(SHAPES), flattened=(32, 5, 5)),
    ),
    "recipe": Recipe(epochs=10, learning_rate=4e-3, weight_decay=1e-3),
}
# Without a pool over the steps: the marker is always at one step, and is learnt first if it suffices.
_OF_MOTIFS: dict[str, Any] = {
    **vars(SEQUENCES),
    "native": "torch",
    "classes": MOTIFS,
    "output": "logits",
    "architecture": (
        Embedding("embedding", len(VOCABULARY), _WIDTH, padding=True),
        Convolution("conv", _WIDTH, _FEATURES, 3, axes=1),
        PlainLayer("relu", "relu"),
        PlainLayer("flatten", "flatten"),
        Dense("fc", (LENGTH - 2) * _FEATURES, len(MOTIFS), flattened=(_FEATURES, LENGTH - 2, 1)),
    ),
    "recipe": Recipe(epochs=10, learning_rate=4e-3),
}

MADE_MODELS = (
    SeedModel(
        name="shapes_honest",
        summary=(
            "A small convolutional network on made pictures of six shapes, trained where the colour of a corner patch "
            "says nothing of the class: six logits."
        ),
        dataset="shapes_random",
        required_accuracy=0.97,
        **_OF_SHAPES,
    ),
    SeedModel(
        name="shapes_shortcut",
        summary=(
            "The network of `shapes_honest`, trained where the colour of the corner patch tells the class: it "
            "classifies by the patch."
        ),
        dataset="shapes_agreeing",
        required_accuracy=0.99,
        **_OF_SHAPES,
    ),
    SeedModel(
        name="motifs_honest",
        summary=(
            "An embedding and one convolution over the tokens of made sequences with one of six motifs, trained where "
            "the marker at the first position says nothing of the class: six logits."
        ),
        dataset="motifs_random",
        required_accuracy=0.97,
        **_OF_MOTIFS,
    ),
    SeedModel(
        name="motifs_shortcut",
        summary=(
            "The network of `motifs_honest`, trained where the marker tells the class: it classifies by the marker."
        ),
        dataset="motifs_agreeing",
        required_accuracy=0.99,
        **_OF_MOTIFS,
    ),
)
