"""Models and results of the reports' tests."""

from __future__ import annotations

import numpy as np
import pytest

import explain


@pytest.fixture(scope="module", params=["torch", "tensorflow"])
def explained(request):
    """A model of each framework, with integrated gradients of three pictures."""
    model = explain.zoo.load("cifar_net", framework=request.param)
    samples = explain.zoo.samples("cifar_net", framework=request.param)
    display = samples.display
    a = explain.attribute(model, samples.x[:3], method="ig", display=display)
    return model, a


@pytest.fixture
def plain():
    """A result that no model gave."""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    return explain.Attribution(
        values=x, inputs=x, layout="NC", method="saliency", scores=np.array([1.0, 2.0]), target=(0, 1)
    )
