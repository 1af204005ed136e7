"""Keras models on JAX, beside plain `jax.grad` of the same computation written out."""

from __future__ import annotations

import gc
import warnings
import weakref

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

import explain
from explain.errors import (
    GradientError,
    InputError,
    LayerError,
    ModelCallError,
    ModelNotBuiltError,
    ProbabilityScoreWarning,
    UnsupportedModelError,
)

layers, ops = keras.layers, keras.ops
# Single precision; two computations of one gradient differ in the order of their sums.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def x_of(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def dense():
    keras.utils.set_random_seed(0)
    hidden = layers.Dense(6, activation="tanh", name="hidden")
    return keras.Sequential([keras.Input((4,)), hidden, layers.Dense(3, activation="softmax")])


def logits_of(model, x):
    first, last = model.layers[0], model.layers[-1]
    hidden = jnp.tanh(x @ first.kernel.value + first.bias.value)
    return hidden @ last.kernel.value + last.bias.value


def test_gradients_of_logits_are_those_of_jax(dense):
    x, classes = x_of(5, 4), [2, 0, 1, 1, 2]
    a = explain.attribute(dense, x, "saliency", target=classes)
    rows = np.arange(5)
    expected = jax.grad(lambda x: logits_of(dense, x)[rows, np.array(classes)].sum())(x)
    np.testing.assert_allclose(a.values, expected, **CLOSE)
    assert (a.framework, a.score, a.layout) == ("jax", "logit", "NC")
    np.testing.assert_allclose(a.scores, logits_of(dense, x)[rows, np.array(classes)], **CLOSE)


def test_probabilities_and_their_logarithms(dense):
    x = x_of(3, 4)
    for score, function in (("probability", jax.nn.softmax), ("log_probability", jax.nn.log_softmax)):
        a = explain.attribute(dense, x, "saliency", target=1, score=score)
        expected = jax.grad(lambda x, own=function: own(logits_of(dense, x))[:, 1].sum())(x)
        np.testing.assert_allclose(a.values, expected, **CLOSE)
        assert a.score == score


def test_integrated_gradients_are_the_integral(dense):
    x, base = x_of(3, 4), 0.25
    a = explain.attribute(dense, x, "ig", target=1, baseline=base, n_steps=64)
    gradient = jax.jit(jax.grad(lambda x: logits_of(dense, x)[:, 1].sum()))
    points = (np.arange(2000) + 0.5) / 2000
    expected = (x - base) * np.mean([gradient(base + point * (x - base)) for point in points], axis=0)
    np.testing.assert_allclose(
        a.values, expected, rtol=1e-4, atol=1e-5
    )  # two thousand midpoints, in single precision
    change = logits_of(dense, x)[:, 1] - logits_of(dense, np.full_like(x, base))[:, 1]
    np.testing.assert_allclose(a.values.sum(axis=1), change, **CLOSE)


def test_smoothgrad_is_the_mean_gradient_at_the_same_noise(dense):
    x = x_of(2, 4)
    a = explain.attribute(dense, x, "smoothgrad", target=1, n_samples=5, seed=4)
    function = lambda x: logits_of(dense, x)  # noqa: E731
    explicit = explain.attribute(function, x, "smoothgrad", target=1, n_samples=5, seed=4, framework="jax")
    np.testing.assert_allclose(a.values, explicit.values, **CLOSE)


def test_a_layer_is_cut(dense):
    x = x_of(3, 4)
    hidden, last = dense.layers[0], dense.layers[-1]
    units = jnp.tanh(x @ hidden.kernel.value + hidden.bias.value)
    a = explain.attribute(dense, x, "activation", layer="hidden", target=1)
    np.testing.assert_allclose(a.values, units, **CLOSE)
    # The score is linear in these units.
    b = explain.attribute(dense, x, "conductance", layer=hidden, target=1, n_steps=100)
    # Its sum over a hundred steps is that much off the integral.
    zero = jnp.tanh(hidden.bias.value)
    np.testing.assert_allclose(b.values, (units - zero) * last.kernel.value[:, 1], rtol=1e-3)
    c = explain.attribute(dense, x, "ig", layer="hidden", target=1)
    np.testing.assert_allclose(c.values, units * last.kernel.value[:, 1], **CLOSE)
    d = explain.attribute(dense, x, "saliency", layer="hidden", neuron=2)
    expected = jax.grad(lambda x: jnp.tanh(x @ hidden.kernel.value + hidden.bias.value)[:, 2].sum())(x)
    np.testing.assert_allclose(d.values, expected, **CLOSE)


