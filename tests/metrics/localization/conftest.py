"""Maps with masks of every layout, for the metrics of localization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import explain
from explain.metrics.results.measurement import Measurement

Array = np.ndarray[Any, Any]


@pytest.fixture
def located(made: Any) -> Callable[..., Measurement]:
    """Measure one metric on made-up values; a metric of the map asks no model."""

    def measure(
        metric: str, values: Any, masks: Any, layout: str = "NC", fields: Any = None, **options: Any
    ) -> Any:
        one = made.attribution(values, layout, **(fields or {}))
        return explain.evaluate(None, one, {metric: options}, masks=masks)[metric]

    return measure


@dataclass
class Drawn:
    """Random values in a layout, the values of their places worked out by hand, and masks."""

    layout: str
    values: Array
    places: list[Array]
    masks: Array
    inside: list[Array]
    fields: dict[str, Any]


def _drawn(layout: str) -> Drawn:
    generator = np.random.default_rng(3)
    extent = {"N": 3, "C": 4 if layout == "NC" else 2, "D": 3, "H": 4, "W": 5, "T": 6}
    shape = tuple(extent[letter] for letter in layout)
    values = generator.normal(0.5, size=shape).astype(np.float32)
    # One value of several places, at the middle of the order and where the largest are.
    values = np.round(values * 2) / 2
    if layout == "NC":
        places = np.float64(values)
    else:
        places = np.float64(values).sum(axis=layout.index("C")) if "C" in layout else np.float64(values)
    masks = generator.random(places.shape) < 0.4
    masks.reshape(3, -1)[:, 0], masks.reshape(3, -1)[:, 1] = True, False
    fields: dict[str, Any] = {}
    real = np.ones(places.shape, bool)
    if "T" in layout:
        real = np.arange(6) < np.array([[6], [4], [3]])
        fields["mask"] = real
    every = range(3)
    return Drawn(
        layout,
        values,
        [places[row][real[row]] for row in every],
        masks,
        [masks[row][real[row]] for row in every],
        fields,
    )


@pytest.fixture(params=["NC", "NCHW", "NHWC", "NHW", "NCDHW", "NTC", "NCT"])
def drawn(request: pytest.FixtureRequest) -> Drawn:
    return _drawn(request.param)
