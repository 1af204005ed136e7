"""The local Lipschitz estimate, by its formula and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import OptionError

NAME = "local_lipschitz"


class Quadratic(nn.Module):
    """Its gradient is 2 A x, whose steepness is that of A."""

    def __init__(self, diagonal):
        super().__init__()
        self.diagonal = nn.Parameter(torch.tensor(diagonal, dtype=torch.float64))

    def forward(self, x):
        return (self.diagonal * x**2).sum(1)


def test_of_a_quadratic_model():
    """With the same factor for all columns every ratio is the constant; with several it lies between them."""
    x = np.random.default_rng(0).normal(size=(3, 4))
    even = Quadratic([1.5] * 4)
    a = explain.attribute(even, x, "saliency")
    np.testing.assert_allclose(explain.evaluate(even, a, NAME)[NAME].values, 3.0, rtol=1e-4)
    uneven = Quadratic([1.0, -2.0, 3.0, 0.5])
    a = explain.attribute(uneven, x, "saliency")
    found = explain.evaluate(uneven, a, [(NAME, {"n_samples": 200})])[NAME].values
    assert (found < 6.0).all()
    assert (found > 5.0).all()


def test_by_hand(net, explained, by_hand):
    walked = by_hand(net, explained, radius=0.3, n_samples=7, seed=5)
    e = explain.evaluate(net, explained, [(NAME, {"radius": 0.3, "n_samples": 7})], seed=5)
    for row, one in enumerate(walked):
        ratios = [
            np.sqrt(((other - one.map) ** 2).sum()) / np.sqrt(((moved - one.x) ** 2).sum())
            for other, moved in zip(one.maps, one.moved, strict=True)
        ]
        np.testing.assert_allclose(e[NAME].values[row], max(ratios), rtol=1e-6)


def test_a_steeper_map_is_worse():
    """The exact map of a linear model is the same everywhere; values that follow the input are not."""
    net = nn.Linear(4, 1).double()
    x = np.random.default_rng(0).normal(size=(3, 4))
    exact, steep = (explain.attribute(net, x, method) for method in ("saliency", "input_x_gradient"))
    assert explain.evaluate(net, exact, NAME)[NAME].values.tolist() == [0, 0, 0]
    found = explain.evaluate(net, steep, NAME)[NAME].values
    largest = net.weight.abs().max().item()
    assert (found > 0.3 * largest).all()
    assert (found <= largest * (1 + 1e-3)).all()


def test_methods_of_whole_places_count_a_place_once():
    """Their map has the same value in every channel: it is one number for the place."""

    def model(x):
        return (x**2).sum(axis=(1, 2))

    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    a = explain.attribute(model, x, "rise", framework="numpy", layout="NTC", n_masks=16)
    options = {"radius": 0.2, "n_samples": 3}
    found = explain.evaluate(model, a, [(NAME, options), ("max_sensitivity", options)], framework="numpy")
    from explain.metrics.robustness.neighbours import perturbations
    from explain.metrics.subject import Subject

    for row in range(2):
        moves = perturbations(Subject(model, a, {}), row, **options)
        moved = (x[row].astype(np.float32) + moves).astype(np.float32)
        again = explain.attribute(model, moved, "rise", framework="numpy", layout="NTC", n_masks=16)
        assert (again.values == again.values[..., :1]).all()
        apart = np.linalg.norm(again.values[..., 0].astype(float) - a.values[row, :, 0], axis=1)
        lengths = np.linalg.norm((moved - x[row].astype(np.float32)).reshape(3, -1), axis=1)
        np.testing.assert_allclose(found[NAME].values[row], (apart / lengths).max(), rtol=1e-5)
        change = apart.max() / np.linalg.norm(a.values[row, :, 0])
        np.testing.assert_allclose(found["max_sensitivity"].values[row], change, rtol=1e-5)


def test_zero_map_has_a_value():
    a = explain.attribute(lambda x: 0 * x[:, 0], np.ones((1, 2)), "feature_ablation", framework="numpy")
    assert explain.evaluate(lambda x: 0 * x[:, 0], a, NAME, framework="numpy")[NAME].values.tolist() == [0]


def test_radius_below_single_precision(net, explained):
    found = explain.evaluate(net, explained, [(NAME, {"radius": 1e-12})])[NAME]
    assert np.isnan(found.values).all()
    assert set(found.left_out.values()) == {"No perturbed input differs from it in single precision."}


def test_bad_options(net, explained):
    with pytest.raises(OptionError, match="radius=0 is out of range for local_lipschitz"):
        explain.evaluate(net, explained, [(NAME, {"radius": 0})])
    with pytest.raises(OptionError, match="'relative' is not an option of the metric local_lipschitz"):
        explain.evaluate(net, explained, [(NAME, {"relative": True})])
