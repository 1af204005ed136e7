"""Sufficiency and comprehensiveness, by loops over the fractions."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
import torch
from models.scored import linear, map_of, measured, with_cache
from torch import nn

from explain.errors import OptionError

RNG = np.random.default_rng(0)
FRACTIONS = (0.01, 0.05, 0.1, 0.2, 0.5)


def by_hand(score, x, reference, values, fractions=FRACTIONS):
    """The drops of one flat example with only the top places, and without them, one fraction at a time."""
    order = sorted(range(len(values)), key=lambda place: -values[place])
    only, without = [], []
    for fraction in fractions:
        top = order[: ceil(fraction * len(values) - 1e-9)]
        kept, removed = np.array(reference, np.float64), np.array(x, np.float64)
        for place in top:
            kept[place], removed[place] = x[place], reference[place]
        only.append(score(x) - score(kept))
        without.append(score(x) - score(removed))
    return only, without


def test_probabilities_of_a_network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    x, values = (RNG.normal(size=(3, 30)).astype(np.float32) for _ in range(2))
    a = map_of(model, torch.tensor(x, dtype=torch.float64), values, target=1, baseline=-0.2)
    reference = np.full(30, np.float32(-0.2), np.float64)

    def probability(one):
        with torch.no_grad():
            return float(model(torch.tensor(np.asarray(one, np.float64))).softmax(0)[1])

    suff, comp = (measured(model, a, name) for name in ("sufficiency", "comprehensiveness"))
    for row in range(3):
        only, without = by_hand(probability, x[row].astype(np.float64), reference, values[row])
        np.testing.assert_allclose(suff.curve[row], only, atol=1e-7)
        np.testing.assert_allclose(comp.curve[row], without, atol=1e-7)
        np.testing.assert_allclose(suff.values[row], np.mean(only), atol=1e-7)
        np.testing.assert_allclose(comp.values[row], np.mean(without), atol=1e-7)
    assert suff.positions.tolist() == comp.positions.tolist() == list(FRACTIONS)
    assert (suff.better, comp.better) == ("lower", "higher")


def test_shares_of_a_linear_model():
    x = RNG.normal(size=(2, 10)).astype(np.float32)
    weight, values = RNG.normal(size=10), RNG.normal(size=(2, 10)).astype(np.float32)
    model = linear(weight, 3.0)
    a = map_of(model, x, values)
    given = {"fractions": (0.1, 0.3, 0.85), "reference": 0.5}
    suff, comp = (measured(model, a, name, **given) for name in ("sufficiency", "comprehensiveness"))
    for row in range(2):
        drop = float((x[row] - 0.5) @ weight)
        only, without = by_hand(
            lambda one, drop=drop: float(one @ weight) / abs(drop),
            x[row].astype(np.float64),
            np.full(10, 0.5),
            values[row],
            (0.1, 0.3, 0.85),
        )
        np.testing.assert_allclose(suff.curve[row], only, atol=1e-5)
        np.testing.assert_allclose(comp.values[row], np.mean(without), atol=1e-5)
        # Of a linear model, what is lost with and without the rationale is everything, above the reference or below.
        np.testing.assert_allclose(suff.curve[row] + comp.curve[row], np.sign(drop), atol=1e-6)


def test_a_rationale_has_at_least_one_place_and_rounds_up():
    model = linear(np.ones(100))
    a = map_of(model, np.ones((1, 100), np.float32), [np.arange(100.0)])
    # In floating point 0.07 times 100 is above 7.
    found = measured(model, a, "comprehensiveness", fractions=[0.001, 0.07, 0.071, 0.999])
    np.testing.assert_allclose(found.curve[0] * 100, [1, 7, 8, 100], atol=1e-5)
    one = measured(model, a, "comprehensiveness", fractions=0.1)
    assert one.curve.shape == (1, 1)
    assert one.options["fractions"] == (0.1,)


def test_an_exact_map_is_better_than_chance():
    weight, x = RNG.uniform(0.1, 2, 20), np.ones((4, 20), np.float32)
    model = linear(weight)
    exact, chance, opposite = (map_of(model, x, one) for one in (weight, RNG.normal(size=x.shape), -weight))
    suff = [measured(model, one, "sufficiency").mean for one in (exact, chance, opposite)]
    comp = [measured(model, one, "comprehensiveness").mean for one in (exact, chance, opposite)]
    assert suff == sorted(suff)
    assert comp == sorted(comp, reverse=True)
    assert len({*suff}) == len({*comp}) == 3


def test_padding_is_no_part_of_a_rationale():
    x = RNG.normal(size=(2, 8, 2)).astype(np.float32)
    weight = RNG.normal(size=(8, 2))
    values = RNG.normal(size=x.shape).astype(np.float32)
    values[1, 4:] = 50
    model = linear(weight)
    a = map_of(model, x, values, layout="NTC", lengths=[8, 4])
    found = measured(model, a, "comprehensiveness", fractions=(0.25, 0.5))
    for row, length in enumerate((8, 4)):
        lost = (x[row] * weight).sum(axis=1)[:length]
        order = np.argsort(-values[row, :length].sum(axis=1))
        expected = [
            lost[order[: length // 4]].sum() / abs(lost.sum()),
            lost[order[: length // 2]].sum() / abs(lost.sum()),
        ]
        np.testing.assert_allclose(found.curve[row], expected, rtol=1e-4)


def test_ties_and_examples_without_a_value():
    model = linear([1.0, 2.0, 4.0])
    x = np.array([[1, 1, 1], [1, 1, 1], [2, -1, 0], [1, 1, 1]], np.float32)
    a = map_of(model, x, [[0, 3, 3], [2, 2, 2], [1, 2, 3], [0, 0, 0]])
    for metric, share in (("sufficiency", 5 / 7), ("comprehensiveness", 2 / 7)):
        found = measured(model, a, metric, fractions=0.3)
        np.testing.assert_allclose(found.values[0], share)
        assert np.isnan(found.values[1:]).all()
        assert found.left_out == {
            1: "The map is constant: it does not order the places.",
            2: "The score at the reference is that of the input.",
            3: "The map is zero: it does not order the places.",
        }


def test_what_is_asked_is_no_more_than_the_fractions():
    """Of probabilities, the score at the reference is not needed; deletion has some of the same inputs."""
    torch.manual_seed(0)
    model = nn.Linear(10, 2).double()
    x = torch.tensor(RNG.normal(size=(2, 10)))
    a, cache = map_of(model, x, RNG.normal(size=(2, 10)), target=0), {}
    with_cache(model, a, ["sufficiency"], cache)
    # Two ends: the whole input, which the call has already; of 1, 5 and 10 % of ten places all are one place.
    assert len(cache) == 2 * (1 + 3)
    with_cache(model, a, ["comprehensiveness"], cache)
    # Half of the places with and without are two inputs.
    assert len(cache) == 2 * (1 + 3 + 3)
    with_cache(model, a, [("deletion", {"n_steps": 10})], cache)
    assert len(cache) == 2 * (1 + 3 + 3 + 7)


@pytest.mark.parametrize("fractions", [(), 0, 1, (0.5, 0.2), (0.1, 0.1), "half", (0.1, float("nan")), None])
def test_refused(fractions):
    model = linear([1.0, 2.0])
    a = map_of(model, np.ones((1, 2), np.float32), [[1, 2]])
    with pytest.raises(OptionError, match=r"fractions=.*above 0 and below 1, in increasing order"):
        measured(model, a, "sufficiency", fractions=fractions)
