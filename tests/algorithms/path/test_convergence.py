"""Integrals refined to a tolerance: near the truth, no gradient wasted, and honest where they are not."""

from __future__ import annotations

import re

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.algorithms.path.nested_refinement import bound_of_difference
from explain.errors import ConvergenceWarning, OptionError
from explain.running.paths.quadrature import nodes_and_weights

# Few steps are taken on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:The integral has not converged")

X = np.random.default_rng(0).normal(size=(6, 8))


def network(activation, width=40, seed=0):
    torch.manual_seed(seed)
    layers = [nn.Linear(8, width), activation(), nn.Linear(width, width), activation(), nn.Linear(width, 3)]
    return nn.Sequential(*layers).double()


def distance(found, truth):
    return np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)


@pytest.mark.parametrize(
    ("activation", "rule"),
    [(nn.ReLU, "golden"), (nn.LeakyReLU, "golden"), (nn.Tanh, "fejer"), (nn.GELU, "fejer")],
)
def test_a_map_is_within_its_tolerance(activation, rule):
    model = network(activation)
    many = np.random.default_rng(1).normal(size=(60, 8))
    truth = explain.attribute(model, many, "ig", target=1, n_steps=6561, rule="midpoint").values
    within = []
    for tolerance in (0.1, 0.02, 0.005):
        found = explain.attribute(model, many, "ig", target=1, tolerance=tolerance, max_steps=3645)
        assert found.rule == rule
        assert (found.map_error <= tolerance).all()
        error = distance(found.values, truth)
        within += [error <= found.map_error]
        assert error.max() <= 2.5 * tolerance
        assert (found.relative_delta <= max(0.05, tolerance)).all()
    # A bound for 95 %, of the maps of many networks: of one there may be a few more beyond it.
    assert np.mean(within) >= 0.93


@pytest.mark.parametrize("rule", ["golden", "adaptive", "midpoint", "fejer"])
def test_a_sum_need_not_be_closer_than_the_tolerance(rule):
    model = network(nn.ReLU)
    many = np.random.default_rng(2).normal(size=(200, 8))
    wide = explain.attribute(model, many, "ig", target=1, tolerance=0.3, rule=rule)
    assert (wide.relative_delta <= 0.3).all()
    assert (wide.relative_delta > 0.05).any()
    # Nothing is told of a sum that is as close as was asked for; of a given number of steps nothing was asked.
    assert not any("not converged" in note for note in wide.notes)
    scores = model(torch.from_numpy(np.concatenate([many, np.zeros_like(many)])))[:, 1].detach().numpy()
    np.testing.assert_allclose(wide.delta, wide.values.sum(axis=1) - (scores[:200] - scores[200:]), atol=1e-5)
    if rule != "adaptive":
        row = int(wide.relative_delta.argmax())
        one, steps = many[row : row + 1], int(wide.steps[row])
        given = explain.attribute(model, one, "ig", target=1, tolerance=0.3, rule=rule, n_steps=steps)
        np.testing.assert_allclose(given.relative_delta, wide.relative_delta[row], rtol=1e-4)
        assert any("more than 5%" in note for note in given.notes)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_every_gradient_is_used_again(activation):
    model = network(activation)
    rows = []
    # What is seen behind the first layer: there the path is taken.
    model[1].register_forward_hook(lambda module, arguments, output: rows.append(len(output)))
    rows.clear()
    few = explain.attribute(model, X, "ig", target=1, n_steps=1)
    overhead = sum(rows) - few.steps.sum()
    rows.clear()
    found = explain.attribute(model, X, "ig", target=1, tolerance=0.03)
    assert len(set(found.steps.tolist())) > 1 or activation is nn.Tanh
    # The memory of a point, and whether the model is steady, are asked once; the rest is as for one step.
    assert found.steps.sum() <= sum(rows) <= found.steps.sum() + overhead


def test_the_same_steps_give_the_same_map():
    model = network(nn.ReLU)
    found = explain.attribute(model, X, "ig", target=1)
    again = explain.attribute(
        model, X, "ig", target=1, n_steps=found.steps, rule=found.rule, batch_size=found.batch_size
    )
    np.testing.assert_allclose(again.values, found.values, rtol=1e-6, atol=1e-9)
    assert again.steps.tolist() == found.steps.tolist()
    np.testing.assert_allclose(again.map_error, found.map_error, rtol=1e-6)


