"""Keras models on PyTorch, in a process of their own: their layers are reached like modules."""

from __future__ import annotations

import os
import subprocess
import sys

from models import keras_twins

CODE = """
import numpy as np, keras, torch
import explain

layers, ops = keras.layers, keras.ops
keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")

# Masks, a recurrent layer, and a nested model.
inputs = keras.Input((5, 3))
inner = keras.Sequential([keras.Input((4,)), layers.Dense(6, activation="tanh", name="wide")], name="inner")
recurrent, head = layers.GRU(4, return_sequences=True, name="steps"), layers.Dense(2, name="head")
pooled = layers.GlobalAveragePooling1D()(recurrent(layers.Masking()(inputs)))
model = keras.Model(inputs, head(inner(pooled)))
mask = np.arange(5) < np.array([[3], [5]])
x = x * mask[..., None]
before = [variable.numpy().copy() for variable in model.variables]
hooks = [dict(layer._forward_hooks) for layer in model._flatten_layers()]

a = explain.attribute(model, x, "activation", layer="inner/wide", target=1)
kernel = head.kernel.value.detach().numpy()
b = explain.attribute(model, x, "input_x_gradient", layer="inner/wide", target=1)
np.testing.assert_allclose(b.values, a.values * kernel[:, 1], rtol=1e-5)
c = explain.attribute(model, x, "conductance", layer=recurrent, layer_layout="NTC", target=1, n_steps=100)
assert c.values.shape == (2, 5, 4)
# What passes through the layer is the change of the score, up to the rounding of a hundred steps.
tensor = torch.tensor(x)
def score(value):
    mean = layers.GlobalAveragePooling1D()(recurrent(value, mask=torch.tensor(mask)), mask=torch.tensor(mask))
    return head(inner(mean))[:, 1].detach().numpy()
np.testing.assert_allclose(c.values.sum(axis=(1, 2)), score(tensor) - score(0 * tensor), rtol=1e-2, atol=1e-3)

# Token ids at the embedding.
table = layers.Embedding(20, 6)
ids = keras.Input((7,), dtype="int32")
reader = keras.Model(ids, layers.Dense(3)(layers.GlobalAveragePooling1D()(ops.tanh(table(ids)))))
d = explain.attribute(reader, np.arange(14).reshape(2, 7), "ig", target=1)
assert d.values.shape == (2, 7) and (d.relative_delta < 0.02).all()

try:
    explain.attribute(model, x, "activation", layer="inner/wid", target=1)
except explain.errors.LayerError as error:
    assert "inner/wide" in str(error)
assert all((one.numpy() == value).all() for one, value in zip(model.variables, before))
assert hooks == [dict(layer._forward_hooks) for layer in model._flatten_layers()]
print("done")
"""


def test_layers_of_a_keras_model():
    ran = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout == "done\n", ran.stderr[-4000:]


def test_the_same_weights_give_the_numbers_of_torch(tmp_path):
    models = keras_twins.torch_models()
    of_torch = keras_twins.explained(models, channels_first=True, layers=keras_twins.TORCH_LAYER)
    keras_twins.assert_the_same_numbers(
        keras_twins.explained_in_a_process("torch", tmp_path / "values.npz"), of_torch
    )
