"""Which output is explained, and its score."""

from __future__ import annotations

from typing import Any

import numpy as np
from advice.advice import Advice
from advice.models import SERIES, TABLE, TENSORFLOW, WEIGHT, attribute, linear, module, recurrent

from explain.errors import (
    GradientError,
    InputError,
    ScoreError,
    SeveralOutputsError,
    TargetError,
    UnsupportedModelError,
)


def detector(kit: Any) -> Any:
    """As a detector does: a list of dicts, one a picture."""
    return kit.function(lambda x: [{"boxes": x, "scores": kit.matmul(x, WEIGHT)}])


def first_scores(kit: Any) -> Any:
    return module(kit, lambda self, x: self.detector(x)[0]["scores"], detector=detector(kit))


def nested(kit: Any) -> Any:
    return kit.function(lambda x: {"boxes": [x], "scores": kit.matmul(x, WEIGHT)})


def two_heads(kit: Any) -> Any:
    """A functional Keras model with two named outputs; in PyTorch a named tuple of them."""
    if kit.name == "torch":
        from collections import namedtuple

        heads = namedtuple("Heads", ["line", "square"])
        return kit.function(lambda x: heads(kit.matmul(x, WEIGHT), x * x))
    keras = kit.keras
    x = keras.Input((4,))
    return keras.Model(x, [keras.layers.Dense(3, name="line")(x), keras.layers.Dense(2, name="square")(x)])


def constant_output(kit: Any) -> Any:
    if kit.name == "torch":
        return kit.function(lambda x: (kit.matmul(x, WEIGHT), kit.torch.ones(len(x), 3)))
    return kit.function(lambda x: (kit.matmul(x, WEIGHT), kit.tf.ones((kit.tf.shape(x)[0], 3))))


def weighted(kit: Any, weights: np.ndarray) -> Any:
    """A target that closes over weights."""
    held = kit.tensor(weights)
    return lambda outputs: kit.sum(outputs * held, 1)


def for_two_rows(kit: Any) -> Any:
    """A target that fails for any other number of rows than two, which shows when it runs."""
    held = kit.tensor(np.ones(2, np.float32))
    if kit.name == "torch":
        return lambda outputs: outputs[:, 0] * held[3 - len(outputs)]
    return lambda outputs: outputs[:, 0] * kit.tf.gather(held, 3 - kit.tf.shape(outputs)[0])


def per_row(kit: Any) -> np.ndarray:
    return np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]], np.float32)


def one_by_one(kit: Any) -> Any:
    model, rows = linear(kit), per_row(kit)
    return [attribute(model, TABLE[i : i + 1], "ig", target=weighted(kit, rows[i : i + 1])) for i in range(2)]


def fails(outputs: Any) -> Any:
    raise KeyError("of the user's own")


def scaled_by(kit: Any) -> Any:
    """Two outputs, one scaled by a keyword argument."""
    return kit.function(lambda x, scale=1.0: (kit.matmul(x, WEIGHT) * scale, x))


def differentiated_outside(kit: Any) -> Any:
    """Two heads behind an operation whose derivative reads values, which no graph has."""

    @kit.tf.custom_gradient
    def same(z: Any) -> Any:
        return kit.tf.identity(z), lambda given: kit.tf.constant(given.numpy())

    return kit.function(lambda x: kit.tf.concat([kit.sigmoid(kit.matmul(same(x), WEIGHT))] * 2, 1))