def test_grad_cam_by_hand():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(5, 3, padding="same", activation="tanh", name="map"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    x = x_of(2, 8, 8, 2)
    a = explain.attribute(model, x, "grad_cam", layer="map", target=2)
    units = model.layers[0](x)
    head = lambda units: (units.mean(axis=(1, 2)) @ model.layers[-1].kernel.value)[:, 2].sum()  # noqa: E731
    weights = jax.grad(head)(units).mean(axis=(1, 2), keepdims=True)
    expected = jax.nn.relu((weights * units).sum(axis=-1))
    # The map has the size of the input; the channels share the value of a place.
    np.testing.assert_allclose(a.values.sum(axis=-1), expected, rtol=1e-4, atol=1e-7)
    assert explain.attribute(model, x, "grad_cam", target=2).layer == "map"


class Ends(keras.Model):
    """A model whose own code calls the activation at its end."""

    def __init__(self, end):
        super().__init__()
        self.first, self.second, self.end = layers.Dense(3), layers.Dense(3), end

    def call(self, x):
        return self.end(self.first(x), self.second(x))


ENDS = {
    "softmax": (lambda one, other: ops.softmax(one), lambda one, other: one),
    "of jax": (lambda one, other: jax.nn.softmax(one), lambda one, other: one),
    "written out": (
        lambda one, other: ops.exp(one) / ops.sum(ops.exp(one), axis=-1, keepdims=True),
        lambda one, other: one,
    ),
    "log_softmax": (lambda one, other: ops.log_softmax(one), lambda one, other: one),
    "sigmoid": (lambda one, other: ops.sigmoid(one), lambda one, other: one),
    "log_sigmoid": (lambda one, other: ops.log_sigmoid(one), lambda one, other: one),
    "two heads": (
        lambda one, other: ops.concatenate([ops.softmax(one), ops.softmax(other)], axis=-1),
        lambda one, other: ops.concatenate([one, other], axis=-1),
    ),
    "none": (lambda one, other: one + other, lambda one, other: one + other),
}


@pytest.mark.parametrize("name", ENDS)
def test_activations_at_the_end_are_taken_off(name):
    keras.utils.set_random_seed(2)
    end, plain = ENDS[name]
    model = Ends(end)
    x = x_of(4, 5)
    model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error", explain.errors.ExplainWarning)
        a = explain.attribute(model, x, "saliency", target=1)
    dense = lambda layer, x: x @ layer.kernel.value + layer.bias.value  # noqa: E731
    score = lambda x: plain(dense(model.first, x), dense(model.second, x))[:, 1]  # noqa: E731
    np.testing.assert_allclose(a.values, jax.grad(lambda x: score(x).sum())(x), **CLOSE)
    np.testing.assert_allclose(a.scores, score(x), **CLOSE)
    assert a.score == "logit"
    # Several points at once, and a layer's gradient, run the same end.
    b = explain.attribute(model, x, "ig", target=1)
    np.testing.assert_allclose(b.values.sum(axis=1), score(x) - score(0 * x), **CLOSE)
    c = explain.attribute(model, x, "input_x_gradient", layer=model.first, target=1)
    np.testing.assert_allclose(c.values[:, 1], dense(model.first, x)[:, 1], **CLOSE)


def test_a_probability_that_is_computed_with_is_said():
    model = Ends(lambda one, other: ops.softmax(one) * 0.5 + ops.softmax(other) * 0.5)
    x = x_of(4, 5)
    model(x)
    with pytest.warns(ProbabilityScoreWarning, match="computes its output from the values of a softmax"):
        a = explain.attribute(model, x, "saliency", target=1)
    assert a.score == "probability"


REFUSED = ("deep_lift", "deep_lift_shap", "lrp", "guided_backprop", "deconvolution", "guided_grad_cam")


@pytest.mark.parametrize("method", REFUSED)
def test_backward_rules_are_refused_with_methods_that_work(dense, method):
    x = x_of(3, 4)
    options = {"baseline": x} if method == "deep_lift_shap" else {}
    with pytest.raises(
        UnsupportedModelError, match=f"method='{method}' needs .*backward_rules.*jax backend"
    ) as caught:
        explain.attribute(dense, x, method, target=1, **options)
    named = str(caught.value).partition("Give method=")[2].rstrip(".").split(" or ")
    assert "'integrated_gradients'" in named
    assert not {repr(one) for one in REFUSED} & set(named)
    for name in named[:3]:
        assert np.isfinite(explain.attribute(dense, x, name.strip("'"), target=1).values).all()


def test_the_state_of_a_model_stays_as_it_is():
    keras.utils.set_random_seed(3)

    class Remembers(keras.Model):
        def __init__(self):
            super().__init__()
            self.norm, self.drop, self.head = (
                layers.BatchNormalization(),
                layers.Dropout(0.5),
                layers.Dense(3),
            )
            self.total = self.add_weight(shape=(3,), initializer="zeros", trainable=False, name="total")
            self.latest = None

        def call(self, x, training=False):
            self.latest = self.head(self.drop(self.norm(x), training=training))
            self.total.assign_add(ops.sum(self.latest, axis=0))
            return self.latest

    model = Remembers()
    x = x_of(4, 5)
    model(x)
    model.drop.seed_generator.next()
    before = [np.array(one.value) for one in model.variables]
    latest, objects = model.latest, [id(one.value) for one in model.trainable_variables]
    generators = np.random.get_state()[1].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", explain.errors.ExplainWarning)
        for method in ("saliency", "ig", "conductance", "occlusion", "smoothgrad"):
            explain.attribute(
                model, x, method, target=1, **({"layer": model.head} if method == "conductance" else {})
            )
    assert model.latest is latest
    assert [id(one.value) for one in model.trainable_variables] == objects
    assert all(
        (np.array(one.value) == value).all() for one, value in zip(model.variables, before, strict=True)
    )
    assert (np.random.get_state()[1] == generators).all()
    assert not model.losses


def test_changed_weights_are_seen(dense):
    x = x_of(2, 4)
    explain.attribute(dense, x, "saliency", target=1)
    dense.set_weights([2 * one for one in dense.get_weights()])
    a = explain.attribute(dense, x, "saliency", target=1)
    np.testing.assert_allclose(a.values, jax.grad(lambda x: logits_of(dense, x)[:, 1].sum())(x), **CLOSE)
    dense.layers[0].activation = keras.activations.linear
    b = explain.attribute(dense, x, "saliency", target=1)
    product = dense.layers[0].kernel.value @ dense.layers[1].kernel.value[:, 1]
    np.testing.assert_allclose(b.values, np.tile(product, (2, 1)), **CLOSE)


def test_a_model_is_freed():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    explain.attribute(model, x_of(2, 4), "ig", target=1)
    explain.attribute(model, x_of(2, 4), "conductance", layer=model.layers[0], target=1)
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert seen() is None


def test_masks_are_held():
    keras.utils.set_random_seed(4)
    inputs = keras.Input((5, 3))
    layer, head = layers.GRU(4), layers.Dense(2)
    model = keras.Model(inputs, head(layer(layers.Masking()(inputs))))
    mask = np.arange(5) < np.array([[3], [5]])
    x = x_of(2, 5, 3) * mask[..., None]
    a = explain.attribute(model, x, "ig", target=1, n_steps=50)

    def score(x):
        return np.array(head(layer(jnp.asarray(x), mask=jnp.asarray(mask)))[:, 1])

    # Fifteen single-precision values, each a sum over fifty nodes, against a difference of two scores.
    np.testing.assert_allclose(a.values.sum(axis=(1, 2)), score(x) - score(0 * x), rtol=1e-4, atol=1e-5)
    assert (a.values[0, 3:] == 0).all()
    assert (a.mask == mask).all()


def test_token_ids_are_explained_at_the_embedding():
    keras.utils.set_random_seed(5)
    table, head = layers.Embedding(20, 6), layers.Dense(3)
    inputs = keras.Input((7,), dtype="int32")
    model = keras.Model(inputs, head(layers.GlobalAveragePooling1D()(ops.tanh(table(inputs)))))
    ids = np.random.default_rng(0).integers(0, 20, (2, 7))
    a = explain.attribute(model, ids, "ig", target=1)
    assert a.values.shape == (2, 7)
    # The baseline is the vector of token 0 everywhere.
    vectors, padding = table.embeddings.value[ids], table.embeddings.value[0]
    change = (jnp.tanh(vectors).mean(axis=1) - jnp.tanh(padding)) @ head.kernel.value[:, 1]
    np.testing.assert_allclose(a.values.sum(axis=1), change, rtol=1e-4, atol=1e-5)


def test_several_inputs_and_a_callable_target():
    keras.utils.set_random_seed(6)
    one, other = keras.Input((3,), name="one"), keras.Input((2,), name="other")
    model = keras.Model([one, other], layers.Dense(2)(ops.tanh(layers.Concatenate()([one, other]))))
    x, y = x_of(4, 3), x_of(4, 2, seed=1)
    found = explain.attribute(
        model, (x, y), "saliency", target=lambda outputs: outputs[:, 0] - 2 * outputs[:, 1]
    )
    kernel = model.layers[-1].kernel.value
    score = lambda x, y: (jnp.tanh(jnp.concatenate([x, y], 1)) @ (kernel[:, 0] - 2 * kernel[:, 1])).sum()  # noqa: E731
    for values, expected in zip(found, jax.grad(score, (0, 1))(x, y), strict=True):
        np.testing.assert_allclose(values.values, expected, **CLOSE)


def test_a_model_that_cannot_be_traced_runs_without_a_trace():
    class Decides(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(3)

        def call(self, x):
            if float(jax.lax.stop_gradient(x).sum()) > 1e9:
                return self.head(-x)
            return self.head(ops.tanh(x))

    model = Decides()
    x = x_of(3, 4)
    model(x)
    kernel = model.head.kernel.value
    a = explain.attribute(model, x, "saliency", target=1)
    np.testing.assert_allclose(a.values, (1 - np.tanh(x) ** 2) * kernel[:, 1], **CLOSE)
    b = explain.attribute(model, x, "conductance", layer=model.head, target=1, n_steps=100)
    # A sum over a hundred steps.
    np.testing.assert_allclose(b.values[:, 1], np.tanh(x) @ kernel[:, 1], rtol=1e-3)


def test_a_score_without_a_gradient_is_refused():
    for end in (lambda one, other: ops.round(one), lambda one, other: jax.lax.stop_gradient(one)):
        model = Ends(end)
        x = x_of(4, 5)
        model(x)
        with pytest.raises(GradientError, match="has no gradient to its input"):
            explain.attribute(model, x, "saliency", target=1)
        assert np.isfinite(explain.attribute(model, x, "feature_ablation", target=1).values).all()


def test_random_layers_are_noticed():
    class Random(keras.Model):
        def __init__(self):
            super().__init__()
            self.drop, self.head = layers.Dropout(0.5), layers.Dense(2)

        def call(self, x):
            return self.head(self.drop(x, training=True))

    model = Random()
    x = x_of(4, 5)
    model(x)
    with pytest.warns(explain.errors.ExplainWarning, match="random|differ"):
        explain.attribute(model, x, "saliency", target=1)


def test_stateful_layers_keep_their_state():
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [keras.Input(batch_shape=(2, 4, 3)), layers.GRU(5, stateful=True), layers.Dense(2)]
    )
    x = x_of(2, 4, 3)
    model(x)
    states = np.array(model.layers[0].states[0].value)
    assert states.any()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", explain.errors.ExplainWarning)
        a = explain.attribute(model, x, "saliency", target=1)
        explain.attribute(model, x, "ig", target=1)
    assert (np.array(model.layers[0].states[0].value) == states).all()
    cell, head = model.layers[0].cell, model.layers[1]

    def score(x):
        state = jnp.asarray(states)
        for step in range(4):
            state, _ = cell(x[:, step], [state])
        return (state @ head.kernel.value)[:, 1].sum()

    np.testing.assert_allclose(a.values, jax.grad(score)(jnp.asarray(x)), **CLOSE)


def test_half_precision_runs_on_float32_points():
    keras.utils.set_random_seed(8)
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, activation="tanh", dtype="mixed_bfloat16"), layers.Dense(3)]
    )
    a = explain.attribute(model, x_of(3, 4), "ig", target=1)
    assert a.values.dtype == np.float32
    assert a.values.any()


