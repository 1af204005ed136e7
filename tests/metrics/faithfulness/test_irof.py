"""IROF: segments, their order, and the area over the curve, by loops."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from models.scored import Recorded, linear, map_of, measured
from skimage.segmentation import slic
from torch import nn

from explain.errors import EvaluationError, OptionError

RNG = np.random.default_rng(0)


def by_hand(score, x, reference, values, segments):
    """The shares of the score of one example, places (P, C), segment by segment, and the area over them."""
    names = sorted(set(segments) - {-1})
    means = {name: np.mean([values[place] for place in np.flatnonzero(segments == name)]) for name in names}
    now = x.astype(np.float64)
    curve = [1.0]
    for name in sorted(names, key=lambda name: -means[name]):
        now[segments == name] = reference[segments == name]
        curve.append(score(now) / score(x.astype(np.float64)))
    area = 0.0
    for left, right in pairwise(curve):
        area += (1 - left + 1 - right) / 2 / len(names)
    return curve, area


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(3, 4, 5, stride=2), nn.Linear(4 * 64, 3)

    def forward(self, x):
        return self.head(torch.tanh(self.conv(x)).flatten(1))


def pictures():
    """Smooth pictures, so that superpixels follow what is in them."""
    coarse = torch.tensor(RNG.normal(size=(2, 3, 5, 5)))
    return nn.functional.interpolate(coarse, (20, 20), mode="bilinear").float().numpy()


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_superpixels_of_pictures_by_their_probability(layout):
    x, values = pictures(), RNG.normal(size=(2, 3, 20, 20)).astype(np.float32)
    net = Net().double()
    last = layout == "NHWC"

    class Moved(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x):
            return self.net(x.permute(0, 3, 1, 2))

    model = Moved() if last else net
    given = [np.ascontiguousarray(one.transpose(0, 2, 3, 1)) if last else one for one in (x, values)]
    a = map_of(model, torch.tensor(given[0], dtype=torch.float64), given[1], target=[0, 2], layout=layout)
    found = measured(model, a, "irof", reference="mean")
    longest = 0
    for row, target in enumerate((0, 2)):

        def probability(places, target=target):
            with torch.no_grad():
                return float(net(torch.tensor(places.T.reshape(1, 3, 20, 20))).softmax(1)[0, target])

        picture = x[row].transpose(1, 2, 0).astype(np.float64)
        scaled = (picture - picture.min()) / (picture.max() - picture.min())
        segments = slic(scaled, n_segments=50, start_label=0, channel_axis=-1).ravel()
        assert len(set(segments)) > 15
        places = x[row].reshape(3, -1).T
        reference = np.broadcast_to(places.astype(np.float64).mean(axis=0), places.shape)
        curve, area = by_hand(
            probability, places, reference, values[row].reshape(3, -1).sum(axis=0), segments
        )
        np.testing.assert_allclose(found.curve[row, : len(curve)], curve, rtol=1e-5)
        np.testing.assert_allclose(found.curve[row, len(curve) :], curve[-1], rtol=1e-5)
        np.testing.assert_allclose(found.values[row], area, atol=1e-6)
        longest = max(longest, len(curve))
    assert found.positions.tolist() == list(range(longest))


def test_steps_of_padded_sequences_by_shares():
    x, values = (RNG.normal(size=(2, 5, 2)).astype(np.float32) for _ in range(2))
    weight = RNG.normal(size=(5, 2))
    model = linear(weight, 0.5)
    found = measured(model, map_of(model, x, values, layout="NTC", lengths=[5, 3]), "irof")
    for row, length in enumerate((5, 3)):
        lost = (x[row] * weight)[:length].sum()
        curve, area = by_hand(
            lambda at, n=length, lost=lost: float((at[:n] * weight[:n]).sum() / lost),
            x[row],
            np.zeros((5, 2)),
            values[row].sum(axis=1),
            np.where(np.arange(5) < length, np.arange(5), -1),
        )
        # Below the score at the reference, the share of the whole input is -1.
        sign = np.sign(lost)
        np.testing.assert_allclose(found.curve[row, : length + 1], sign * np.array(curve), atol=1e-5)
        np.testing.assert_allclose(found.values[row], sign * area, atol=1e-5)


def test_given_segments_are_ordered_by_their_mean_not_their_sum():
    model = linear([1.0, 2.0, 4.0, 8.0])
    x = np.ones((1, 4), np.float32)
    # The sums are 6 and 5, the means 2 and 5.
    a = map_of(model, x, [[2, 2, 2, 5]])
    found = measured(model, a, "irof", feature_mask=np.array([7, 7, 7, 3]))
    np.testing.assert_allclose(found.curve, [[1, 7 / 15, 0]], atol=1e-7)
    np.testing.assert_allclose(found.values, [1 - (1 / 2 + 7 / 15) / 2])


def test_volumes_and_tables_have_their_own_segments():
    volume = RNG.normal(size=(1, 9, 9, 9)).astype(np.float32)
    model = linear(np.ones(729))
    a = map_of(model, volume, RNG.normal(size=volume.shape), layout="NDHW")
    # Eight parts of two: the last of each axis has one.
    assert measured(model, a, "irof").positions.tolist() == list(range(5**3 + 1))
    table = map_of(linear(np.ones(6)), np.ones((1, 6), np.float32), [np.arange(6.0)])
    assert measured(linear(np.ones(6)), table, "irof").positions.tolist() == list(range(7))


def test_token_ids_are_segments():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(1)
            self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)

        def forward(self, ids):
            return self.head((self.words(ids) * torch.linspace(1, 2, 5)[:, None]).sum(1))

    model = Bag().eval()
    ids, values = np.array([[1, 2, 3, 4, 5]]), RNG.normal(size=(1, 5)).astype(np.float32)
    found = measured(model, map_of(model, ids, values, baseline=0, target=1), "irof")

    def probability(one):
        with torch.no_grad():
            return float(model(torch.tensor(one[np.newaxis, :, 0]).long()).softmax(1)[0, 1])

    curve, area = by_hand(probability, ids[0][:, np.newaxis], np.zeros((5, 1)), values[0], np.arange(5))
    np.testing.assert_allclose(found.curve[0], curve, rtol=1e-5)
    np.testing.assert_allclose(found.values[0], area, rtol=1e-5)


def test_an_exact_map_is_better_than_its_opposite_and_than_chance():
    x = np.abs(pictures()) + 0.1
    weight = RNG.uniform(size=x.shape[1:])
    weight[:, :, 10:] *= 0.1
    model = linear(weight)
    exact, chance, opposite = (
        measured(model, map_of(model, x, one, layout="NCHW"), "irof").mean
        for one in (x * weight, RNG.normal(size=x.shape), -x * weight)
    )
    assert exact > chance > opposite


def test_ties_and_examples_without_a_value():
    model = linear([1.0, 2.0, 4.0])
    x = np.array([[1, 1, 1], [1, 1, 1], [2, -1, 0]], np.float32)
    a = map_of(model, x, [[0, 3, 3], [2, 2, 2], [1, 2, 3]])
    found = measured(model, a, "irof")
    np.testing.assert_allclose(found.curve[0], [1, 5 / 7, 1 / 7, 0], atol=1e-7)
    assert found.left_out == {
        1: "The map is constant: it does not order the places.",
        2: "The score at the reference is that of the input.",
    }
    one = measured(model, map_of(model, x[:1], [[1, 2, 3]]), "irof", feature_mask=np.array([4, 4, 4]))
    assert one.left_out == {0: "There is only one segment."}
    assert np.isnan(one.values).all()


def test_a_probability_of_zero_has_no_shares():
    model = nn.Linear(2, 2).eval()
    with torch.no_grad():
        model.weight[:] = torch.tensor([[0.0, 0.0], [200.0, 1.0]])
        model.bias[:] = 0
    a = map_of(model, torch.ones(1, 2), [[1.0, 2.0]], target=0)
    assert measured(model, a, "irof").left_out == {0: "The score of the whole input is zero."}


def test_each_segment_is_removed_once():
    model = Recorded(lambda x: x.sum(axis=1, keepdims=True))
    x = RNG.normal(size=(1, 4)).astype(np.float32)
    a = map_of(model, x, [[4, 3, 2, 1]])
    model.asked.clear()
    measured(model, a, "irof")
    steps = [np.where(np.arange(4) < count, 0.0, x[0]) for count in range(1, 5)]
    assert model.count(steps) == [1, 1, 1, 1]


def test_refused():
    x = pictures()
    model = linear(np.ones(x[0].size))
    a = map_of(model, x, x, layout="NCHW")
    with pytest.raises(EvaluationError, match="feature_mask='elements' divides the channels of a place"):
        measured(model, a, "irof", feature_mask="elements")
    with pytest.raises(OptionError, match="feature_mask='pixels' is out of range"):
        measured(model, a, "irof", feature_mask="pixels")
    with pytest.raises(OptionError, match="does not broadcast"):
        measured(model, a, "irof", feature_mask=np.zeros((4, 4), int))