ADVICE = [
    Advice(
        " cannot be computed: the gradients of the model run outside of ",
        ScoreError,
        lambda kit: attribute(differentiated_outside(kit)),
        lambda kit: attribute(differentiated_outside(kit), score="probability"),
        TENSORFLOW,
    ),
    Advice(
        " is neither a position nor a name: give a whole number, or the key ",
        ScoreError,
        lambda kit: attribute(scaled_by(kit), output=[0]),
        lambda kit: attribute(scaled_by(kit), output=0),
    ),
    Advice(
        " is no mapping of names to values: give the model's keyword arguments as a dict, ",
        InputError,
        lambda kit: attribute(scaled_by(kit), output=0, forward_kwargs=[2.0]),
        lambda kit: attribute(scaled_by(kit), output=0, forward_kwargs={"scale": 2.0}),
    ),
    Advice(
        "should be a tensor with one row per example, and output=",
        ScoreError,
        lambda kit: attribute(detector(kit), output=0),
        lambda kit: [
            attribute(first_scores(kit)),
            attribute(detector(kit), target=lambda found: found[0]["scores"][:, 0]),
        ],
    ),
    Advice(
        "; or a callable target, from all outputs to one number an example.",
        SeveralOutputsError,
        lambda kit: attribute(two_heads(kit)),
        lambda kit: [
            attribute(two_heads(kit), output="square"),
            attribute(two_heads(kit), output=1),
            attribute(two_heads(kit), target=lambda outputs: outputs[0][:, 0] + outputs[1][:, 1]),
        ],
    ),
    Advice(
        " is not known of the number that target, a callable, makes of all that the model ",
        ScoreError,
        lambda kit: attribute(two_heads(kit), target=lambda outputs: outputs[0][:, 0], score="probability"),
        lambda kit: attribute(two_heads(kit), target=lambda outputs: outputs[0][:, 0]),
    ),
    Advice(
        " outputs, and ",
        ScoreError,
        lambda kit: attribute(nested(kit), output="boxes"),
        lambda kit: attribute(nested(kit), output="scores"),
    ),
    Advice(
        "the model returns a single output; leave output out.",
        ScoreError,
        lambda kit: attribute(linear(kit), output=1),
        lambda kit: attribute(linear(kit)),
    ),
    Advice(
        "target, a callable, raised ",
        TargetError,
        lambda kit: attribute(linear(kit), target=fails),
        lambda kit: attribute(linear(kit), target=lambda outputs: outputs[:, 0]),
    ),
    Advice(
        "target, a callable, raised ",
        TargetError,
        lambda kit: attribute(linear(kit), target=for_two_rows(kit)),
        one_by_one,
    ),
    Advice(
        "it should give one scalar per ",
        TargetError,
        lambda kit: attribute(linear(kit), method="ig", target=weighted(kit, per_row(kit))),
        one_by_one,
    ),
    Advice(
        "gives the last example the score",
        TargetError,
        lambda kit: attribute(linear(kit), target=lambda outputs: outputs[:, 0] - kit.sum(outputs)),
        lambda kit: attribute(linear(kit), target=lambda outputs: outputs[:, 0] - kit.sum(outputs, 1)),
    ),
    Advice(
        "did not change when noise was added to the input",
        GradientError,
        lambda kit: attribute(constant_output(kit), output=1, score="output"),
        lambda kit: attribute(constant_output(kit), output=0, score="output"),
    ),
    Advice(
        "Name a layer that the ",
        GradientError,
        lambda kit: attribute(recurrent(kit), SERIES, layer="rnn"),
        lambda kit: [attribute(recurrent(kit), SERIES, layer="out"), attribute(recurrent(kit), SERIES)],
    ),
    Advice(
        " has no gradient to its input: on the way",
        GradientError,
        lambda kit: attribute(kit.function(lambda x: kit.detached(x) * 2)),
        lambda kit: [
            attribute(kit.function(lambda x: x * 2)),
            attribute(kit.function(lambda x: kit.detached(x) * 2), method="feature_ablation"),
        ],
    ),
    Advice(
        "so it cannot be called as a whole",
        UnsupportedModelError,
        lambda kit: attribute(module(kit, None, encoder=linear(kit), decoder=linear(kit))),
        lambda kit: [
            attribute(module(kit, None, encoder=linear(kit)).encoder),
            attribute(module(kit, lambda self, x: self.encoder(x), encoder=linear(kit))),
        ],
    ),
]
