"""Weights that are random for a while: the same for twins, seen by every method, and put back bit for bit."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import sklearn.linear_model
import torch
from models import keras_twins
from torch import nn
from torch.nn.utils import parametrizations

import explain
from explain.backends.discovery import extension_for
from explain.errors import EvaluationError, ExplainWarning, PortError
from explain.metrics.randomization.random_weights import permuted, random_weights
from explain.metrics.subject import Subject
from explain.parameters.canonical import ParameterLayer
from explain.preprocessing import Preprocessing

MPRT = "model_parameter_randomization"


def explained(model, x, method="saliency", **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return explain.attribute(model, x, method, **arguments)


def subject_of(model, x, seed=0, **arguments):
    return Subject(model, explained(model, x, **arguments), {}, seed=seed)


def bits(model):
    """All numbers of a model as bytes, parameters and buffers."""
    if isinstance(model, keras.Model):
        return [one.numpy().tobytes() for one in model.variables]
    return [one.detach().numpy().tobytes() for one in (*model.parameters(), *model.buffers())]


class Pictures(nn.Module):
    """Of the user's own class; with a hook it is changed in place, without one on a copy."""

    def __init__(self, with_hook):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(5, 4)
        self.seen = []
        if with_hook:
            self.head.register_forward_hook(lambda module, given, output: output * 2)

    def forward(self, x):
        return self.head(self.body(x).mean(dim=(2, 3)))


@keras.saving.register_keras_serializable("tests")
class Doubled(keras.layers.Layer):
    """A layer whose code a copy of the model would not be trusted with."""

    def call(self, x):
        return 2 * x


def pictures(framework, in_place):
    """A model with a batch norm whose statistics are those of data, in training mode where it has one; and inputs."""
    x = np.random.default_rng(1).normal(size=(3, 2, 8, 8)).astype(np.float32)
    if framework == "torch":
        torch.manual_seed(0)
        model = Pictures(with_hook=in_place)
        model(torch.tensor(x))
        return model.train(), x
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(5, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.3),
            layers.GlobalAveragePooling2D(),
            *([Doubled()] if in_place else []),
            layers.Dense(4, name="head"),
        ]
    )
    x = np.moveaxis(x, 1, -1)
    model(x, training=True)
    return model, x


CASES = pytest.mark.parametrize(
    ("framework", "in_place"), [(one, place) for one in ("torch", "tensorflow") for place in (False, True)]
)


@CASES
@pytest.mark.parametrize("order", ["top_down", "bottom_up", "independent"])
def test_the_model_is_bit_for_bit_what_it_was(framework, in_place, order):
    model, x = pictures(framework, in_place)
    a = explained(model, x)
    before, modes = bits(model), [one.training for one in model.modules()] if framework == "torch" else []
    hooks = dict(model.head._forward_hooks) if framework == "torch" else {}
    explain.evaluate(model, a, {MPRT: {"order": order}})
    assert bits(model) == before
    np.testing.assert_array_equal(explained(model, x).values, a.values)
    if framework == "torch":
        assert [one.training for one in model.modules()] == modes
        assert dict(model.head._forward_hooks) == hooks
        assert len(hooks) == in_place
        assert all(one.grad is None and one.requires_grad for one in model.parameters())


class PlantedError(BaseException):
    """No `Exception`, like an interrupt from the keyboard."""


@CASES
def test_it_is_so_too_after_an_error_in_the_middle(framework, in_place, monkeypatch):
    model, x = pictures(framework, in_place)
    a, before, calls = explained(model, x), bits(model), []
    asked = Subject.explained_again

    def failing(self, rows, inputs=None, *, model=None, **changes):
        calls.append(bits(model))
        if len(calls) == 2:
            raise PlantedError
        return asked(self, rows, inputs, model=model, **changes)

    monkeypatch.setattr(Subject, "explained_again", failing)
    with pytest.raises(PlantedError):
        explain.evaluate(model, a, MPRT)
    assert calls[0] != before
    assert calls[1] != calls[0]
    assert bits(model) == before


