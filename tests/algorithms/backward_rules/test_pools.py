"""Max pools in every dimension, with ties and with overlaps: rules give each window to one place."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

import explain

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(17)
SIZES = {1: (7,), 2: (7, 6), 3: (5, 6, 5)}
POOLS = [(2, 2), (3, 2), (3, 1)]
LETTERS = {1: "T", 2: "HW", 3: "DHW"}


def _drawn(dimensions):
    """Whole numbers, among which most maxima are shared by several places; shape (N, ..., C)."""
    return _generator.integers(0, 3, (2, *SIZES[dimensions], 2)).astype(np.float64)


def _windows(sizes, size, step):
    """The places of every window, in its order; the window's own place first."""
    counts = [(length - size) // step + 1 for length in sizes]
    for number in product(*map(range, counts)):
        starts = [one * step for one in number]
        yield (
            number,
            [
                tuple(map(sum, zip(starts, offset, strict=True)))
                for offset in product(range(size), repeat=len(sizes))
            ],
        )


def _model(kit, dimensions, size, step, weight):
    """A max pool and a dense layer without a bias: weight has the shape of a pooled example, channels last."""
    if kit.name == "torch":
        nn = kit.torch.nn
        pool = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}[dimensions](size, step)
        dense = nn.Linear(weight.size, 1, bias=False, dtype=kit.torch.float64)
        with kit.torch.no_grad():
            dense.weight.copy_(kit.tensor(np.moveaxis(weight, -1, 0).reshape(1, -1)))
        return nn.Sequential(pool, nn.Flatten(), dense)
    layers = kit.keras.layers
    # TensorFlow pools volumes in single precision only.
    dtype = "float32" if dimensions == 3 else "float64"
    pool = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D, 3: layers.MaxPooling3D}[dimensions]
    model = kit.keras.Sequential(
        [
            kit.keras.Input((*SIZES[dimensions], 2), dtype=dtype),
            pool(size, step, dtype=dtype),
            layers.Flatten(dtype=dtype),
            layers.Dense(1, use_bias=False, dtype=dtype),
        ]
    )
    model.set_weights([weight.reshape(-1, 1)])
    return model


def _explained(kit, model, dimensions, method, x, **options):
    """A map in channels last, whatever the framework."""
    first = kit.name == "torch"
    options = {name: np.moveaxis(one, -1, 1) if first else one for name, one in options.items()}
    letters = LETTERS[dimensions]
    found = explain.attribute(
        model,
        np.ascontiguousarray(np.moveaxis(x, -1, 1)) if first else x,
        method,
        layout=f"NC{letters}" if first else f"N{letters}C",
        **options,
    )
    return np.moveaxis(found.values, 1, -1) if first else found.values, found


@pytest.mark.parametrize(("size", "step"), POOLS)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_ties_go_to_one_place_in_every_dimension(kit, dimensions, size, step):
    x, base = _drawn(dimensions), _drawn(dimensions)
    counts = [(length - size) // step + 1 for length in SIZES[dimensions]]
    weight = _generator.normal(size=(*counts, 2))
    lifted, relevant, slopes = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    for number, places in _windows(SIZES[dimensions], size, step):
        for example, channel in product(range(2), range(2)):
            here = [(example, *place, channel) for place in places]
            values, before = [x[one] for one in here], [base[one] for one in here]
            most, least = max(values), max(before)
            crossing, factor = max(most, least), weight[(*number, channel)]
            first = here[int(np.argmax(values))]
            lifted[first] += factor * (crossing - least)
            lifted[here[int(np.argmax(before))]] += factor * (most - crossing)
            relevant[first] += factor * most
            slopes[first] += factor
    model = _model(kit, dimensions, size, step, weight)
    close = {"rtol": 1e-5, "atol": 1e-5}
    values, found = _explained(kit, model, dimensions, "deep_lift", x, baseline=base)
    np.testing.assert_allclose(values, lifted, **close)
    assert np.abs(found.delta).max() < 1e-5, "complete up to rounding"
    values, _ = _explained(kit, model, dimensions, "lrp", x)
    np.testing.assert_allclose(values, relevant, **close)


@pytest.mark.parametrize("order", ["channels_last", "channels_first"])
def test_volumes_with_padding_in_keras_are_complete(tensorflow_kit, order):
    # Windows reach beyond the volume, where no value is.
    keras = tensorflow_kit.keras
    layers = keras.layers
    x, base = -1 - _generator.integers(0, 7, (2, 2, *SIZES[3], 2)).astype(np.float32)
    if order == "channels_first":
        x, base = np.moveaxis(x, -1, 1), np.moveaxis(base, -1, 1)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:], dtype="float32"),
            layers.MaxPooling3D(2, 2, padding="same", data_format=order, dtype="float32"),
            layers.Flatten(dtype="float32"),
            layers.Dense(1, dtype="float32"),
        ]
    )
    tensorflow_kit.randomised(model)
    layout = "NDHWC" if order == "channels_last" else "NCDHW"
    found = explain.attribute(model, x, "deep_lift", baseline=base, layout=layout)
    change = (model(x) - model(base)).numpy()[:, 0]
    np.testing.assert_allclose(found.values.sum((1, 2, 3, 4)), change, rtol=1e-5, atol=1e-6)
    assert np.abs(change).min() > 1e-2


def test_ties_go_to_one_place_whatever_kernel_tensorflow_takes():
    # With oneDNN, TensorFlow's own gradient takes one place too; its other kernel counts every place of a maximum.
    chosen = [f"{__file__}::test_ties_go_to_one_place_in_every_dimension[tensorflow-3-2-2]"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-cov", *chosen],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "1 passed" in done.stdout
