"""Small models of the robustness metrics' tests, and what makes a measurement by loops."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import explain
from explain.metrics.robustness.neighbours import perturbations
from explain.metrics.subject import Subject


@pytest.fixture
def net():
    """A smooth network of five columns and three classes, in double precision."""
    # Not at the top: other tests of the folder do without it.
    import torch

    torch.manual_seed(2)
    hidden, head = torch.nn.Linear(5, 8), torch.nn.Linear(8, 3)
    hidden.weight.data *= 2
    return torch.nn.Sequential(hidden, torch.nn.Tanh(), head).double()


@pytest.fixture
def rows():
    """Four rows of a table, in the precision in which an attribution holds them."""
    return np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)


@pytest.fixture
def by_hand():
    """Each perturbed input of each example, with the slopes of the class there: by a loop, in plain autograd."""
    import torch

    def slopes(net, x, target):
        x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        net(x[None])[0, target].backward()
        # As an attribution holds them.
        return x.grad.numpy().astype(np.float32).astype(np.float64)

    def walk(net, a, *, radius, n_samples, seed=0):
        subject = Subject(net, a, {}, seed=seed)
        found = []
        for row, x in enumerate(a.inputs):
            x = x.astype(np.float64)
            moved = (x + perturbations(subject, row, radius, n_samples)).astype(np.float32).astype(np.float64)
            target = a.target[row]
            with torch.no_grad():
                h = [net(torch.tensor(one)[None])[0].numpy() for one in (x, *moved)]
            found.append(
                SimpleNamespace(
                    x=x,
                    moved=list(moved),
                    map=slopes(net, x, target),
                    maps=[slopes(net, one, target) for one in moved],
                    h=h[0],
                    outputs=h[1:],
                )
            )
        return found

    return walk


@pytest.fixture
def explained(net, rows):
    return explain.attribute(net, rows, "saliency", target=[0, 1, 2, 0])
