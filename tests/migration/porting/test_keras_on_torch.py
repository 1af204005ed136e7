"""Keras running on PyTorch: its models are Keras's, and its tensors PyTorch's."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import keras, numpy as np, torch
from torch import nn
import explain

layers = keras.layers
keras_model = keras.Sequential([
    keras.Input((8, 7, 2)),
    layers.Conv2D(3, 3, padding="same", activation="relu"),
    layers.BatchNormalization(epsilon=1e-5),
    layers.Flatten(),
    layers.Dense(3),
])
torch_model = nn.Sequential(
    nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(168, 3)
).eval()
x = np.random.default_rng(0).normal(size=(2, 8, 7, 2)).astype(np.float32)


def both():
    with torch.no_grad():
        first = torch_model(torch.tensor(x).movedim(-1, 1)).numpy()
        return first, keras_model(x, training=False).numpy()


assert not np.allclose(*both(), atol=1e-2)
explain.port(torch_model, keras_model)
np.testing.assert_allclose(*both(), atol=1e-5)
for weight in keras_model.weights:
    weight.assign(np.random.default_rng(1).uniform(0.1, 1, size=weight.shape))
assert not np.allclose(*both(), atol=1e-2)
explain.port(keras_model, torch_model, x=x)
np.testing.assert_allclose(*both(), rtol=1e-5)
print("done")
"""


def test_weights_go_there_and_back():
    run = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.stdout == "done\n", run.stderr
