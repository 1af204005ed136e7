"""The first calls of a process do not load PyTorch's compiler, which takes most of a second."""

import subprocess
import sys

_CALLS = """
import sys
import numpy as np
import torch
import explain

model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 5)).eval()
x = np.random.default_rng(0).normal(size=(300, 3, 6, 6)).astype(np.float32)
loaded = [name for name in sys.modules if name == "torch._dynamo"]
for method in ("saliency", "integrated_gradients", "guided_backprop", "deep_lift", "lrp"):
    explain.attribute(model, x, method)
print(loaded, "torch._dynamo" in sys.modules)
"""


def test_the_compiler_is_not_loaded():
    done = subprocess.run([sys.executable, "-c", _CALLS], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "False"]
