"""Backward rules under autocast, where operations of one model have gradients of two precisions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.recurrent import LastStep
from torch import nn

import explain


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
