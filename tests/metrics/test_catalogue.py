"""The one list of metrics, and what it refuses."""

from __future__ import annotations

import json
import re
import types
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import explain
from explain import metrics
from explain.errors import EvaluationError
from explain.inputs.layout import KINDS
from explain.metrics.catalogue import collected, find
from explain.metrics.metric import Need
from explain.metrics.results.measurement import Better

ROOT = Path(metrics.__file__).parent
FAMILIES = ("faithfulness", "robustness", "randomization", "complexity", "localization")


def test_rows_are_complete_and_names_are_nobodys_else():
    names = [name for row in metrics.rows() for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names))
    assert metrics.names() == tuple(row.name for row in metrics.rows())
    for row in metrics.rows():
        assert callable(row.implementation)
        assert row.implementation.__doc__.split("\n")[0].endswith(".")
        assert row.summary.endswith(".")
        assert re.search(r" \d{4}, (arXiv:\d{4}\.\d{4,5}|doi.10\.\d+/\S+)", row.paper)
        assert row.better in get_args(Better)
        assert row.needs <= set(get_args(Need))
        assert set(row.kinds) <= set(KINDS)
        assert row.limits[0] < row.limits[1]
        for option in row.options:
            assert option.accepts(option.default)
            assert option.summary.endswith(".")
            # What is recorded is written to files.
            json.dumps(option.recorded(option.default))


def test_families_are_in_their_order_and_each_has_a_folder():
    families = [row.family for row in metrics.rows()]
    assert list(dict.fromkeys(families)) == list(FAMILIES)
    assert families == sorted(families, key=FAMILIES.index)
    assert all((ROOT / family / "__init__.py").is_file() for family in FAMILIES)


def test_every_file_with_rows_is_in_the_list():
    with_rows = [path for path in ROOT.glob("*/*.py") if "\nROWS = (" in path.read_text(encoding="utf-8")]
    listed = {row.implementation.__module__ for row in metrics.rows()}
    assert listed == {f"explain.metrics.{path.parent.name}.{path.stem}" for path in with_rows}


def test_localization_asks_for_masks_and_complexity_for_nothing():
    for row in metrics.rows():
        assert ("masks" in row.needs) == (row.family == "localization"), row.name
        assert bool(row.needs) == (row.family != "complexity"), row.name


@pytest.mark.parametrize("name", ["deletion", "Deletion", " deletion AUC ", "deletion-auc", "DELETION_AUC"])
def test_names_are_found_as_people_type_them(name):
    assert find(name).name == "deletion"


def test_every_alias_is_found():
    for row in metrics.rows():
        for name in (row.name, *row.aliases):
            assert find(name) is row
            assert find(name.replace("_", " ").title()) is row


@pytest.mark.parametrize("name", ["", "deletions and more", 3, None, np.zeros(2)])
def test_names_that_are_none(name):
    with pytest.raises(EvaluationError, match=r"is not in the catalogue.* The metrics are .*deletion, "):
        find(name)


def test_what_a_metric_is_called_in_tables():
    row = find("relevance_mass_accuracy")
    assert row.label == "relevance mass accuracy"
    assert replace(row, title="RMA").label == "RMA"


def file_of(*rows):
    """A metric's file, as the catalogue sees it, with these rows."""
    file = types.ModuleType("explain.metrics.faithfulness.deletion")
    file.ROWS = rows
    return file


DELETION, INSERTION = find("deletion"), find("insertion")
N_STEPS = DELETION.options[0]


def plot(subject, options):
    """No metric: its mean would hide a method of the result."""


def method(subject, options):
    """No metric: its mean would hide a field of the result."""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"implementation": INSERTION.implementation},
            ["is defined in explain.metrics.faithfulness.insertion, not"],
        ),
        (
            {"implementation": lambda subject, options: None},
            ["is defined in", "'<lambda>' is not in snake case"],
        ),
        ({"aliases": ("deletion",)}, ["deletion has the name 'deletion' already"]),
        ({"aliases": ("Deletion-AUC",)}, ["the name 'Deletion-AUC' is not in snake case"]),
        ({"aliases": ("2_deletions",)}, ["the name '2_deletions' is not in snake case"]),
        (
            {"implementation": plot},
            ["an Evaluation has 'plot' already, where the mean of the metric would be"],
        ),
        ({"implementation": method}, ["an Evaluation has 'method' already"]),
        ({"summary": "The area"}, ["summary is not a sentence: end it with a full stop"]),
        ({"paper": ""}, ["paper is missing"]),
        ({"needs": frozenset({"scores", "labels"})}, ["needs has ['labels', 'scores']", "'masks'"]),
        ({"kinds": ("picture",)}, ["kinds has ['picture']: take some of 'image'"]),
        ({"kinds": ()}, ["kinds has []"]),
        ({"better": "more"}, ["better='more': take one of 'higher', 'lower'"]),
        ({"limits": (1.0, 0.0)}, ["limits=(1.0, 0.0): give the least value first"]),
        ({"options": (N_STEPS, N_STEPS)}, ["option 'n_steps' is defined 2 times"]),
        ({"options": (replace(N_STEPS, default=0),)}, ["option 'n_steps' does not accept its default 0"]),
        (
            {"options": (replace(N_STEPS, summary="Steps"),)},
            ["the summary of option 'n_steps' is not a sentence"],
        ),
    ],
)
def test_a_wrong_row_is_refused_with_what_is_wrong(change, says):
    with pytest.raises(ValueError, match="The row of metric ") as caught:
        collected([file_of(replace(DELETION, **change))])
    message = str(caught.value)
    assert "in explain.metrics.faithfulness.deletion: " in message
    for words in says:
        assert words in message


def test_all_faults_of_a_row_are_said_at_once():
    with pytest.raises(ValueError, match=r"summary is not .*; paper is missing\.$"):
        collected([file_of(replace(DELETION, summary="", paper=""))])


def test_a_name_that_another_metric_has_is_refused():
    with pytest.raises(ValueError, match="deletion has the name 'deletion' already"):
        collected([file_of(DELETION), file_of(DELETION)])


def test_a_right_row_is_taken():
    assert collected([file_of(DELETION)]) == (DELETION,)
    assert collected([]) == ()


def test_the_package_says_what_it_has():
    assert {"Metric", "find", "names", "rows"} <= set(dir(explain.metrics))
