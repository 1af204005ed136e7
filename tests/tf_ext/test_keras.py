"""Keras models of every make: forms of terminal activations, tf-explain, held masks, traces."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from tf_explain.core.vanilla_gradients import VanillaGradients

import explain
from explain.errors import EngineError
from explain.keras.model.tracing import traces_of

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

_generator = np.random.default_rng(9)
FIRST, BIAS = _generator.normal(size=(4, 6)), _generator.normal(size=6)
LAST, LAST_BIAS = _generator.normal(size=(6, 3)), _generator.normal(size=3)
X = _generator.normal(size=(3, 4)).astype(np.float32)
ROWS = np.arange(3)
TARGET = [2, 0, 1]
# Two float32 layers.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def by_hand():
    """Logits (N, C) and their gradients at the targets (N, F), in float64."""
    hidden = np.tanh(X @ FIRST + BIAS)
    gradient = ((1 - hidden**2) * LAST.T[TARGET]) @ FIRST.T
    return hidden @ LAST + LAST_BIAS, gradient


def layers(activation=None):
    return [
        keras.layers.Dense(6, activation="tanh"),
        keras.layers.Dense(3, activation=activation),
    ]


def sequential(body, *terminal):
    return keras.Sequential([keras.Input((4,)), *body, *terminal])


def functional(body, *terminal):
    inputs = outputs = keras.Input((4,))
    for layer in (*body, *terminal):
        outputs = layer(outputs)
    return keras.Model(inputs, outputs)


def subclassed(body, *terminal):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [*body, *terminal]

        def call(self, x):
            for layer in self.parts:
                x = layer(x)
            return x

    model = Own()
    model(X)
    return model


def nested(body, *terminal):
    inner = keras.Sequential([keras.Input((6,)), *body[1:], *terminal])
    inputs = keras.Input((4,))
    middle = keras.Model(inputs, inner(body[0](inputs)))
    return keras.Sequential([keras.Input((4,)), middle])


MAKES = [sequential, functional, subclassed, nested]
TERMINALS = {
    "Dense(activation=softmax)": ("softmax", lambda: ()),
    "Softmax layer": (None, lambda: (keras.layers.Softmax(),)),
    "Activation(softmax)": (None, lambda: (keras.layers.Activation("softmax"),)),
    "Dense(activation=log_softmax)": ("log_softmax", lambda: ()),
    "Activation(sigmoid)": (None, lambda: (keras.layers.Activation("sigmoid"),)),
    "Dense(activation=sigmoid)": ("sigmoid", lambda: ()),
}


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("make", MAKES, ids=lambda make: make.__name__)
def test_terminal_activations_are_taken_off(make, terminal):
    activation, extra = TERMINALS[terminal]
    model = make(layers(activation), *extra())
    model.set_weights([FIRST, BIAS, LAST, LAST_BIAS])
    logits, gradient = by_hand()
    before = model(X).numpy()
    found = explain.attribute(model, X, "saliency", target=TARGET)
    assert found.score == "logit"
    np.testing.assert_allclose(found.scores, logits[ROWS, TARGET], **CLOSE)
    np.testing.assert_allclose(found.values, gradient, **CLOSE)
    # The model still ends in its activation.
    np.testing.assert_array_equal(model(X).numpy(), before)
    probability = (
        scipy.special.expit(logits) if "sigmoid" in terminal else scipy.special.softmax(logits, axis=1)
    )
    expected = np.log(probability) if "log" in terminal else probability
    np.testing.assert_allclose(before, expected, **CLOSE)


def test_softmax_over_another_axis():
    # Classes on axis 1: the axis is the layer's own when log-probabilities are asked for.
    model = keras.Sequential([keras.Input((3, 2)), keras.layers.Softmax(axis=1)])
    x = _generator.normal(size=(2, 3, 2)).astype(np.float32)
    found = explain.attribute(model, x, "saliency", target=(1, 0), score="log_probability")
    p = scipy.special.softmax(x.astype(np.float64), axis=1)[:, :, 0]
    expected = np.zeros_like(x)
    expected[:, :, 0] = np.eye(3)[1] - p
    np.testing.assert_allclose(found.values, expected, **CLOSE)


def test_sigmoid_within_stays():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6, "sigmoid"), keras.layers.Dense(3)])
    model.set_weights([FIRST, BIAS, LAST, LAST_BIAS])
    hidden = scipy.special.expit(X @ FIRST + BIAS)
    found = explain.attribute(model, X, "saliency", target=TARGET)
    np.testing.assert_allclose(found.values, (hidden * (1 - hidden) * LAST.T[TARGET]) @ FIRST.T, **CLOSE)


def test_same_layer_called_twice_is_terminal_only_at_its_end():
    # A shared softmax, within and at the end: the last call alone is taken off.
    softmax, inputs = keras.layers.Softmax(), keras.Input((4,))
    dense = keras.layers.Dense(4, use_bias=False)
    model = keras.Model(inputs, softmax(dense(softmax(inputs))))
    weight = _generator.normal(size=(4, 4))
    model.set_weights([weight])
    found = explain.attribute(model, X, "saliency", target=2)
    p = scipy.special.softmax(X.astype(np.float64), axis=1)
    expected = p * (weight[:, 2] - (p @ weight)[:, 2:3])
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    assert found.score == "logit"


# --- tf-explain --------------------------------------------------------------------------------------------


def picture(tensorflow_kit, last="softmax"):
    model = tensorflow_kit.cnn(channels=2, side=(8, 7))
    if last:
        model = keras.Sequential([model, keras.layers.Activation(last)])
    return model, _generator.normal(size=(5, 8, 7, 2)).astype(np.float32)


def test_tf_explain_saliency(tensorflow_kit):
    # The oracle is tf-explain called by the test on the model without its softmax.
    bare, x = picture(tensorflow_kit, last=None)
    model = keras.Sequential([bare, keras.layers.Softmax()])
    target = [0, 1, 2, 0, 2]
    expected = np.concatenate(
        [
            VanillaGradients.compute_gradients(tf.constant(x[row : row + 1]), bare, target[row]).numpy()
            for row in range(5)
        ]
    )
    theirs = explain.attribute(model, x, "saliency", target=target, engine="tf-explain", batch_size=2)
    ours = explain.attribute(model, x, "saliency", target=target)
    assert theirs.engine == "tf-explain"
    np.testing.assert_allclose(theirs.values, expected, **CLOSE)
    np.testing.assert_allclose(ours.values, expected, **CLOSE)
    assert theirs.score == ours.score == "logit"


def test_tf_explain_is_refused_where_its_numbers_are_wrong(tensorflow_kit):
    model, x = picture(tensorflow_kit)
    with pytest.raises(EngineError, match=r"integrated_gradients.*leave out"):
        explain.attribute(model, x, "ig", engine="tf-explain")
    table = tensorflow_kit.dense([(FIRST, BIAS)])
    with pytest.raises(EngineError, match="pictures"):
        explain.attribute(table, X, "saliency", target=1, engine="tf-explain")
    sequence = keras.Sequential([keras.Input((6, 4)), keras.layers.SimpleRNN(3)])
    with pytest.raises(EngineError, match="pictures"):
        explain.attribute(sequence, np.ones((2, 6, 4), np.float32), "saliency", target=1, engine="tf-explain")
    with pytest.raises(EngineError, match="pictures"):
        explain.attribute(model, x, "saliency", target=lambda outputs: outputs[:, 0], engine="tf-explain")
    double = tensorflow_kit.cnn(channels=2, side=(8, 7), dtype="float64")
    with pytest.raises(EngineError, match="float64"):
        explain.attribute(double, x, "saliency", target=1, engine="tf-explain")


# --- masks that the model works out from values ------------------------------------------------------------


def masked_model(kind, nested):
    """A recurrent model behind a Masking layer, and the same weights with the mask as an input of its own."""
    recurrent, dense = kind(5), keras.layers.Dense(2)
    inputs = keras.Input((6, 3))
    masked = keras.Model(inputs, dense(recurrent(keras.layers.Masking()(inputs))))
    if nested:
        masked = keras.Sequential([keras.Input((6, 3)), masked])
    mask = keras.Input((6,), dtype="bool")
    explicit = keras.Model([inputs, mask], dense(recurrent(inputs, mask=mask)))
    return masked, explicit


def stacked(size):
    """Two recurrent layers, the first of which hands the mask on."""
    first, last = (
        keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True)),
        keras.layers.GRU(size),
    )
    return lambda inputs, mask=None: last(first(inputs, **({} if mask is None else {"mask": mask})))


@pytest.mark.parametrize(("kind", "nested"), [(keras.layers.SimpleRNN, False), (stacked, True)])
def test_masks_are_held_along_the_path(tensorflow_kit, kind, nested):
    masked, explicit = masked_model(kind, nested)
    tensorflow_kit.randomised(masked)
    x = _generator.normal(size=(3, 6, 3)).astype(np.float32)
    lengths = [4, 6, 2]
    for row, length in enumerate(lengths):
        x[row, length:] = 0
    mask = tf.constant(np.arange(6) < np.array(lengths)[:, None])

    class Given(keras.Model):
        def call(self, x, real=None):
            return explicit([x, real])

    given = Given()
    given.built = True

    def score(inputs, target=1):
        return explicit([tf.constant(inputs), mask]).numpy()[:, target]

    found = explain.attribute(masked, x, "ig", target=1, n_steps=50)
    expected = explain.attribute(given, x, "ig", target=1, forward_kwargs={"real": mask}, n_steps=50)
    np.testing.assert_allclose(found.values, expected.values, **CLOSE)
    # The closed check: the sum is the difference with the mask held, not with all of the baseline masked.
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), score(x) - score(0 * x), **CLOSE)
    unheld = masked(x).numpy()[:, 1] - masked(0 * x).numpy()[:, 1]
    assert np.abs(unheld - (score(x) - score(0 * x))).max() > 1e-2
    np.testing.assert_array_equal(found.mask, mask.numpy())
    for row, length in enumerate(lengths):
        assert (found.values[row, length:] == 0).all()
    # In chunks that part one example's points, each goes with its own mask.
    chunked = explain.attribute(masked, x, "ig", target=1, batch_size=7, n_steps=50)
    np.testing.assert_allclose(chunked.values, found.values, **CLOSE)


def test_masks_of_a_subclassed_model_are_held(tensorflow_kit):
    # Here no graph hands the mask on: it comes with the tensor that Masking returns.
    class Reader(keras.Model):
        def __init__(self):
            super().__init__()
            self.masking, self.gru, self.dense = (
                keras.layers.Masking(),
                keras.layers.GRU(4),
                keras.layers.Dense(2),
            )

        def call(self, x):
            return self.dense(self.gru(self.masking(x)))

    model = Reader()
    x = _generator.normal(size=(2, 5, 3)).astype(np.float32)
    x[0, 2:] = 0
    model(x)
    tensorflow_kit.randomised(model)
    mask = tf.constant(np.arange(5) < np.array([[2], [5]]))
    at_input, at_zero = (model.dense(model.gru(tf.constant(one), mask=mask))[:, 1] for one in (x, 0 * x))
    found = explain.attribute(model, x, "ig", target=1, n_steps=50)
    np.testing.assert_allclose(found.values.sum(axis=(1, 2)), at_input - at_zero, **CLOSE)


# --- traces ------------------------------------------------------------------------------------------------


def test_only_what_is_new_is_traced():
    calls = []

    class Counted(keras.Model):
        def call(self, x):
            calls.append(x.shape)
            return tf.stack([tf.reduce_sum(x**2, axis=[1, 2]), tf.reduce_sum(x, axis=[1, 2])], axis=1)

    model = Counted()
    model.built = True

    def explained(size=(3, 4), count=2, dtype=np.float32, **options):
        before = len(calls), len(traces_of(model))
        x = np.ones((count, *size), dtype)
        explain.attribute(model, x, "saliency", **{"target": 0, **options})
        return len(calls) - before[0], len(traces_of(model)) - before[1]

    # Without a trace, one example, to see which axes are read first. Then outputs and gradients in one: the trace tells
    # what a point needs in memory, whether the outputs are the same twice, and whether the examples are independent.
    assert explained() == (2, 1)
    # Another batch, other targets, another chunk size: nothing new.
    assert explained(count=5) == (0, 0)
    assert explained(count=5, target=[1, 0, 1, 0, 1]) == (0, 0)
    # Of several chunks each is run for the outputs, and later for the gradients: by the same trace.
    assert explained(count=5, batch_size=2) == (0, 0)
    assert explained(count=7, batch_size=3) == (0, 0)
    # Of another size, one example without a trace too.
    assert explained(size=(3, 5)) == (2, 1)
    assert explained(dtype=np.float64) == (1, 1)
    assert explained(score="output") == (2, 1)
    assert explained(layout="NCT")[1] == 1  # Another meaning of the axes.
    # A target that is a function cannot be kept: traced for its call, and gone with it. The outputs are kept.
    traced, kept = explained(target=lambda outputs: outputs[:, 0])
    assert traced > 1
    assert kept == 1
    traced, kept = explained(target=lambda outputs: outputs[:, 0])
    assert traced > 0
    assert kept == 0


def test_new_weights_and_a_new_activation_show():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    model.set_weights([FIRST[:, :3], BIAS[:3]])
    explain.attribute(model, X, "saliency", target=1)
    model.set_weights([2 * FIRST[:, :3], BIAS[:3]])
    found = explain.attribute(model, X, "saliency", target=1)
    np.testing.assert_allclose(found.values, np.tile(2 * FIRST[:, 1], (3, 1)), rtol=1e-6)


@pytest.mark.parametrize("make", [sequential, subclassed], ids=lambda make: make.__name__)
def test_model_can_be_collected_after_it_was_explained(make):
    model = make(layers("softmax"))
    explain.attribute(model, X, "ig", target=1, n_steps=2)
    explain.attribute(model, X, "saliency", target=lambda outputs: outputs[:, 0])
    gone = weakref.ref(model)
    del model
    keras.backend.clear_session(free_memory=False)
    gc.collect()
    assert gone() is None
