"""Backward rules through complex numbers: a Fourier transform that mixes, and a spectrogram."""

from __future__ import annotations

import numpy as np
import pytest

import explain

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(23)
X = _generator.normal(size=(3, 8)).astype(np.float32)
# The mean of a Fourier transform is the first value: above zero, some ReLU is open.
X[:, 0] = np.abs(X[:, 0]) + 0.5
MIX, LAST = _generator.normal(size=(5, 4)), _generator.normal(size=4)
WEIGHT = _generator.normal(size=8)
FOURIER = np.fft.fft(np.eye(8))


def _fourier_net(kit, beside):
    """A net whose only mixing is the real part of a Fourier transform, with a branch around it or without."""
    weight = WEIGHT

    def call(x):
        if kit.name == "torch":
            mixed = kit.torch.fft.fft(x.to(kit.torch.complex64)).real
        else:
            mixed = kit.tf.math.real(kit.tf.signal.fft(kit.tf.complex(x, kit.tf.zeros_like(x))))
        raised = kit.relu(mixed) + (kit.relu(x) if beside else 0)
        return kit.matmul(raised, weight[:, None])

    return kit.function(call), weight


def _spectrogram_net(kit):
    def call(x):
        size = kit.torch.fft.rfft(x).abs() if kit.name == "torch" else kit.tf.abs(kit.tf.signal.rfft(x))
        return kit.matmul(kit.relu(kit.matmul(size, MIX)), LAST[:, None])

    return kit.function(call)


RULES = ["saliency", "guided_backprop", "deconvolution"]


def _passed(method, z, arriving):
    """What a ReLU passes on."""
    return {
        "saliency": arriving * (z > 0),
        "guided_backprop": np.maximum(arriving, 0) * (z > 0),
        "deconvolution": np.maximum(arriving, 0) * np.ones_like(z),
    }[method]


@pytest.mark.parametrize("method", RULES)
@pytest.mark.parametrize("beside", [False, True])
def test_rectified_gradients_follow_a_fourier_transform(kit, beside, method):
    model, weight = _fourier_net(kit, beside)
    found = explain.attribute(model, X, method)
    real = FOURIER.real
    expected = _passed(method, X @ real, weight) @ real.T
    if beside:
        expected = expected + _passed(method, X, weight)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", RULES)
def test_rectified_gradients_follow_a_spectrogram(kit, method):
    found = explain.attribute(_spectrogram_net(kit), X, method)
    half = FOURIER[:, :5]
    z = X @ half
    size = np.abs(z)
    arriving = _passed(method, size @ MIX, LAST) @ MIX.T
    expected = ((arriving * z.conj() / size)[:, None, :] * half).real.sum(-1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lambda kit: _fourier_net(kit, True)[0], _spectrogram_net])
def test_relevance_of_a_fourier_transform_is_input_times_gradient(kit, make):
    """A transform is linear, and the absolute value of a complex number, like a ReLU, is of degree one."""
    model = make(kit)
    found = explain.attribute(model, X, "lrp", epsilon=1e-12)
    expected = explain.attribute(model, X, "input_x_gradient").values
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lambda kit: _fourier_net(kit, True)[0], _spectrogram_net])
def test_deep_lift_through_a_fourier_transform_is_complete(kit, make):
    """To the precision of complex64."""
    found = explain.attribute(make(kit), X, "deep_lift", baseline=X[::-1] * 0.3)
    assert np.abs(found.relative_delta).max() < 1e-4


def test_deep_lift_of_an_absolute_value_is_its_closed_form(kit):
    """|z| - |z0| = Re((z - z0) conj(z + z0)) / (|z| + |z0|), with z = F x."""

    def call(x):
        size = kit.torch.fft.rfft(x).abs() if kit.name == "torch" else kit.tf.abs(kit.tf.signal.rfft(x))
        return kit.matmul(size, MIX[:, :1])

    base = (X[::-1] * 0.3).astype(np.float32)
    found = explain.attribute(kit.function(call), X, "deep_lift", baseline=base)
    half = FOURIER[:, :5]
    z, before = X @ half, base @ half
    slope = (z + before).conj() / (np.abs(z) + np.abs(before))
    expected = (X - base) * ((slope * MIX[:, 0])[:, None, :] * half).real.sum(-1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-5)
