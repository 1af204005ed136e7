"""ROAD: the system of the imputation by loops and a dense solver, the score at each fraction, and the noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models.scored import Recorded, linear, map_of, measured
from scipy.stats import kstest
from torch import nn

import explain
from explain.errors import EvaluationError, OptionError
from explain.metrics.faithfulness.linear_imputation import imputed
from explain.metrics.faithfulness.road import DRAWS, drawn_noise

RNG = np.random.default_rng(0)


def imputed_by_hand(picture, removed):
    """The equations of the paper, one pixel and one neighbour at a time."""
    height, width, _ = picture.shape
    pixels = [(row, column) for row in range(height) for column in range(width)]
    system, right = np.zeros((len(pixels), len(pixels))), np.zeros((len(pixels), picture.shape[2]))
    for number, (row, column) in enumerate(pixels):
        if not removed[row, column]:
            system[number, number], right[number] = 1, picture[row, column]
            continue
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                other = (row + down, column + across)
                if other == (row, column) or other not in pixels:
                    continue
                weight = 1 / 12 if down and across else 1 / 6
                system[number, number] += weight
                system[number, pixels.index(other)] -= weight
    return np.linalg.solve(system, right).reshape(picture.shape)


@pytest.mark.parametrize("shape", [(5, 7, 3), (12, 9, 1), (1, 6, 2), (17, 2, 1)])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_imputation_solves_the_equations(shape, share):
    picture = RNG.normal(size=shape)
    removed = np.zeros(shape[0] * shape[1], bool)
    removed[RNG.permutation(removed.size)[: int(share * removed.size)]] = True
    removed = removed.reshape(shape[:2])
    found = imputed(picture, removed)
    np.testing.assert_allclose(found, imputed_by_hand(picture, removed), atol=1e-12)
    np.testing.assert_array_equal(found[~removed], picture[~removed])


def test_a_plane_is_imputed_exactly_within_a_picture():
    """Weights that are the same on opposite sides keep a slope, also over a hole as large as this."""
    rows, columns = np.mgrid[:30, :40]
    picture = np.stack([rows + 2.0 * columns, 5 - rows], axis=-1)
    removed = np.zeros((30, 40), bool)
    removed[3:27, 2:38] = True
    np.testing.assert_allclose(imputed(picture, removed), picture, atol=1e-9)


def test_nothing_removed_and_one_pixel_kept():
    picture = RNG.normal(size=(4, 4, 2))
    np.testing.assert_array_equal(imputed(picture, np.zeros((4, 4), bool)), picture)
    removed = np.ones((4, 4), bool)
    removed[1, 2] = False
    np.testing.assert_allclose(
        imputed(picture, removed), np.broadcast_to(picture[1, 2], picture.shape), atol=1e-12
    )


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4 * 24, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)).flatten(1))


@pytest.fixture
def network():
    return Net().double()


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_probabilities_of_a_network(network, noise):
    x, values = (RNG.normal(size=(2, 3, 6, 8)).astype(np.float32) for _ in range(2))
    a = map_of(network, torch.tensor(x, dtype=torch.float64), values, target=[0, 2])
    given = (0.05, 0.3, 0.81)
    found = measured(network, a, "road", seed=7, fractions=given, noise=noise)
    for row, target in enumerate((0, 2)):
        order = np.argsort(-values[row].sum(axis=0).ravel())
        for point, share in enumerate(given):
            removed = np.zeros(48, bool)
            removed[order[: int(48 * share)]] = True
            removed = removed.reshape(6, 8)
            picture = imputed_by_hand(x[row].transpose(1, 2, 0).astype(np.float64), removed)
            draws = drawn_noise(np.random.default_rng((7, DRAWS, row, point)), 6, 8, 3)
            picture[removed] += noise * draws[removed]
            with torch.no_grad():
                logits = network(torch.tensor(picture.transpose(2, 0, 1)[np.newaxis]))
            expected = float(logits.softmax(1)[0, target])
            np.testing.assert_allclose(found.curve[row, point], expected, rtol=1e-6)
        np.testing.assert_allclose(found.values[row], found.curve[row].mean())
    assert found.positions.tolist() == list(given)
    assert found.seeded


def test_shares_of_a_model_without_classes():
    """By hand for one removed pixel: its neighbours take its place."""
    x = np.arange(9, dtype=np.float32).reshape(1, 3, 3) ** 2
    weight = RNG.normal(size=(3, 3))
    values = np.zeros((1, 3, 3), np.float32)
    values[0, 0, 1] = 1
    model = linear(weight, 2.0)
    found = measured(model, map_of(model, x, values, layout="NHW"), "road", fractions=0.12, noise=0)
    # Three neighbours share a side with the pixel, two are at its corners.
    filled = ((x[0, 0, 0] + x[0, 0, 2] + x[0, 1, 1]) / 6 + (x[0, 1, 0] + x[0, 1, 2]) / 12) / (3 / 6 + 2 / 12)
    empty = x.mean() * weight.sum()
    whole = (x[0] * weight).sum()
    moved = whole + (filled - x[0, 0, 1]) * weight[0, 1]
    np.testing.assert_allclose(found.values, [(moved - empty) / (whole - empty)], rtol=1e-5)


def test_layouts_get_the_same_numbers():
    x, values = (RNG.normal(size=(2, 5, 6, 2)).astype(np.float32) for _ in range(2))
    weight = RNG.normal(size=(5, 6, 2))
    last, first = linear(weight), linear(weight.transpose(2, 0, 1))
    one = measured(last, map_of(last, x, values, layout="NHWC"), "road", noise=0.5)
    moved = [np.ascontiguousarray(array.transpose(0, 3, 1, 2)) for array in (x, values)]
    other = measured(first, map_of(first, *moved, layout="NCHW"), "road", noise=0.5)
    np.testing.assert_allclose(one.curve, other.curve, rtol=1e-5, atol=1e-6)


def test_the_noise_is_that_of_the_seed_and_of_no_map():
    x = RNG.normal(size=(1, 4, 4, 1)).astype(np.float32)
    model = linear(RNG.normal(size=16))
    a = map_of(model, x, RNG.normal(size=x.shape), layout="NHWC")
    one, again, other = (measured(model, a, "road", seed=seed, noise=0.5).values[0] for seed in (3, 3, 4))
    assert one == again != other
    # Of two maps that remove the same pixels in another order, the last pictures are the same.
    order = np.argsort(RNG.normal(size=16))
    maps = []
    for shuffled in (np.arange(16), [*RNG.permutation(8), *range(8, 16)]):
        values = np.empty(16, np.float32)
        values[order[np.array(shuffled)]] = -np.arange(16)
        maps.append(map_of(model, x, values.reshape(x.shape), layout="NHWC"))
    few, many = (
        [measured(model, one, "road", fractions=f, noise=0.5).values for one in maps] for f in (0.2, 0.5)
    )
    assert few[0] != few[1]
    assert many[0] == many[1]


def test_the_noise_is_normal():
    draws = drawn_noise(np.random.default_rng(0), 40, 50, 3).ravel()
    assert kstest(draws, "norm").pvalue > 0.05
    assert kstest(draws, "uniform", args=(-1, 2)).pvalue < 1e-6


def test_fractions_count_whole_pixels():
    model = linear(np.ones(100))
    values = np.arange(100, 0, -1, dtype=np.float32).reshape(1, 10, 10)
    x = np.zeros((1, 10, 10), np.float32)
    x[0, 2, 7:] = 1
    a = map_of(model, x, values, layout="NHW")
    asked = Recorded(lambda x: x.reshape(len(x), -1).sum(axis=1, keepdims=True))
    # In floating point 0.29 times 100 is below 29. A fraction of less than one pixel removes none.
    measured(asked, a, "road", fractions=(0.005, 0.28, 0.29), noise=0)
    for count in (28, 29):
        removed = (np.arange(100) < count).reshape(10, 10)
        assert asked.count(
            [imputed(x[0][..., np.newaxis].astype(np.float64), removed).astype(np.float32)]
        ) == [1]


def test_an_exact_map_is_better_than_its_opposite_and_than_chance():
    x = RNG.uniform(size=(3, 12, 12)).astype(np.float32)
    weight = np.zeros((12, 12))
    weight[3:8, 4:9] = 1
    x[:, 3:8, 4:9] += 2
    model = linear(weight)
    exact, chance, opposite = (
        measured(model, map_of(model, x, one, layout="NHW"), "road").mean
        for one in (x * weight, RNG.normal(size=x.shape), -x * weight)
    )
    assert exact < chance < opposite


def test_ties_and_examples_without_a_value():
    model = linear(np.eye(3))
    x = RNG.normal(size=(4, 3, 3)).astype(np.float32)
    x[2] = 2
    values = np.zeros((4, 3, 3), np.float32)
    values[0, 0, 1:], values[1], values[2] = 3, 1, RNG.normal(size=(3, 3))
    found = measured(model, map_of(model, x, values, layout="NHW"), "road", fractions=0.12, noise=0)
    first = map_of(model, x[:1], [[[0, 4, 3], [0, 0, 0], [0, 0, 0]]], layout="NHW")
    assert found.values[0] == measured(model, first, "road", fractions=0.12, noise=0).values[0]
    assert found.left_out == {
        1: "The map is constant: it does not order the places.",
        2: "The score at the mean picture is that of the input.",
        3: "The map is zero: it does not order the places.",
    }
    assert np.isnan(found.values[1:]).all()


def test_each_point_is_asked_for_once(network):
    x = RNG.normal(size=(2, 3, 6, 8)).astype(np.float32)
    a = map_of(network, torch.tensor(x, dtype=torch.float64), RNG.normal(size=x.shape), target=0)
    rows = []
    network.register_forward_hook(lambda module, inputs, output: rows.append(len(output)))
    # What is known of a model after its first call is not asked again.
    measured(network, a, "road", fractions=0.5)
    counts = []
    for given in ((0.5,), (0.1, 0.2, 0.3, 0.4, 0.5)):
        rows.clear()
        measured(network, a, "road", fractions=given)
        counts.append(sum(rows))
    assert counts[1] - counts[0] == 2 * 4


def test_refused():
    model = linear(np.ones(16))
    a = map_of(model, np.ones((1, 4, 4), np.float32), RNG.normal(size=(1, 4, 4)), layout="NHW")
    for given in ({"fractions": 1}, {"fractions": (0.5, 0.1)}, {"noise": -0.1}, {"score": "logit"}):
        with pytest.raises(OptionError, match=next(iter(given))):
            measured(model, a, "road", **given)
    table = map_of(model, np.ones((1, 16), np.float32), RNG.normal(size=(1, 16)))
    with pytest.raises(EvaluationError, match="'road' applies to images"):
        explain.evaluate(model, table, "road", framework="numpy")


def test_a_share_keeps_the_sign_of_the_score():
    """By the same map, the score of the opposite model is the opposite at every point."""
    rng = np.random.default_rng(0)
    weight, x = rng.normal(size=(1, 8, 8)), rng.normal(size=(2, 1, 8, 8)).astype(np.float32)
    values = rng.normal(size=x.shape)
    one, other = (
        measured(model, map_of(model, x, values, layout="NCHW"), "road")
        for model in (linear(weight), linear(-weight))
    )
    assert np.abs(one.curve).max() > 0.1
    np.testing.assert_allclose(other.curve, -one.curve, atol=1e-9)
