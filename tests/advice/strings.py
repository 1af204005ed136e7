"""Strings that a model looks up itself, columns of a table, and states that the caller gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from advice.advice import Advice
from advice.models import TENSORFLOW, TORCH
from models.texts import classifier, ids_of

import explain
from explain.errors import BaselineError, HeldInputWarning, InputError, ZeroGradientWarning

COLOURS = np.array([["red"], ["blue"]])
TABLE = np.array([[1, 2, 5], [0, 1, 3]])
KNOWN = ["red", "green", "blue"]
TEXTS = ["the red ball", "a blue one"]


def colours(kit: Any, mode: str = "int", **settings: Any) -> Any:
    """A model of colours: by the vector of each, or one-hot."""
    layers = kit.keras.layers
    kit.keras.utils.set_random_seed(0)
    given = kit.keras.Input((1,), dtype="string")
    found = layers.StringLookup(vocabulary=KNOWN, output_mode=mode, **settings)(given)
    if mode == "int":
        found = layers.Flatten()(layers.Embedding(4, 3, embeddings_initializer="normal")(found))
    return kit.keras.Model(given, layers.Dense(2)(layers.Dense(4, activation="tanh")(found)))


def beside(kit: Any) -> Any:
    """Colours, one-hot, beside numbers."""
    layers, keras = kit.keras.layers, kit.keras
    keras.utils.set_random_seed(0)
    colour, age = keras.Input((1,), dtype="string"), keras.Input((1,))
    one_hot = layers.StringLookup(vocabulary=KNOWN, output_mode="one_hot")(colour)
    return keras.Model([colour, age], layers.Dense(2)(layers.Concatenate()([one_hot, age])))


def texts(kit: Any) -> Any:
    """A model of texts, which it pads to the longest of a batch."""
    layers = kit.keras.layers
    kit.keras.utils.set_random_seed(0)
    split = layers.TextVectorization(20)
    split.adapt(TEXTS)
    given = kit.keras.Input((1,), dtype="string")
    vectors = layers.Embedding(20, 4, mask_zero=True, embeddings_initializer="normal")(split(given))
    return kit.keras.Model(given, layers.Dense(2)(layers.GRU(3)(vectors)))


def table(kit: Any) -> Any:
    """Two columns of categories and one of whole numbers, in one array."""
    torch, nn = kit.torch, kit.torch.nn
    torch.manual_seed(0)

    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.columns = nn.ModuleList([nn.Embedding(3, 2), nn.Embedding(4, 2)])
            self.head = nn.Linear(5, 2)

        def forward(self, ids: Any) -> Any:
            vectors = [column(ids[:, place].long()) for place, column in enumerate(self.columns)]
            return self.head(torch.cat([*vectors, ids[:, 2:].float()], 1))

    return Table().eval()


def reader(kit: Any) -> Any:
    """A model of token ids and a first state, over whole sequences."""
    torch, nn = kit.torch, kit.torch.nn
    torch.manual_seed(0)

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.recurrent = nn.Embedding(9, 4), nn.GRU(4, 3, batch_first=True)

        def forward(self, ids: Any, hidden: Any) -> Any:
            return self.recurrent(self.table(ids), hidden)

    return Reader().eval()


def explained(model: Any, x: Any, method: str = "ig", **arguments: Any) -> Any:
    """Explain the second class."""
    return explain.attribute(model, x, method, **{"target": 1, **arguments})


NUMBERS = np.ones((2, 1), np.float32)

ADVICE = [
    Advice(
        " has strings, but no embedding of the model gives one vector for each, at which ",
        InputError,
        lambda kit: explained(colours(kit, "one_hot"), COLOURS),
        lambda kit: [
            explained(colours(kit, "one_hot"), COLOURS, method, baseline="green")
            for method in ("feature_ablation", "occlusion", "shapley_value_sampling", "kernel_shap")
        ],
        TENSORFLOW,
    ),
    Advice(
        " It stayed fixed: its values are zero.",
        HeldInputWarning,
        lambda kit: explained(beside(kit), [COLOURS, NUMBERS]),
        lambda kit: explained(beside(kit), [COLOURS, NUMBERS], "feature_ablation"),
        TENSORFLOW,
    ),
    Advice(
        "in their order (from 0 on), which reach the score: one method cannot change both as they are. ",
        InputError,
        lambda kit: explained(table(kit), TABLE),
        lambda kit: explained(table(kit), TABLE, "feature_ablation"),
        TORCH,
    ),
    Advice(
        "Nothing lies between two such numbers, so that method=",
        ZeroGradientWarning,
        lambda kit: explained(table(kit), TABLE.astype(np.float32), "saliency"),
        lambda kit: [
            explained(table(kit), TABLE.astype(np.float32), method)
            for method in ("feature_ablation", "shapley_value_sampling", "kernel_shap")
        ],
        TORCH,
    ),
    Advice(
        " Give baseline= a string that the model knows.",
        BaselineError,
        lambda kit: explained(colours(kit, num_oov_indices=0), COLOURS),
        lambda kit: explained(colours(kit, num_oov_indices=0), COLOURS, baseline="green"),
        TENSORFLOW,
    ),
    Advice(
        " puts strings in the place of strings: give one, such as ''; for the string ",
        BaselineError,
        lambda kit: explained(colours(kit), COLOURS, "feature_ablation", baseline="mean"),
        lambda kit: [
            explained(colours(kit), COLOURS, "feature_ablation", baseline=one)
            for one in ("", np.array(["mean"]))
        ],
        TENSORFLOW,
    ),
    Advice(
        " takes one step and a state: a method cannot start at its embedding. ",
        InputError,
        lambda kit: explained(reader(kit), TABLE, target=(2, 1)),
        lambda kit: explained(reader(kit), TABLE, target=(2, 1), forward_kwargs={"hidden": None}),
        TORCH,
    ),
    Advice(
        ": give a string for each, as the model was trained with.",
        InputError,
        lambda kit: explained(colours(kit), [["red"], [None]]),
        lambda kit: explained(colours(kit), [["red"], ["blue"]]),
        TENSORFLOW,
    ),
    Advice(
        ": give them as (N,) or (N, T), the examples first.",
        InputError,
        lambda kit: explained(colours(kit), COLOURS[None]),
        lambda kit: explained(colours(kit), COLOURS),
        TENSORFLOW,
    ),
    Advice(
        ", but x has strings: give the string to put in the place of one, such as '' or o",
        BaselineError,
        lambda kit: explained(colours(kit), COLOURS, "feature_ablation", baseline=3.0),
        lambda kit: explained(colours(kit), COLOURS, "feature_ablation", baseline="green"),
        TENSORFLOW,
    ),
    Advice(
        " for texts: give one word, which is put in the place of each; '' leaves it out.",
        BaselineError,
        lambda kit: explained(texts(kit), TEXTS, "feature_ablation", baseline=["a", "b"]),
        lambda kit: [explained(texts(kit), TEXTS, "feature_ablation", baseline=one) for one in ("ball", "")],
        TENSORFLOW,
    ),
    Advice(
        " tokens, and is put in the place of one: give one word; '' leaves it out.",
        BaselineError,
        lambda kit: explained(texts(kit), TEXTS, "feature_ablation", baseline="a ball"),
        lambda kit: explained(texts(kit), TEXTS, "feature_ablation", baseline="ball"),
        TENSORFLOW,
    ),
    Advice(
        ", an array of ",
        BaselineError,
        lambda kit: explained(colours(kit), COLOURS, "expected_gradients"),
        lambda kit: explained(colours(kit), COLOURS, "expected_gradients", baseline=np.array([["green"]])),
        TENSORFLOW,
    ),
    Advice(
        " takes strings, which it looks up itself: leave tokenizer ",
        InputError,
        lambda kit: explained(texts(kit), TEXTS, tokenizer=lambda text: [1, 2]),
        lambda kit: explained(texts(kit), TEXTS),
        TENSORFLOW,
    ),
    Advice(
        " has strings, which no layer of the model looks up: give the numbers that stand for them, as in ",
        InputError,
        lambda kit: explained(classifier(kit, takes_mask=False), np.array([["the", "film"]])),
        lambda kit: [
            explained(classifier(kit, takes_mask=False), np.array([[1, 2]])),
            explained(classifier(kit, takes_mask=False), "the film", tokenizer=ids_of),
        ],
    ),
    Advice(
        " tokens, which the model pads to the longest of each batch: ",
        InputError,
        lambda kit: explained(texts(kit), [*TEXTS, "ball"]),
        lambda kit: [explained(texts(kit), TEXTS), explained(texts(kit), ["ball"])],
        TENSORFLOW,
    ),
]
