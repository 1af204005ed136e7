"""Pictures lie channels last in memory where that works, and nothing else about the model changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import explain


class TakesView(nn.Module):
    """The tutorial's way to flatten, which refuses features that are not in order."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4 * 6 * 6, 5)

    def forward(self, x):
        return self.head(torch.relu(self.convolution(x)).view(len(x), -1))


def _x():
    return np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)


def _gradient(model, x, target):
    point = torch.tensor(x, requires_grad=True)
    return torch.autograd.grad(model(point)[:, target].sum(), point)[0].numpy()


# The scores of an untrained network at input and baseline are nearly the same: no yardstick for a delta.
@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
def test_a_model_that_takes_a_view_of_its_features_is_explained_in_order():
    model = TakesView()
    for method in ("saliency", "ig"):
        assert np.isfinite(explain.attribute(model, _x(), method, target=1).values).all()
    found = explain.attribute(model, _x(), "saliency", target=1).values
    np.testing.assert_allclose(found, _gradient(model, _x(), 1), rtol=1e-5, atol=1e-6)


def test_the_models_own_weights_keep_their_memory_format():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    strides = [parameter.stride() for parameter in model.parameters()]
    pointers = [parameter.data_ptr() for parameter in model.parameters()]
    found = explain.attribute(model, _x(), "saliency", target=1).values
    assert strides == [parameter.stride() for parameter in model.parameters()]
    assert pointers == [parameter.data_ptr() for parameter in model.parameters()]
    np.testing.assert_allclose(found, _gradient(model, _x(), 1), rtol=1e-5, atol=1e-6)