def test_wrong_input_is_refused(dense):
    with pytest.raises(InputError, match="the model wants x of shape"):
        explain.attribute(dense, x_of(3, 5), "saliency", target=1)
    with pytest.raises(LayerError, match="hidden"):
        explain.attribute(dense, x_of(3, 4), "activation", layer="hiden", target=1)
    with pytest.raises(ModelNotBuiltError, match="is not built"):
        explain.attribute(keras.Sequential([layers.Dense(3)]), x_of(3, 4), "saliency", target=1)

    class Fails(keras.Model):
        def call(self, x):
            raise ValueError("not today")

    with pytest.raises(ModelCallError, match="not today"):
        explain.attribute(Fails(), x_of(3, 4), "saliency", target=1)


def test_arrays_of_jax_are_arrays(dense):
    x = x_of(3, 4)
    a = explain.attribute(dense, jnp.asarray(x), "ig", target=1, baseline=jnp.full((4,), 0.5))
    b = explain.attribute(dense, x, "ig", target=1, baseline=0.5)
    assert np.array_equal(a.values, b.values)
    c = explain.attribute(dense, jnp.asarray(x, jnp.bfloat16), "saliency", target=1)
    assert c.values.dtype == np.float32


def test_activation_maximization(dense):
    m = explain.maximize(dense, target=1, bounds=(-1, 1), n_steps=40)
    assert m.values.shape == (1, 4)
    assert (m.history[-1] > m.history[0]).all()


