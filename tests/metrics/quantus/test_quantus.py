"""Metrics give the numbers of Quantus 0.6 where both have the same definition and the same draws."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from metrics.quantus.stored import CASES, stored

from explain.metrics import names

TABLE = Path(__file__).parents[3] / "docs" / "conventions" / "metrics.md"


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


def test_the_table_has_every_metric_and_says_which_are_held_to_quantus():
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(name for name, _ in rows) == names()
    held = [name for name, held_to in rows if "Quantus" in held_to]
    assert set(held) == {case.metric for case in CASES.values()}
