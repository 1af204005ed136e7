"""What somebody gives in the first hour: a class, a batch of a data loader, pictures of PIL, one-hot targets."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
from advice.advice import Advice
from advice.models import TABLE, TENSORFLOW, TORCH, attribute, linear, module, picture
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from explain.errors import InputError, ModelCallError, TargetError, UnsupportedModelError

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2)), columns=["age", "mass"])
KINDS = pd.DataFrame({"kind": ["a", "b"] * 10})
OLD = (FRAME["age"] > 0).astype(int)
PIXELS = PIL.Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))


class Loader:
    """Gives batches one after another, as a DataLoader or a tf.data.Dataset."""

    def __iter__(self) -> Any:
        return iter([(TABLE, np.array([0, 1]))])


class Examples:
    """Gives examples one by one, as a Dataset of torch."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, place: int) -> Any:
        return TABLE[place % 2], 0


class Trained:
    """What a training gives back, with the model in it."""

    def __init__(self, model: Any) -> None:
        self.model = model


def classifier(kit: Any) -> Any:
    """Classifies pictures of 8 × 8 pixels; its class does not state that size."""
    inner = kit.cnn()
    return module(kit, lambda self, x: self.inner(x), inner=inner)


def of_colours(kit: Any) -> Any:
    """Sums the colours of pictures of any size."""
    axes = (2, 3) if kit.name == "torch" else (1, 2)
    return kit.function(lambda x: kit.sum(x * x, axes))


def estimator(frame: Any = FRAME) -> Any:
    return LogisticRegression().fit(frame, OLD)


def pipeline() -> Any:
    return make_pipeline(OneHotEncoder(sparse_output=False), LogisticRegression()).fit(KINDS, OLD)


def of_table(model: Any, x: Any) -> Any:
    return attribute(model, x, "feature_ablation", target=1, score="probability", baseline=0.5)


def as_trained(kit: Any, pixels: Any) -> Any:
    return pixels.transpose(0, 3, 1, 2) if kit.name == "torch" else pixels


