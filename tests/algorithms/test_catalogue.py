"""The one table of methods."""

from __future__ import annotations

import types
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pytest

import explain
from explain import algorithms
from explain.algorithms.catalogue import collected, find_method
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
    assert row.resolve_options({}) == {
        "n_steps": "auto",
        "rule": None,
        "nodes": None,
        "tolerance": 0.02,
        "max_steps": 405,
    }
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


def file_of(*rows):
    """A method's file, as the catalogue sees it, with these rows."""
    file = types.ModuleType("explain.algorithms.gradient.saliency")
    file.ROWS = rows
    return file


SALIENCY, SMOOTHGRAD = find_method("saliency"), find_method("smoothgrad")
N_SAMPLES, STDEVS = SMOOTHGRAD.options


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"implementation": SMOOTHGRAD.implementation},
            ["is defined in explain.algorithms.gradient.smoothgrad"],
        ),
        ({"implementation": lambda problem: problem}, ["is defined in", "name is not in snake case"]),
        ({"aliases": ("saliency",)}, ["saliency has the name 'saliency' already"]),
        ({"aliases": ("Vanilla-Gradients",)}, ["'Vanilla-Gradients'", "'vanilla_gradients'"]),
        ({"summary": "The gradient"}, ["summary is not a sentence"]),
        ({"paper": ""}, ["paper is missing"]),
        ({"needs": frozenset({"outputs", "hessians"})}, ["needs has", "'hessians'", "'path_gradients'"]),
        ({"needs": frozenset()}, ["needs has []"]),
        ({"kinds": ("picture",)}, ["kinds has ['picture']", "'image'"]),
        ({"layer": "maybe"}, ["layer has ['maybe']", "'may'"]),
        ({"drawn": "red"}, ["drawn has ['red']", "'unsigned'"]),
        ({"takes_references": True}, ["uses_baseline=True"]),
        ({"through_neuron": True}, ["layer='must'"]),
        ({"refused_engines": {"captum": "it is slow"}}, ["['captum'] are in both reference_engines"]),
        ({"options": (N_SAMPLES, N_SAMPLES)}, ["option 'n_samples' is defined 2 times"]),
        ({"options": (replace(STDEVS, name="seed"),)}, ["'seed'", "an argument that every method takes"]),
        ({"options": (replace(STDEVS, default=-1.0),)}, ["'stdevs' does not accept its default -1.0"]),
        ({"options": (replace(STDEVS, summary="Noise"),)}, ["summary of option 'stdevs'"]),
    ],
)
def test_a_wrong_row_is_refused_with_what_is_wrong(change, says):
    with pytest.raises(ValueError, match="The row of method") as caught:
        collected([file_of(replace(SALIENCY, **change))])
    message = str(caught.value)
    assert "in explain.algorithms.gradient.saliency" in message
    for words in says:
        assert words in message


def test_a_name_that_another_method_has_is_refused():
    with pytest.raises(ValueError, match="saliency has the name 'saliency' already"):
        collected([file_of(SALIENCY), file_of(SALIENCY)])


def test_every_file_with_rows_is_in_the_list_and_every_family_is_a_folder():
    root = Path(algorithms.__file__).parent
    with_rows = [path for path in root.glob("*/*.py") if "\nROWS = (" in path.read_text(encoding="utf-8")]
    listed = {row.implementation.__module__ for row in explain.methods()}
    assert listed == {f"explain.algorithms.{path.parent.name}.{path.stem}" for path in with_rows}
    families = {path.parent.name.replace("_", " ") for path in root.glob("*/__init__.py")}
    assert {row.family for row in explain.methods()} == families


def test_numbers_of_numpy_become_those_of_python():
    """In eight bits, 100 samples of two examples are −56."""
    found = find_method("smoothgrad").resolve_options({"n_samples": np.int8(100), "stdevs": np.float32(0.5)})
    assert (type(found["n_samples"]), found["n_samples"] * 2) == (int, 200)
    assert (type(found["stdevs"]), found["stdevs"]) == (float, 0.5)
