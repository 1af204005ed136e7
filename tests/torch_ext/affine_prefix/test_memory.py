"""What looks at a model before the work holds no more memory than the work itself."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

import explain
from explain.inputs.examples import Examples
from explain.torch_ext.affine_prefix import cut
from explain.torch_ext.model.memory import LARGE, bytes_per_point

# What the network below has seen; explain puts lists that belong to a model back as they were.
COUNTS, COMPUTED = [], []


@pytest.fixture(autouse=True)
def _forgotten():
    COUNTS.clear()
    COMPUTED.clear()


class Noted(nn.Module):
    """A small network of pictures that notes the sizes of its batches and what it computed."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 3, 3)

    def forward(self, x):
        features = torch.relu(self.first(x))
        COUNTS.append(len(x))
        COMPUTED.append(StorageWeakRef(features.untyped_storage()))
        return torch.relu(self.second(features)).mean((2, 3))


@pytest.fixture
def uncollected():
    """No garbage collection: only what no one holds is freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _pictures(side, count=1):
    return np.random.default_rng(0).normal(size=(count, 1, side, side)).astype(np.float32)


def _estimated(model, side):
    def run(examples):
        points = torch.from_numpy(examples.inputs[0]).requires_grad_()
        return (points,), model(points)

    return bytes_per_point(Examples((_pictures(side),)), None, run)


def test_the_estimate_of_memory_frees_what_it_has_counted(uncollected):
    model = Noted()
    _estimated(model, 20)
    assert COUNTS == [4, 2]
    assert all(storage.expired() for storage in COMPUTED)


def test_the_memory_of_a_large_example_is_estimated_from_one():
    torch.manual_seed(0)
    model = Noted()
    side = int(np.sqrt(LARGE)) + 1
    alone = _estimated(model, side)
    assert COUNTS == [1]
    # The saved tensors are a few times the input, and grow with the number of its values.
    assert alone == pytest.approx(_estimated(model, side // 2) * 4, rel=0.1)
    assert COUNTS == [1, 4, 2]


def test_the_survey_frees_its_first_run_before_the_second(uncollected, monkeypatch):
    torch.manual_seed(0)
    model, alive = Noted().eval(), []
    original = cut._gives_same_output

    def same(*about):
        assert COMPUTED
        alive.append([storage for storage in COMPUTED if not storage.expired()])
        return original(*about)

    monkeypatch.setattr(cut, "_gives_same_output", same)
    explain.attribute(model, _pictures(20, 2), "integrated_gradients", target=1, n_steps=200, baseline=0.0)
    assert alive == [[]]


@pytest.mark.parametrize(("side", "most"), [(20, 3), (1024, 2)])
def test_a_very_large_picture_is_never_run_several_times_at_once(side, most):
    torch.manual_seed(0)
    model, x = Noted().eval(), _pictures(side)
    found = explain.attribute(
        model, x, "integrated_gradients", target=1, n_steps=4, rule="midpoint", baseline=0.0, batch_size=1
    ).values
    assert max(COUNTS) <= most
    expected = np.zeros_like(x)
    for alpha in (0.125, 0.375, 0.625, 0.875):
        point = torch.tensor(np.float32(alpha) * x, requires_grad=True)
        expected += torch.autograd.grad(model(point)[:, 1].sum(), point)[0].numpy() / 4 * x
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6 * np.abs(expected).max())