@CASES
def test_a_copy_is_changed_where_one_can_be_made_and_else_the_model_itself(framework, in_place):
    model, x = pictures(framework, in_place)
    before, subject = bits(model), subject_of(model, x)
    with random_weights(subject) as network:
        network.randomize_all()
        assert (network.model is model) == in_place
        assert (bits(model) == before) == (not in_place)
        assert bits(network.model) != before
    assert bits(model) == before


def beside(model):
    """What may hold a layer of the model beside its list of them, and what cannot."""
    layer = model[0]
    return {
        "partial": functools.partial(layer, None),
        "method": layer.forward,
        "lambda": lambda x: layer(x),
        "list": [{"inner": layer.forward}],
        "object": SimpleNamespace(call=lambda x: layer(x)),
    }, {
        "settings": Preprocessing(size=(8, 8)),
        "activation": torch.nn.functional.relu,
        "namespace": SimpleNamespace(size=3, names=("a", "b")),
        "layer": layer,
        "numbers": np.ones(3),
    }


class Own(nn.Sequential):
    """Its code may use whatever it has."""


def test_a_copy_is_made_only_where_nothing_can_call_the_layers_of_the_model_itself():
    x = np.ones((1, 4), np.float32)
    for kind, in_place in ((0, True), (1, False)):
        for name in beside(nn.Sequential(nn.Linear(4, 2)))[kind]:
            torch.manual_seed(0)
            model = Own(nn.Linear(4, 2), nn.Tanh())
            vars(model)[name] = beside(model)[kind][name]
            with random_weights(subject_of(model, x)) as network:
                assert (network.model is model) == in_place, name


METHODS = {
    "saliency": {},
    "ig": {"n_steps": 16},
    "smoothgrad": {"n_samples": 4},
    "guided_backprop": {},
    "deconvolution": {},
    "deep_lift": {},
    "feature_ablation": {},
    "layer_cam": {},
}


@CASES
@pytest.mark.parametrize("method", METHODS)
def test_every_method_sees_the_changed_weights(framework, in_place, method):
    """A model that was just built, and given these weights, has the same map."""
    options = METHODS[method] | (
        {"layer": "body.2" if framework == "torch" else "re_lu"} if "cam" in method else {}
    )
    model, x = pictures(framework, in_place)
    if framework == "tensorflow" and "cam" in method:
        options["layer"] = next(one.name for one in model.layers if isinstance(one, keras.layers.ReLU))
    subject = subject_of(model, x, method=method, target=1, **options)
    with random_weights(subject) as network:
        for position in range(len(network.labels)):
            network.randomize(position)
            found = network.explained("x")
            fresh, _ = pictures(framework, in_place)
            if framework == "torch":
                fresh.load_state_dict(network.model.state_dict())
            else:
                fresh.set_weights(network.model.get_weights())
                if "layer" in options:
                    options["layer"] = next(
                        one.name for one in fresh.layers if isinstance(one, keras.layers.ReLU)
                    )
            expected = explained(fresh, x, method, target=1, **options)
            np.testing.assert_array_equal(found.scores, expected.scores)
            scale = np.abs(expected.values).max()
            np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-6 * scale)
            assert np.abs(found.values - subject.attribution.values).max() > 0.01 * scale


@pytest.mark.parametrize("name", [keras_twins.TABLE, keras_twins.PICTURE, keras_twins.SEQUENCE])
def test_twins_get_the_same_random_network(name):
    x = keras_twins.INPUTS[name]
    first = np.moveaxis(x, -1, 1) if name == keras_twins.PICTURE else x
    with random_weights(subject_of(keras_twins.torch_models()[name], first, seed=3)) as here:
        here.randomize_all()
        own = [one.detach().numpy() for one in here.model.parameters()]
    with random_weights(subject_of(keras_twins.keras_models()[name], x, seed=3)) as there:
        there.randomize_all()
        others = there.model.get_weights()
    if name == keras_twins.SEQUENCE:
        # PyTorch adds two biases.
        own = [*own[:2], own[2] + own[3], *own[4:6], own[6] + own[7], *own[8:]]
    for one, other, original in zip(own, others, keras_twins.WEIGHTS[name], strict=True):
        as_keras = one.T if one.ndim == 2 else one.transpose(2, 3, 1, 0) if one.ndim == 4 else one
        np.testing.assert_array_equal(as_keras, other)
        np.testing.assert_array_equal(np.sort(other.ravel()), np.sort(original.astype(np.float32).ravel()))
        assert not np.array_equal(other, original)