def test_a_tolerance_out_of_reach_is_told_of():
    model = network(nn.ReLU)
    truth = explain.attribute(model, X, "ig", target=1, n_steps=2187, rule="midpoint").values
    with pytest.warns(
        ConvergenceWarning, match=r"tolerance=1e-06 within 45 steps for examples \[0, 1, 2, 3, 4, 5\]"
    ) as caught:
        found = explain.attribute(model, X, "ig", target=1, tolerance=1e-6, max_steps=45)
    assert len(caught) == 1
    (said,) = re.findall(r"of up to ([\d.]+)%", str(caught[0].message))
    assert float(said) == pytest.approx(100 * found.map_error.max(), rel=0.05)
    assert found.steps.tolist() == [45] * 6
    coarse = explain.attribute(model, X, "ig", target=1, n_steps=5, rule="midpoint").values
    assert np.median(distance(found.values, truth)) < np.median(distance(coarse, truth))


def test_few_steps_still_give_an_estimate():
    for most in (3, 4, 14):
        found = explain.attribute(network(nn.ReLU), X, "ig", target=1, tolerance=10.0, max_steps=most)
        assert (found.steps <= most).all()
        assert np.isfinite(found.map_error).all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_steps": [5, 15]}, "2 entries for a batch of 6"),
        ({"n_steps": [0] * 6}, "n_steps="),
        ({"n_steps": 2.5}, "n_steps="),
        ({"n_steps": "many"}, "n_steps="),
        ({"tolerance": 0}, "tolerance="),
        ({"max_steps": 2}, "max_steps="),
        ({"rule": "trapezoid"}, "cannot be refined"),
        ({"rule": "simpson"}, "rule="),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    with pytest.raises(OptionError, match=words):
        explain.attribute(network(nn.ReLU), X, "ig", target=1, **options)


def test_a_fixed_number_of_steps_is_captums():
    model = network(nn.ReLU)
    theirs = captum.attr.IntegratedGradients(model).attribute(torch.tensor(X), target=1).detach().numpy()
    ours = explain.attribute(model, X, "ig", target=1, n_steps=50)
    assert ours.rule == "gauss_legendre"
    assert ours.map_error is None
    # A float32 result of float64 sums; Captum's weights are float32.
    assert (distance(ours.values, theirs) < 1e-6).all()
    engine = explain.attribute(model, X, "ig", target=1, engine="captum")
    assert engine.steps.tolist() == [50] * 6
    assert (distance(engine.values, theirs) < 1e-6).all()


@pytest.mark.parametrize(("rule", "n_steps", "known"), [("midpoint", 9, True), ("midpoint", 10, False)])
def test_nested_rules_have_an_estimate(rule, n_steps, known):
    found = explain.attribute(network(nn.ReLU), X, "ig", target=1, n_steps=n_steps, rule=rule)
    assert (found.map_error is not None) == known


def test_fejers_nodes_are_nested_and_its_weights_exact():
    for n_steps in (1, 3, 7, 15, 31):
        nodes, weights = nodes_and_weights("fejer", n_steps)
        finer, _ = nodes_and_weights("fejer", 2 * n_steps + 1)
        np.testing.assert_allclose(finer[1::2], nodes, atol=1e-15)
        for power in range(n_steps):
            assert abs(weights @ nodes**power - 1 / (power + 1)) < 1e-13


@pytest.mark.parametrize(("growth", "count"), [(3, 5), (3, 15), (2.5, 8)])
def test_no_bound_is_wider_than_that_of_independent_draws(growth, count):
    """The error of a mean of random draws is estimated from the mean of the first of them."""
    many = int(growth * count)
    draws = np.random.default_rng(0).normal(size=(400, many, 200))
    truth = np.full((400, 200), 0.3)
    draws += truth[:, None]
    later, earlier = draws.mean(axis=1), draws[:, :count].mean(axis=1)
    bound = bound_of_difference((np.ones_like(truth),), (later,), (earlier,), growth)
    true = np.linalg.norm(later - truth, axis=1) / np.linalg.norm(later, axis=1)
    # In 200 dimensions lengths scatter by a twentieth; the mean ratio is that of the closed form.
    assert abs(np.mean(true / bound) - 1) < 0.02


@pytest.mark.parametrize("apart", [1e-4, 0.01, 0.1, 0.6])
def test_the_bound_of_near_maps_is_that_of_random_jumps(apart):
    one = np.ones((1, 4))
    earlier = one * [1 + apart, 1 - apart, 1 + apart, 1 - apart]
    (found,) = bound_of_difference((one,), (one,), (earlier,), 3.0)
    first = 1.4 * apart / np.sqrt(10)
    assert first < found <= apart / np.sqrt(2)
    np.testing.assert_allclose(found, min(first * (1 + 3 * first), apart / np.sqrt(2)), rtol=1e-12)
