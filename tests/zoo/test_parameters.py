"""Conversions between the frameworks' parameters are exact and undo each other."""

from __future__ import annotations

import numpy as np
import pytest

from explain.zoo.layers import Convolution, Dense, Recurrent, convert, shapes
from explain.zoo.model_row import SeedModel
from explain.zoo.seed_models import NAMES_TRANSFORMER, SEED_MODELS, seed_model
from explain.zoo.synthetic.models import MADE_MODELS

MODELS = [*SEED_MODELS.values(), NAMES_TRANSFORMER, *MADE_MODELS]


def random_tensors(model: SeedModel, framework: str) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    expected = shapes(model.layers, framework)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in expected.items()}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_there_and_back_is_bit_equal(model: SeedModel) -> None:
    other = "tensorflow" if model.native == "torch" else "torch"
    tensors = random_tensors(model, model.native)
    converted = convert(model.layers, tensors, model.native, other)
    assert {name: tensor.shape for name, tensor in converted.items()} == shapes(model.layers, other)
    assert all(tensor.flags["C_CONTIGUOUS"] for tensor in converted.values())
    back = convert(model.layers, converted, other, model.native)
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(back[name], tensor)


def test_same_framework_changes_nothing() -> None:
    model = MODELS[0]
    tensors = random_tensors(model, "torch")
    for name, tensor in convert(model.layers, tensors, "torch", "torch").items():
        np.testing.assert_array_equal(tensor, tensors[name])


def test_convolution_moves_every_element_where_keras_reads_it() -> None:
    weight = np.arange(2 * 3 * 5 * 5).reshape(2, 3, 5, 5)
    layer = Convolution("c", 3, 2, 5)
    kernel = convert((layer,), {"c.weight": weight, "c.bias": np.zeros(2)}, "torch", "tensorflow")["c/kernel"]
    assert kernel[4, 1, 2, 0] == weight[0, 2, 4, 1]


def test_a_convolution_over_steps_moves_every_element_where_keras_reads_it() -> None:
    weight = np.arange(2 * 3 * 5).reshape(2, 3, 5)
    layer = Convolution("c", 3, 2, 5, axes=1)
    kernel = convert((layer,), {"c.weight": weight, "c.bias": np.zeros(2)}, "torch", "tensorflow")["c/kernel"]
    assert kernel.shape == (5, 3, 2)
    assert kernel[4, 2, 0] == weight[0, 2, 4]


def test_flattened_dense_reads_channels_first_features_in_channels_last_order() -> None:
    features = np.random.default_rng(0).normal(size=(3, 4, 2))
    weight = np.random.default_rng(1).normal(size=(5, 24))
    layer = Dense("d", 24, 5, flattened=(3, 4, 2))
    kernel = convert((layer,), {"d.weight": weight, "d.bias": np.zeros(5)}, "torch", "tensorflow")["d/kernel"]
    np.testing.assert_allclose(
        features.transpose(1, 2, 0).ravel() @ kernel, weight @ features.ravel(), rtol=1e-12
    )


def test_recurrent_biases_are_added_one_way_and_zero_filled_the_other() -> None:
    layer = Recurrent("r", 2, 3)
    generator = np.random.default_rng(0)
    tensors = {name: generator.normal(size=shape) for name, shape in layer.shapes("torch").items()}
    keras_tensors = convert((layer,), tensors, "torch", "tensorflow")
    np.testing.assert_array_equal(keras_tensors["r/bias"], tensors["r.bias_ih_l0"] + tensors["r.bias_hh_l0"])
    assert not convert((layer,), keras_tensors, "tensorflow", "torch")["r.bias_hh_l0"].any()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("cifar_net", 62_006),
        ("cifar_keras", 122_570),
        ("names_rnn", 27_156),
        ("fashion_rnn", 54_282),
        ("names_transformer", 42_834),
        ("shapes_honest", 19_910),
        ("motifs_shortcut", 6_070),
    ],
)
def test_parameter_counts(name: str, count: int) -> None:
    # By hand, e.g. cifar_net: 456 + 2416 + 48120 + 10164 + 850.
    expected = shapes(seed_model(name).layers, "tensorflow")
    assert sum(int(np.prod(shape)) for shape in expected.values()) == count
