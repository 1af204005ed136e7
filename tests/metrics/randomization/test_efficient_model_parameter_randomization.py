"""The rise of the entropy of a map under random weights, against the formula written out."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import ExplainWarning, OptionError
from explain.metrics.randomization.efficient_model_parameter_randomization import histogram_entropy
from explain.metrics.randomization.random_weights import random_weights
from explain.metrics.subject import Subject

EMPRT = "efficient_model_parameter_randomization"


def explained(model, x, method="saliency", **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return explain.attribute(model, x, method, **arguments)


def measured(model, a, seed=0, **options):
    return explain.evaluate(model, a, {EMPRT: options}, seed=seed)[EMPRT]


def entropy(values, bins):
    """In nats, with a loop over the bins, of which the last has both its edges."""
    low, high = values.min(), values.max()
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / (high - low) * bins))] += 1
    return -sum(count / len(values) * math.log(count / len(values)) for count in counts if count)


def convolutional():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Tanh(), nn.Flatten(), nn.Linear(144, 3)
    )


def test_the_entropy_is_of_the_shares_of_the_bins():
    values = np.random.default_rng(0).normal(size=500)
    for bins in (2, 7, 100):
        assert histogram_entropy(values, bins) == pytest.approx(entropy(values, bins), abs=1e-12)
    assert histogram_entropy(np.array([0.0, 1.0]), 100) == pytest.approx(math.log(2))


@pytest.mark.parametrize("bins", [100, 9])
def test_it_is_the_relative_rise_from_the_map_to_that_of_all_weights_random(bins):
    model, x = convolutional(), np.random.default_rng(1).normal(size=(3, 2, 10, 10)).astype(np.float32)
    a = explained(model, x, "input_x_gradient", target=2)
    options = {} if bins == 100 else {"n_bins": bins}
    found = measured(model, a, seed=4, **options)
    subject = Subject(model, a, {}, seed=4)
    with random_weights(subject) as network:
        assert network.labels == ("0", "2", "5")
        for position in range(3):
            network.randomize(position)
        other = explained(network.model, x, "input_x_gradient", target=2)
    before, after = (
        np.array([entropy(one.values[row].astype(float).sum(axis=0).ravel(), bins) for row in range(3)])
        for one in (a, other)
    )
    np.testing.assert_allclose(found.values, (after - before) / before, rtol=1e-9)
    assert found.better == "higher"
    assert found.curve is None


def test_the_map_of_a_linear_model_is_no_more_complex():
    """A permuted map has the same numbers, and so the same histogram."""
    torch.manual_seed(0)
    model = nn.Linear(30, 1)
    a = explained(model, np.ones((2, 30), np.float32))
    np.testing.assert_allclose(measured(model, a).values, 0, atol=1e-12)


def test_a_clear_map_rises_more_than_one_that_is_random_already():
    model = explain.zoo.load("cifar_net", framework="torch")
    x = explain.zoo.samples("cifar_net", framework="torch").x[:4]
    a = explained(model, x, "ig")
    good = measured(model, a)
    noise = np.random.default_rng(0).uniform(-1, 1, a.values.shape).astype(np.float32)
    bad = measured(model, replace(a, values=noise))
    assert (good.values > bad.values).all()


def test_maps_without_a_complexity_are_left_out():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    a = explained(model, np.array([[0.1, 0.2, 0.3, 0.4]], np.float32))
    constant = measured(model, replace(a, values=np.ones_like(a.values)))
    assert constant.left_out == {0: "The map is constant: it does not order the places."}
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([-50.0, 50.0, -50.0]))
        model[2].weight.copy_(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.5]]))
    a = explained(model, np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), target=0)
    assert a.values.any()
    dead = next(one for one in (measured(model, a, seed=seed) for seed in range(30)) if one.left_out)
    assert dead.left_out == {
        0: "With all weights randomised the map is constant: it has no complexity to compare."
    }


def test_the_number_of_bins_is_checked():
    torch.manual_seed(0)
    model = nn.Linear(5, 1)
    with pytest.raises(OptionError, match="n_bins"):
        measured(model, explained(model, np.ones((1, 5), np.float32)), n_bins=1)
