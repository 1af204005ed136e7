"""DeepLIFT-SHAP and expected gradients at a layer, against Captum and in closed form."""

from __future__ import annotations

import warnings

import captum.attr
import numpy as np
import pytest
import torch
from models.backward_rules import rows_of_many_activations, settled
from torch import nn

import explain
from explain.errors import LayerError


def drawn(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def test_deep_lift_shap_at_a_layer_is_captums():
    model, x, references = settled(rows_of_many_activations), drawn(4, 5), drawn(3, 5, seed=2)
    name = next(name for name, module in model.named_modules() if isinstance(module, nn.Linear))
    found = explain.attribute(model, x, "deep_lift_shap", target=1, baseline=references, layer=name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = captum.attr.LayerDeepLiftShap(model, model.get_submodule(name)).attribute(
            torch.tensor(x), torch.tensor(references), target=1
        )
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=1e-5, atol=1e-8)
    assert (found.relative_delta < 1e-9).all()


@pytest.mark.parametrize("method", ["deep_lift_shap", "expected_gradients"])
def test_after_an_affine_rest_both_are_its_weights_times_the_mean_difference(kit, method):
    first, last = drawn(5, 6), drawn(6, 2, seed=3)
    layers = [(first, np.zeros(6)), (last, np.zeros(2))]
    model = kit.dense(layers, between="tanh", dtype="float64")
    x, references = drawn(4, 5), drawn(3, 5, seed=2)
    names = (
        [name for name, _ in model.named_children()]
        if kit.name == "torch"
        else [one.name for one in model.layers]
    )
    # In PyTorch the activation is a module of its own.
    name = names[1] if kit.name == "torch" else names[0]
    # As many draws of each reference.
    options = {"n_samples": 300} if method == "expected_gradients" else {}
    found = explain.attribute(model, x, method, target=1, baseline=references, layer=name, **options)
    units, before = np.tanh(x @ first), np.tanh(references @ first)
    expected = (units - before.mean(0)) * last[:, 1]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-8)


def test_a_layer_that_reads_what_else_belongs_to_an_example_has_no_references_in_common():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.last = nn.Linear(3, 3).double(), nn.Linear(3, 2).double()

        def forward(self, x, scale):
            return self.last(torch.tanh(self.inner(x * scale)))

    model, x, scale = Scaled(), drawn(2, 3), np.array([[1.0], [2.0]])
    given = {"baseline": drawn(3, 3, seed=2), "layer": "inner", "target": 0}
    with pytest.raises(LayerError, match="Explain the examples one at a time"):
        explain.attribute(model, x, "deep_lift_shap", forward_kwargs={"scale": scale}, **given)
    for row in range(2):
        alone = {"scale": scale[row : row + 1]}
        found = explain.attribute(model, x[row : row + 1], "deep_lift_shap", forward_kwargs=alone, **given)
        assert (found.relative_delta < 1e-9).all()
