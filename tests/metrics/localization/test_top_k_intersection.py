"""How many of the largest values lie in the mask, by sorting them."""

from __future__ import annotations

import numpy as np
import pytest

from explain.errors import EvaluationError, OptionError

VALUES, MASK = [[5, -1, 4, 3, 2, 1, 0, -2, -3, -9]], [[True] * 3 + [False] * 6 + [True]]


@pytest.mark.parametrize(
    ("k", "share"),
    [(1, 1), (2, 1), (3, 2 / 3), (4, 0.5), (9, 3 / 9), (0.02, 1), (0.2, 1), (0.3, 2 / 3), (0.36, 0.5)],
)
def test_k_is_a_number_or_a_share_of_the_places(located, k, share):
    found = located("top_k_intersection", VALUES, MASK, k=k)
    assert found.values[0] == pytest.approx(share, rel=1e-15)
    assert found.better == "higher"


def test_any_layout_by_sorting(located, drawn):
    found = located("top_k_intersection", drawn.values, drawn.masks, drawn.layout, drawn.fields, k=2)
    for row, (own, inside) in enumerate(zip(drawn.places, drawn.inside, strict=True)):
        own, inside = own.ravel(), inside.ravel()
        second = sorted(own.tolist())[-2]
        above, equal = inside[own > second].sum(), inside[own == second].mean()
        expected = (above + equal * (2 - (own > second).sum())) / 2
        assert found.values[row] == pytest.approx(expected, rel=1e-15)


def test_concept_influence_is_1_for_a_map_without_relation_to_the_mask(located):
    generator = np.random.default_rng(0)
    values, mask = generator.normal(size=(300, 100)), generator.random((300, 100)) < 0.3
    share = located("top_k_intersection", values, mask, k=10)
    found = located("top_k_intersection", values, mask, k=10, concept_influence=True)
    largest = np.argsort(values, axis=1)[:, -10:]
    np.testing.assert_allclose(share.values, np.take_along_axis(mask, largest, 1).mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.values, share.values / mask.mean(axis=1), rtol=1e-12)
    assert found.mean == pytest.approx(1, abs=0.1)
    on_it = located("top_k_intersection", values + 9 * mask, mask, k=10, concept_influence=True)
    np.testing.assert_allclose(on_it.values, 1 / mask.mean(axis=1), rtol=1e-12)
    assert found.options == {"k": 10, "concept_influence": True}


def test_padding_counts_neither_as_a_place_nor_as_the_object(located):
    values = np.array([[[3.0], [2.0], [1.0], [9.0]]])
    mask, real = [[False, True, False, True]], {"mask": np.array([[True, True, True, False]])}
    options = {"k": 2, "concept_influence": True}
    assert located("top_k_intersection", values, mask, "NTC", real, **options).values[0] == pytest.approx(
        1.5, rel=1e-15
    )


def test_a_map_that_orders_nothing_has_no_value(located):
    found = located("top_k_intersection", [[0, 0, 0], [2, 2, 2], [0, 0, 1]], [[False, False, True]] * 3)
    assert list(found.left_out) == [0, 1]
    assert np.isnan(found.values).tolist() == [True, True, False]


def test_k_is_below_the_number_of_places_of_every_example(located):
    values, mask = np.array([[[3.0], [2.0], [1.0]]] * 2), [[True, False, False]] * 2
    real = {"mask": np.array([[True, True, True], [True, True, False]])}
    assert located("top_k_intersection", values, mask, "NTC", k=2).values.tolist() == [0.5, 0.5]
    with pytest.raises(
        EvaluationError, match=r"k=2 .* example 1, 2: give fewer, or a share of the places such as 0.02"
    ):
        located("top_k_intersection", values, mask, "NTC", real, k=2)
    assert located("top_k_intersection", values, mask, "NTC", real, k=0.02).values.tolist() == [1, 1]


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"k": 1.0}, {"k": 0.0}, {"k": -1}, {"k": True}, {"concept_influence": 1}]
)
def test_options_out_of_range(located, options):
    with pytest.raises(
        OptionError, match=f"{next(iter(options))}=.* is out of range for top_k_intersection: give "
    ):
        located("top_k_intersection", VALUES, MASK, **options)