@pytest.mark.parametrize("name", ["cifar_net", "names_rnn", "fashion_rnn", "names_transformer"])
def test_the_curves_of_twins_agree(name):
    """With flattened maps, gates of an LSTM, attention and embeddings among them."""
    curves = {}
    for framework in ("torch", "tensorflow"):
        model = explain.zoo.load(name, framework=framework)
        before = bits(model)
        a = explained(model, explain.zoo.samples(name, framework=framework).x[:2])
        curves[framework] = explain.evaluate(model, a, MPRT)[MPRT]
        assert bits(model) == before
    assert curves["torch"].labels == curves["tensorflow"].labels
    np.testing.assert_allclose(curves["torch"].curve, curves["tensorflow"].curve, atol=1e-4)


def test_a_permutation_is_of_the_numbers_of_one_tensor():
    kernel = np.arange(12.0).reshape(3, 4)
    layer = ParameterLayer("fc", "dense", {"kernel": kernel, "bias": np.arange(4.0)})
    found = permuted(layer, "kernel", np.random.default_rng(5))
    expected = np.random.default_rng(5).permutation(kernel.ravel()).reshape(3, 4)
    np.testing.assert_array_equal(found, expected)
    # A kernel whose rows stand in another order gets the same numbers in the same rows.
    rows = np.array([2, 0, 1])
    moved = np.empty_like(kernel)
    moved[rows] = kernel
    other = permuted(
        ParameterLayer("fc", "dense", {"kernel": moved}), "kernel", np.random.default_rng(5), rows
    )
    np.testing.assert_array_equal(other[rows], expected)


def test_the_two_biases_of_a_gru_stay_apart():
    bias = np.stack([np.arange(1.0, 7.0), np.zeros(6)])
    found = permuted(ParameterLayer("gru", "gru", {"bias": bias}), "bias", np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(found[0]), bias[0])
    np.testing.assert_array_equal(found[1], bias[1])


def test_layers_are_in_the_order_of_their_use_and_statistics_stay():
    class Backwards(nn.Module):
        """Defines its last layer first."""

        def __init__(self):
            super().__init__()
            self.last, self.norm, self.first = nn.Linear(4, 3), nn.BatchNorm1d(4), nn.Linear(6, 4)

        def forward(self, x):
            return self.last(torch.relu(self.norm(self.first(x))))

    torch.manual_seed(0)
    model, x = Backwards(), np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    for _ in range(20):
        model(torch.tensor(x))
    nn.init.normal_(model.norm.weight)
    with random_weights(subject_of(model.eval(), x)) as network:
        network.randomize_all()
        assert network.labels == ("first", "norm", "last")
        norm = network.model.norm
        assert torch.equal(norm.running_mean, model.norm.running_mean)
        assert torch.equal(norm.running_var, model.norm.running_var)
        # Its shifts are zeros.
        assert torch.equal(norm.bias, model.norm.bias)
        assert not torch.equal(norm.weight, model.norm.weight)


def test_a_layer_of_equal_numbers_has_nothing_to_permute():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4), nn.Tanh(), nn.Linear(4, 3))
    with random_weights(subject_of(model, np.ones((1, 6), np.float32))) as network:
        assert network.labels == ("0", "3")
    with torch.no_grad():
        model[0].weight.fill_(1.0), model[0].bias.zero_(), model[3].weight.fill_(0.5), model[3].bias.zero_()
    with pytest.raises(EvaluationError, match="no tensor of the Sequential has two different numbers"):
        explain.evaluate(model, explained(model, np.ones((1, 6), np.float32), target=0), MPRT)


