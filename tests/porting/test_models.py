"""Whole models carried over: the kinds that people have, the seed models, and a network of real size."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain import zoo
from explain.backend import extension_for
from explain.tf_ext import efficientnet

_spec = importlib.util.spec_from_file_location("model_kinds", Path(__file__).parents[1] / "model_kinds.py")
model_kinds = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("model_kinds", model_kinds)
_spec.loader.exec_module(model_kinds)

KINDS = {
    kind.title: kind
    for kind in model_kinds.KINDS
    # What is closed inside has no layers that can be seen.
    if {"torch", "tensorflow"} <= set(kind.frameworks) and not kind.title.startswith("closed")
}
# Keras rounds what it does in these to single precision in models of double: 1 / √2, and a second input as it comes.
ROUNDED = {
    "small ViT (attention, layer norm, GELU)": 1e-7,
    "attention over a sequence": 1e-7,
    "two inputs, a picture and a table": 1e-7,
    "bfloat16 (mixed in Keras)": 2e-2,
    "float16 (mixed in Keras)": 2e-3,
}


def given(kind, framework):
    """The inputs of a kind as its model takes them, by their names where there are several."""
    x = kind.inputs(framework)
    if kind.title == "step-by-step cell":
        return x[:, 0], np.zeros((len(x), 4))
    if kind.lengths and framework == "torch":
        return {"x": x, "lengths": np.array(kind.lengths)}
    return x


def outputs_of(kind, framework, model):
    x = given(kind, framework)
    x = x if isinstance(x, (tuple, dict)) else (x,)
    if framework == "tensorflow":
        one = kind.title != "step-by-step cell" and len(x) > 1
        found = model(list(x), training=False) if one else model(*x, training=False)
        found = found if isinstance(found, (list, tuple)) else (found,)
        return [np.asarray(one, np.float64) for one in found]
    precision = next(model.parameters()).dtype
    tensors = [torch.from_numpy(one) for one in (x.values() if isinstance(x, dict) else x)]
    tensors = [one.to(precision) if one.is_floating_point() else one for one in tensors]
    with torch.no_grad():
        found = model(*tensors)
    found = [one.double().numpy() for one in (found if isinstance(found, tuple) else (found,))]
    return [np.moveaxis(one, 1, -1) if one.ndim == 4 else one for one in found]


def scatter(model):
    generator = np.random.default_rng(7)
    for one in model.parameters() if isinstance(model, nn.Module) else model.weights:
        value = generator.uniform(0.1, 1, size=tuple(one.shape))
        one.data.copy_(torch.from_numpy(value)) if isinstance(model, nn.Module) else one.assign(value)
    return model


def assert_same(found, expected, bound):
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=bound * np.abs(other).max())


@pytest.mark.parametrize("title", KINDS)
@pytest.mark.parametrize("source", ["torch", "tensorflow"])
def test_kinds_of_model(title, source):
    kind, target = KINDS[title], {"torch": "tensorflow", "tensorflow": "torch"}[source]
    here, there = kind.model(source), scatter(kind.model(target))
    assert not np.allclose(
        outputs_of(kind, target, there)[0], outputs_of(kind, source, here)[0], rtol=0.01, atol=1e-3
    )
    explain.port(here, there, x=given(kind, source))
    assert_same(outputs_of(kind, target, there), outputs_of(kind, source, here), ROUNDED.get(title, 1e-10))


SEED_SHAPES = {
    "cifar_net": (32, 32, 3),
    "cifar_keras": (32, 32, 3),
    "names_rnn": (57,),
    "fashion_rnn": (28, 28),
}


def of_seed_model(name, model):
    x = np.random.default_rng(1).uniform(size=(2, *SEED_SHAPES[name]))
    hidden = [np.zeros((2, 128))] if name == "names_rnn" else []
    if not isinstance(model, nn.Module):
        found = model(*[one.astype(model.dtype) for one in (x, *hidden)], training=False)
        return np.asarray(found[0] if hidden else found)
    precision = next(model.parameters()).dtype
    x = np.moveaxis(x, -1, 1) if x.ndim == 4 else x
    with torch.no_grad():
        found = model(*[torch.from_numpy(one).to(precision) for one in (x, *hidden)])
    return (found[0] if hidden else found).numpy()


@pytest.mark.parametrize("name", zoo.names())
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-10)])
def test_seed_models(name, dtype, bound):
    torch_model = zoo.load(name, "torch", dtype)
    keras_model = scatter(zoo.load(name, "tensorflow", dtype))
    explain.port(torch_model, keras_model)
    assert_same([of_seed_model(name, keras_model)], [of_seed_model(name, torch_model)], bound)
    back = scatter(zoo.load(name, "torch", dtype))
    explain.port(keras_model, back)
    assert_same([of_seed_model(name, back)], [of_seed_model(name, keras_model)], bound)


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-10)])
def test_a_network_of_real_size(dtype, bound):
    source = zoo.load("efficientnet_lite0", "torch", dtype)
    target = efficientnet.efficientnet_lite0(dtype)
    ported = explain.port(source, target)
    assert len(ported.rows) == len(extension_for(source).parameters(source))
    picture = zoo.samples("efficientnet_lite0", "tensorflow").x[:1].astype(dtype)
    with torch.no_grad():
        expected = source(torch.from_numpy(np.moveaxis(picture, -1, 1).copy()))
    assert_same([np.asarray(target(picture, training=False))], [expected.numpy()], bound)
