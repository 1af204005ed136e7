"""Errors in the first hour: no message prints numbers of arrays, each fits on a few lines, and names the next step."""

from __future__ import annotations

import traceback

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import torch
from advice.models import linear
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import explain
from explain.errors import ExplainError, InputError, ModelCallError, TargetError
from explain.inputs.naming.brief import brief, message_of

_generator = np.random.default_rng(5)
X = _generator.normal(size=(4, 4)).astype(np.float32)
ODD = 0.123456
MANY = np.full((4, 50), ODD, np.float32)

WRONG = {
    "target": MANY,
    "baseline": MANY,
    "bounds": MANY,
    "seed": MANY,
    "batch_size": MANY,
    "memory_budget": MANY,
    "score": MANY,
    "output": MANY.tolist(),
    "layer": MANY,
    "layout": MANY,
    "lengths": MANY,
    "forward_kwargs": MANY,
    "engine": MANY,
    "framework": MANY,
    "reduce": MANY,
    "display": MANY,
    "n_steps": MANY,
    "progress": MANY,
    "tokenizer": MANY,
    "neuron": MANY,
    "layer_layout": MANY,
}


@pytest.mark.parametrize("form", ["array", "tensor", "list"])
@pytest.mark.parametrize("name", WRONG)
def test_no_message_prints_the_numbers_of_arrays(kit, name, form):
    value = np.asarray(WRONG[name])
    value = {"array": value, "tensor": kit.tensor(value), "list": value.tolist()}[form]
    arguments = {"target": 0, **{name: value}}
    if name in ("layer_layout", "neuron"):
        arguments["layer"] = "0"
    method = "grad_cam" if name in ("layer", "layer_layout") else "saliency" if name == "neuron" else "ig"
    try:
        explain.attribute(linear(kit), X, method, **arguments)
    except ExplainError as error:
        text = str(error)
        assert "0.123" not in text
        assert len(text) < 600
        assert name.replace("_", " ") in text.replace("_", " ")


@pytest.mark.parametrize("form", ["list of arrays", "batch", "first of a loader"])
def test_a_batch_of_pairs_and_a_list(kit, form):
    labels = np.array([0, 1, 2, 0])
    if form == "first of a loader" and kit.name == "torch":
        data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(labels))
        x = next(iter(torch.utils.data.DataLoader(data, batch_size=4)))
    elif form == "first of a loader":
        x = next(iter(tf.data.Dataset.from_tensor_slices((X, labels)).batch(4)))
    else:
        x = (X, labels) if form == "batch" else [*X]
    with pytest.raises(InputError) as caught:
        explain.attribute(linear(kit), x, "saliency", target=0)
    assert ("np.stack(x)" if form == "list of arrays" else "give x alone, x[0]") in str(caught.value)


def test_a_loader_itself(kit):
    if kit.name == "torch":
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(X)), batch_size=2)
    else:
        loader = tf.data.Dataset.from_tensor_slices(X).batch(2)
    with pytest.raises(InputError, match=r"batch = next\(iter\(x\)\)"):
        explain.attribute(linear(kit), loader, "saliency", target=0)


def sized(kit, side):
    """A subclassed model for pictures of one size, which it does not state."""
    if kit.name == "torch":
        nn = torch.nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.features = nn.Sequential(nn.Conv2d(3, 2, 3, stride=2), nn.ReLU(), nn.Flatten())
                self.out = nn.Linear(2 * ((side - 1) // 2) ** 2, 5)

            def forward(self, x):
                return self.out(self.features(x))

        return Net().eval()
    layers = kit.keras.layers

    class Net(kit.keras.Model):
        def __init__(self):
            super().__init__()
            self.features = kit.keras.Sequential([layers.Conv2D(2, 3, strides=2), layers.Flatten()])
            self.out = layers.Dense(5)

        def call(self, x):
            return self.out(self.features(x))

    model = Net()
    model(np.zeros((1, side, side, 3), np.float32))
    return model


@pytest.mark.parametrize("side", [32, 64, 224])
def test_the_size_that_a_model_wants_is_found(kit, side):
    x = np.zeros((2, *kit.picture_shape(3, 50, 50)), np.float32)
    with pytest.raises(ModelCallError) as caught:
        explain.attribute(sized(kit, side), x, "saliency", target=0)
    wanted = ", ".join(map(str, kit.picture_shape(3, side, side)))
    assert f"The model does run on x of shape (N, {wanted})" in str(caught.value)
    assert "Arguments received" not in str(caught.value)


def test_the_model_is_as_before_after_sizes_were_tried(torch_kit):
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3), sized(torch_kit, 32)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ModelCallError):
        explain.attribute(model, np.ones((2, 3, 50, 50), np.float32), "saliency", target=0)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_labels_in_other_forms(kit):
    for target in (
        np.eye(3)[[0, 1, 2, 0]],
        np.eye(3, dtype=int)[[0, 1, 2, 0]],
        kit.tensor(np.eye(3)[[0, 1, 2, 0]]),
    ):
        with pytest.raises(TargetError, match="argmax"):
            explain.attribute(linear(kit), X, "saliency", target=target)
    with pytest.raises(TargetError, match="target=2"):
        explain.attribute(linear(kit), X, "saliency", target=2.0)
    with pytest.raises(TargetError, match=r"astype\(int\)"):
        explain.attribute(linear(kit), X, "saliency", target=np.array([0.0, 1.0, 2.0, 0.0]))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"method": "integrated_gradient"}, ["'integrated_gradients'", "explain.methods()"]),
        ({"method": "gradcam2"}, ["'gradcam'", "explain.methods()"]),
        ({"method": 3}, ["target=3"]),
        ({"method": "ig", "nsteps": 3}, ["'n_steps'"]),
        ({"score": "logits"}, ["'logit'"]),
        ({"baseline": "zero", "method": "ig"}, ["'zeros'"]),
    ],
)
def test_misspelt_names(kit, arguments, words):
    with pytest.raises(ExplainError) as caught:
        explain.attribute(linear(kit), X, **{"target": 0, **arguments})
    assert all(word in str(caught.value) for word in words)
    assert len(str(caught.value)) < 350


