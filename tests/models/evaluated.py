"""A function of arrays and a small network, with explanations of them, for the tests of metrics."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

import explain

X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
WEIGHT = np.random.default_rng(1).normal(size=(4, 2)).astype(np.float32)
PICTURES = np.random.default_rng(2).normal(size=(3, 2, 5, 6)).astype(np.float32)


def linear(x):
    """A function of arrays: no framework has its class."""
    return x @ WEIGHT


def of_linear(method="feature_ablation", function=linear, **arguments):
    """An explanation of it."""
    given = {"framework": "numpy", "score": "output", "target": 0, "baseline": 0.0, **arguments}
    return explain.attribute(function, X, method, **given)


def network(seed=0, channels=2, classes=3):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 3 * 4, classes)
    ).eval()


NETWORK = network()
OF_NETWORK = explain.attribute(NETWORK, PICTURES, "input_x_gradient", target=[0, 1, 2])


def values_of(evaluation):
    """All values of an evaluation, as plain numbers."""
    return {name: evaluation[name].values.tolist() for name in evaluation}
