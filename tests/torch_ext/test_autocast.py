"""Backward rules under autocast, where operations of one model have gradients of two precisions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.recurrent import LastStep
from torch import nn

import explain
from explain.running.paths.quadrature import nodes_and_weights


def _seeded(build):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build().eval()


def _transformer():
    layer = nn.TransformerEncoderLayer(16, 4, 32, 0.0, nn.functional.gelu, batch_first=True)
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(6 * 16, 3))


MODELS = {
    "LSTM": lambda: LastStep(nn.LSTM(16, 8, batch_first=True), 8, 3),
    "transformer": _transformer,
}


@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
@pytest.mark.parametrize("method", ["deep_lift", "lrp"])
@pytest.mark.parametrize("name", MODELS)
def test_backward_rules_under_autocast_give_the_map_of_single_precision(name, method):
    model = _seeded(MODELS[name])
    x = np.random.default_rng(0).normal(size=(4, 6, 16)).astype(np.float32)
    expected = explain.attribute(model, x, method, target=1).values
    with torch.autocast("cpu", torch.bfloat16):
        found = explain.attribute(model, x, method, target=1).values
    # bfloat16 has eight bits, and rounding adds up over a dozen operations; another map is farther than this.
    apart = np.linalg.norm((found - expected).reshape(4, -1), axis=1)
    assert np.median(apart / np.linalg.norm(expected.reshape(4, -1), axis=1)) <= 0.05


@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
@pytest.mark.parametrize("options", [{"n_steps": 50, "rule": "midpoint"}, {}])
def test_gradients_along_a_path_are_summed_in_single_precision(options):
    # Enough points for the affine prefix, whose end is in half precision here.
    model = _seeded(
        lambda: nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, 2), nn.ReLU(), nn.Flatten(),
            nn.Linear(12 * 81, 4),
        )
    )  # fmt: skip
    x = np.random.default_rng(0).normal(size=(8, 3, 20, 20)).astype(np.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = explain.attribute(model, x, "ig", target=1, **options)
        weights, means = found.steps, np.zeros(x.shape)
        nodes, shares = nodes_and_weights(found.rule, int(weights[0]))
        for node, share in zip(nodes, shares, strict=True):
            points = torch.from_numpy(np.float32(node) * x).requires_grad_()
            (gradient,) = torch.autograd.grad(model(points)[:, 1].float().sum(), points)
            means += share * gradient.double().numpy()
    alike = found.steps == found.steps[0]
    # The loop's gradients at single points may differ where a sum in half precision rounds the other way.
    apart = np.linalg.norm((found.values - means * x)[alike].reshape(alike.sum(), -1), axis=1)
    assert (apart / np.linalg.norm((means * x)[alike].reshape(alike.sum(), -1), axis=1) < 2e-3).all()
