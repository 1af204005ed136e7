"""What every test may use: a kit a framework, and the same random states at the start of each test."""

from __future__ import annotations

import os

# Before TensorFlow and matplotlib are first imported: neither is to talk, or to look for a screen.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import made_attributions
import matplotlib
import numpy as np
import pytest
from figure_texts import assert_no_text_is_clipped_or_overlaps
from matplotlib.figure import Figure
from models.kits import TensorFlowKit, TorchKit

matplotlib.use("Agg")

_KITS = {"torch": TorchKit, "tensorflow": TensorFlowKit}


@pytest.fixture(params=["torch", "tensorflow"])
def kit(request: pytest.FixtureRequest) -> Any:
    """The kit of each framework in turn."""
    return _KITS[request.param]()


@pytest.fixture
def torch_kit() -> TorchKit:
    return TorchKit()


@pytest.fixture
def tensorflow_kit() -> TensorFlowKit:
    return TensorFlowKit()


@pytest.fixture
def check_text() -> Callable[[Figure], None]:
    """The check that all the words of a figure can be read."""
    return assert_no_text_is_clipped_or_overlaps


@pytest.fixture
def made() -> SimpleNamespace:
    """The makers of attributions, by name."""
    return SimpleNamespace(
        images=made_attributions.images,
        channels_first=made_attributions.channels_first,
        rows=made_attributions.rows,
        names=made_attributions.names,
        texts=made_attributions.texts,
        table=made_attributions.table,
        volumes=made_attributions.volumes,
        maximization=made_attributions.maximization,
        attribution=made_attributions.make,
        integral=made_attributions.integral,
        classes=made_attributions.CLASSES,
    )


@pytest.fixture(params=made_attributions.EVERY_KIND, scope="module")
def any_attribution(request: pytest.FixtureRequest) -> Any:
    """One attribution of each kind, in turn."""
    return made_attributions.EVERY_KIND[request.param]()


@pytest.fixture
def few_steps() -> Iterator[None]:
    """For a test that compares at the same few nodes, converged or not."""
    from explain.errors import ConvergenceWarning

    with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
        yield


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Start every test from the same random states.

    TensorFlow's is left alone: setting its seed changes how it draws for the rest of the process, and the
    tests that draw there set it themselves.
    """
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
