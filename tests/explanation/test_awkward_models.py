"""Models that keep a state, change, refuse or do something of their own between two calls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.recurrent import keras_last_step
from torch import nn

import explain
from explain.errors import (
    BaselineError,
    InputError,
    ProbabilityScoreWarning,
    TargetError,
    UnsupportedModelError,
)

X = np.random.default_rng(0).normal(size=(4, 4, 3)).astype(np.float32)


class Growing(nn.Module):
    """Its state doubles at every call."""

    def __init__(self):
        super().__init__()
        self.factor = torch.ones(())
        self.register_buffer("count", torch.zeros(()))
        self.kept = {"factor": torch.ones(())}

    def forward(self, x):
        factor = self.factor
        self.factor = 2 * factor
        self.count += 1
        self.kept["factor"] *= 3
        return factor * x.sum(dim=1)


def test_every_call_of_a_torch_model_starts_from_the_users_state():
    model = Growing()
    a = explain.attribute(model, X, "ig", target=1, score="output")
    np.testing.assert_allclose(a.scores, X.sum(axis=1)[:, 1], rtol=1e-6)
    assert (a.relative_delta < 1e-5).all()
    assert (float(model.factor), float(model.count), float(model.kept["factor"])) == (1, 0, 1)


def test_a_scripted_models_buffers_are_put_back():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self, x):
            self.count += 1
            return x.sum(dim=1)

    model = torch.jit.script(Counting())
    explain.attribute(model, X, "saliency", target=1, score="output")
    assert float(model.count) == 0


def test_a_baseline_array_lies_as_the_input_does():
    model = nn.LSTM(3, 2)
    baseline = np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    # Four steps and four examples: only the layout tells them apart.
    a = explain.attribute(
        model, X, "ig", target=(3, 0), output=0, layout="TNC", baseline=baseline, n_steps=50
    )
    assert np.array_equal(a.baseline, baseline)
    assert (a.relative_delta < 1e-3).all()
    shorter = explain.attribute(
        model,
        X[:3],
        "ig",
        target=(2, 0),
        output=0,
        layout="TNC",
        baseline=torch.tensor(baseline[:3], requires_grad=True),
    )
    assert np.array_equal(shorter.baseline, baseline[:3])


def test_a_score_that_is_not_finite_at_the_baseline_is_refused(kit):
    for function in (lambda x: kit.sum(x, 1) / kit.sum(x, 1), lambda x: 1 / kit.sum(x, 1)):
        with pytest.raises(BaselineError, match="NaN or infinite"):
            explain.attribute(kit.function(function), X, "ig", target=1, score="output")


def test_a_callable_target_that_gives_too_many_scalars_is_refused(kit):
    model = kit.function(lambda x: kit.sum(x, 1))
    flat = (lambda o: o.reshape(-1)) if kit.name == "torch" else (lambda o: kit.tf.reshape(o, [-1]))
    with pytest.raises(TargetError, match="one scalar per example"):
        explain.attribute(model, X, "saliency", target=flat, score="output")


def test_a_mean_baseline_does_not_depend_on_how_far_a_sequence_is_padded():
    model = nn.GRU(3, 2, batch_first=True)
    padded = np.concatenate([X, np.zeros((4, 3, 3), np.float32)], axis=1)
    for rule in ("mean", "blur"):
        found = [
            explain.attribute(
                model, x, "ig", target=(0, 0), output=0, lengths=[3] * 4, baseline=rule
            ).baseline[:, :3]
            for x in (X[:, :3], padded)
        ]
        if rule == "mean":
            np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
            np.testing.assert_allclose(found[0][:, 0], X[:, :3].mean(axis=1), rtol=1e-5)
        # The blur's width follows the padded length; what padding holds must not matter.
        other = padded.copy()
        other[:, 3:] = 9
        again = explain.attribute(model, other, "ig", target=(0, 0), output=0, lengths=[3] * 4, baseline=rule)
        np.testing.assert_allclose(again.baseline[:, :3], found[1], rtol=1e-6)


def test_what_is_no_model_is_refused_under_any_name():
    with pytest.raises(UnsupportedModelError, match="cannot be called"):
        explain.attribute(3, X, framework="torch")


def test_maximize_takes_arrays_where_attribute_does():
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    for target, count in ((np.array(1), 1), (np.array([0, 1]), 2), (torch.tensor([0, 1]), 2)):
        m = explain.maximize(model, target, shape=(4, 3), bounds=np.array([0, 1]), n_steps=2)
        assert len(m) == count
        assert m.predicted is None


class TestKeras:
    """The same for Keras, whose computations are traced."""

    def test_a_changed_activation_and_a_removed_layer_show(self, tensorflow_kit):
        layers = tensorflow_kit.keras.layers
        model = tensorflow_kit.keras.Sequential(
            [
                tensorflow_kit.keras.Input((3,)),
                layers.Dense(3),
                layers.Dense(3, activation="tanh"),
                layers.Dense(3),
            ]
        )
        table = X[:, 0]

        def check():
            a = explain.attribute(model, table, "saliency", target=1)
            np.testing.assert_allclose(a.scores, model(table).numpy()[:, 1], rtol=1e-5)
            return a.values

        first = check()
        model.layers[-1].activation = lambda v: 5 * v
        np.testing.assert_allclose(check(), 5 * first, rtol=1e-5)
        model.pop()
        check()

    def test_an_lstm_with_another_activation(self, tensorflow_kit):
        layers = tensorflow_kit.keras.layers
        model = keras_last_step(tensorflow_kit.keras, layers.LSTM(5, activation="sigmoid"), (4, 3), "float32")
        a = explain.attribute(model, X, "ig", target=1)
        assert a.score == "logit"
        assert (a.relative_delta < 1e-4).all()

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_a_fixed_batch_size_and_a_mask(self, tensorflow_kit, count):
        layers = tensorflow_kit.keras.layers
        model = tensorflow_kit.keras.Sequential(
            [
                tensorflow_kit.keras.Input(batch_shape=(2, 4, 3)),
                layers.Masking(),
                layers.SimpleRNN(5),
                layers.Dense(2),
            ]
        )
        x = X[:count].copy()
        x[:, 3] = 0
        a = explain.attribute(model, x, "ig", target=1, n_steps=50)
        assert (a.relative_delta < 1e-4).all()
        assert not a.values[:, 3].any()
        assert a.mask.tolist() == [[True, True, True, False]] * count

    def test_losses_of_activity_stay_those_of_the_users_own_call(self, tensorflow_kit):
        layers = tensorflow_kit.keras.layers
        model = tensorflow_kit.keras.Sequential(
            [tensorflow_kit.keras.Input((3,)), layers.Dense(2, activity_regularizer="l2")]
        )
        model(X[:, 0])
        before = [float(loss) for loss in model.losses]
        explain.attribute(model, X[:, 1], "ig", target=1)
        assert [float(loss) for loss in model.losses] == before

    def test_a_functional_sigmoid_is_seen_where_the_model_runs_eagerly(self, tensorflow_kit):
        model = tensorflow_kit.function(lambda x: tensorflow_kit.sigmoid(tensorflow_kit.sum(x, 1)))
        model.compile(run_eagerly=True)
        with pytest.warns(ProbabilityScoreWarning):
            assert explain.attribute(model, X, "saliency", target=1).score == "probability"
        # Asked for, it is explained as it is, and no second sigmoid is put on it.
        a = explain.attribute(model, X, "ig", target=1, score="probability", n_steps=50)
        np.testing.assert_allclose(a.scores, 1 / (1 + np.exp(-X.sum(axis=1)[:, 1])), rtol=1e-5)
        assert (a.relative_delta < 1e-5).all()

    def test_a_masked_models_input_is_checked_before_its_mask_is_looked_for(self, tensorflow_kit):
        layers = tensorflow_kit.keras.layers
        model = tensorflow_kit.keras.Sequential(
            [tensorflow_kit.keras.Input((4, 3)), layers.Masking(), layers.SimpleRNN(5), layers.Dense(2)]
        )
        with pytest.raises(InputError, match="the model wants x of shape"):
            explain.attribute(model, X[:, :, :2], "ig", target=1)

    def test_tensorflows_own_softmax_function_is_taken_off(self, tensorflow_kit):
        keras = tensorflow_kit.keras
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, activation=tensorflow_kit.tf.nn.softmax)]
        )
        a = explain.attribute(model, X[:, 0], "saliency", target=1)
        assert a.score == "logit"
        kernel, bias = model.get_weights()
        np.testing.assert_allclose(a.scores, (X[:, 0] @ kernel + bias)[:, 1], rtol=1e-5, atol=1e-6)
