"""`names_transformer` beside the same network in NumPy: its outputs, and what the gallery's methods say of it."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest
import torch

import explain
from explain import zoo
from explain.tf_ext.zoo import weights as tf_zoo
from explain.torch_ext.zoo import weights as torch_zoo
from explain.zoo.preprocessing import one_hot, token_ids
from explain.zoo.seed_models import NAMES_TRANSFORMER, SEED_MODELS
from explain.zoo.weight_files import shipped, weights_for

NAME = NAMES_TRANSFORMER.name
FRAMEWORKS = ("torch", "tensorflow")
METHODS = {
    "attention_rollout": {},
    "lrp": {"rule": "epsilon"},
    "integrated_gradients": {"n_steps": 50},
    "deep_lift": {},
}
# The results are float32 in either precision. DeepLift divides by the small differences of a GELU and of a softmax,
# so in single precision their rounding grows to 6e-6, and more on another processor.
DISTANCE = {"float32": 1e-4, "float64": 1e-5}


def outputs(framework, dtype, ids):
    model = zoo.load(NAME, framework, dtype)
    if framework == "torch":
        with torch.no_grad():
            return model(torch.from_numpy(ids)).numpy()
    return np.asarray(model(ids, training=False))


def by_hand(ids, vectors=None):
    """The logits of one name without padding and its attentions (T, T), in NumPy; `vectors` replace the letters'."""
    held = {
        name: tensor.astype(np.float64) for name, tensor in weights_for(NAMES_TRANSFORMER, "torch").items()
    }

    def dense(name, x):
        return x @ held[f"{name}.weight"].T + held[f"{name}.bias"]

    def norm(name, x):
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
        return centred / deviation * held[f"{name}.weight"] + held[f"{name}.bias"]

    x = held["embedding.weight"][ids] if vectors is None else vectors
    x = x + held["positions.weight"][: len(ids)]
    attentions = []
    for block in (1, 2):
        normed = norm(f"attention_norm{block}", x)
        mixed, heads = np.zeros_like(x), []
        query, key, value = (dense(f"{role}{block}", normed) for role in ("query", "key", "value"))
        for head in np.split(np.arange(48), 4):
            powers = np.exp(query[:, head] @ key[:, head].T / sqrt(12))
            heads.append(powers / powers.sum(axis=1, keepdims=True))
            mixed[:, head] = heads[-1] @ value[:, head]
        x = x + dense(f"mix{block}", mixed)
        wide = dense(f"widen{block}", norm(f"dense_norm{block}", x))
        x = x + dense(f"narrow{block}", wide * (1 + np.vectorize(erf)(wide / sqrt(2))) / 2)
        attentions.append(np.mean(heads, axis=0))
    return dense("classify", norm("norm", x).mean(axis=0)), attentions


@pytest.fixture(scope="module")
def samples():
    return zoo.samples(NAME)


@pytest.fixture(scope="module")
def names(samples):
    """The ids of each sample, without padding."""
    return [row[:length] for row, length in zip(samples.x, samples.lengths, strict=True)]


@pytest.fixture(scope="module")
def explained(samples):
    """Each method in each framework and precision, made once."""
    kept = {}

    def get(framework, dtype, method):
        if (framework, dtype, method) not in kept:
            kept[framework, dtype, method] = explain.attribute(
                zoo.load(NAME, framework, dtype),
                samples.x,
                method,
                target=[int(label) for label in samples.y],
                lengths=samples.lengths,
                batch_size=64,
                **METHODS[method],
            )
        return kept[framework, dtype, method]

    return get


def test_token_ids_are_places_in_the_alphabet_and_zeros(samples):
    assert token_ids(one_hot(["aZ'", "c"])[0]).tolist() == [[1, 52, 57], [3, 0, 0]]
    assert samples.layout == "NT"
    assert samples.x.dtype == np.int64
    assert ((samples.x > 0).sum(axis=1) == samples.lengths).all()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-7)])
def test_logits_are_those_of_numpy_whatever_the_padding(framework, dtype, tolerance, samples, names):
    """In float64 to 1e-7, since TensorFlow's GELU takes the root of two in float32."""
    found = outputs(framework, dtype, samples.x)
    assert found.dtype == dtype
    expected = np.stack([by_hand(ids)[0] for ids in names])
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_twins_agree_to_1e_5(samples):
    one, other = (outputs(framework, "float32", samples.x) for framework in FRAMEWORKS)
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_both_frameworks_hold_the_file_s_numbers_and_it_is_small():
    for framework, extension in zip(FRAMEWORKS, (torch_zoo, tf_zoo), strict=True):
        held, expected = (
            extension.parameters(zoo.load(NAME, framework)),
            weights_for(NAMES_TRANSFORMER, framework),
        )
        assert held.keys() == expected.keys()
        for key, tensor in expected.items():
            np.testing.assert_array_equal(held[key], tensor)
    assert len(shipped(NAMES_TRANSFORMER, ".safetensors").read_bytes()) < 250_000
    # Padding has no vector, so it is a baseline of zeros in both.
    assert not weights_for(NAMES_TRANSFORMER, "torch")["embedding.weight"][0].any()


def test_it_stands_beside_the_seed_models():
    assert NAME not in zoo.names()
    assert NAME not in SEED_MODELS
    assert zoo.seed_model(NAME) is NAMES_TRANSFORMER


@pytest.mark.parametrize("dtype", DISTANCE)
@pytest.mark.parametrize("method", METHODS)
def test_twins_have_the_same_maps(method, dtype, explained, samples):
    one, other = (explained(framework, dtype, method).values.astype(np.float64) for framework in FRAMEWORKS)
    distances = np.linalg.norm(one - other, axis=1) / np.linalg.norm(one, axis=1)
    assert distances.max() < DISTANCE[dtype]
    padding = np.arange(one.shape[1]) >= samples.lengths[:, None]
    assert not one[padding].any()
    assert not other[padding].any()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("method", "tolerance"), [("deep_lift", 1e-4), ("integrated_gradients", 1e-2)])
def test_values_sum_to_the_difference_from_a_name_of_no_letters(
    framework, method, tolerance, explained, samples, names
):
    """Integrated gradients approximate their integral by fifty steps."""
    found = explained(framework, "float32", method).values.sum(axis=1)
    differences = [
        by_hand(ids)[0][label] - by_hand(ids, np.zeros((len(ids), 48)))[0][label]
        for ids, label in zip(names, samples.y, strict=True)
    ]
    np.testing.assert_allclose(found, differences, rtol=0, atol=tolerance)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_rollout_is_the_product_of_the_attentions(framework, explained, names):
    found = explained(framework, "float64", "attention_rollout").values
    for ids, row in zip(names, found, strict=True):
        first, second = ((weights + np.eye(len(ids))) / 2 for weights in by_hand(ids)[1])
        np.testing.assert_allclose(row[: len(ids)], (second @ first).mean(axis=0), rtol=0, atol=1e-6)
