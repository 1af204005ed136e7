"""The axis of the classes where no activation shows it: one class means a sigmoid."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

import explain

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(3)
WEIGHT = _generator.normal(size=(2, 1))
MAPS = _generator.normal(size=(2, 3, 4, 2))
SERIES = _generator.normal(size=(2, 5, 2))
CLOSE = {"rtol": 2e-6, "atol": 1e-7}


def _expected(x, weight, place, score):
    """By hand: the gradient of the sigmoid of x · w at one place, and the score."""
    z = (x @ weight)[(slice(None), *place, 0)]
    p = scipy.special.expit(z)
    gradient = np.zeros_like(x)
    slope = p * (1 - p) if score == "probability" else 1 - p
    gradient[(slice(None), *place)] = slope[:, None] * weight[:, 0]
    return gradient, p if score == "probability" else np.log(p)


@pytest.mark.parametrize("score", ["probability", "log_probability"])
@pytest.mark.parametrize(("x", "place"), [(MAPS, (1, 2)), (SERIES, (3,))], ids=["map", "series"])
def test_one_class_means_a_sigmoid(kit, x, place, score):
    model = kit.function(lambda x: kit.matmul(x, WEIGHT), dtype="float64")
    layout = "NHWC" if x.ndim == 4 else "NTC"
    found = explain.attribute(model, x, "saliency", target=(*place, 0), score=score, layout=layout)
    gradient, value = _expected(x, WEIGHT, place, score)
    np.testing.assert_allclose(found.values, gradient, **CLOSE)
    np.testing.assert_allclose(found.scores, value, **CLOSE)


@pytest.mark.parametrize("classes_last", [False, True])
@pytest.mark.parametrize("classes", [1, 3])
def test_classes_of_a_map_are_the_axis_beside_the_places(kit, classes, classes_last):
    # Channels first in, classes first or last out: the places of the input show which axis is left.
    weight = _generator.normal(size=(2, classes))
    x = np.moveaxis(MAPS, -1, 1)

    def call(x):
        rows = kit.stack([x[:, 0], x[:, 1]], 3)
        out = kit.matmul(rows, weight)
        return out if classes_last else kit.stack([out[..., one] for one in range(classes)], 1)

    model = kit.function(call, dtype="float64")
    target = (1, 2, 0) if classes_last else (0, 1, 2)
    found = explain.attribute(model, x, "saliency", target=target, score="probability", layout="NCHW")
    z = MAPS[:, 1, 2] @ weight
    if classes == 1:
        p = scipy.special.expit(z[:, 0])
        slope = (p * (1 - p))[:, None] * weight[:, 0]
    else:
        every = scipy.special.softmax(z, axis=1)
        p = every[:, 0]
        slope = p[:, None] * (weight[:, 0] - every @ weight.T)
    expected = np.zeros_like(x)
    expected[:, :, 1, 2] = slope
    np.testing.assert_allclose(found.scores, p, **CLOSE)
    np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("classes", [1, 3])
def test_tokens_have_their_classes_last(kit, classes):
    weight = _generator.normal(size=(4, classes))
    table = _generator.normal(size=(7, 4))
    ids = np.array([[3, 1, 5], [0, 6, 2]])
    if kit.name == "torch":
        nn, torch = kit.torch.nn, kit.torch
        model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, classes, bias=False)).double()
        with torch.no_grad():
            model[0].weight.copy_(torch.tensor(table))
            model[1].weight.copy_(torch.tensor(weight.T))
    else:
        layers = kit.keras.layers
        parts = [layers.Embedding(7, 4), layers.Dense(classes, use_bias=False)]
        model = kit.keras.Sequential([kit.keras.Input((3,), dtype="int32"), *parts])
        model.set_weights([table, weight])
    found = explain.attribute(model, ids, "input_x_gradient", target=(1, 0), score="probability")
    z = table[ids[:, 1]] @ weight
    p = scipy.special.expit(z) if classes == 1 else scipy.special.softmax(z, axis=1)
    np.testing.assert_allclose(found.scores, p[:, 0], rtol=1e-5)
    slope = p[:, 0] * (1 - p[:, 0]) if classes == 1 else p[:, 0]
    by_class = weight[:, 0] if classes == 1 else weight[:, 0] - p @ weight.T
    expected = (table[ids[:, 1]] * by_class * slope[:, None]).sum(1)
    np.testing.assert_allclose(found.values[:, 1], expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(found.values[:, [0, 2]], 0)
