"""The user's model and the random states: after any call, and after one that raised, as before."""

from __future__ import annotations

import copy
import random
import sys
import threading
import warnings

import numpy as np
import pytest
from models.recurrent import keras_stateful
from models.untidy import untidy_keras_model, untidy_torch_model

import explain
from explain.errors import DependentExamplesError, ModelCallError, TargetError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

CALLS = [
    ("saliency", {}),
    ("ig", {"n_steps": 5, "batch_size": 3}),
    ("activation_maximization", {"n_steps": 3, "bounds": (-1, 1)}),
]

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


# --- PyTorch -----------------------------------------------------------------------------------------------


def torch_state(model):
    """Everything that can be told of a module from outside."""
    state = {"tensors": {name: value.clone() for name, value in model.state_dict().items()}}
    state["gradients"] = {
        name: None if one.grad is None else one.grad.clone() for name, one in model.named_parameters()
    }
    state["flags"] = {
        name: (one.requires_grad, one.dtype, one.device, one.data_ptr())
        for name, one in model.named_parameters()
    }
    state["modules"] = {
        name: (
            one.training,
            list(one._forward_hooks),
            list(one._forward_pre_hooks),
            list(one._backward_hooks),
            sorted(one.__dict__),
        )
        for name, one in model.named_modules()
    }
    state["attributes"] = (model.hidden, list(model.log), dict(model.by_name), id(model.log))
    return state


def same(before, after):
    import torch

    assert before.keys() == after.keys()
    for name in ("tensors", "gradients"):
        assert before[name].keys() == after[name].keys()
        for key, value in before[name].items():
            other = after[name][key]
            assert (value is None) == (other is None), key
            assert value is None or torch.equal(value, other), key
    for name in ("flags", "modules", "attributes"):
        assert before[name] == after[name]


@pytest.mark.parametrize("engine", ["explain", "captum"])
@pytest.mark.parametrize(("method", "options"), CALLS)
def test_torch_model_is_as_before(torch_kit, method, options, engine):
    if engine == "captum" and method == "activation_maximization":
        engine = "explain"
    model = untidy_torch_model(torch_kit)
    before = torch_state(model)
    explain.attribute(model, X, method, target=1, engine=engine, **options)
    same(before, torch_state(model))


@pytest.mark.parametrize("raise_at", [1, 2, 3])
@pytest.mark.parametrize(("method", "options"), CALLS[:2])
def test_torch_model_that_raised_is_as_before(torch_kit, method, options, raise_at):
    # The first call looks at the output; what comes after is in the middle of the method.
    raise_at = min(raise_at, 2) if method == "saliency" else raise_at
    model = untidy_torch_model(torch_kit, raise_at=raise_at)
    before, states = torch_state(model), random_states()
    with pytest.raises(ModelCallError, match="in the middle"):
        explain.attribute(model, X, method, target=1, **options)
    same(before, torch_state(model))
    assert states == random_states()


def test_error_in_a_callable_target_leaves_no_hook(torch_kit):
    model = torch_kit.torch.nn.Sequential(torch_kit.torch.nn.Linear(4, 3), torch_kit.torch.nn.Softmax(dim=1))

    def target(outputs):
        raise KeyError("the user's own")

    with pytest.raises(TargetError, match="the user's own") as caught:
        explain.attribute(model, X, "saliency", target=target)
    assert isinstance(caught.value.__cause__, KeyError)
    assert not model[1]._forward_hooks
    assert model.training


def test_torch_model_is_explained_in_inference_mode(torch_kit):
    # Dropout and batch statistics off, whatever the flags: the same map as of a copy in eval mode.
    model = untidy_torch_model(torch_kit)
    quiet = copy.deepcopy(model).eval()
    found = explain.attribute(model, X, "ig", target=1)
    np.testing.assert_array_equal(found.values, explain.attribute(quiet, X, "ig", target=1).values)
    with torch_kit.torch.no_grad():
        expected = quiet(torch_kit.tensor(X))[:, 1].numpy()
    np.testing.assert_allclose(found.scores, expected, rtol=1e-6)


