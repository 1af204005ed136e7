"""Hooks that a model adds to itself at its first call, as transformers' recorders of hidden states do."""

from __future__ import annotations

import numpy as np
import torch

import explain


class Recording(torch.nn.Module):
    """Adds a recorder to its layer once, and reads what it recorded."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 4)
        self.head = torch.nn.Linear(4, 2)
        self.recorded = []

    def forward(self, x):
        if not getattr(self, "recorder_installed", False):
            self.layer.register_forward_hook(lambda module, args, output: self.recorded.append(output))
            self.recorder_installed = True
        self.recorded.clear()
        self.layer(x)
        return self.head(sum(self.recorded) ** 2)


def test_a_recorder_of_the_models_own_is_there_once_in_each_pass_and_gone_afterwards():
    torch.manual_seed(0)
    model, x = Recording().eval(), torch.randn(2, 3, requires_grad=True)
    inner = torch.nn.functional.linear(x, model.layer.weight, model.layer.bias) ** 2
    score = inner @ model.head.weight[1] + model.head.bias[1]
    (expected,) = torch.autograd.grad(score.sum(), x)
    given = x.detach().numpy()
    for method, right in (("saliency", expected), ("input_x_gradient", expected * x)):
        found = explain.attribute(model, given, method, target=1)
        np.testing.assert_allclose(found.values, right.detach().numpy(), rtol=1e-4, atol=1e-6)
    assert not model.layer._forward_hooks
    assert not hasattr(model, "recorder_installed")
    np.testing.assert_allclose(model(x).detach()[:, 1], score.detach(), rtol=1e-5)


def test_hooks_of_the_user_stay():
    model, seen = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)), []
    handle = model[0].register_forward_hook(lambda *given: seen.append(len(seen)))
    explain.attribute(model, np.ones((2, 3), np.float32), "saliency", target=1)
    assert seen
    assert handle.id in model[0]._forward_hooks