def test_a_tied_tensor_is_permuted_once_with_the_layer_that_uses_it_first():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Linear(6, 4), nn.Linear(4, 6)
            self.copied = nn.Linear(6, 4)
            self.outer.weight = nn.Parameter(self.inner.weight.detach().T.clone())
            # Not the same tensor, but the same numbers.
            self.copied.load_state_dict(self.inner.state_dict())
            self.closing = nn.Linear(6, 4, bias=False)
            self.closing.weight = self.inner.weight

        def forward(self, x):
            return self.closing(torch.tanh(self.outer(torch.tanh(self.inner(x) + self.copied(x)))))

    torch.manual_seed(0)
    model, x = Tied(), np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    before = bits(model)
    for order in ("top_down", "bottom_up"):
        found = explain.evaluate(model, explained(model, x), {MPRT: {"order": order}})[MPRT]
        labels = ("inner", "copied", "outer")
        assert found.labels == (labels if order == "bottom_up" else labels[::-1])
    with random_weights(subject_of(model, x)) as network:
        network.randomize_all()
        changed = network.model
        assert changed.closing.weight is changed.inner.weight
        assert not torch.equal(changed.closing.weight, model.closing.weight)
        assert not torch.equal(changed.copied.weight, changed.inner.weight)
    assert bits(model) == before


def test_a_tensor_tied_to_a_layer_with_a_bias_of_its_own():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(5, 5), nn.Linear(5, 5)
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.second(torch.tanh(self.first(x)))

    torch.manual_seed(0)
    model, x = Tied(), np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    with random_weights(subject_of(model, x)) as network:
        network.randomize(0)
        weight = network.model.first.weight.clone()
        network.randomize(1)
        changed = network.model
        # The second layer keeps what the first one gave to both, and has its own bias permuted.
        assert torch.equal(changed.second.weight, weight)
        assert not torch.equal(weight, model.first.weight)
        assert torch.equal(changed.second.bias.sort().values, model.second.bias.sort().values)
        assert not torch.equal(changed.second.bias, model.second.bias)


def test_a_shared_layer_is_one_layer(kit):
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    if kit.name == "torch":
        torch.manual_seed(0)
        shared = nn.Linear(5, 5)
        model = nn.Sequential(shared, nn.Tanh(), shared, nn.Tanh(), nn.Linear(5, 3))
    else:
        keras.utils.set_random_seed(0)
        inputs, shared = (
            keras.Input((5,)),
            keras.layers.Dense(5, activation="tanh", bias_initializer="normal"),
        )
        model = keras.Model(inputs, keras.layers.Dense(3)(shared(shared(inputs))))
    before = bits(model)
    found = explain.evaluate(model, explained(model, x), MPRT)[MPRT]
    assert len(found.labels) == 2
    assert bits(model) == before


def test_frozen_layers_are_random_too_and_stay_frozen(kit):
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    model = kit.dense(
        [(np.random.default_rng(1).normal(size=s), np.zeros(s[1])) for s in ((5, 4), (4, 3))], "tanh"
    )
    if kit.name == "torch":
        model[0].requires_grad_(False)
    else:
        model.layers[0].trainable = False
    before = bits(model)
    found = explain.evaluate(model, explained(model, x), MPRT)[MPRT]
    assert len(found.labels) == 2
    assert bits(model) == before
    if kit.name == "torch":
        assert [one.requires_grad for one in model.parameters()] == [False, False, True, True]
    else:
        assert [one.trainable for one in model.variables] == [False, False, True, True]


def test_a_subclassed_keras_model_is_changed_in_place():
    @keras.saving.register_keras_serializable("tests")
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(3)
            self.shift = self.add_weight(shape=(4,), initializer="normal", name="shift")
            self.count = self.add_weight(shape=(4,), initializer="normal", name="count", trainable=False)

        def call(self, x):
            return self.outer(self.inner(x) + self.shift + self.count)

    keras.utils.set_random_seed(0)
    model, x = Own(), np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    model(x)
    before, subject = bits(model), subject_of(model, x)
    with random_weights(subject) as network:
        assert network.model is model
        assert len(network.labels) == 3
        kept, shift = model.count.numpy().copy(), model.shift.numpy().copy()
        network.randomize_all()
        np.testing.assert_array_equal(model.count.numpy(), kept)
        np.testing.assert_array_equal(np.sort(model.shift.numpy()), np.sort(shift))
        assert not np.array_equal(model.shift.numpy(), shift)
    assert bits(model) == before