def test_eval_that_is_overridden_is_not_called(torch_kit):
    nn = torch_kit.torch.nn

    class Stubborn(nn.Linear):
        def eval(self):
            raise AssertionError("called")

        def train(self, mode=True):
            raise AssertionError("called")

    model = Stubborn(4, 2)
    explain.attribute(model, X, "saliency")
    assert model.training


@pytest.mark.parametrize("context", ["no_grad", "inference_mode", "grad_off"])
def test_under_the_users_own_gradient_mode(torch_kit, context):
    torch = torch_kit.torch
    model = torch.nn.Linear(4, 2)
    expected = explain.attribute(model, X, "saliency", target=0).values
    if context == "grad_off":
        torch.set_grad_enabled(False)
        try:
            found = explain.attribute(model, X, "saliency", target=0).values
            assert not torch.is_grad_enabled()
        finally:
            torch.set_grad_enabled(True)
    else:
        with getattr(torch, context)():
            found = explain.attribute(model, X, "saliency", target=0).values
            assert not torch.is_grad_enabled()
    np.testing.assert_array_equal(found, expected)


def test_input_tensor_is_left_alone(torch_kit):
    x = torch_kit.tensor(X)
    x.requires_grad_()
    x.grad = torch_kit.torch.ones_like(x)
    explain.attribute(torch_kit.torch.nn.Linear(4, 2), x, "ig", target=0)
    assert x.requires_grad
    assert (x.grad == 1).all()
    np.testing.assert_array_equal(x.detach().numpy(), X)


# --- Keras -------------------------------------------------------------------------------------------------


def keras_state(model):
    return (
        [(one.path, one.trainable, one.dtype, one.numpy().tolist()) for one in model.variables],
        [
            (
                one.name,
                one.trainable,
                getattr(one, "activation", None),
                "call" in one.__dict__,
                sorted(one.__dict__),
            )
            for one in model._flatten_layers()
        ],
    )


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("eagerly", [False, True])
def test_keras_model_is_as_before(tensorflow_kit, eagerly):
    model = untidy_keras_model(tensorflow_kit)
    model.run_eagerly = eagerly
    before = keras_state(model)
    for method, options in CALLS:
        explain.attribute(model, X, method, target=1, **options)
        assert keras_state(model) == before


@pytest.mark.parametrize("eagerly", [False, True])
def test_keras_model_that_raised_is_as_before(tensorflow_kit, eagerly):
    # The variable is put back after each computation, so that it never gets past one within one.
    model = untidy_keras_model(tensorflow_kit, raise_at=1)
    model.run_eagerly = eagerly
    before, states = keras_state(model), random_states()
    with pytest.raises(ModelCallError, match="in the middle"):
        explain.attribute(model, X, "ig", target=1)
    assert keras_state(model) == before
    assert states == random_states()


def test_keras_model_that_raises_in_the_middle(tensorflow_kit):
    model = tensorflow_kit.dense([(np.ones((4, 3)), np.zeros(3))], last="softmax")
    layer = model.layers[-1]
    calls = []

    def activation(z):
        calls.append(1)
        raise ZeroDivisionError("in the middle")

    activation.__name__ = "softmax"
    layer.activation = activation
    before = keras_state(model)
    with pytest.raises(ModelCallError, match="in the middle"):
        explain.attribute(model, X, "ig", target=1)
    assert calls
    assert keras_state(model) == before


def test_stateful_rnn_keeps_its_state(tensorflow_kit):
    keras = tensorflow_kit.keras
    model = keras_stateful(keras, keras.layers.GRU(4, stateful=True), (5, 3))
    tensorflow_kit.randomised(model)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    model(x)
    before = [state.numpy().copy() for state in model.layers[0].states]
    assert np.abs(before[0]).max() > 0
    first = explain.attribute(model, x, "saliency", target=0)
    explain.attribute(model, x, "ig", target=0)
    for state, value in zip(model.layers[0].states, before, strict=True):
        np.testing.assert_array_equal(state.numpy(), value)
    np.testing.assert_array_equal(explain.attribute(model, x, "saliency", target=0).values, first.values)


