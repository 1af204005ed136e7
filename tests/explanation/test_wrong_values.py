"""Any value of any argument is taken, or refused by an error of `explain.errors`: never by another one."""

from __future__ import annotations

import inspect
import warnings
from contextlib import suppress

import numpy as np
import pytest

import explain
from explain.errors import ExplainError


class Anything:
    """An object that is no value of any argument."""


PICTURE = (1, 6, 6)
VALUES = {
    "none": None,
    "minus one": -1,
    "zero": 0,
    "two and a half": 2.5,
    "nan": float("nan"),
    "empty text": "",
    "text": "abc",
    "bytes": b"abc",
    "true": True,
    "empty list": [],
    "empty tuple": (),
    "dict": {"a": 1},
    "pair": (0, 1),
    "nested": [[0], [1]],
    "set": {1, 2},
    "slice": slice(0, 1),
    "ellipsis": ...,
    "complex number": 1 + 2j,
    "empty array": np.zeros(0),
    "array": np.zeros((2, 3)),
    "array of texts": np.array(["a"]),
    "small whole number": np.int8(100),
    "date": np.datetime64("2026-01-01"),
    "object": Anything(),
    "class": Anything,
    "function": lambda *given: 0,
}
COMMON = [
    name for name in inspect.signature(explain.attribute).parameters if name not in ("model", "x", "options")
]
OPTIONS = [(row.name, option.name) for row in explain.methods() for option in row.options]


_kept = {}


@pytest.fixture
def call(kit):
    """Explain two pictures by a small network, the same in every test of a framework: it is traced once."""
    if kit.name not in _kept:
        x = np.random.default_rng(0).random((2, *kit.picture_shape(*PICTURE))).astype(np.float32)
        _kept[kit.name] = kit.cnn(), x
    model, x = _kept[kit.name]

    def attempt(method="saliency", **arguments):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(ExplainError):
                explain.attribute(arguments.pop("model", model), arguments.pop("x", x), method, **arguments)

    return attempt


@pytest.mark.parametrize("value", VALUES)
def test_common_arguments(call, value):
    for name in ("model", "x", *COMMON):
        call(**{name: VALUES[value]})


@pytest.mark.parametrize("value", VALUES)
def test_options(call, value):
    for method, option in OPTIONS:
        call(method, **{option: VALUES[value]})
