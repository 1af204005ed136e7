"""Models that bypass the end of their affine prefix in the middle of a call: the whole model serves instead."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.torch_ext.affine_prefix import path


class Bypassing(nn.Module):
    """From a run on, the input is read beyond the first layer too, at no effect on the score of a real input."""

    def __init__(self, runs):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.rest = nn.Sequential(
            nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 81, 4)
        )
        # Not a state of the model, which each run would find as it was: it counts for all.
        self.tell = lambda: next(runs)

    def forward(self, x):
        found = self.rest(self.stem(x))
        return found + 0 * x.mean(dim=(1, 2, 3))[:, None] if self.tell() else found


def built(first):
    torch.manual_seed(0)
    return Bypassing(run >= first for run in itertools.count(1)).double().eval()


X = np.random.default_rng(0).normal(size=(12, 3, 20, 20))


def noting(calls, function):
    def noted(*arguments):
        calls.append(None)
        return function(*arguments)

    return noted


@pytest.mark.parametrize(
    "options", [{"batch_size": 48}, {"batch_size": 48, "n_steps": 50, "rule": "midpoint"}]
)
def test_a_prefix_that_is_lost_on_the_way_changes_no_map(options, monkeypatch):
    expected = explain.attribute(built(10**9), X, "ig", target=1, **options)
    lost = []
    for first in range(2, 30, 2):
        opened = []
        monkeypatch.setattr(path.Sums, "begin_at_input", noting(opened, path.Sums.begin_at_input))
        found = explain.attribute(built(first), X, "ig", target=1, **options)
        monkeypatch.undo()
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(found.steps, expected.steps)
        lost.append(bool(opened))
    # In some runs the whole model served from the start or from the middle, in others the prefix was never lost.
    assert len(set(lost)) == 2
