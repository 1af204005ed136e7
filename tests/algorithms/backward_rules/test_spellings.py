"""However a model spells a function, DeepLift and LRP give the same values in both frameworks; DeepLift's sum up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from models.kits import TensorFlowKit, TorchKit

import explain

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(7)
FIRST, LAST = _generator.normal(size=(5, 6)), _generator.normal(size=(6, 2))
X, BASE = _generator.normal(size=(3, 5)), _generator.normal(size=(3, 5))
SCALE, SHIFT = _generator.normal(size=6), _generator.normal(size=6)
FILTERS = _generator.normal(size=(2, 4, 3))


def in_torch():
    """From a name to functions of (N, 6), each one spelling."""
    import torch
    import torch.nn.functional as F  # noqa: N812 - as PyTorch's documentation has it

    def centred(x):
        return x - x.mean(-1, keepdim=True)

    def mean_square(x):
        return x.pow(2).mean(-1, keepdim=True)

    def attention(q, k, v):
        return torch.softmax(q @ k.transpose(1, 2) / math.sqrt(2), -1) @ v

    def folded(x):
        return x.reshape(-1, 3, 2)

    def fused(x):
        one = folded(x)
        return F.scaled_dot_product_attention(one, one.flip(1), one * 2)

    def masked(x):
        mask = torch.tensor([[True, False, True], [True, True, False], [True, True, True]])
        one = folded(x)
        return F.scaled_dot_product_attention(one, one.flip(1), one * 2, attn_mask=mask)

    def masked_by_hand(x):
        mask = torch.tensor([[0, -math.inf, 0], [0, 0, -math.inf], [0, 0, 0]], dtype=x.dtype)
        one = folded(x)
        weights = torch.softmax(one @ one.flip(1).transpose(1, 2) / math.sqrt(2) + mask, -1)
        return torch.einsum("nij,njc->nic", weights, one * 2)

    def written(x):
        made = torch.zeros_like(x)
        made[:, ::2] = x[:, 1::2] * 2
        return made + x

    scale, shift = torch.tensor(SCALE), torch.tensor(SHIFT)
    slope = torch.tensor([0.25], dtype=torch.float64)
    return {
        "softmax": [
            lambda x: torch.softmax(x, -1),
            lambda x: F.softmin(-x, dim=1),
            lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
            lambda x: (e := torch.exp(x - x.amax(1, keepdim=True))) / e.sum(1, keepdim=True),
            lambda x: (e := torch.exp(x - x.max(-1, keepdim=True).values.detach())) / e.sum(1, keepdim=True),
        ],
        "log_softmax": [
            lambda x: torch.log_softmax(x, 1),
            lambda x: x - torch.logsumexp(x, -1, keepdim=True),
        ],
        "log_sum_exp": [
            lambda x: x.logsumexp(1)[:, None] * scale,
            lambda x: x.exp().sum(1).log()[:, None] * scale,
        ],
        "layer_norm": [
            lambda x: F.layer_norm(x, (6,), scale, shift, 1e-3),
            lambda x: centred(x) * torch.rsqrt(mean_square(centred(x)) + 1e-3) * scale + shift,
            lambda x: scale * centred(x) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-3) + shift,
            lambda x: (
                centred(x) / (mean_square(x) - x.mean(-1, keepdim=True) ** 2 + 1e-3) ** 0.5 * scale + shift
            ),
        ],
        "rms_norm": [
            lambda x: F.rms_norm(x, (6,), scale, 1e-3),
            lambda x: x / (mean_square(x) + 1e-3).sqrt() * scale,
            lambda x: scale * (x * (1 / torch.sqrt(mean_square(x) + 1e-3))),
        ],
        "group_norm": [
            lambda x: F.group_norm(x, 2, scale, shift, 1e-3),
            lambda x: F.layer_norm(x.reshape(-1, 2, 3), (3,), eps=1e-3).reshape(-1, 6) * scale + shift,
            lambda x: F.instance_norm(x.reshape(-1, 2, 3), eps=1e-3).reshape(-1, 6) * scale + shift,
        ],
        "unit_norm": [
            lambda x: F.normalize(x, dim=-1) * 3,
            lambda x: x / x.norm(dim=-1, keepdim=True) * 3,
            lambda x: x / x.square().sum(-1, keepdim=True).sqrt() * 3,
        ],
        "attention": [
            lambda x: attention(folded(x), folded(x).flip(1), folded(x) * 2).flatten(1),
            lambda x: fused(x).flatten(1),
        ],
        "masked_attention": [lambda x: masked(x).flatten(1), lambda x: masked_by_hand(x).flatten(1)],
        "silu": [F.silu, lambda x: x * torch.sigmoid(x), lambda x: x / (1 + torch.exp(-x))],
        "gelu": [F.gelu, lambda x: 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))],
        "gelu_tanh": [
            lambda x: F.gelu(x, approximate="tanh"),
            lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        ],
        "mish": [F.mish, lambda x: x * torch.tanh(F.softplus(x))],
        "softsign": [F.softsign, lambda x: x / (1 + x.abs())],
        "glu": [
            lambda x: torch.cat([F.glu(x)] * 2, 1),
            lambda x: torch.cat([x.chunk(2, 1)[0] * torch.sigmoid(x.chunk(2, 1)[1])] * 2, 1),
        ],
        "swiglu": [lambda x: (torch.sigmoid(x[:, :3]) * x[:, :3] * x[:, 3:]).repeat(1, 2)],
        "clipped": [
            lambda x: x.clamp(-1.5, 1.2),
            lambda x: F.hardtanh(x, -1.5, 1.2),
            lambda x: torch.minimum(torch.maximum(x, torch.full_like(x, -1.5)), torch.tensor(1.2)),
        ],
        "interpolated": [lambda x: torch.lerp(x, scale, 0.25), lambda x: x + (scale - x) / 4],
        "cube": [lambda x: x**3, lambda x: x * x * x],
        "max": [lambda x: x.amax(1, keepdim=True) * scale, lambda x: x.max(1).values[:, None] * scale],
        "min": [lambda x: x.amin(1, keepdim=True) * scale, lambda x: x.min(1).values[:, None] * scale],
        "maximum": [lambda x: torch.maximum(x, x.flip(1)), lambda x: torch.max(x, x.flip(1))],
        "prelu": [lambda x: F.prelu(x, slope), lambda x: torch.where(x > 0, x, x / 4)],
        "hard_shrink": [F.hardshrink, lambda x: torch.where(x.abs() > 0.5, x, torch.zeros_like(x))],
        "scatter": [
            lambda x: torch.zeros_like(x).index_copy(1, torch.tensor([0, 2, 4]), x[:, 1::2] * 2) + x,
            lambda x: torch.zeros_like(x).scatter(1, torch.tensor([[0, 2, 4]] * len(x)), x[:, 1::2] * 2) + x,
            written,
        ],
        "transposed_convolution": [
            lambda x: F.conv_transpose1d(x.reshape(-1, 2, 3), torch.tensor(FILTERS)).tanh().flatten(1)[:, :6]
        ],
        "dropped_axis": [lambda x: x.cumsum(1) * 0.5],
    }


def in_tensorflow():
    """The same for TensorFlow and Keras."""
    import keras
    import tensorflow as tf

    def centred(x):
        return x - tf.reduce_mean(x, -1, keepdims=True)

    def mean_square(x):
        return tf.reduce_mean(x * x, -1, keepdims=True)

    def folded(x):
        return tf.reshape(x, (-1, 3, 2))

    def attention(x, mask):
        one = folded(x)
        weights = tf.nn.softmax(tf.matmul(one, one[:, ::-1], transpose_b=True) / math.sqrt(2) + mask)
        return tf.reshape(tf.einsum("nij,njc->nic", weights, one * 2), (-1, 6))

    def attention_of_keras(x):
        one = folded(x)
        found = keras.layers.Attention(dtype="float64")([one / math.sqrt(2), one * 2, one[:, ::-1]])
        return tf.reshape(found, (-1, 6))

    def transposed(x):
        maps = tf.transpose(tf.reshape(x, (-1, 2, 3)), (0, 2, 1))
        filters = tf.constant(FILTERS.transpose(2, 1, 0))
        made = tf.nn.conv1d_transpose(maps, filters, (tf.shape(x)[0], 5, 4), strides=1, padding="VALID")
        return tf.reshape(tf.transpose(tf.tanh(made), (0, 2, 1)), (-1, 20))[:, :6]

    def normed(layer):
        layer.build((None, 6))
        layer.gamma.assign(SCALE)
        layer.beta.assign(SHIFT)
        return layer

    def written(x):
        # Of (6, N): the rows are the places.
        made = tf.tensor_scatter_nd_update(
            tf.zeros_like(tf.transpose(x)), [[0], [2], [4]], tf.transpose(x[:, 1::2]) * 2
        )
        return tf.transpose(made) + x

    scale, shift = tf.constant(SCALE), tf.constant(SHIFT)
    layer_norm = normed(keras.layers.LayerNormalization(epsilon=1e-3, dtype="float64"))
    group_norm = normed(keras.layers.GroupNormalization(2, epsilon=1e-3, dtype="float64"))
    no_mask = np.zeros((3, 3))
    mask = np.array([[0, -np.inf, 0], [0, 0, -np.inf], [0, 0, 0]])
    return {
        "softmax": [
            tf.nn.softmax,
            lambda x: tf.exp(x) / tf.reduce_sum(tf.exp(x), -1, keepdims=True),
            lambda x: keras.ops.softmax(x, axis=1),
            lambda x: (
                (e := tf.exp(x - tf.reduce_max(x, 1, keepdims=True))) / tf.reduce_sum(e, 1, keepdims=True)
            ),
        ],
        "log_softmax": [
            tf.nn.log_softmax,
            lambda x: x - tf.math.log(tf.reduce_sum(tf.exp(x), 1, keepdims=True)),
        ],
        "log_sum_exp": [
            lambda x: tf.reduce_logsumexp(x, 1, keepdims=True) * scale,
            lambda x: keras.ops.logsumexp(x, 1)[:, None] * scale,
            lambda x: tf.math.log(tf.reduce_sum(tf.exp(x), 1, keepdims=True)) * scale,
        ],
        "layer_norm": [
            lambda x: layer_norm(x),
            lambda x: centred(x) * tf.math.rsqrt(mean_square(centred(x)) + 1e-3) * scale + shift,
            lambda x: tf.nn.batch_normalization(x, *tf.nn.moments(x, [1], keepdims=True), shift, scale, 1e-3),
            lambda x: (
                centred(x) / (tf.math.reduce_variance(x, 1, keepdims=True) + 1e-3) ** 0.5 * scale + shift
            ),
        ],
        "rms_norm": [
            lambda x: x * tf.math.rsqrt(mean_square(x) + 1e-3) * scale,
            lambda x: keras.ops.rms_normalization(x, scale, epsilon=1e-3),
        ],
        "group_norm": [lambda x: group_norm(x)],
        "unit_norm": [
            lambda x: tf.nn.l2_normalize(x, -1) * 3,
            lambda x: keras.layers.UnitNormalization(dtype="float64")(x) * 3,
            lambda x: x / tf.norm(x, axis=-1, keepdims=True) * 3,
        ],
        "attention": [lambda x: attention(x, no_mask), attention_of_keras],
        "masked_attention": [lambda x: attention(x, mask)],
        "silu": [tf.nn.silu, lambda x: x * tf.sigmoid(x), lambda x: x / (1 + tf.exp(-x))],
        "gelu": [tf.nn.gelu, lambda x: keras.activations.gelu(x, approximate=False)],
        "gelu_tanh": [lambda x: tf.nn.gelu(x, approximate=True)],
        "mish": [keras.activations.mish, lambda x: x * tf.tanh(tf.nn.softplus(x))],
        "softsign": [tf.nn.softsign, lambda x: x / (1 + tf.abs(x))],
        "glu": [lambda x: tf.concat([keras.activations.glu(x)] * 2, 1)],
        "swiglu": [lambda x: tf.tile(tf.nn.silu(x[:, :3]) * x[:, 3:], (1, 2))],
        "clipped": [lambda x: tf.clip_by_value(x, -1.5, 1.2), lambda x: keras.ops.clip(x, -1.5, 1.2)],
        "interpolated": [lambda x: x * 0.75 + scale / 4],
        "cube": [lambda x: x**3, lambda x: x * x * x],
        "max": [lambda x: tf.reduce_max(x, 1, keepdims=True) * scale],
        "min": [lambda x: tf.reduce_min(x, 1, keepdims=True) * scale],
        "maximum": [
            lambda x: tf.maximum(x, x[:, ::-1]),
            lambda x: keras.layers.Maximum(dtype="float64")([x, x[:, ::-1]]),
        ],
        "prelu": [lambda x: tf.nn.relu(x) - tf.nn.relu(-x) / 4, lambda x: tf.where(x > 0, x, x / 4)],
        "hard_shrink": [keras.activations.hard_shrink],
        "scatter": [written],
        "transposed_convolution": [transposed],
        "dropped_axis": [lambda x: tf.cumsum(x, 1) * 0.5],
    }


NAMES = list(in_torch())
# What the same norm by hand sums in several steps is stabilised in several.
NEAR = {"rtol": 1e-5, "atol": 1e-8}


def _maps(kit, spellings, method, **options):
    for spelling in spellings:
        model = kit.function(
            lambda x, made=spelling: kit.matmul(made(kit.matmul(x, FIRST)), LAST), dtype="float64"
        )
        yield explain.attribute(model, X, method, target=1, layout="NC", **options)


@pytest.mark.parametrize("name", NAMES)
def test_deep_lift_is_complete_and_the_same_for_every_spelling(name):
    kits = (TorchKit(), in_torch()), (TensorFlowKit(), in_tensorflow())
    found = [one for kit, ways in kits for one in _maps(kit, ways[name], "deep_lift", baseline=BASE)]
    for one in found:
        assert np.abs(one.relative_delta).max() < 1e-9
        np.testing.assert_allclose(one.values, found[0].values, **NEAR)


@pytest.mark.parametrize("name", NAMES)
def test_relevance_is_the_same_for_every_spelling(name):
    kits = (TorchKit(), in_torch()), (TensorFlowKit(), in_tensorflow())
    found = [one for kit, ways in kits for one in _maps(kit, ways[name], "lrp", rule="epsilon")]
    for one in found:
        np.testing.assert_allclose(one.values, found[0].values, **NEAR)


@pytest.mark.parametrize("name", NAMES)
def test_deep_lift_tends_to_the_gradient_where_the_baseline_tends_to_the_input(name):
    """With a step of 1e-4, the multipliers differ from the gradient by about as much."""
    kit = TorchKit()
    step = 1e-4 * np.ones_like(X)
    spelling = in_torch()[name][:1]
    (found,) = _maps(kit, spelling, "deep_lift", baseline=X - step)
    (gradient,) = _maps(kit, spelling, "input_x_gradient")
    slope, expected = found.values / step, gradient.values / X
    assert np.linalg.norm(slope - expected) < 2e-3 * np.linalg.norm(expected)
