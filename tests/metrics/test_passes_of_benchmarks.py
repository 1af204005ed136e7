"""What each method costs stands beside what its maps are worth."""

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.metrics.results.benchmark import Benchmark

X = np.random.default_rng(0).normal(size=(4, 3, 6, 6)).astype(np.float32)
ONE_GRADIENT = {"forward": 1.0, "backward": 1.0}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


@pytest.fixture(scope="module")
def found(model):
    methods = ["saliency", ("smoothgrad", {"n_samples": 8}), ("rise", {"n_masks": 20}), "expected_gradients"]
    return explain.benchmark(model, X, methods, ["deletion", "max_sensitivity"])


def test_each_method_has_the_passes_of_its_map_alone(found):
    assert found.passes == {
        "saliency": ONE_GRADIENT,
        "smoothgrad": {"forward": 9.0, "backward": 8.0},
        "rise": {"forward": 21.0, "backward": 0.0},
    }
    assert "expected_gradients" in found.reasons


def test_the_first_call_counts_no_more_than_any_other(model, found):
    again = explain.benchmark(model, X, ["saliency"], "sparseness")
    assert again.passes["saliency"] == found.passes["saliency"]


def test_they_are_kept_and_shown(found, tmp_path):
    assert Benchmark.load(found.save(tmp_path / "found")).passes == found.passes
    page = found.to_html()
    assert "What a method costs" in page
    assert "<td>9</td><td>8</td>" in page
