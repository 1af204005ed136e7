"""A run that asks for what a layer gives, or receives, ends there."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import explain

# Outside the model, whose attributes are put back after a call.
CALLS: list[int] = []


class Counted(nn.Module):
    """Token ids (N, T) through an embedding and two dense layers; it counts the calls of the last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words, self.inner, self.last = nn.Embedding(10, 4), nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, ids):
        try:
            hidden = torch.tanh(self.inner(self.words(ids)).mean(1))
        except Exception:
            # What a model's own code catches does not end in another result.
            hidden = torch.zeros(len(ids), 5)
        CALLS.append(len(ids))
        return self.last(hidden)


IDS = np.array([[1, 2, 3], [4, 5, 6]])


def test_the_vectors_of_tokens_cost_no_whole_pass():
    model = Counted().eval()
    explain.attribute(model, IDS, "saliency", target=1)
    CALLS.clear()
    found = explain.attribute(model, IDS, "saliency", target=1)
    # One pass with its gradients, and one of a single example that shows whether examples depend on each other.
    assert sorted(CALLS) == [1, 2]
    vectors = model.words(torch.tensor(IDS)).detach().requires_grad_()
    score = model.last(torch.tanh(model.inner(vectors).mean(1)))[:, 1].sum()
    (gradient,) = torch.autograd.grad(score, vectors)
    np.testing.assert_allclose(found.values, gradient.norm(dim=-1).numpy(), rtol=1e-5)


def test_an_activation_ends_the_run_and_is_that_of_the_whole():
    model = Counted().eval()
    explain.attribute(model, IDS, "activation", layer="inner", target=1)
    passes = []
    for layer in ("inner", "last"):
        CALLS.clear()
        found = explain.attribute(model, IDS, "activation", layer=layer, target=1)
        passes.append(len(CALLS))
    # The last layer ends the run too, after it is counted.
    assert passes[0] < passes[1]
    found = explain.attribute(model, IDS, "activation", layer="inner", target=1)
    with torch.no_grad():
        expected = model.inner(model.words(torch.tensor(IDS))).numpy()
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)