# --- random states -----------------------------------------------------------------------------------------


def random_states():
    """The states of Python, NumPy, and each framework that is loaded, as something that compares."""
    found = [random.getstate(), [np.array(part).tolist() for part in np.random.get_state()]]
    if "torch" in sys.modules:
        found.append(sys.modules["torch"].get_rng_state().tolist())
    if "tensorflow" in sys.modules:
        found.append(sys.modules["tensorflow"].random.get_global_generator().state.numpy().tolist())
    return found


@pytest.mark.parametrize(("method", "options"), CALLS)
def test_random_states_are_as_before(torch_kit, method, options):
    model, states = untidy_torch_model(torch_kit, noisy=True), random_states()
    explain.attribute(model, X, method, target=1, **options)
    assert random_states() == states
    # That the model really draws is seen where it is called by itself.
    model(torch_kit.tensor(X))
    assert random_states() != states


@pytest.mark.parametrize("eagerly", [False, True])
def test_tensorflows_draws_go_on_as_if_nothing_had_been(tensorflow_kit, eagerly):
    tf = tensorflow_kit.tf
    generator = tf.random.Generator.from_seed(5)

    class Noisy(tensorflow_kit.keras.Model):
        def call(self, x):
            noise = tf.random.normal(()) + tf.random.uniform(()) + tf.random.get_global_generator().normal(())
            return tf.reduce_sum(x, axis=1) + 0 * noise

    def draws(explained):
        tf.random.set_seed(7)
        tf.random.set_global_generator(tf.random.Generator.from_seed(3))
        model = Noisy()
        model.built = True
        model.run_eagerly = eagerly
        found = [tf.random.uniform((2,)).numpy().tolist()]
        if explained:
            explain.attribute(model, X, "ig", n_steps=3)
            explain.attribute(model, X, "saliency")
        found += [tf.random.uniform((2,)).numpy().tolist(), tf.random.normal((2,)).numpy().tolist()]
        found += [tf.random.get_global_generator().uniform((2,)).numpy().tolist()]
        return found

    saved = tf.random.get_global_generator()
    try:
        assert draws(explained=True) == draws(explained=False)
    finally:
        tf.random.set_global_generator(saved)
    assert generator.uniform(()).numpy() == tf.random.Generator.from_seed(5).uniform(()).numpy()


# --- threads -----------------------------------------------------------------------------------------------


def test_two_threads_explain_one_model(kit):
    model = kit.cnn(channels=2, side=(8, 8))
    x = np.random.default_rng(0).normal(size=(4, *kit.picture_shape(2, 8, 8))).astype(np.float32)
    jobs = [(target, method) for target in (0, 1, 2) for method in ("saliency", "ig")]
    options = {"saliency": {}, "ig": {"n_steps": 40, "baseline": 0.5, "batch_size": 16}}
    expected, found = {}, {}
    with warnings.catch_warnings(
        action="ignore"
    ):  # Not of threads: convergence of a net with random weights.
        for target, method in jobs:
            expected[target, method] = explain.attribute(
                model, x, method, target=target, **options[method]
            ).values
        start = threading.Barrier(2)

        def work(mine):
            start.wait()
            for target, method in mine:
                found[target, method] = explain.attribute(
                    model, x, method, target=target, **options[method]
                ).values

        threads = [threading.Thread(target=work, args=(jobs[part::2],)) for part in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values)
    if kit.name == "torch":
        assert model.training
        assert not any(module._forward_hooks for module in model.modules())


def test_statistics_that_a_models_own_code_moves_are_put_back(torch_kit):
    torch, nn = torch_kit.torch, torch_kit.torch.nn

    class Moving(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.head = nn.BatchNorm1d(4), nn.Linear(4, 3)

        def forward(self, x):
            self.norm.train()
            return self.head(torch.tanh(self.norm(x)))

    model = Moving().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    x = np.random.default_rng(0).normal(1, 2, size=(5, 4)).astype(np.float32)
    with pytest.raises(DependentExamplesError, match="alone"):
        explain.attribute(model, x, "saliency", target=1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not model.norm.training
