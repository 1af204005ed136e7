"""The one table of methods."""

from __future__ import annotations

from html import escape

import numpy as np
import pytest

import explain
from explain.algorithms.catalogue import find_method
from explain.errors import MethodError, OptionError
from explain.inputs.layout import KINDS


def test_rows_are_complete_and_names_are_nobodys_else():
    names = [name for row in explain.methods() for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    for row in explain.methods():
        assert callable(row.function())
        assert row.summary.endswith(".")
        assert "arXiv:" in row.paper
        assert row.needs
        assert row.uses_baseline or not row.takes_references
        assert row.kinds
        assert set(row.kinds) <= set(KINDS)
        for option in row.options:
            assert option.accepts(option.default)
            assert option.summary.endswith(".")


@pytest.mark.parametrize(
    "name", ["ig", "IG", " Integrated Gradients ", "integrated-gradients", "integrated_gradients"]
)
def test_names_are_found_as_people_type_them(name):
    assert find_method(name).name == "integrated_gradients"


def test_every_alias_is_found():
    for row in explain.methods():
        for name in (row.name, *row.aliases):
            assert find_method(name) is row


@pytest.mark.parametrize("name", ["", "saliencies and more", 3, None, np.zeros(2)])
def test_names_that_are_none(name):
    with pytest.raises(MethodError, match="integrated_gradients"):
        find_method(name)


def test_options_are_filled_in():
    row = find_method("ig")
    assert row.resolve_options({}) == {"n_steps": "auto", "rule": None, "tolerance": 0.02, "max_steps": 405}
    assert row.resolve_options({"n_steps": np.int64(3)})["n_steps"] == 3
    assert row.resolve_options({"n_steps": np.array([1, 2])})["n_steps"] == (1, 2)
    for value in (np.array([1, 0]), "3", 2.0, [5.0], [], [True], np.array([[5]])):
        with pytest.raises(OptionError, match="n_steps="):
            row.resolve_options({"n_steps": value})
    for value in ("gauss", 3, ["midpoint"], np.zeros(2)):
        with pytest.raises(OptionError, match="rule="):
            row.resolve_options({"rule": value})
    weights = find_method("maximize")
    for value in (float("nan"), -0.1, "0.1", None, True):
        with pytest.raises(OptionError, match="l2_weight="):
            weights.resolve_options({"l2_weight": value})
    assert weights.resolve_options({"l2_weight": np.float32(0.5)})["l2_weight"] == 0.5


def test_drawn_as_a_table():
    rows = explain.methods()
    lines = repr(rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert lines[0].split() == ["method", "aliases", "family", "summary"]
    for row, line in zip(rows, lines[2:], strict=True):
        assert line.startswith(row.name)
        assert line.endswith(row.summary)
    html = rows._repr_html_()
    assert html.count("<tr>") == len(rows) + 1
    assert all(escape(row.summary) in html for row in rows)
    assert [row.name for row in rows[:2]] == ["saliency", "input_x_gradient"]
    assert type(rows[:2]) is type(rows)
