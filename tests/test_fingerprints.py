"""Fingerprints: alike for twins, other for every change of a weight."""

from __future__ import annotations

import hashlib

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import ModelNotBuiltError, UnsupportedModelError
from explain.fingerprints import digest, fingerprint

SEED_MODELS = ("cifar_net", "cifar_keras", "names_rnn", "fashion_rnn", "names_transformer")


def test_a_digest_is_sha_256_of_shapes_and_single_precision():
    array = np.arange(6.0).reshape(2, 3)
    stated = hashlib.sha256(b"(2, 3)" + array.astype("<f4").tobytes()).hexdigest()
    assert digest([array]) == stated
    a, b = np.arange(6.0), np.ones(3)
    assert len({digest(one) for one in ([a, b], [b, a], [a.reshape(2, 3), b], [a + 1, b], [a])}) == 5
    assert digest([np.array([-0.0])]) == digest([np.array([0.0])])


@pytest.mark.parametrize("name", SEED_MODELS)
def test_twins_agree(name):
    one, other = (fingerprint(explain.zoo.load(name, framework)) for framework in ("torch", "tensorflow"))
    assert one == other
    assert len(one) == 64


def test_different_models_differ():
    found = {fingerprint(explain.zoo.load(name, "torch")) for name in SEED_MODELS}
    assert len(found) == len(SEED_MODELS)


def pictures_model():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 9, 12),
        nn.ReLU(),
        nn.Linear(12, 5),
    ).eval()


def keras_pictures_model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(epsilon=1e-5),
            keras.layers.ReLU(),
            keras.layers.MaxPool2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(12, activation="relu"),
            keras.layers.Dense(5),
        ]
    )


def test_a_port_has_the_fingerprint_of_its_source():
    source, target = pictures_model(), keras_pictures_model()
    assert fingerprint(source) != fingerprint(target)
    explain.port(source, target)
    assert fingerprint(source) == fingerprint(target)


def test_a_port_in_the_wrong_flatten_order_has_another():
    source, target = pictures_model(), keras_pictures_model()
    explain.port(source, target)
    # As if the rows had been copied in PyTorch's order, channels first.
    dense = target.layers[-2]
    dense.set_weights([source[5].weight.detach().numpy().T, source[5].bias.detach().numpy()])
    assert fingerprint(source) != fingerprint(target)


@pytest.mark.parametrize("place", range(8))
def test_every_weight_and_statistic_counts(place):
    model = pictures_model()
    before = fingerprint(model)
    tensors = [one for one in model.state_dict().values() if one.is_floating_point()]
    assert len(tensors) == 10
    with torch.no_grad():
        tensors[place].view(-1)[0] += 1e-3
    assert fingerprint(model) != before


def test_rows_of_a_table_model_count_in_their_order():
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    before = fingerprint(model)
    with torch.no_grad():
        model[0].weight.copy_(model[0].weight.flip(1).clone())
    assert fingerprint(model) != before


def test_neither_mode_nor_device_dtype_nor_names_count():
    model = pictures_model()
    before = fingerprint(model)
    assert fingerprint(model.train()) == before
    assert fingerprint(model.double()) == before
    named = nn.Sequential()
    for place, layer in enumerate(model.float()):
        named.add_module(f"layer_{place}", layer)
    assert fingerprint(named) == before


def test_the_order_of_definition_does_not_count():
    class Net(nn.Module):
        def __init__(self, swapped):
            super().__init__()
            torch.manual_seed(0)
            layers = {"a": nn.Linear(3, 4), "b": nn.Linear(4, 2)}
            for name in reversed(layers) if swapped else layers:
                self.add_module(name, layers[name])

    assert fingerprint(Net(False)) == fingerprint(Net(True))


def test_a_model_without_layers_to_tell_apart_has_the_digest_of_its_tensors():
    model = pictures_model()
    scripted = torch.jit.script(model)
    tensors = [one.float().numpy() for one in model.state_dict().values()]
    assert fingerprint(scripted) == digest(tensors)


def test_what_has_no_weights_has_no_fingerprint():
    assert fingerprint(lambda x: x) == ""
    assert fingerprint(nn.Sequential(nn.ReLU())) == ""


def test_what_is_no_model_is_refused():
    for wrong in (None, "model.pt", 3):
        with pytest.raises(UnsupportedModelError):
            fingerprint(wrong)
    with pytest.raises(ModelNotBuiltError):
        fingerprint(keras.Sequential([keras.layers.Dense(3)]))