class TestDataFrames:
    """An estimator that was fitted on a data frame takes one: values in its order, and its names."""

    frame = pd.DataFrame(_generator.normal(size=(40, 3)), columns=["age", "mass", "size"])
    young = np.where(frame["age"] + frame["size"] > 0, "old", "young")

    @pytest.mark.filterwarnings("error")
    def test_columns_in_another_order(self):
        model = LinearRegression().fit(self.frame, self.frame["age"] * 2 - self.frame["size"])
        found = explain.attribute(
            model, self.frame[["size", "mass", "age"]][:3], "feature_ablation", baseline=0.0
        )
        # By hand: of a linear model, the coefficient times the value.
        expected = self.frame[["age", "mass", "size"]].to_numpy()[:3] * [2, 0, -1]
        np.testing.assert_allclose(found.values, expected, atol=1e-6)
        assert found.display.feature_names == ("age", "mass", "size")

    @pytest.mark.filterwarnings("error")
    def test_a_pipeline_that_chooses_columns_by_name(self):
        chosen = make_column_transformer((StandardScaler(), ["age", "size"]), remainder="drop")
        model = make_pipeline(chosen, LogisticRegression()).fit(self.frame, self.young)
        found = explain.attribute(
            model, self.frame[:3], "feature_ablation", target="old", score="probability"
        )
        # Scores of float64, subtracted.
        np.testing.assert_allclose(found.values[:, 1], 0, atol=1e-7)
        assert (abs(found.values[:, 0]) > 1e-4).all()

    def test_a_method_and_names_of_the_display(self):
        model = LogisticRegression().fit(self.frame, self.young)
        found = explain.attribute(
            model.decision_function,
            self.frame[:2],
            "feature_ablation",
            display={"feature_names": ("A", "M", "S")},
        )
        assert found.display.feature_names == ("A", "M", "S")

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda x: x[["age"]], "x lacks 'mass', 'size'"),
            (lambda x: x.assign(more=1), "x has 'more' besides"),
            (lambda x: x.assign(age="old"), "x has the column 'age', whose values are no numbers"),
        ],
    )
    def test_other_columns(self, change, says):
        model = LogisticRegression().fit(self.frame, self.young)
        with pytest.raises(InputError, match=says):
            explain.attribute(model, change(self.frame), "feature_ablation", score="probability")

    def test_any_other_model_wants_numbers(self, kit):
        with pytest.raises(InputError, match=r"x\.to_numpy\('float32'\)"):
            explain.attribute(linear(kit), pd.DataFrame(X), "saliency", target=0)


def test_tensors_with_gradients_are_taken(kit):
    x = torch.tensor(X, requires_grad=True) if kit.name == "torch" else tf.Variable(X)
    found = explain.attribute(linear(kit), x, "saliency", target=0)
    np.testing.assert_array_equal(
        found.values, explain.attribute(linear(kit), X, "saliency", target=0).values
    )


def test_an_error_is_short(kit):
    with pytest.raises(ExplainError) as caught:
        explain.attribute(linear(kit), X[:, :3], "saliency", target=0)
    lines = traceback.format_exception(caught.value, chain=False)
    assert len("".join(lines).splitlines()) < 10


def test_brief():
    assert brief(np.zeros((2, 3))) == "<ndarray of shape (2, 3), float64>"
    assert brief(pd.DataFrame({"a": [1]})) == "<DataFrame of shape (1, 1)>"
    assert brief([np.zeros(3)] * 9).startswith("<list of 9 values, the first a ndarray of shape (3,)")
    assert brief({"a": np.zeros(3)}).startswith("<dict of 1 value, the first")
    assert brief([[0.5] * 100]) == "<list of 1 value>"
    assert brief("a" * 100) == "'" + "a" * 56 + "..."
    assert brief(torch.nn.Linear(2, 2)) == "Linear(in_features=2, out_features=2, bias=True)"
    assert brief(torch.nn.Sequential(torch.nn.ReLU())) == "<Sequential>"
    assert brief(np.float32(0.5)) == "np.float32(0.5)"


def test_messages_of_frameworks_print_no_numbers():
    keras = (
        "Exception encountered when calling Sequential.call().\n\n\x1b[1mInvalid input shape for input "
        f"{np.full((9, 9), ODD)}. Expected shape (None, 4)\x1b[0m\n\nArguments received by Sequential.call():\n  x=1"
    )
    assert message_of(ValueError(keras)) == "Invalid input shape for input [...]. Expected shape (None, 4)"
    assert len(message_of(ValueError("a" * 5000))) < 500