def scripted():
    torch.manual_seed(0)
    return torch.jit.script(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).eval())


def weight_normed():
    torch.manual_seed(0)
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(5, 4)), nn.Tanh(), nn.Linear(4, 3)).eval()


@pytest.mark.parametrize(("make", "count"), [(scripted, 2), (weight_normed, 3)])
def test_weights_without_canonical_axes_are_permuted_as_they_are_stored(make, count):
    model, x = make(), np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    before, subject = bits(model), subject_of(model, x)
    assert len(explain.evaluate(model, subject.attribution, MPRT)[MPRT].labels) == count
    assert bits(model) == before
    with random_weights(subject) as network:
        network.randomize_all()
        for one, other in zip(network.model.parameters(), make().parameters(), strict=True):
            assert torch.equal(one.flatten().sort().values, other.flatten().sort().values)
            assert one.numel() == 1 or not torch.equal(one, other)
    assert bits(model) == before


def test_a_tf_module_is_permuted_as_it_is_stored():
    import tensorflow as tf

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            draw = np.random.default_rng(0).normal
            self.first, self.last = (tf.Variable(draw(size=s).astype(np.float32)) for s in ((5, 4), (4, 3)))

        @tf.function
        def __call__(self, x):
            return tf.tanh(x @ self.first) @ self.last

    model, x = Module(), np.random.default_rng(1).normal(size=(2, 5)).astype(np.float32)
    before = [one.numpy().tobytes() for one in model.variables]
    a = explained(model, x)
    values = explain.evaluate(model, a, {MPRT: {"order": "independent"}})[MPRT].curve
    assert values.shape == (2, 1)
    assert [one.numpy().tobytes() for one in model.variables] == before


def test_constants_that_no_weight_changes_are_refused():
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)

    class Constant(nn.Module):
        def forward(self, x):
            return torch.tanh(x)

    with pytest.raises(EvaluationError, match="those of 'Constant' cannot be accessed"):
        explain.evaluate(Constant(), explained(Constant(), x), MPRT)

    class Detached(nn.Module):
        """Its parameters take no part."""

        def __init__(self):
            super().__init__()
            self.unused, self.weight = nn.Linear(5, 3), torch.randn(5, 3).tolist()

        def forward(self, x):
            return torch.tanh(x) @ torch.tensor(self.weight)

    torch.manual_seed(0)
    model = Detached()
    with pytest.raises(EvaluationError, match="neither a score nor a value of the map changed"):
        explain.evaluate(model, explained(model, x), MPRT)


@pytest.mark.parametrize("metric", [MPRT, "efficient_model_parameter_randomization"])
def test_models_whose_weights_cannot_be_accessed_are_refused(metric):
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    model = sklearn.linear_model.LogisticRegression().fit(x, x[:, 0] > 0)
    a = explained(model, x[:2], "feature_ablation")
    with pytest.raises(EvaluationError, match="those of 'LogisticRegression' cannot be accessed"):
        explain.evaluate(model, a, metric)
    weight = torch.randn(4, 3)

    def function(x):
        return torch.tanh(x @ weight)

    a = explained(function, x[:2], framework="torch")
    with pytest.raises(EvaluationError, match="those of 'function' cannot be accessed"):
        explain.evaluate(function, a, metric, framework="torch")


