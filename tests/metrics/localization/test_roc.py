"""The area under the ROC curve, by comparing every two places."""

from __future__ import annotations

import numpy as np
import pytest

from explain.errors import OptionError


def by_pairs(own, inside):
    """The share of pairs of a place of the object and another, in which the first is larger; equal ones count half."""
    pairs = [(one, other) for one in own[inside] for other in own[~inside]]
    return sum((one > other) + (one == other) / 2 for one, other in pairs) / len(pairs)


def test_it_is_the_share_of_pairs_in_order(located, drawn):
    found = located("localization_auc", drawn.values, drawn.masks, drawn.layout, drawn.fields)
    expected = [by_pairs(own, inside) for own, inside in zip(drawn.places, drawn.inside, strict=True)]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)


def test_it_is_the_area_of_scikit_learn(located):
    from sklearn.metrics import roc_auc_score

    generator = np.random.default_rng(0)
    values, masks = generator.integers(-4, 5, (6, 40)), generator.random((6, 40)) < 0.3
    found = located("localization_auc", values, masks)
    expected = [roc_auc_score(inside, own) for own, inside in zip(values, masks, strict=True)]
    np.testing.assert_allclose(found.values, expected, rtol=1e-12)


def test_from_none_of_the_object_to_all(located):
    mask = [[True, True, False, False]] * 3
    found = located("localization_auc", [[1, 2, 3, 4], [4, 3, -5, 2], [1, 1, 1, 0]], mask)
    assert found.values.tolist() == [0, 1, 0.75]
    assert found.better == "higher"
    assert found.worst == 0


def test_a_map_that_orders_nothing_has_no_value(located):
    found = located("localization_auc", [[0, 0, 0], [2, 2, 2], [0, 0, 1]], [[False, False, True]] * 3)
    assert list(found.left_out) == [0, 1]
    assert np.isnan(found.values).tolist() == [True, True, False]


def test_it_has_no_options(located):
    with pytest.raises(OptionError, match="'bins' is not an option of the metric localization_auc"):
        located("localization_auc", [[1, 2]], [[True, False]], bins=3)
