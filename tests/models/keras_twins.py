"""Models with the same weights in Keras, on whatever it runs, and in PyTorch, and what is explained of them.

`python -m models.keras_twins FILE` explains the Keras models and writes the values to a file: Keras runs on one
framework in a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np

import explain

PICTURE, SEQUENCE, TABLE = "picture", "sequence", "table"


def weights(seed, *shapes):
    generator = np.random.default_rng(seed)
    return [
        generator.normal(size=shape).astype(np.float32) / np.sqrt(max(1, np.prod(shape[:-1])))
        for shape in shapes
    ]


WEIGHTS = {
    PICTURE: weights(0, (3, 3, 2, 4), (4,), (3, 3, 4, 5), (5,), (45, 6), (6,)),
    SEQUENCE: weights(1, (3, 8), (8, 8), (8,), (8, 8), (8, 8), (8,), (8, 4), (4,)),
    TABLE: weights(2, (6, 9), (9,), (9, 3), (3,)),
}
INPUTS = {
    PICTURE: weights(3, (3, 10, 10, 2))[0] * 20,
    SEQUENCE: weights(4, (3, 7, 3))[0] * 3,
    TABLE: weights(5, (4, 6))[0] * 4,
}
LAYER = {PICTURE: "second", SEQUENCE: "first", TABLE: "hidden"}
# A module does not apply its activation itself.
TORCH_LAYER = LAYER | {PICTURE: "bounded"}
METHODS = {
    "saliency": {},
    "input_x_gradient": {},
    "ig": {"n_steps": 20},
    "smoothgrad": {"n_samples": 7, "seed": 3},
    "expected_gradients": {"n_samples": 6, "seed": 1},
    "grad_cam": {},
    "layer_cam": {},
    "score_cam": {},
    "conductance": {"n_steps": 12},
    "activation": {},
    "occlusion": {},
    "feature_ablation": {},
    "kernel_shap": {"n_samples": 60, "seed": 0},
}
ONLY_OF_MAPS = ("grad_cam", "layer_cam", "score_cam")
# Differences of scores, which are rounded in proportion to the scores.
OF_SCORES = ("scores", "occlusion", "feature_ablation", "kernel_shap")


def keras_models():
    layers = keras.layers
    found = {
        PICTURE: [
            keras.Input((10, 10, 2)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.Conv2D(5, 3, activation="tanh", name="second"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(6, activation="softmax"),
        ],
        SEQUENCE: [
            keras.Input((7, 3)),
            layers.SimpleRNN(8, return_sequences=True, name="first"),
            layers.SimpleRNN(8),
            layers.Dense(4),
            layers.Softmax(),
        ],
        TABLE: [keras.Input((6,)), layers.Dense(9, activation="gelu", name="hidden"), layers.Dense(3)],
    }
    models = {name: keras.Sequential(layers) for name, layers in found.items()}
    for name, model in models.items():
        model.set_weights(WEIGHTS[name])
    return models


def torch_models():
    import torch
    from torch import nn

    class Sequence(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.RNN(3, 8, batch_first=True), nn.RNN(8, 8, batch_first=True)
            self.head = nn.Linear(8, 4)

        def forward(self, x):
            return self.head(self.last(self.first(x)[0])[0][:, -1]).softmax(-1)

    class Picture(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 5, 3)
            self.relu, self.bounded, self.pool = nn.ReLU(), nn.Tanh(), nn.AvgPool2d(2)
            self.head, self.end = nn.Linear(45, 6), nn.Softmax(-1)

        def forward(self, x):
            x = self.pool(self.bounded(self.second(self.relu(self.first(x)))))
            return self.end(self.head(x.movedim(1, -1).flatten(1)))

    table = nn.Sequential()
    table.add_module("linear", nn.Linear(6, 9))
    table.add_module("hidden", nn.GELU())
    table.add_module("head", nn.Linear(9, 3))
    models = {PICTURE: Picture(), SEQUENCE: Sequence(), TABLE: table}
    for name, model in models.items():
        arrays = iter(WEIGHTS[name])
        with torch.no_grad():
            for layer in model.modules():
                if isinstance(layer, nn.RNN):
                    layer.weight_ih_l0.copy_(torch.tensor(next(arrays).T))
                    layer.weight_hh_l0.copy_(torch.tensor(next(arrays).T))
                    layer.bias_ih_l0.copy_(torch.tensor(next(arrays)))
                    layer.bias_hh_l0.zero_()
                elif isinstance(layer, (nn.Linear, nn.Conv2d)):
                    own = next(arrays)
                    layer.weight.copy_(torch.tensor(own.T if own.ndim == 2 else own.transpose(3, 2, 0, 1)))
                    layer.bias.copy_(torch.tensor(next(arrays)))
        model.eval()
    return models


def explained(models, *, channels_first=False, layers=LAYER):
    """Every method on every model: values by model and method, channels last."""
    found = {}
    for name, model in models.items():
        x = INPUTS[name]
        first = channels_first and name == PICTURE
        for method, options in METHODS.items():
            if (method in ONLY_OF_MAPS and name == TABLE) or (method, name) == ("layer_cam", SEQUENCE):
                # Layer-CAM of the sequence keeps values that nearly cancel.
                continue
            own = dict(options)
            if method == "expected_gradients":
                own["baseline"] = np.moveaxis(x[:2] * 0.5, -1, 1) if first else x[:2] * 0.5
            elif method == "ig":
                own["baseline"] = 0.1
            if method in ("conductance", "activation", *ONLY_OF_MAPS):
                own["layer"] = layers[name]
            with warnings.catch_warnings():
                # A fixed number of steps may leave a difference, and the last step of a sequence alone is used.
                warnings.simplefilter("ignore", explain.errors.ExplainWarning)
                a = explain.attribute(model, np.moveaxis(x, -1, 1) if first else x, method, target=1, **own)
            assert a.score == "logit"
            found[f"{name} scores"] = a.scores
            values = a.values
            found[f"{name} {method}"] = np.moveaxis(values, 1, -1) if first and values.ndim == 4 else values
    return found


def explained_in_a_process(backend, file):
    """The Keras models, where Keras runs on a framework."""
    tests = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-m", "models.keras_twins", str(file)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=tests,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return dict(np.load(file))


def assert_the_same_numbers(found, others):
    assert set(found) == set(others)
    for name, values in found.items():
        if name.endswith(OF_SCORES):
            scores = found[f"{name.split()[0]} scores"]
            # Three times the rounding of a score, which is a sum of numbers that are larger than itself.
            assert np.abs(values - others[name]).max() <= 3e-6 * np.abs(scores).max(), name
            continue
        for one, other in zip(values, others[name], strict=True):
            assert np.linalg.norm(one - other) <= 1e-6 * np.linalg.norm(other), name


if __name__ == "__main__":
    np.savez(Path(sys.argv[1]), **explained(keras_models()))