def test_a_method_of_a_model_that_is_wrapped_in_partial_keeps_its_arguments():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 3)

        def forward(self, x, *, factor):
            return torch.tanh(factor * self.layer(x))

    torch.manual_seed(0)
    inner, x = Scaled(), np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    model, before = functools.partial(inner, factor=3.0), bits(inner)
    with random_weights(subject_of(model, x)) as network:
        network.randomize_all()
        found = network.explained("x")
        np.testing.assert_allclose(
            found.scores,
            np.take_along_axis(
                inner(torch.tensor(x), factor=3.0).detach().numpy(), np.array(found.target)[:, None], 1
            )[:, 0],
            rtol=1e-6,
        )
    assert bits(inner) == before


def test_random_states_stay(kit):
    import random

    model, x = pictures(kit.name, in_place=False)
    a = explained(model, x)
    explain.evaluate(model, a, MPRT)

    def draws():
        own = torch.randn(2).tolist() if kit.name == "torch" else []
        return random.random(), np.random.rand(), *own

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draws()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    explain.evaluate(model, a, MPRT)
    assert draws() == expected


ELSEWHERE = """
import warnings

import keras, numpy as np
import explain

warnings.simplefilter("ignore")
keras.utils.set_random_seed(0)
layers = keras.layers
x = np.random.default_rng(1).normal(size=(3, 8, 8, 2)).astype("float32")
inner = keras.Sequential([
    keras.Input((8, 8, 2)), layers.Conv2D(5, 3, name="a"), layers.ReLU(), layers.Flatten(), layers.Dense(4, name="b"),
])

class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = inner

    def call(self, x):
        return self.inner(x)

draw = np.random.default_rng(2).normal
inner.set_weights([draw(size=one.shape) / 5 for one in inner.get_weights()])
own = Own()
own(x)
for model, prefix in ((inner, ""), (own, inner.name + "/")):
    a = explain.attribute(model, x, "saliency", target=1)
    before = [np.array(one.numpy()).tobytes() for one in model.variables]
    found = explain.evaluate(model, a, ["mprt", ("mprt", {"order": "independent"})])
    assert [np.array(one.numpy()).tobytes() for one in model.variables] == before
    first, alone = (found[name] for name in found)
    assert first.labels == (prefix + "b", prefix + "a"), first.labels
    assert np.isfinite(first.values).all() and (np.abs(first.curve) < 0.9).all()
    # The top layer alone is random in both.
    np.testing.assert_allclose(first.curve[:, 0], alone.curve[:, 1], atol=1e-6)
    np.testing.assert_allclose(explain.attribute(model, x, "saliency", target=1).values, a.values)
np.save(FILE, first.curve)
"""


def test_keras_on_any_framework_gets_the_same_random_network(tmp_path):
    """In processes of their own, on a copy and in place."""
    curves = []
    for framework in ("torch", "jax"):
        file = tmp_path / f"{framework}.npy"
        ran = subprocess.run(
            [sys.executable, "-c", f"FILE = {str(file)!r}\n{ELSEWHERE}"],
            env={**os.environ, "KERAS_BACKEND": framework},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-4000:]
        curves.append(np.load(file))
    np.testing.assert_allclose(*curves, atol=1e-4)


def test_a_model_of_keras_2_is_permuted_as_it_is_stored():
    """Its package tells it, which is not installed here: a model of a class of this name stands in for it."""

    class Old(keras.Model):
        __module__ = "tf_keras.src.engine.training"

        def __init__(self):
            super().__init__()
            self.inner, self.outer = keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(3)

        def call(self, x):
            return self.outer(self.inner(x))

    keras.utils.set_random_seed(0)
    model, x = Old(), np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    model(x)
    with pytest.raises(PortError, match="Keras 2"):
        extension_for(model).parameters(model)
    before, subject = [one.numpy().copy() for one in model.variables], subject_of(model, x)
    with random_weights(subject) as network:
        # The biases are zeros.
        assert len(network.labels) == 2
        network.randomize_all()
        for own, now in zip(before, [one.numpy() for one in network.model.variables], strict=True):
            np.testing.assert_array_equal(np.sort(own.ravel()), np.sort(now.ravel()))
            assert np.array_equal(own, now) == (own.ndim == 1)
    for own, now in zip(before, [one.numpy() for one in model.variables], strict=True):
        np.testing.assert_array_equal(own, now)
