"""The table of the seed models and of the transformer beside them: architecture, input, output and training."""

from __future__ import annotations

from collections.abc import Mapping

from explain.errors import ZooError
from explain.zoo.checked_names import one_of
from explain.zoo.labels import CIFAR10_CLASSES, FASHION_MNIST_CLASSES, LANGUAGES
from explain.zoo.layers import (
    Convolution,
    Dense,
    Embedding,
    Framework,
    Normalization,
    ParameterLayer,
    PlainLayer,
    Recurrent,
)
from explain.zoo.model_row import Recipe, SeedModel
from explain.zoo.synthetic.models import MADE_MODELS

CHARACTERS = 57
HIDDEN_SIZE = 128
TRANSFORMER_WIDTH = 48
TRANSFORMER_HEADS = 4
TRANSFORMER_BLOCKS = 2
LONGEST_NAME = 24
# In place of the scores of padding: its weights are then exactly zero in either precision.
MASKED_SCORE = -1e9

_PICTURE_SHAPE: Mapping[Framework, tuple[int, ...]] = {"torch": (3, 32, 32), "tensorflow": (32, 32, 3)}
_PICTURE_LAYOUT: Mapping[Framework, str] = {"torch": "NCHW", "tensorflow": "NHWC"}
_SEQUENCE_LAYOUT: Mapping[Framework, str] = {"torch": "NTC", "tensorflow": "NTC"}

_TABLE = (
    SeedModel(
        name="cifar_net",
        summary="A small LeNet-like convolutional network on 32×32 colour pictures, ten logits.",
        native="torch",
        dataset="cifar10",
        classes=CIFAR10_CLASSES,
        example_shape=_PICTURE_SHAPE,
        layout=_PICTURE_LAYOUT,
        output="logits",
        mean=0.5,
        scale=0.5,
        bounds=(-1.0, 1.0),
        required_accuracy=0.62,
        architecture=(
            Convolution("conv1", 3, 6, 5),
            PlainLayer("relu1", "relu"),
            PlainLayer("pool1", "max_pooling"),
            Convolution("conv2", 6, 16, 5),
            PlainLayer("relu2", "relu"),
            PlainLayer("pool2", "max_pooling"),
            PlainLayer("flatten", "flatten"),
            Dense("fc1", 400, 120, flattened=(16, 5, 5)),
            PlainLayer("relu3", "relu"),
            Dense("fc2", 120, 84),
            PlainLayer("relu4", "relu"),
            Dense("fc3", 84, 10),
        ),
        recipe=Recipe(epochs=16, weight_decay=1e-3, augmentation=True),
    ),
    SeedModel(
        name="cifar_keras",
        summary="A convolutional network of three 3×3 convolutions on 32×32 colour pictures, ten logits.",
        native="tensorflow",
        dataset="cifar10",
        classes=CIFAR10_CLASSES,
        example_shape=_PICTURE_SHAPE,
        layout=_PICTURE_LAYOUT,
        output="logits",
        mean=0.0,
        scale=1.0,
        bounds=(0.0, 1.0),
        required_accuracy=0.70,
        architecture=(
            Convolution("conv1", 3, 32, 3),
            PlainLayer("relu1", "relu"),
            PlainLayer("pool1", "max_pooling"),
            Convolution("conv2", 32, 64, 3),
            PlainLayer("relu2", "relu"),
            PlainLayer("pool2", "max_pooling"),
            Convolution("conv3", 64, 64, 3),
            PlainLayer("relu3", "relu"),
            PlainLayer("flatten", "flatten"),
            Dense("fc1", 1024, 64, flattened=(64, 4, 4)),
            PlainLayer("relu4", "relu"),
            Dense("fc2", 64, 10),
        ),
        recipe=Recipe(epochs=16, weight_decay=1e-3, augmentation=True),
    ),
    SeedModel(
        name="names_rnn",
        summary=(
            "A character-level recurrent network, one character per step and no non-linearity between the "
            "steps: names to log-probabilities of 18 languages."
        ),
        native="torch",
        dataset="names",
        classes=LANGUAGES,
        example_shape={"torch": (None, CHARACTERS), "tensorflow": (None, CHARACTERS)},
        layout=_SEQUENCE_LAYOUT,
        output="log-probabilities",
        mean=0.0,
        scale=1.0,
        bounds=(0.0, 1.0),
        required_accuracy=0.75,
        architecture=(
            Dense("i2h", CHARACTERS + HIDDEN_SIZE, HIDDEN_SIZE),
            Dense("i2o", CHARACTERS + HIDDEN_SIZE, len(LANGUAGES)),
            PlainLayer("softmax", "log_softmax"),
        ),
        recipe=Recipe(epochs=25, clip_norm=1.0),
    ),
    SeedModel(
        name="fashion_rnn",
        summary=(
            "Two simple recurrent layers that read a 28×28 picture row by row: probabilities of ten kinds of "
            "clothing."
        ),
        native="tensorflow",
        dataset="fashion_mnist",
        classes=FASHION_MNIST_CLASSES,
        example_shape={"torch": (28, 28), "tensorflow": (28, 28)},
        layout=_SEQUENCE_LAYOUT,
        output="probabilities",
        mean=0.0,
        scale=1.0,
        bounds=(0.0, 1.0),
        required_accuracy=0.85,
        architecture=(
            Recurrent("rnn1", 28, HIDDEN_SIZE, returns_sequence=True),
            Recurrent("rnn2", HIDDEN_SIZE, HIDDEN_SIZE),
            Dense("fc", HIDDEN_SIZE, 10),
            PlainLayer("softmax", "softmax"),
        ),
        recipe=Recipe(epochs=12, learning_rate=1e-3, clip_norm=1.0),
    ),
)

