"""Keras models that look strings up themselves, and the same computation from the vectors of the strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

COLOURS = ["red", "green", "blue"]
SIZES = ["small", "large"]
SENTENCES = ["the cat sat on the mat", "a dog ate the red ball", "the ball sat"]


def looking_up(lookup: Any, count: int, size: int = 1, shape: tuple[int, ...] | None = None) -> Any:
    """Give a model of strings (N, size) to two classes: a lookup, its embedding, and a small network."""
    keras.utils.set_random_seed(0)
    given = keras.Input((size,) if shape is None else shape, dtype="string")
    vectors = keras.layers.Embedding(count, 3, name="vectors", embeddings_initializer="normal")(lookup(given))
    return keras.Model(given, _network(keras.layers.Flatten()(vectors)))


def of_vectors(model: Any) -> Callable[[Any], Any]:
    """Give the function from the vectors of strings to the classes, of a model with one embedding, in its layers."""
    layers = model.layers
    start = next(place for place, layer in enumerate(layers) if layer.name == "vectors")

    def rest(vectors: Any) -> Any:
        for layer in layers[start + 1 :]:
            vectors = layer(vectors)
        return vectors

    return rest


def vectorizer(**settings: Any) -> Any:
    """Give a layer that splits texts into words, with a vocabulary of the sentences."""
    layer = keras.layers.TextVectorization(**{"max_tokens": 40, **settings})
    layer.adapt(SENTENCES)
    return layer


def of_text(layer: Any, *, mask_zero: bool = False) -> Any:
    """Give a model of texts (N, 1) to two classes, which reads the vectors of words in their order."""
    keras.utils.set_random_seed(0)
    given = keras.Input((1,), dtype="string")
    vectors = keras.layers.Embedding(
        40, 4, name="vectors", mask_zero=mask_zero, embeddings_initializer="normal"
    )(layer(given))
    return keras.Model(given, keras.layers.Dense(2)(keras.layers.GRU(5)(vectors)))


def beside_numbers() -> Any:
    """Give a model of a table, as a dict: a colour, one-hot; a size, by its vector; an age."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    kinds = {"colour": "string", "size": "string", "age": "float32"}
    given = {name: keras.Input((1,), dtype=kind, name=name) for name, kind in kinds.items()}
    # As in structured data, where every string is known: any other raises.
    colour = layers.StringLookup(vocabulary=COLOURS, output_mode="one_hot")(given["colour"])
    size = layers.StringLookup(vocabulary=SIZES, num_oov_indices=0)(given["size"])
    size = layers.Flatten()(layers.Embedding(2, 3, name="vectors", embeddings_initializer="normal")(size))
    return keras.Model(given, _network(layers.Concatenate()([colour, size, given["age"]])))


def _network(numbers: Any) -> Any:
    return keras.layers.Dense(2)(keras.layers.Dense(6, activation="tanh")(numbers))
