"""Models that bypass the end of their affine prefix in the middle of a call: the whole model serves instead."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import explain


class Bypassing(nn.Module):
    """From a run on, the input is read beyond the first layer too, at no effect on the score of a real input."""

    def __init__(self, first):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 81, 4)
        )
        self.first, self.runs = first, 0

    def forward(self, x):
        self.runs += 1
        found = self.rest(self.stem(x))
        return found if self.runs < self.first else found + 0 * x.mean(dim=(1, 2, 3))[:, None]


def built(first):
    torch.manual_seed(0)
    return Bypassing(first).double().eval()


X = np.random.default_rng(0).normal(size=(12, 3, 20, 20))


def runs_of(options):
    model = built(10**9)
    explain.attribute(model, X, "ig", target=1, **options)
    return model.runs


@pytest.mark.parametrize(
    "options", [{"batch_size": 48}, {"batch_size": 48, "n_steps": 50, "rule": "midpoint"}]
)
def test_a_prefix_that_is_lost_on_the_way_changes_no_map(options):
    expected = explain.attribute(built(10**9), X, "ig", target=1, **options)
    whole = runs_of(options)
    for first in range(2, whole + 1, max(1, whole // 12)):
        model = built(first)
        found = explain.attribute(model, X, "ig", target=1, **options)
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found.steps, expected.steps)
        assert (found.map_error is None) == (expected.map_error is None)
