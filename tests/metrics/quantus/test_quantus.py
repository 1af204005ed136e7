"""Metrics give the numbers of Quantus 0.6 where both have the same definition and the same draws."""

from __future__ import annotations

import numpy as np
import pytest
from metrics.quantus.stored import CASES, stored


@pytest.mark.parametrize("name", CASES)
def test_a_metric_gives_the_values_of_quantus(name):
    expected = np.asarray(stored()["values"][name])
    found = CASES[name].measured()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_values_are_of_the_quantus_that_is_promised_and_of_these_cases_alone():
    held = stored()
    assert held["versions"]["quantus"] == "0.6.0"
    assert list(held["values"]) == list(CASES)
