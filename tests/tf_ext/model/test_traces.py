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