SEED_MODELS: Mapping[str, SeedModel] = {model.name: model for model in _TABLE}


def _block(number: int) -> tuple[ParameterLayer, ...]:
    """Give the layers of one block: self-attention and two dense layers, each after a normalization."""
    width = TRANSFORMER_WIDTH
    projections = tuple(Dense(f"{role}{number}", width, width) for role in ("query", "key", "value", "mix"))
    return (
        Normalization(f"attention_norm{number}", width),
        *projections,
        Normalization(f"dense_norm{number}", width),
        Dense(f"widen{number}", width, 2 * width),
        Dense(f"narrow{number}", 2 * width, width),
    )


# Not in `SEED_MODELS`, which every test and every figure covers with every method: it takes token ids, for which many
# methods are not meant, and the gallery shows it with the few that are made for transformers.
NAMES_TRANSFORMER = SeedModel(
    name="names_transformer",
    summary=(
        "A small transformer on the letters of a name: learned positions, two blocks of self-attention with four "
        "heads, normalized first, and the mean over the letters: names to logits of 18 languages."
    ),
    native="torch",
    dataset="names",
    classes=LANGUAGES,
    example_shape={"torch": (None,), "tensorflow": (None,)},
    layout={"torch": "NT", "tensorflow": "NT"},
    output="logits",
    mean=0.0,
    scale=1.0,
    bounds=(0.0, float(CHARACTERS)),
    required_accuracy=0.75,
    architecture=(
        Embedding("embedding", CHARACTERS + 1, TRANSFORMER_WIDTH, padding=True),
        Embedding("positions", LONGEST_NAME, TRANSFORMER_WIDTH),
        *(layer for number in range(1, TRANSFORMER_BLOCKS + 1) for layer in _block(number)),
        Normalization("norm", TRANSFORMER_WIDTH),
        Dense("classify", TRANSFORMER_WIDTH, len(LANGUAGES)),
    ),
    recipe=Recipe(epochs=20, weight_decay=0.05, clip_norm=1.0),
)

# Those of the made data are not in `SEED_MODELS` either: they are made to be wrong, or right, in a way that is known.
_SHIPPED: Mapping[str, SeedModel] = {
    **SEED_MODELS,
    **{model.name: model for model in (NAMES_TRANSFORMER, *MADE_MODELS)},
}


def seed_model(name: str) -> SeedModel:
    """Look up a seed model.

    Parameters
    ----------
    name : str
        One of `explain.zoo.names()`, ``"names_transformer"``, or a model of the made data (see `explain.zoo.load`).

    Returns
    -------
    SeedModel
        The model's row of the table.

    Raises
    ------
    ZooError
        If there is no seed model of that name.

    Examples
    --------
    >>> seed_model("fashion_rnn").native
    'tensorflow'
    """
    if name not in _SHIPPED:
        raise ZooError(one_of("name", name, tuple(_SHIPPED), "the seed models"))
    return _SHIPPED[name]