ADVICE = [
    # inputs/naming/odd_inputs.py
    Advice(
        ", not a model: make one of it, model = ",
        UnsupportedModelError,
        lambda kit: attribute(type(linear(kit))),
        lambda kit: attribute(linear(kit)),
    ),
    Advice(
        ": give the model itself, without a method.",
        UnsupportedModelError,
        lambda kit: attribute(linear(kit).forward if kit.name == "torch" else linear(kit).predict),
        lambda kit: attribute(linear(kit)),
    ),
    Advice(
        ", which contains one: give model.",
        UnsupportedModelError,
        lambda kit: attribute(Trained(linear(kit))),
        lambda kit: attribute(Trained(linear(kit)).model),
    ),
    Advice(
        "state_dict or a checkpoint: weights do not say how they are used.",
        UnsupportedModelError,
        lambda kit: attribute(collections.OrderedDict(linear(kit).state_dict())),
        lambda kit: attribute(linear(kit)),
        TORCH,
    ),
    Advice(
        " arrays, as the weights of a model: weights do not say how they are used.",
        UnsupportedModelError,
        lambda kit: attribute(linear(kit).get_weights()),
        lambda kit: attribute(linear(kit)),
        TENSORFLOW,
    ),
    Advice(
        " is no model: the model comes first, then x.",
        UnsupportedModelError,
        lambda kit: attribute(TABLE, "a"),
        lambda kit: attribute(linear(kit), TABLE),
    ),
    # backends/discovery.py
    Advice(
        ", are swapped: the model comes first, then x.",
        UnsupportedModelError,
        lambda kit: attribute(TABLE, linear(kit)),
        lambda kit: attribute(linear(kit), TABLE),
    ),
    # explanation/given_inputs.py
    Advice(
        " inputs, but the model takes one: ",
        InputError,
        lambda kit: attribute(linear(kit), [*TABLE]),
        lambda kit: attribute(linear(kit), np.stack([*TABLE])),
    ),
    Advice(
        "give x alone, x[0]",
        InputError,
        lambda kit: attribute(linear(kit), (TABLE, np.array([0, 1]))),
        lambda kit: attribute(linear(kit), (TABLE, np.array([0, 1]))[0]),
    ),
    # inputs/naming/odd_inputs.py
    Advice(
        " is None: give ",
        InputError,
        lambda kit: attribute(linear(kit), None),
        lambda kit: attribute(linear(kit), TABLE),
    ),
    Advice(
        " is a picture of PIL: give an array of the axes that the model takes, ",
        InputError,
        lambda kit: attribute(of_colours(kit), PIXELS),
        lambda kit: attribute(of_colours(kit), as_trained(kit, np.asarray(PIXELS, "float32")[None] / 255)),
    ),
    Advice(
        " pictures of PIL: give one array of them, ",
        InputError,
        lambda kit: attribute(of_colours(kit), [PIXELS, PIXELS]),
        lambda kit: attribute(
            of_colours(kit),
            as_trained(kit, np.stack([np.asarray(one, "float32") for one in [PIXELS, PIXELS]]) / 255),
        ),
    ),
    Advice(
        ", and the model was not fitted on one: give its numbers, ",
        InputError,
        lambda kit: attribute(linear(kit), pd.DataFrame(TABLE)),
        lambda kit: attribute(linear(kit), pd.DataFrame(TABLE).to_numpy("float32")),
    ),
    Advice(
        ", not an array: give ",
        InputError,
        lambda kit: attribute(linear(kit), TABLE.tolist()),
        lambda kit: attribute(linear(kit), np.array(TABLE.tolist(), "float32")),
    ),
    Advice(
        ", which gives examples one after another: take one batch of it, batch = ",
        InputError,
        lambda kit: attribute(linear(kit), Loader()),
        lambda kit: attribute(linear(kit), next(iter(Loader()))[0]),
    ),
    Advice(
        ", which gives examples one by one: stack a few, ",
        InputError,
        lambda kit: attribute(linear(kit), Examples()),
        lambda kit: attribute(linear(kit), np.stack([Examples()[i][0] for i in range(8)])),
    ),
    # inputs/naming/columns.py
    Advice(
        ". Give a data frame of these columns, x[list(model.feature_names_in_)].",
        InputError,
        lambda kit: of_table(estimator(), FRAME.assign(more=1.0)),
        lambda kit: of_table(model := estimator(), FRAME.assign(more=1.0)[list(model.feature_names_in_)]),
        TORCH,
    ),
    Advice(
        ", whose values are no numbers, so that no method can change them a little: explain the last step",
        InputError,
        lambda kit: of_table(pipeline(), KINDS),
        lambda kit: of_table((steps := pipeline())[-1], steps[:-1].transform(KINDS)),
        TORCH,
    ),
    # explanation/posed.py
    Advice(
        " The model does run on x of shape (N, ",
        ModelCallError,
        lambda kit: attribute(classifier(kit), np.ones((2, *kit.picture_shape(1, 12, 12)), np.float32)),
        lambda kit: attribute(classifier(kit), picture(kit)),
    ),
    # inputs/target.py
    Advice(
        "; give the number of each class, np.argmax(target, axis=-1).",
        TargetError,
        lambda kit: attribute(linear(kit), target=np.eye(3)[[0, 2]]),
        lambda kit: attribute(linear(kit), target=np.argmax(np.eye(3)[[0, 2]], axis=-1)),
    ),
    Advice(
        "its numbers are floats; give whole numbers, ",
        TargetError,
        lambda kit: attribute(linear(kit), target=np.array([0.0, 2.0])),
        lambda kit: attribute(linear(kit), target=np.asarray(np.array([0.0, 2.0])).astype(int)),
    ),
    Advice(
        " for the class of that number.",
        TargetError,
        lambda kit: attribute(linear(kit), target=True),
        lambda kit: attribute(linear(kit), target=1),
    ),
]
