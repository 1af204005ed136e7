"""A model is traced once for what is asked of it, and anew once it computes something else."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import explain
from explain.backends.question import Question
from explain.inputs.examples import Examples
from explain.inputs.layout import Layout
from explain.tf_ext.extension import extension

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
    layers = [keras.layers.Dense(6, name="inner"), Counting(calls), keras.layers.Dense(4)]
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
        # Outputs and what a rule gives in one, or the units of a named layer and the gradients to them.
        ("guided_backprop", {}, 1),
        ("deconvolution", {}, 1),
        ("grad_cam", {"layer": "inner"}, 1),
        # The plain gradients come first; then the rule, which needs a trace of its own.
        ("guided_grad_cam", {"layer": "inner"}, 2),
        ("conductance", {"layer": "inner", "n_steps": 4}, 1),
    ],
)
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
def test_a_first_call_traces_what_the_method_needs_and_no_more(method, options, expected):
    model, calls = counted()
    x = np.stack([X, X[::-1]], axis=1)
    # The mean over time makes classes of the outputs, so that the target need not be given.
    model = keras.Sequential([*model.layers, keras.layers.GlobalAveragePooling1D()])
    model.build((None, None, 6))
    assert traces_made(calls, model, x, method, layout="NTC", **options) == expected
    for batch in (x, x[:1], x[:3]):
        assert traces_made(calls, model, batch, method, layout="NTC", **options) == 0, method


PICTURES = np.random.default_rng(1).normal(size=(5, 6, 6, 2)).astype(np.float32)


class Small(keras.Model):
    """Layers that can be replaced, and a Python attribute that its call reads."""

    def __init__(self, activation="relu", sees_pictures=False):
        super().__init__()
        kind, size = (keras.layers.Conv2D, (5, 3)) if sees_pictures else (keras.layers.Dense, (5,))
        self.first = kind(*size, activation=activation)
        self.middle = keras.layers.BatchNormalization()
        self.head = keras.layers.Dense(4)
        self.doubled = False

    def call(self, x, training=False):
        hidden = self.middle(self.first(x), training=training)
        hidden = hidden * 2 if self.doubled else hidden
        return self.head(keras.ops.mean(hidden, axis=(1, 2)) if len(hidden.shape) == 4 else hidden)


def small(seed, activation="relu", x=X):
    keras.utils.set_random_seed(seed)
    model = Small(activation, sees_pictures=x.ndim == 4)
    model(x)
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
        ("smoothgrad", {"n_samples": 2}),
        ("conductance", {"n_steps": 6}),
        ("grad_cam", {}),
        ("guided_grad_cam", {}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
def test_nothing_kept_of_a_model_outlives_a_change_of_it(change, method, options, tmp_path):
    has_layer, sees_pictures = method in ("conductance", "grad_cam", "guided_grad_cam"), "cam" in method
    x = PICTURES if sees_pictures else X
    model, other = small(0, x=x), small(1, x=x)
    for layer in (model, other):
        layer.middle.moving_mean.assign(np.linspace(0, 1, 5))
    options = {"layout": "NHWC" if sees_pictures else "NC", **options}

    def explained(one, batch):
        layer = {"layer": one.first.name} if has_layer else {}
        return explain.attribute(one, batch, method, **options, **layer)

    for batch in (x, x[:1]):
        explained(model, batch)
    change(model, other, tmp_path)
    found = explained(model, x)
    # Nothing was kept of the other one.
    expected = explained(other, x)
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


def taped(model, x, target):
    point = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(point)
        scores = model(point, training=False)[:, target]
    return tape.gradient(scores, point).numpy()


class WithEffect(keras.layers.Layer):
    """Counts its runs in a variable, and refuses large values."""

    def build(self, shape):
        self.runs = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.runs.assign_add(1.0)
        tf.debugging.assert_less(tf.reduce_max(x), 100.0)
        return x * 2


def test_what_has_effects_is_traced_with_all_of_them():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), WithEffect(), keras.layers.Dense(4, "relu")])
    expected = taped(model, X, 1)
    model.layers[0].runs.assign(0.0)
    for _ in range(2):
        found = explain.attribute(model, X, "saliency", target=1)
        np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    assert model.layers[0].runs.numpy() == 0
    # Nothing reads the result of the assertion.
    with pytest.raises(explain.errors.ModelCallError, match="assert"):
        explain.attribute(model, X * 1000, "saliency", target=1)


class OwnGradient(keras.layers.Layer):
    """Has a gradient of its own, which reads what its run computed."""

    def call(self, x):
        @tf.custom_gradient
        def cubed(x):
            square = x * x
            return square * x, lambda arriving: 3 * square * arriving

        return cubed(x)


class Called(keras.layers.Layer):
    """Calls a function of TensorFlow."""

    def __init__(self):
        super().__init__()
        self.function = tf.function(lambda x: tf.tanh(x) * x)

    def call(self, x):
        return self.function(x)


class Branching(keras.layers.Layer):
    """Takes one of two ways, by what it is given."""

    def call(self, x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.tanh(x), lambda: tf.sin(x))


class Looping(keras.layers.Layer):
    """Runs a loop."""

    def call(self, x):
        return tf.while_loop(lambda k, _: k < 3, lambda k, y: (k + 1, tf.tanh(y) + x), (0, x))[1]


@pytest.mark.parametrize("layer", [OwnGradient, Called, Branching, Looping])
@pytest.mark.parametrize("x", [X, X[:1], -np.abs(X)], ids=["all", "one", "negative"])
@pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")
def test_the_gradients_of_a_copied_run_are_those_of_the_model(layer, x):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6), layer(), keras.layers.Dense(4)])
    nodes = (np.arange(4) + 0.5) / 4
    # One example at a time, as the sum over all decides which way a model takes.
    for one in x:
        found = explain.attribute(model, one[None], "ig", target=1, n_steps=4, rule="midpoint", batch_size=1)
        expected = sum(taped(model, np.float32(node) * one[None], 1) for node in nodes) / 4 * one
        np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)


def mixed(rows):
    """Give a model that has as many rows of each example, one after the other, in some of its layers."""
    inputs = keras.Input((rows, 3))
    apart = keras.layers.Lambda(lambda x: tf.reshape(x, (-1, 3)), name="apart")(inputs)
    wide = keras.layers.Dense(5, "relu", name="wide")(apart)
    together = keras.layers.Lambda(lambda x: tf.reshape(x, (-1, rows * 5)), name="together")(wide)
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(together))


@pytest.mark.parametrize("rows", [1, 4])
def test_the_calls_of_layers_are_those_of_a_trace_of_one_example(rows):
    keras.utils.set_random_seed(0)
    model = mixed(rows)
    x = np.random.default_rng(0).normal(size=(3, rows, 3)).astype(np.float32)
    found = []
    for copied in (False, True):
        backend = extension.open(model, Question(Layout("NTC")), x)
        with backend.session():
            backend.observed.clear()
            if copied:
                backend.outputs(Examples((x,)))
            found.append(backend.layer_calls(Examples((x,))))
    assert found[0] == found[1]
    assert next(call for call in found[0] if call.name == "wide").shape == ((5,) if rows == 1 else (4, 5))


@pytest.mark.parametrize(
    ("between", "keeps"),
    [
        (lambda x: x + 1.0, True),
        (lambda x: tf.reverse(x, [0]), False),
        (lambda x: tf.transpose(tf.transpose(x)), False),
        (lambda x: x + tf.reverse(x, [0]), False),
        (lambda x: tf.sort(x, axis=0), False),
        # The values of each row stay together.
        (lambda x: tf.reshape(tf.tanh(tf.reshape(x, (-1, 2, 2))), (-1, 4)), True),
        (lambda x: tf.reshape(tf.reshape(x, (-1, 2)), (-1, 4)), False),
        (lambda x: tf.reshape(tf.reverse(x, [0]), (-1, 4)), False),
        (lambda x: tf.reshape(x, (tf.shape(x)[0], 4)), True),
    ],
)
def test_rows_are_known_to_keep_their_order_only_where_every_operation_does(between, keeps):
    inputs = keras.Input((6,))
    last = keras.layers.Dense(3, name="last")(keras.layers.Lambda(between)(keras.layers.Dense(4)(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(2)(last))
    backend = extension.open(model, Question(Layout("NC")), X)
    with backend.session():
        examples = Examples((X,))
        call = next(one for one in backend.layer_calls(examples) if one.name == "last")
        assert not backend.keeps_order(call, examples)
        backend.outputs(examples)
        assert backend.keeps_order(call, examples) == keeps
