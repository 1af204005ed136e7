"""The callback of Keras where Keras runs on another framework than TensorFlow, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CODE = """
import sys
import keras, numpy as np
import explain
from explain.callbacks.keras import AttributionCallback
from written_events import read

folder = sys.argv[1]
drawn = np.random.default_rng(0)
x, y = drawn.normal(size=(24, 8, 8, 1)).astype("float32"), drawn.integers(3, size=24)

def trained(*callbacks):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(3)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks).history["loss"]

callback = AttributionCallback(x[:2], "saliency", target=0, folder=f"{folder}/maps", log_dir=f"{folder}/log")
model, losses = trained(callback)
assert losses == trained()[1]
last = explain.load(f"{folder}/maps/epoch-0002")
assert last.framework == keras.backend.backend() and last == explain.attribute(model, x[:2], "saliency", target=0)
assert set(read(f"{folder}/log").images["saliency/example-1"]) == {0, 1, 2}
print("done")
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_on_another_framework(backend, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "done\n", ran.stderr[-4000:]
