"""Pixel flipping: the curve step by step, and the area over it, by loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.scored import linear, map_of, measured
from torch import nn

from explain.errors import OptionError

RNG = np.random.default_rng(0)


def by_hand(score, x, reference, values, size):
    """The scores of one example, places (P, C), while `size` places at a time are replaced; and their mean drop."""
    order = sorted(range(len(values)), key=lambda place: -values[place])
    now = x.astype(np.float64)
    curve = [score(now)]
    while order:
        for place in order[:size]:
            now[place] = reference[place]
        order = order[size:]
        curve.append(score(now))
    return curve, sum(curve[0] - one for one in curve) / len(curve)


class Net(nn.Module):
    """A small network that is not linear, of pictures with two channels."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(2, 3, 3), nn.Linear(18, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)).flatten(1))


@pytest.mark.parametrize("size", [1, 3, 20, 50])
def test_probabilities_of_a_network(size):
    model = Net().double()
    x, values = (RNG.normal(size=(2, 2, 4, 5)).astype(np.float32) for _ in range(2))
    a = map_of(model, torch.tensor(x, dtype=torch.float64), values, target=[0, 2], baseline=0.3)
    found = measured(model, a, "pixel_flipping", places_per_step=size)
    for row, target in enumerate((0, 2)):

        def probability(places, target=target):
            with torch.no_grad():
                logits = model(torch.tensor(places.T.reshape(1, 2, 4, 5)))
            return float(logits.softmax(1)[0, target])

        places = x[row].reshape(2, 20).T
        reference = np.full((20, 2), np.float32(0.3), np.float64)
        curve, value = by_hand(probability, places, reference, values[row].reshape(2, 20).sum(axis=0), size)
        np.testing.assert_allclose(found.curve[row], curve, rtol=1e-6)
        np.testing.assert_allclose(found.values[row], value, atol=1e-7)
    np.testing.assert_array_equal(found.positions, [min(size * step, 20) for step in range(len(curve))])


def test_shares_of_a_linear_model():
    x = RNG.normal(size=(2, 7)).astype(np.float32)
    weight, values = RNG.normal(size=7), RNG.normal(size=(2, 7)).astype(np.float32)
    model = linear(weight, 0.4)
    found = measured(model, map_of(model, x, values), "pixel_flipping", places_per_step=2, reference=0.5)
    for row in range(2):
        lost = float((x[row] - 0.5) @ weight)
        curve, value = by_hand(
            lambda at, lost=lost: (at - 0.5) @ weight / abs(lost), x[row], np.full(7, 0.5), values[row], 2
        )
        np.testing.assert_allclose(found.curve[row], curve, atol=1e-6)
        np.testing.assert_allclose(found.values[row], value, atol=1e-6)


def test_an_example_of_fewer_places_has_its_own_steps():
    x, values = (RNG.normal(size=(2, 6, 2)).astype(np.float32) for _ in range(2))
    weight = RNG.normal(size=(6, 2))
    model = linear(weight)
    a = map_of(model, x, values, layout="NTC", lengths=[6, 3])
    found = measured(model, a, "pixel_flipping", places_per_step=2)
    alone = map_of(model, x[1:], values[1:], layout="NTC", lengths=[3])
    own = measured(model, alone, "pixel_flipping", places_per_step=2)
    assert own.curve.shape == (1, 3)
    assert own.positions.tolist() == [0, 2, 3]
    np.testing.assert_allclose(found.values[1], own.values[0])
    np.testing.assert_allclose(found.curve[1], [*own.curve[0], own.curve[0, -1]])
    empty = float((x[1] * weight)[3:].sum())
    _, value = by_hand(
        lambda at: (float((at * weight[:3]).sum())) / abs(float((x[1] * weight).sum()) - empty),
        x[1, :3],
        np.zeros((3, 2)),
        values[1, :3].sum(axis=1),
        2,
    )
    np.testing.assert_allclose(own.values[0], value, rtol=1e-5)


def test_without_a_size_the_largest_example_has_about_thirty_two_steps():
    model = linear(np.ones(70))
    a = map_of(model, np.ones((1, 70), np.float32), RNG.normal(size=(1, 70)))
    found = measured(model, a, "pixel_flipping")
    # 70 places in 32 steps are three at a time.
    assert found.positions[:3].tolist() == [0, 3, 6]
    assert found.positions[-1] == 70
    assert measured(model, a, "pixel_flipping", places_per_step=3).values == found.values


def test_an_exact_map_is_better_than_its_opposite_and_than_chance():
    weight, x = RNG.uniform(0.1, 2, 9), np.ones((3, 9), np.float32)
    model = linear(weight)
    exact, chance, opposite = (
        measured(model, map_of(model, x, one), "pixel_flipping").mean
        for one in (x * weight, RNG.normal(size=x.shape), -x * weight)
    )
    assert exact > chance > opposite


def test_ties_and_examples_without_a_value():
    model = linear([1.0, 2.0, 4.0])
    x = np.array([[1, 1, 1], [1, 1, 1], [2, -1, 0]], np.float32)
    a = map_of(model, x, [[0, 3, 3], [2, 2, 2], [1, 2, 3]])
    found = measured(model, a, "pixel_flipping", places_per_step=1)
    np.testing.assert_allclose(found.curve[0], [1, 5 / 7, 1 / 7, 0], atol=1e-7)
    np.testing.assert_allclose(found.values[0], (2 / 7 + 6 / 7 + 1) / 4)
    assert found.left_out == {
        1: "The map is constant: it does not order the places.",
        2: "The score at the reference is that of the input.",
    }
    assert np.isnan(found.values[1:]).all()


@pytest.mark.parametrize("size", [0, -1, 1.5, "all", True])
def test_refused(size):
    model = linear([1.0, 2.0])
    a = map_of(model, np.ones((1, 2), np.float32), [[1, 2]])
    with pytest.raises(OptionError, match=r"places_per_step=.*None or a whole number of at least 1"):
        measured(model, a, "pixel_flipping", places_per_step=size)
