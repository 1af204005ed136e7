"""A model is traced once for what is asked of it, and anew once it computes something else."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest

import explain

X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)


class Counting(keras.layers.Layer):
    """Counts its Python calls, that is its traces."""

    def __init__(self, calls, **keywords):
        super().__init__(**keywords)
        self.note = lambda: calls.append(None)

    def call(self, x):
        self.note()
        return keras.ops.tanh(x)


def counted():
    calls = []
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6), Counting(calls), keras.layers.Dense(4)]
    return keras.Sequential([keras.Input((None, 6)), *layers]), calls


def traces_made(calls, model, x, method, **options):
    calls.clear()
    explain.attribute(model, x, method, **options)
    return len(calls)


@pytest.mark.parametrize("method", ["saliency", "ig"])
# Few steps, of random weights: what is counted does not depend on it.
@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
def test_a_model_is_traced_again_only_for_another_question(method):
    model, calls = counted()
    x = X.reshape(5, 1, 6)
    common = {"layout": "NTC", "target": (0, 1)}
    steps = {"n_steps": 4} if method == "ig" else {}
    assert traces_made(calls, model, x, method, **common, **steps) > 0
    # Cut into chunks, a saliency map takes its prediction and its gradients one after the other: once more, a trace.
    explain.attribute(model, x, method, batch_size=3, **common, **steps)
    # Another batch, chunk, target or number of steps is the same question.
    for batch, options in (
        (x, {}),
        (x[:2], {}),
        (x[:1], {"batch_size": 1}),
        (x, {"batch_size": 2}),
        (x, {"target": (0, 3)}),
        (x, {"target": [(0, row % 4) for row in range(5)]}),
        (x, {"n_steps": 9} if steps else {}),
    ):
        assert traces_made(calls, model, batch, method, **{**common, **steps, **options}) == 0
    for batch, options in ((x.repeat(2, axis=1), {}), (x, {"score": "probability"})):
        assert traces_made(calls, model, batch, method, **{**common, **steps, **options}) > 0


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        # Outputs and gradients in one.
        ("saliency", {}, 1),
        # The outputs; a copy of their operations is in the trace of the points of a path, or of many points.
        ("ig", {"n_steps": 4}, 1),
        ("smoothgrad", {"n_samples": 3}, 1),
        # The outputs alone, also for the scores of the perturbed examples.
        ("occlusion", {"sliding_window_shapes": (1, 2)}, 1),
    ],
)
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
def test_a_first_call_traces_what_the_method_needs_and_no_more(method, options, expected):
    model, calls = counted()
    x = X.reshape(5, 1, 6)
    # The mean over time makes classes of the outputs, so that the target need not be given.
    model = keras.Sequential([*model.layers, keras.layers.GlobalAveragePooling1D()])
    model.build((None, None, 6))
    assert traces_made(calls, model, x, method, layout="NTC", **options) == expected
    for batch in (x, x[:1], x[:3]):
        assert traces_made(calls, model, batch, method, layout="NTC", **options) == 0


class Small(keras.Model):
    """Layers that can be replaced, and a Python attribute that its call reads."""

    def __init__(self, activation="relu"):
        super().__init__()
        self.first = keras.layers.Dense(5, activation=activation)
        self.middle = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(4)
        self.doubled = False

    def call(self, x, training=False):
        hidden = self.middle(self.first(x), training=training)
        return self.head(hidden * 2 if self.doubled else hidden)


def small(seed, activation="relu"):
    keras.utils.set_random_seed(seed)
    model = Small(activation)
    model(X)
    return model


def with_set_weights(model, other, path):
    model.set_weights(other.get_weights())


def with_assigned(model, other, path):
    for mine, new in zip(model.weights, other.weights, strict=True):
        mine.assign(new)


def with_changes_in_place(model, other, path):
    for mine, new in zip(model.weights, other.weights, strict=True):
        mine.value.assign_add(new.value - mine.value)


def with_loaded(model, other, path):
    other.save_weights(path / "other.weights.h5")
    model.load_weights(path / "other.weights.h5")


def with_another_layer(model, other, path):
    # Keras locks a built model.
    model._tracker.unlock()
    model.first, model.middle, model.head = other.first, other.middle, other.head


def with_a_switch(model, other, path):
    model.doubled = other.doubled = True
    model.set_weights(other.get_weights())


def with_another_activation(model, other, path):
    model.first.activation = other.first.activation = keras.activations.gelu
    model.set_weights(other.get_weights())


def frozen(model, other, path):
    model.trainable = False
    model.set_weights(other.get_weights())


@pytest.mark.parametrize(
    "change",
    [
        with_set_weights,
        with_assigned,
        with_changes_in_place,
        with_loaded,
        with_another_layer,
        with_a_switch,
        with_another_activation,
        frozen,
    ],
    ids=lambda change: change.__name__,
)
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("saliency", {}),
        ("ig", {"n_steps": 6}),
        ("guided_backprop", {}),
        ("deep_lift", {}),
        ("conductance", {}),
    ],
    ids=["saliency", "ig", "guided_backprop", "deep_lift", "conductance"],
)
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
def test_nothing_kept_of_a_model_outlives_a_change_of_it(change, method, options, tmp_path):
    model, other = small(0), small(1)
    for layer in (model, other):
        layer.middle.moving_mean.assign(np.linspace(0, 1, 5))
    options = {"layout": "NC", **options, **({"layer": model.first.name} if method == "conductance" else {})}
    for batch in (X, X[:1]):
        explain.attribute(model, batch, method, **options)
    change(model, other, tmp_path)
    if method == "conductance":
        options["layer"] = model.first.name
    found = explain.attribute(model, X, method, **options)
    if "layer" in options:
        options["layer"] = other.first.name
    # Nothing was kept of the other one.
    expected = explain.attribute(other, X, method, **options)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-7)
    assert found.target == expected.target


def test_a_prefix_that_is_no_longer_affine_is_noticed():
    model = small(0, activation=None)
    explain.attribute(model, X, "ig", target=1, n_steps=4)
    model.first.activation = keras.activations.tanh
    other = small(0, activation="tanh")
    found, expected = (explain.attribute(one, X, "ig", target=1, n_steps=4) for one in (model, other))
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-7)


def test_traces_go_with_their_model_and_leave_nothing_on_it():
    model, _ = counted()
    before = {id(one): set(vars(one)) for one in (model, *model.layers)}
    options = {"layout": "NTC", "target": (0, 1)}
    explain.attribute(model, X.reshape(5, 1, 6), "saliency", **options)
    assert before == {id(one): set(vars(one)) for one in (model, *model.layers)}
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1.0, 2.0),
        (np.float32(1), np.float32(2)),
        (np.array(1.0), np.array(2.0)),
        ((1.0,), (2.0,)),
        (None, 2.0),
    ],
)
def test_a_model_that_was_set_to_compute_otherwise_is_traced_again(first, second):
    class Scaled(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.head, self.scale = keras.layers.Dense(5), keras.layers.Dense(4), first

        def call(self, x):
            scale = 1.0 if self.scale is None else float(np.ravel(self.scale)[0])
            return self.head(keras.ops.tanh(self.first(x)) * scale)

    keras.utils.set_random_seed(0)
    model = Scaled()
    model(X)
    once = explain.attribute(model, X, "saliency", target=1).values
    model.scale = second
    twice = explain.attribute(model, X, "saliency", target=1).values
    # Only the hidden units are scaled, by two, and the head is affine.
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-6)
