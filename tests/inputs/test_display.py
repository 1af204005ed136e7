"""What a `Display` takes, and what it refuses before anything is computed or drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import explain
from explain.errors import OptionError
from explain.inputs.display import Display

NAMES = ("ant", "bee", "cat")


@pytest.mark.parametrize(
    "given",
    [
        NAMES,
        list(NAMES),
        np.array(NAMES),
        np.array(NAMES, object),
        np.array(NAMES, "S"),
        pd.Index(NAMES),
        pd.Series(NAMES, index=[7, 8, 9]),
        {2: "cat", 0: "ant", 1: "bee"},
        {"2": "cat", "0": "ant", "1": "bee"},
        {"bee": 1, "cat": 2, "ant": 0},
    ],
    ids=lambda given: type(given).__name__,
)
def test_names_as_people_have_them(kit, given):
    display = Display(classes=given)
    assert display == Display(classes=NAMES)
    assert hash(display) == hash(Display(classes=NAMES))
    x = np.ones((1, 2), np.float32)
    a = explain.attribute(
        kit.dense([(np.eye(2, 3), np.zeros(3))]), x, "saliency", target="Bee", display=display
    )
    assert a.target == (1,)
    assert a.display.classes == NAMES


@pytest.mark.parametrize("given", [np.array([3, 7]), [3, 7], pd.Index([3, 7]), np.array(["3", "7"])])
def test_numbers_are_names(given):
    assert Display(feature_names=given).feature_names == ("3", "7")


def test_steps_of_each_example():
    assert Display(step_names=[["a", "film"], np.array(["b"])]).step_names == (("a", "film"), ("b",))
    assert Display(classes=None, step_names=None, example_names=None) == Display()
    assert Display(step_names=["ab"]).step_names == (("a", "b"),)


@pytest.mark.parametrize(
    "given",
    [
        {"classes": "cat"},
        {"classes": 3},
        {"classes": {"cat"}},
        {"classes": {1: "cat", 2: "dog"}},
        {"classes": [None, "cat"]},
        {"classes": [["cat"], ["dog"]]},
        {"feature_names": "age"},
        {"example_names": "a.png"},
        {"step_names": "film"},
        {"step_names": 3},
        {"mean": "half"},
        {"scale": ("a", "b")},
        {"sampling_rate": 0},
        {"sampling_rate": "100"},
        {"sampling_rate": True},
        {"color": "red"},
    ],
    ids=str,
)
def test_what_is_no_display(given):
    (field,) = given
    with pytest.raises(OptionError, match=rf"display\.{field}.*: give "):
        Display(**given)