def test_plain_and_saved(dense, tmp_path):
    a = explain.attribute(dense, x_of(2, 4), "saliency", target=1)
    b = explain.load(a.save(tmp_path / "a"))
    assert b.framework == "jax"
    assert (b.values == a.values).all()


def test_ported_and_checked_beside_torch():
    import torch
    from torch import nn

    keras.utils.set_random_seed(9)
    first = [keras.Input((8, 7, 2)), layers.Conv2D(3, 3, padding="same", activation="relu")]
    model = keras.Sequential(
        [*first, layers.BatchNormalization(epsilon=1e-5), layers.Flatten(), layers.Dense(3)]
    )
    twin = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(168, 3)
    ).eval()
    x = x_of(4, 8, 7, 2)
    explain.port(twin, model)
    with torch.no_grad():
        expected = twin(torch.tensor(x).movedim(-1, 1)).numpy()
    np.testing.assert_allclose(model(x, training=False), expected, **CLOSE)
    report = explain.check_migration(twin, model, np.moveaxis(x, -1, 1))
    assert report.passed
    assert "Sequential (JAX)" in str(report)
    for weight in model.weights:
        weight.assign(np.random.default_rng(1).uniform(0.1, 1, size=weight.shape))
    assert not explain.check_migration(twin, model, np.moveaxis(x, -1, 1)).passed
    explain.port(model, twin, x=x)
    assert explain.check_migration(twin, model, np.moveaxis(x, -1, 1)).passed
