"""Golden nodes and their levels: the weights, the sums and the estimated errors, each against its definition."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.algorithms.path import golden_refinement
from explain.algorithms.path.golden_levels import Gaps, levels_up_to
from explain.algorithms.path.golden_work import error_of_gaps
from explain.running.paths.quadrature import nodes_and_weights

# Integrals are taken with few steps on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:The integral has not converged")

SECTION = (np.sqrt(5) - 1) / 2


def jumps(places):
    """Gradients at nodes, one column for each jump: 0 before its place and 1 after it."""
    return lambda nodes: (nodes[:, np.newaxis] > places).astype(np.float64)


def test_the_nodes_of_a_number_are_the_first_of_every_larger_one():
    many, _ = nodes_and_weights("golden", 89)
    places = (0.34 + SECTION * np.arange(89)) % 1
    np.testing.assert_allclose(many, 0.3 * places + 0.7 * places**2, rtol=1e-12)
    for number in (1, 5, 34, 50):
        nodes, weights = nodes_and_weights("golden", number)
        np.testing.assert_array_equal(nodes, many[:number])
        assert weights.sum() == pytest.approx(1, abs=1e-12)
        assert (weights > 0).all()


def test_the_weights_are_the_lengths_of_path_around_the_nodes():
    # A cell that is centred on its node in u is as long in α as the slope there times its width. The cells that are not
    # are off by the second order: their sum is scaled to one.
    places = np.sort((0.34 + SECTION * np.arange(34)) % 1)
    borders = np.concatenate([[0], (places[1:] + places[:-1]) / 2, [1]])
    lengths = np.diff(0.3 * borders + 0.7 * borders**2)
    nodes, weights = nodes_and_weights("golden", 34)
    np.testing.assert_allclose(weights[np.argsort(nodes)], lengths, atol=2e-3)


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("most", [1, 2, 7, 8, 60, 405])
def test_the_sums_of_a_level_give_its_mean(most, apart):
    values = np.random.default_rng(0).normal(size=(most, 3))
    for level in levels_up_to(most, apart=apart):
        sums = np.zeros((level.sums, 3))
        np.add.at(sums, level.sum_of, level.slopes[:, np.newaxis] * values[: level.number])
        expected = nodes_and_weights("golden", level.number)[1] @ values[: level.number]
        np.testing.assert_allclose(level.shares @ sums, expected, rtol=1e-10)
        assert level.sums <= (level.number if apart else 12)


def test_nodes_of_one_sum_stay_together():
    levels = levels_up_to(405, apart=False)
    for level, later in itertools.pairwise(levels):
        pairs = set(zip(level.sum_of.tolist(), later.sum_of[: level.number].tolist(), strict=True))
        assert len(pairs) == level.sums


def test_random_directions_tell_the_error_of_gaps():
    nodes, _ = nodes_and_weights("golden", 34)
    generator = np.random.default_rng(4)
    # Jumps of a few units at random places, each in a direction of its own, in four examples.
    steps = np.cumsum(generator.random((34, 4, 60)) < 0.05, axis=0) @ generator.normal(size=(60, 900))
    products = np.empty_like(steps)
    products[np.argsort(nodes)] = steps
    error, unsure = error_of_gaps(nodes, products)
    errors, factors = [], []
    for _ in range(200):
        signs = generator.integers(0, 2, (900, 15)) * 2 - 1
        found = error_of_gaps(nodes, products @ signs / np.sqrt(15), 15)
        errors.append(found[0])
        factors.append(found[1])
    # The square of the error is right on average; two hundred draws of 8 % each know it to about one per cent.
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(errors), axis=0)), error, rtol=0.02)
    assert (np.std(errors, axis=0) / error < 0.12).all()
    # What directions leave unsure is in the bound: it is a little larger.
    assert (np.mean(factors, axis=0) > unsure).all()
    np.testing.assert_allclose(np.mean(factors, axis=0), unsure, rtol=0.05)


def test_the_error_of_gaps_is_that_of_jumps_anywhere():
    nodes = np.sort(nodes_and_weights("golden", 8)[0])
    places = np.random.default_rng(2).random(200_000)
    borders = np.concatenate([[0], (nodes[1:] + nodes[:-1]) / 2, [1]])
    # A mean of gradients sees a jump as if it were on the border between two cells, and none beyond the last nodes.
    seen = np.where(
        places < nodes[0], 0, np.where(places > nodes[-1], 1, borders[np.searchsorted(nodes, places)])
    )
    error = np.sqrt(np.mean((seen - places) ** 2))
    gaps = np.diff(nodes)
    assert np.sqrt(np.sum(Gaps.between(nodes).factors ** 2 * gaps)) == pytest.approx(error, rel=0.01)


def test_what_neighbours_foretell_is_no_jump():
    nodes = np.sort(nodes_and_weights("golden", 34)[0])
    gaps = Gaps.between(nodes)
    widths = np.diff(nodes)
    # A gradient that changes evenly has no jump, and a curve only what it bends.
    np.testing.assert_allclose(gaps.rough @ np.diff(3 * nodes), 0, atol=1e-14)
    assert np.linalg.norm(gaps.rough @ np.diff(nodes**2)) < 0.1 * np.linalg.norm(
        gaps.factors * np.diff(nodes**2)
    )
    # Jumps as frequent as gaps are wide, independent of each other: the sum of the squares is the same on average.
    expected = (gaps.rough**2 @ widths).sum()
    assert expected == pytest.approx((gaps.factors**2 * widths).sum(), rel=1e-12)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_a_smooth_gradient_has_the_error_of_its_curve(power):
    nodes = np.sort(nodes_and_weights("golden", 55)[0])
    borders = np.concatenate([[0], (nodes[1:] + nodes[:-1]) / 2, [1]])
    error = np.diff(borders) @ nodes**power - 1 / (power + 1)
    # Second derivatives and end slopes are those of the differences: exact for a line, near for other powers.
    found = Gaps.between(nodes).bent @ np.diff(nodes**power)
    assert found == pytest.approx(error, rel=1e-9 if power == 1 else 0.2)


def test_a_smooth_model_needs_few_steps():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 20), nn.Tanh(), nn.Linear(20, 3)).double()
    x = np.random.default_rng(0).normal(size=(20, 8))
    found = explain.attribute(model, x, "ig", target=1, rule="golden")
    truth = explain.attribute(model, x, "ig", target=1, n_steps=60)
    assert (distances(found, truth) <= found.map_error).mean() >= 0.95
    assert found.steps.mean() < 20


def pictures(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(12 * 100, 16), nn.ReLU(), nn.Linear(16, 4),
    )  # fmt: skip
    return model.double().eval(), torch.randn(12, 3, 20, 20, dtype=torch.float64).numpy()


def distances(found, truth):
    apart = (found.values - truth.values).reshape(len(truth.values), -1)
    return np.linalg.norm(apart, axis=1) / np.linalg.norm(found.values.reshape(len(apart), -1), axis=1)


@pytest.mark.parametrize("tolerance", [0.1, 0.03, 0.01])
def test_maps_of_large_inputs_are_within_their_bounds(tolerance):
    model, x = pictures()
    assert x[0].size > golden_refinement._SMALL
    found = explain.attribute(model, x, "ig", target=1, tolerance=tolerance)
    truth = explain.attribute(model, x, "ig", target=1, n_steps=6561, rule="midpoint")
    assert found.rule == "golden"
    assert (found.map_error <= tolerance).all()
    # A bound for 95 %: of twelve maps, one may be beyond it.
    assert (distances(found, truth) <= found.map_error).mean() >= 11 / 12
    assert len(set(found.steps.tolist())) > 1


def test_groups_and_batch_mates_do_not_change_a_map(monkeypatch):
    model, x = pictures()
    whole = explain.attribute(model, x, "ig", target=1)
    alone = explain.attribute(model, x[5:6], "ig", target=1)
    monkeypatch.setattr(golden_refinement, "_KEPT", 1)
    grouped = explain.attribute(model, x, "ig", target=1, batch_size=7)
    np.testing.assert_allclose(grouped.values, whole.values, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(alone.values, whole.values[5:6], rtol=1e-6, atol=1e-12)
    assert grouped.steps.tolist() == whole.steps.tolist()
    np.testing.assert_allclose(grouped.map_error, whole.map_error, rtol=1e-6)


@pytest.mark.parametrize("size", [4, 20])
def test_the_number_of_steps_repeats_the_map_and_its_bound(size):
    model, x = pictures()
    if size == 4:
        model = nn.Sequential(nn.Flatten(), nn.Linear(48, 30), nn.ReLU(), nn.Linear(30, 4)).double()
        x = x[:, :, :4, :4]
    found = explain.attribute(model, x, "ig", target=1)
    again = explain.attribute(model, x, "ig", target=1, n_steps=found.steps, rule=found.rule)
    np.testing.assert_allclose(again.values, found.values, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(again.map_error, found.map_error, rtol=1e-6)


def test_a_given_number_of_steps_is_taken_whatever_the_sum_misses():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 30), nn.ReLU(), nn.Linear(30, 3)).double()
    with torch.no_grad():
        model[2].bias -= model(torch.zeros(1, 8, dtype=torch.float64))[0]
    x = np.random.default_rng(0).normal(size=(200, 8))
    found = explain.attribute(model, x, "ig", target=1, n_steps=20, rule="golden")
    nodes, weights = nodes_and_weights("golden", 20)
    points = torch.from_numpy(nodes[:, np.newaxis, np.newaxis] * x).requires_grad_()
    (slopes,) = torch.autograd.grad(model(points)[..., 1].sum(), points)
    np.testing.assert_allclose(
        found.values, x * (weights @ slopes.numpy().reshape(20, -1)).reshape(x.shape), rtol=1e-5
    )
    assert found.steps.tolist() == [20] * 200
    # The bounds are those of twenty steps, also where nineteen come nearer to the difference of the scores.
    assert (found.relative_delta > 0.05).any()
    products = slopes.numpy() * x
    error, unsure = error_of_gaps(nodes, products)
    expected = 1.1 * error * unsure / np.linalg.norm(found.values, axis=1)
    np.testing.assert_allclose(found.map_error, expected, rtol=1e-5)


def test_a_locally_linear_model_is_done_at_once():
    model = nn.Sequential(nn.Flatten(), nn.Linear(48, 30, bias=False), nn.ReLU(), nn.Linear(30, 4)).double()
    found = explain.attribute(model, np.random.default_rng(0).normal(size=(5, 3, 4, 4)), "ig", target=1)
    assert found.steps.tolist() == [8] * 5
    np.testing.assert_allclose(found.map_error, 0, atol=1e-12)


def test_one_step_has_no_bound():
    model, x = pictures()
    found = explain.attribute(model, x[:2], "ig", target=1, n_steps=1, rule="golden")
    assert found.map_error is None


def test_a_single_jump_is_seen_by_the_first_level():
    # One unit of two hundred inputs: the gradient jumps once. Its place in the gap decides the error, up to √3 times
    # the usual one.
    bias = np.linspace(-0.95, -0.05, 40)
    inputs = np.zeros((40, 200))
    inputs[:, 0], inputs[:, 1] = 1, bias
    inputs[:, 2] = 1.0

    class OneUnit(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            # On the path from zero, the second value over the first stays as it is: the place of the kink.
            place = -x[:, 1] / x[:, 0].clamp(min=1e-9)
            return (self.relu(x[:, 0] - place.detach()) + 0.3 * x[:, 2])[:, None]

    found = explain.attribute(OneUnit(), inputs, "ig", tolerance=0.02)
    exact = 1 + bias
    error = np.abs(found.values[:, 0] - exact) / np.linalg.norm(found.values, axis=1)
    assert (error <= found.map_error).mean() >= 0.95
