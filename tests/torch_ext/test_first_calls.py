"""The first calls of a process do not load PyTorch's library of algebra, which takes half a second."""

import importlib
import subprocess
import sys

import pytest
import torch

from explain.torch_ext.model import scores

_SHAPES = "torch.fx.experimental.symbolic_shapes"
_CALLS = """
import sys
import numpy as np
import torch
import explain

layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 5)
model = torch.nn.Sequential(*layers).eval()
x = np.random.default_rng(0).normal(size=(300, 3, 6, 6)).astype(np.float32)
for method in ("saliency", "smoothgrad", "guided_backprop", "grad_cam"):
    explain.attribute(model, x, method, **({"layer": "0"} if method == "grad_cam" else {}))
print("sympy" in sys.modules)
"""


def test_it_is_not_loaded():
    done = subprocess.run([sys.executable, "-c", _CALLS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


@pytest.mark.parametrize("size", [3, 5000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_gradients_are_the_same_without_it(monkeypatch, size, dtype):
    torch.manual_seed(0)
    begun = [torch.randn(2, size).to(dtype), torch.randn(2, size).to(dtype)]

    def found():
        points = torch.linspace(-2, 2, 2 * size).reshape(2, size).to(dtype).requires_grad_()
        # An infinite number elsewhere does not matter.
        results = [points * points.abs(), points / 0 if dtype == torch.float32 else points.tanh()]
        return [
            scores.gradients_of(results[0], [points], begun[0], retain_graph=True)[0],
            scores.gradients_of(results, [points], begun)[0],
        ]

    # As PyTorch itself does.
    importlib.import_module(_SHAPES)
    expected = found()
    monkeypatch.delitem(sys.modules, _SHAPES)
    for one, other in zip(found(), expected, strict=True):
        assert torch.equal(one.nan_to_num(), other.nan_to_num())
