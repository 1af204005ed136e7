"""Relative input and output stability, by their formulas and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import OptionError
from explain.metrics.robustness.neighbours import perturbations
from explain.metrics.subject import Subject

RIS, ROS = "relative_input_stability", "relative_output_stability"
BOTH = (RIS, ROS)


class Products(nn.Module):
    """Two classes; the first is linear."""

    def __init__(self, weights, offset=0.0):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights, dtype=torch.float64))
        self.offset = offset

    def forward(self, x):
        first = x @ self.weights
        return torch.stack([first, first - self.offset], dim=1)


def test_of_a_linear_model():
    """Of w x the map changes by the same share as the input, value by value; the outputs by w · δ each."""
    w = np.array([1.0, -2.0, 0.5, 3.0])
    net = Products(w, offset=1.0)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    a = explain.attribute(net, x, "input_x_gradient", target=0)
    e = explain.evaluate(net, a, BOTH)
    np.testing.assert_allclose(e[RIS].values, 1.0, rtol=1e-3)
    for row in range(3):
        moved = (x[row] + perturbations(Subject(net, a, {}), row, 0.02, 10)).astype(np.float32)
        moves = moved.astype(float) - x[row]
        shares = np.linalg.norm(moves / x[row], axis=1)
        expected = (shares / (np.sqrt(2) * np.abs(moves @ w))).max()
        np.testing.assert_allclose(e[ROS].values[row], expected, rtol=1e-3)


@pytest.mark.parametrize("radius", [0.01, 1.5])
def test_by_hand(net, explained, by_hand, radius):
    """Far from the example some inputs have another class: they do not count."""
    walked = by_hand(net, explained, radius=radius, n_samples=9, seed=5)
    e = explain.evaluate(
        net, explained, [(name, {"radius": radius, "n_samples": 9}) for name in BOTH], seed=5
    )
    n_changed = 0
    for row, one in enumerate(walked):
        of_inputs, of_outputs = [], []
        for other, moved, h in zip(one.maps, one.moved, one.outputs, strict=True):
            if np.argmax(h) != np.argmax(one.h):
                n_changed += 1
                continue
            of_map = sum(((p - q) / p) ** 2 for p, q in zip(one.map, other, strict=True)) ** 0.5
            of_input = sum(((p - q) / p) ** 2 for p, q in zip(one.x, moved, strict=True)) ** 0.5
            of_inputs.append(of_map / max(of_input, 1e-6))
            of_outputs.append(of_map / max(np.sqrt(((one.h - h) ** 2).sum()), 1e-6))
        np.testing.assert_allclose(e[RIS].values[row], max(of_inputs), rtol=1e-6)
        np.testing.assert_allclose(e[ROS].values[row], max(of_outputs), rtol=1e-6)
    assert (n_changed > 0) == (radius > 1)


def test_scores_of_another_kind_are_its_outputs(net, rows, by_hand):
    """Of an explained probability the outputs are probabilities."""
    a = explain.attribute(net, rows, "saliency", target=0, score="probability")
    e = explain.evaluate(net, a, [(name, {"n_samples": 1}) for name in BOTH], seed=3)
    (one, *_) = by_hand(net, a, radius=0.02, n_samples=1, seed=3)

    def softmax(h):
        return np.exp(h - h.max()) / np.exp(h - h.max()).sum()

    of_input = max(np.linalg.norm((one.x - one.moved[0]) / one.x), 1e-6)
    of_output = max(np.linalg.norm(softmax(one.h) - softmax(one.outputs[0])), 1e-6)
    ratio = e[RIS].values[0] * of_input / (e[ROS].values[0] * of_output)
    np.testing.assert_allclose(ratio, 1.0, rtol=1e-6)


@pytest.mark.parametrize("eps_min", [1e-6, 1e-2, 0.5])
def test_zeros_of_the_map_give_way_to_eps_min(eps_min):
    """A value of exactly zero has no relative change: eps_min stands for it."""

    def model(x):
        return np.maximum(x[:, 0] - 1, 0) + x[:, 1]

    x = np.array([[1.0, 2.0]])
    a = explain.attribute(model, x, "feature_ablation", framework="numpy")
    assert a.values.tolist() == [[0, 2]]
    found = explain.evaluate(model, a, [(RIS, {"n_samples": 5, "eps_min": eps_min})])[RIS].values[0]
    moves = perturbations(Subject(model, a, {}), 0, 0.02, 5)
    assert (moves[:, 0] > 0).any()
    of_map = np.hypot(np.maximum(moves[:, 0], 0) / eps_min, moves[:, 1] / 2)
    of_input = np.maximum(np.hypot(moves[:, 0], moves[:, 1] / 2), eps_min)
    np.testing.assert_allclose(found, (of_map / of_input).max(), rtol=1e-4)


@pytest.mark.parametrize("eps_min", [1e-6, 1e-2, 0.5])
def test_zeros_of_the_input_give_way_to_eps_min(eps_min):
    x = np.array([[0.0, 2.0]])
    a = explain.attribute(lambda x: x.sum(axis=1), x, "feature_ablation", framework="numpy", baseline=1.0)
    assert a.values.tolist() == [[-1, 1]]
    found = explain.evaluate(lambda x: x.sum(axis=1), a, [(RIS, {"n_samples": 5, "eps_min": eps_min})])[RIS]
    moves = perturbations(Subject(None, a, {}), 0, 0.02, 5)
    of_input = np.maximum(np.hypot(moves[:, 0] / eps_min, moves[:, 1] / 2), eps_min)
    np.testing.assert_allclose(found.values[0], (np.hypot(*moves.T) / of_input).max(), rtol=1e-4)


def test_eps_min_is_the_least_denominator():
    net = Products(np.zeros(2), offset=1.0)
    a = explain.attribute(net, np.ones((1, 2), np.float32), "saliency", target=0)
    assert explain.evaluate(net, a, ROS)[ROS].values.tolist() == [0]

    def flat(x):
        return np.stack([np.sin(100 * x[:, 0]) * 1e-9, np.ones(len(x)) * -5], axis=1)

    a = explain.attribute(flat, np.ones((1, 1)), "feature_ablation", target=0, framework="numpy")
    options = {"n_samples": 3, "eps_min": 0.1}
    found = explain.evaluate(flat, a, [(ROS, options)], framework="numpy")[ROS].values[0]
    moved = (1 + perturbations(Subject(flat, a, {}), 0, 0.02, 3)[:, 0]).astype(np.float32).astype(float)
    own = np.float32(np.sin(100) * 1e-9).astype(float)
    others = (np.sin(100 * moved) * 1e-9).astype(np.float32).astype(float)
    np.testing.assert_allclose(found, np.abs((others - own) / own).max() / 0.1, rtol=1e-4)


def test_every_input_has_another_class():
    """On the border between two classes no perturbed input keeps the class of the example."""

    def model(x):
        return np.stack([np.abs(x[:, 0]), np.full(len(x), 1e-9)], axis=1)

    x = np.array([[0.0], [3.0]])
    a = explain.attribute(model, x, "feature_ablation", target=0, framework="numpy", baseline=1.0)
    for name in BOTH:
        found = explain.evaluate(model, a, name, framework="numpy")[name]
        assert np.isnan(found.values).tolist() == [True, False]
        assert found.left_out == {0: "Every perturbed input is predicted as another class."}


def test_model_without_classes():
    """Of a model with one output every perturbed input counts."""

    def model(x):
        return x[:, 0] * x[:, 1]

    x = np.array([[1.0, 2.0]])
    a = explain.attribute(model, x, "feature_ablation", framework="numpy")
    e = explain.evaluate(model, a, BOTH, framework="numpy")
    moved = (x + perturbations(Subject(model, a, {}), 0, 0.02, 10)).astype(np.float32).astype(float)
    products = moved.prod(axis=1)
    # Without either column the product is zero: both have the value of the whole.
    of_map = np.sqrt(2) * np.abs(products - 2) / 2
    of_input = np.linalg.norm((moved - x) / x, axis=1)
    np.testing.assert_allclose(e[RIS].values[0], (of_map / of_input).max(), rtol=1e-4)
    np.testing.assert_allclose(e[ROS].values[0], np.sqrt(2) / 2, rtol=1e-4)


def test_a_map_that_jumps_is_worse():
    """The slope of a fast wave changes more than the mean slope of the neighbourhood."""

    class Wave(nn.Module):
        def forward(self, x):
            return torch.sin(40 * x).sum(1) + 30 * x.sum(1)

    x = np.random.default_rng(0).normal(size=(5, 6))
    exact = explain.attribute(Wave().double(), x, "saliency")
    smooth = explain.attribute(Wave().double(), x, "smoothgrad", n_samples=400)
    for name in BOTH:
        jumping, steady = (explain.evaluate(Wave(), a, name)[name].values for a in (exact, smooth))
        assert (jumping > 3 * steady).all()


def test_padding_does_not_count():
    class Sums(nn.Module):
        def forward(self, x):
            return torch.tanh(x.sum(2)).sum(1)

    x = np.random.default_rng(0).normal(size=(2, 5, 2)).astype(np.float32)
    x[0, 3:] = 0
    a = explain.attribute(Sums(), x, "input_x_gradient", layout="NTC", lengths=[3, 5])
    short = explain.attribute(Sums(), x[:1, :3], "input_x_gradient", layout="NTC")
    assert (Sums()(torch.tensor(x[:1])) == Sums()(torch.tensor(x[:1, :3]))).all()
    moves = perturbations(Subject(Sums(), a, {}), 0, 0.02, 10)[:, :3]
    own = short.values[0].astype(float)
    moved = (x[0, :3] + moves).astype(np.float32)
    again = explain.attribute(Sums(), moved, "input_x_gradient", layout="NTC").values.astype(float)
    of_map = np.sqrt((((again - own) / own) ** 2).sum(axis=(1, 2)))
    of_input = np.sqrt(((moves / x[0, :3]) ** 2).sum(axis=(1, 2)))
    found = explain.evaluate(Sums(), a, RIS)[RIS].values[0]
    np.testing.assert_allclose(found, (of_map / of_input).max(), rtol=1e-3)


@pytest.mark.parametrize("metric", BOTH)
def test_bad_options(net, explained, metric):
    with pytest.raises(OptionError, match=f"eps_min=0 is out of range for {metric}"):
        explain.evaluate(net, explained, [(metric, {"eps_min": 0})])
    with pytest.raises(OptionError, match=f"radius='far' is out of range for {metric}"):
        explain.evaluate(net, explained, [(metric, {"radius": "far"})])
