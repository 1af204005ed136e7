"""The twins: the same weights, the same outputs, in both frameworks, on real samples."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest
import torch

from explain import zoo
from explain.tf_ext.zoo import weights as tf_zoo
from explain.torch_ext.zoo import weights as torch_zoo
from explain.zoo.layers import convert
from explain.zoo.seed_models import SEED_MODELS
from explain.zoo.weight_files import weights_for

NAMES = zoo.names()

# The largest differences measured, on logits of up to 26: 5e-6 in float32, 1.1e-14 in float64.
TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def logits(name: str, framework: str, dtype: str) -> npt.NDArray[np.floating]:
    """The model's outputs on its samples, a softmax undone up to a constant, names stepped by hand."""
    model = zoo.load(name, framework=framework, dtype=dtype)
    samples = zoo.samples(name, framework=framework)
    x = samples.x.astype(dtype)
    if samples.lengths is not None:
        hidden = model.init_hidden(len(x))
        outputs = []
        for step in range(x.shape[1]):
            one = torch.from_numpy(x[:, step]) if framework == "torch" else x[:, step]
            output, hidden = model(one, hidden)
            outputs.append(output.detach().numpy() if framework == "torch" else output.numpy())
        return np.stack(outputs, axis=1)[np.arange(len(x)), samples.lengths - 1]
    if framework == "torch":
        with torch.no_grad():
            result = model(torch.from_numpy(x)).numpy()
    else:
        result = model(x, training=False).numpy()
    if SEED_MODELS[name].output == "probabilities":
        result = np.log(result)
    return result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_twins_agree(name: str, dtype: str) -> None:
    first, second = (logits(name, framework, dtype) for framework in ("torch", "tensorflow"))
    assert first.dtype == second.dtype == dtype
    np.testing.assert_allclose(first, second, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_classified_at_a_plausible_rate(name: str) -> None:
    # The names have one of every language, so that rare and difficult languages weigh more than in the data.
    at_least = 0.3 if name == "names_rnn" else 0.6
    accuracy = (logits(name, "torch", "float32").argmax(axis=1) == zoo.samples(name).y).mean()
    assert accuracy >= at_least


@pytest.mark.parametrize("name", NAMES)
def test_both_frameworks_hold_the_file_s_numbers(name: str) -> None:
    row = SEED_MODELS[name]
    in_torch = torch_zoo.parameters(zoo.load(name, "torch"))
    in_keras = tf_zoo.parameters(zoo.load(name, "tensorflow"))
    for framework, held in (("torch", in_torch), ("tensorflow", in_keras)):
        expected = weights_for(row, framework)
        assert held.keys() == expected.keys()
        for key, tensor in expected.items():
            np.testing.assert_array_equal(held[key], tensor)
    for key, tensor in convert(row.layers, in_keras, "tensorflow", "torch").items():
        np.testing.assert_array_equal(in_torch[key], tensor)


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_and_pool_is_a_module_of_its_own(name: str) -> None:
    modules = [type(module).__name__ for module in zoo.load(name, "torch").modules()]
    layers = [type(layer).__name__ for layer in zoo.load(name, "tensorflow").layers]
    assert modules.count("ReLU") == layers.count("ReLU") == {"cifar_net": 4, "cifar_keras": 4}.get(name, 0)
    assert modules.count("MaxPool2d") == layers.count("MaxPooling2D")
    assert len({layer.name for layer in zoo.load(name, "tensorflow").layers}) == len(layers)


@pytest.mark.parametrize("name", NAMES)
def test_models_are_ready_for_inference_in_the_asked_precision(name: str) -> None:
    in_torch = zoo.load(name, "torch", dtype="float64")
    assert not in_torch.training
    assert {parameter.dtype for parameter in in_torch.parameters()} == {torch.float64}
    in_keras = zoo.load(name, "tensorflow", dtype="float64")
    assert in_keras.built
    assert in_keras.compute_dtype == "float64"
    assert {str(weight.dtype) for weight in in_keras.weights} == {"float64"}


def test_float64_input_is_not_rounded_on_its_way_in() -> None:
    model = zoo.load("cifar_net", "tensorflow", dtype="float64")
    x = zoo.samples("cifar_net", "tensorflow").x[:1].astype(np.float64)
    assert not np.array_equal(model(x).numpy(), model(x * (1 + 1e-9)).numpy())


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
def test_loading_leaves_the_random_states_alone(framework: str) -> None:
    states = random.getstate(), torch.random.get_rng_state(), np.random.get_state()[1].copy()
    zoo.load("cifar_net", framework)
    assert random.getstate() == states[0]
    assert torch.equal(torch.random.get_rng_state(), states[1])
    np.testing.assert_array_equal(np.random.get_state()[1], states[2])


def test_names_rnn_starts_from_zeros_of_its_own_precision() -> None:
    for framework in ("torch", "tensorflow"):
        hidden = zoo.load("names_rnn", framework, dtype="float64").init_hidden(3)
        assert tuple(hidden.shape) == (3, 128)
        assert not np.asarray(hidden).any()
        assert np.asarray(hidden).dtype == np.float64
