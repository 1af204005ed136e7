"""Whole numbers into models that scale their input themselves, and into others."""

from __future__ import annotations

import numpy as np
import pytest

import explain
from explain.errors import InputError

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(5)
PICTURES = _generator.integers(0, 256, (3, 6, 6, 3)).astype(np.uint8)
MEAN, DEVIATION = np.array([120.0, 110.0, 100.0]), np.array([60.0, 61.0, 62.0])


def _net(kit, begins, ends=None):
    """A small CNN behind a beginning; also the pictures in its layout."""
    if kit.name == "torch":
        nn, torch = kit.torch.nn, kit.torch

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.convolution, self.dense = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)
                self.register_buffer("mean", torch.tensor(MEAN).float().reshape(1, 3, 1, 1))
                self.register_buffer("deviation", torch.tensor(DEVIATION).float().reshape(1, 3, 1, 1))

            def forward(self, x):
                x = {
                    "divided": lambda: x.float() / 255,
                    "normalised": lambda: (x.to(torch.float32) - self.mean) / self.deviation,
                    "moved first": lambda: nn.functional.pad(
                        x.permute(0, 1, 3, 2).float() * (1 / 255), (1, 1, 1, 1)
                    ),
                    "unscaled": lambda: x.float(),
                    "by type": lambda: x.float() / 255 if x.dtype == torch.uint8 else x,
                    "also unscaled": lambda: x.float() / 255 + x.float().tanh() / 100,
                    "no cast": lambda: (
                        x.type_as(self.mean) / 255 if x.is_floating_point() else x.conj_physical_()
                    ),
                }[begins]()
                return self.dense(torch.relu(self.convolution(x)).mean((2, 3)))

        return kit.randomised(Net()), np.ascontiguousarray(np.moveaxis(PICTURES, -1, 1))
    keras, tf = kit.keras, kit.tf
    layers = keras.layers

    normalisation = layers.Normalization(mean=MEAN, variance=DEVIATION**2)
    normalisation.build((None, 6, 6, 3))

    class Beginning(layers.Layer):
        def __init__(self):
            super().__init__(autocast=False)

        def call(self, x):
            if begins == "by type":
                return tf.cast(x, tf.float32) / 255 if x.dtype == tf.uint8 else x
            x = tf.cast(x, tf.float32)
            return x / 255 + tf.tanh(x) / 100

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [
                *{
                    "divided": lambda: [layers.Rescaling(1 / 255)],
                    "normalised": lambda: [normalisation],
                    "moved first": lambda: [
                        layers.Permute((2, 1, 3)),
                        layers.ZeroPadding2D(1),
                        layers.Rescaling(1 / 255),
                    ],
                    "unscaled": lambda: [],
                    "by type": lambda: [Beginning()],
                    "also unscaled": lambda: [Beginning()],
                }[begins](),
                layers.Conv2D(4, 3, activation="relu"),
                layers.GlobalAveragePooling2D(),
                layers.Dense(2),
            ]

        def call(self, x):
            if begins not in ("by type", "also unscaled"):
                x = tf.cast(x, tf.float32)
            for part in self.parts:
                x = part(x)
            return x

    model = Net()
    model(PICTURES[:1].astype(np.float32))
    return kit.randomised(model), PICTURES


@pytest.mark.parametrize("begins", ["divided", "normalised", "moved first"])
def test_bytes_into_a_model_that_scales_them(kit, begins):
    model, x = _net(kit, begins)
    for method, options in (
        ("saliency", {}),
        ("ig", {}),
        ("occlusion", {}),
    ):
        found = explain.attribute(model, x, method, target=1, **options)
        expected = explain.attribute(model, x.astype(np.float32), method, target=1, **options)
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.inputs, x)
        assert np.abs(found.values).max() > 0
    again = explain.attribute(model, kit.tensor(x), "saliency", target=1)
    np.testing.assert_array_equal(again.scores, found.scores)


@pytest.mark.parametrize("begins", ["unscaled", "also unscaled", "by type"])
def test_bytes_into_another_model_are_refused_with_what_was_found(kit, begins):
    model, x = _net(kit, begins)
    says = {"unscaled": "Conv.*/ 255", "also unscaled": "Tanh.*/ 255", "by type": "Conv.*/ 255"}[begins]
    for _ in range(2):
        with pytest.raises(InputError, match=f"dtype uint8.*{says}"):
            explain.attribute(model, x, "saliency", target=1)
    # What the message says to do.
    assert explain.attribute(model, x.astype("float32") / 255, "saliency", target=1).score == "logit"


def test_a_model_that_scales_twice_by_type_is_refused(kit):
    # It scales both, but bytes twice: their outputs differ from those of the same numbers as floats.
    def call(x):
        byte, cast = (
            (kit.torch.uint8, lambda: x.float())
            if kit.name == "torch"
            else (kit.tf.uint8, lambda: kit.tf.cast(x, "float32"))
        )
        return kit.sum(cast() / (255 if x.dtype == byte else 2), (2, 3))

    model = kit.function(call)
    with pytest.raises(InputError, match=r"something else from whole numbers.*as floats"):
        explain.attribute(model, PICTURES, "saliency", target=1, layout="NHWC")
    assert explain.attribute(
        model, PICTURES.astype(np.float32), "saliency", target=1, layout="NHWC"
    ).scores.shape == (3,)


def test_a_sequential_model_of_keras_takes_bytes(tensorflow_kit):
    keras = tensorflow_kit.keras
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(4, 3),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    tensorflow_kit.randomised(model)
    found = explain.attribute(model, PICTURES, "input_x_gradient", target=0)
    tf = tensorflow_kit.tf
    x = tf.constant(PICTURES, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        scores = model(x)[:, 0]
    np.testing.assert_allclose(found.values, x * tape.gradient(scores, x), rtol=1e-4, atol=1e-5)


def test_scaling_that_is_taken_out_is_noticed(torch_kit):
    nn = torch_kit.torch.nn

    class Scale(nn.Module):
        def forward(self, x):
            return x.float() / 255

    class Cast(nn.Module):
        def forward(self, x):
            return x.float()

    model = nn.Sequential(Scale(), nn.Conv2d(3, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    pictures = np.moveaxis(PICTURES, -1, 1).copy()
    explain.attribute(model, pictures, "saliency", target=1)
    model[0] = Cast()
    with pytest.raises(InputError, match="does not scale it"):
        explain.attribute(model, pictures, "saliency", target=1)
