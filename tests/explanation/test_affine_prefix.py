"""Past an affine prefix the map is the same; where there is none, nothing is skipped."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from models import prefixes
from torch import nn

import explain
from explain.errors import DependentExamplesError
from explain.tf_ext.backend import TensorFlowBackend
from explain.torch_ext.backend import TorchBackend

GENERATOR = np.random.default_rng(3)
PICTURES = GENERATOR.normal(size=(5, 2, 8, 8))
# Twelve steps are few on purpose: both sides take the same.
pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

TABLE = GENERATOR.normal(size=(5, 6))
STEPS = 12


@pytest.fixture(autouse=True)
def few_points_are_worth_it(monkeypatch):
    monkeypatch.setattr(TorchBackend, "points_worth_a_survey", 1)


def by_hand(model, x, baseline=0.3):
    """Integrated gradients by the midpoint rule, a point at a time, in the input's precision."""
    start = torch.full_like(torch.tensor(x), baseline)
    end, total = torch.tensor(x), 0
    for step in range(STEPS):
        point = (start + (step + 0.5) / STEPS * (end - start)).requires_grad_()
        total = total + torch.autograd.grad(model(point)[:, 1].sum(), point)[0] / STEPS
    return (total * (end - start)).numpy()


def ours(model, x, baseline=0.3, **options):
    return explain.attribute(
        model, x, "ig", target=1, baseline=baseline, rule="midpoint", n_steps=STEPS, score="output", **options
    )


def close(found, expected, bound=1e-6):
    size = np.linalg.norm(expected)
    assert size > 0
    assert np.linalg.norm(found - expected) / size < bound


def each_close(found, expected, bound=1e-6):
    """Example by example: a small map is not hidden behind a large one."""
    for one, other in zip(found, expected, strict=True):
        close(one, other, bound)


class Rows(nn.Module):
    """Tells how many rows went through a layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer
        self.seen = []
        layer.register_forward_hook(lambda module, arguments, output: self.seen.append(len(output)))

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize("name", list(prefixes.skipping_models()))
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_torch_models_give_the_same_map_past_their_prefix(name, batch_size, monkeypatch):
    torch.manual_seed(1)
    model = prefixes.skipping_models()[name].double().eval()
    expected = by_hand(model, PICTURES)
    close(ours(model, PICTURES, batch_size=batch_size).values, expected)
    monkeypatch.setattr(TorchBackend, "skips_affine_prefix", False)
    close(ours(model, PICTURES, batch_size=batch_size).values, expected)


@pytest.mark.parametrize("kind", list(prefixes.skipping_models()))
def test_in_single_precision_maps_stay_within_the_bound_of_twins(kind, monkeypatch):
    torch.manual_seed(1)
    model = prefixes.skipping_models()[kind].eval()
    x = GENERATOR.normal(size=(40, 2, 8, 8)).astype(np.float32)
    with_prefix = [ours(model, x, batch_size=size).values for size in (7, 64)]
    monkeypatch.setattr(TorchBackend, "skips_affine_prefix", False)
    without = [ours(model, x, batch_size=size).values for size in (7, 64)]
    first, *others = [values.reshape(40, -1) for values in (*with_prefix, *without)]
    for other in others:
        distance = np.linalg.norm(other - first, axis=1) / np.linalg.norm(first, axis=1)
        # The bound of twins: sums in another order take points on a kink to its other side, in one example of twenty.
        assert np.median(distance) <= 1e-5
        assert np.sum(distance > 1e-3) <= 2


def test_the_prefix_is_run_on_the_ends_only(monkeypatch):
    layer = Rows(nn.Conv2d(2, 3, 3))
    # The convolution's own forward: what replaces it past the cut is no run of it.
    runs = []
    plain = nn.Conv2d._conv_forward
    monkeypatch.setattr(
        nn.Conv2d, "_conv_forward", lambda self, x, *rest: runs.append(len(x)) or plain(self, x, *rest)
    )
    model = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)).double()
    ours(model, PICTURES, batch_size=64)
    assert sum(runs) < len(PICTURES) * STEPS
    runs.clear()
    monkeypatch.setattr(TorchBackend, "skips_affine_prefix", False)
    ours(model, PICTURES, batch_size=64)
    assert sum(runs) > len(PICTURES) * STEPS


@pytest.mark.parametrize(
    "kind",
    [
        prefixes.Around,
        prefixes.Twice,
        prefixes.Gated,
        prefixes.Squared,
        prefixes.Branching,
        prefixes.Looking,
        prefixes.Counting,
        prefixes.NormFirst,
        prefixes.Numbers,
        prefixes.OwnWeights,
        prefixes.TrainedNorm,
    ],
)
def test_torch_models_that_must_not_be_cut_short_are_right_all_the_same(kind):
    torch.manual_seed(2)
    model = kind().double().eval()
    # A chunk of one point takes the branches of Python one by one.
    sizes = (1,) if kind is prefixes.Branching else (1, 5, 64)
    expected = (
        np.concatenate([by_hand(model, TABLE[row : row + 1]) for row in range(5)])
        if kind is prefixes.Branching
        else by_hand(model, TABLE)
    )
    for size in sizes:
        close(ours(model, TABLE, batch_size=size).values, expected)


def test_a_look_that_only_large_batches_show_is_seen():
    model = prefixes.LooksAtLargeBatches().double().eval()
    # One of the examples alone has another output.
    with pytest.raises(DependentExamplesError):
        ours(model, TABLE, batch_size=20)
    other = prefixes.LooksAtLargeBatches().double().eval()
    close(ours(other, TABLE[:4], batch_size=4).values, by_hand(other, TABLE[:4]))


def test_a_look_that_only_some_examples_take_is_seen():
    model, look = prefixes.LooksNowAndThen().double().eval(), np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    found = ours(model, TABLE, batch_size=12, forward_kwargs={"look": look}).values
    expected = [
        by_hand(lambda x, one=one: model(x, torch.tensor([one])), TABLE[row : row + 1])
        for row, one in enumerate(look)
    ]
    each_close(found, np.concatenate(expected))


@pytest.mark.parametrize(
    ("kind", "formed"), [(prefixes.Normalising, False), (prefixes.LooksAtPictures, True)]
)
def test_points_that_a_model_does_not_read_are_not_formed(kind, formed):
    model, seen = kind().double(), []
    model.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].isnan().all()))
    close(ours(model, PICTURES, batch_size=12).values, by_hand(model, PICTURES))
    # Each example's twelve points are a chunk; the first shows whether they are read.
    assert sum(seen) == (0 if formed else len(PICTURES) - 1)


@pytest.mark.parametrize("kind", [prefixes.Gated, prefixes.GatedByChoice])
def test_inputs_on_the_very_kink_of_a_hidden_gate_have_the_gradients_of_their_path(kind):
    # Black pixels on a grey baseline: the prefix is straight up to its end, where the gate shuts.
    x = np.abs(TABLE)
    x[:, ::2] = 0
    model = kind().double().eval()
    each_close(ours(model, x, 0.5).values, by_hand(model, x, 0.5))


@pytest.mark.parametrize(("dtype", "large"), [("float32", 1e5), ("float64", 1e11)])
def test_a_large_example_does_not_hide_that_the_prefix_of_a_small_one_is_bent(dtype, large):
    x = TABLE.astype(dtype)
    x[0] *= large
    model = prefixes.Gated().to(getattr(torch, dtype))
    found, expected = ours(model, x, -0.3).values[1:], by_hand(model, x, -0.3)[1:]
    # Float32 sums of twelve gradients: a few times its rounding.
    each_close(found, expected, 1e-5 if dtype == "float32" else 1e-6)


def test_a_gate_that_is_shut_between_the_points_that_are_looked_at_is_seen():
    class Banded(prefixes.Around):
        def forward(self, x):
            return self.head(torch.tanh(self.first(x * ((x * 2.5) % 1.0 < 0.6))))

    model, x = Banded().double(), np.ones((3, 6))
    each_close(ours(model, x, 0.0).values, by_hand(model, x, 0.0))


def test_a_gate_of_what_is_zero_all_along_the_path_is_seen():
    # Grey pixels: the difference of two channels is zero on the whole path, its gradient is not.
    class Opponent(prefixes.Around):
        def forward(self, x):
            difference = (x[:, :1] - x[:, 1:2]) * (x[:, 2:3] > 0.5)
            return self.head(torch.tanh(self.first(torch.cat([difference, x[:, 1:]], dim=1))))

    x = TABLE.copy()
    x[:, 1], x[:, 2] = x[:, 0], 1
    model = Opponent().double()
    each_close(ours(model, x, 0.0).values, by_hand(model, x, 0.0))


@pytest.mark.parametrize("kind", [prefixes.LooksBack, prefixes.ChoosesByHidden])
def test_what_is_made_of_a_layer_in_the_middle_of_the_prefix_is_made_of_its_own_values(kind):
    x = TABLE.copy()
    # The first two examples, on which the model is looked into, do not show it.
    x[:2] *= 0.1
    x[2:] *= 8
    model = kind().double().eval()
    expected = np.concatenate([by_hand(model, x[row : row + 1], 0.0) for row in range(len(x))])
    size = 1 if kind is prefixes.ChoosesByHidden else 64
    each_close(ours(model, x, 0.0, batch_size=size).values, expected)


@pytest.mark.parametrize("kind", [prefixes.ChecksItself, prefixes.AddsInPlace])
def test_a_model_that_does_something_between_two_layers_of_its_prefix_is_explained(kind):
    model = kind().double().eval()
    each_close(ours(model, TABLE).values, by_hand(model, TABLE))


@pytest.mark.parametrize("n_times", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_first_layer_that_sees_time_before_the_batch_is_explained(n_times, count):
    class TimeFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.project, self.recur, self.head = nn.Linear(6, 5), nn.RNN(5, 5), nn.Linear(5, 4)

        def forward(self, x):
            return self.head(self.recur(self.project(x.transpose(0, 1)))[0][-1])

    model = TimeFirst().double()
    x = np.random.default_rng(6).normal(size=(count, n_times, 6))
    for size in (2, 64):
        found = ours(model, x, layout="NTC", batch_size=size).values
        each_close(found, by_hand(model, x))


def by_hand_in_tensorflow(model, x):
    total = 0
    for step in range(STEPS):
        point = tf.constant(0.3 + (step + 0.5) / STEPS * (x - 0.3))
        with tf.GradientTape() as tape:
            tape.watch(point)
            score = model(point, training=False)[:, 1]
        total = total + tape.gradient(score, point) / STEPS
    return (total * (x - 0.3)).numpy()


@pytest.mark.parametrize("name", list(prefixes.keras_skipping_models()))
def test_keras_models_give_the_same_map_past_their_prefix(name, monkeypatch):
    keras.utils.set_random_seed(4)
    model = prefixes.keras_skipping_models()[name]
    x = np.moveaxis(PICTURES, 1, -1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(np.array([0.3, -0.2, 0.1]))
            layer.moving_variance.assign(np.array([0.5, 2.0, 1.5]))
    expected = by_hand_in_tensorflow(model, x)
    for size in (1, 7, 64):
        close(ours(model, x, batch_size=size).values, expected)
    monkeypatch.setattr(TensorFlowBackend, "skips_affine_prefix", False)
    close(ours(model, x, batch_size=7).values, expected)


@pytest.mark.parametrize("kind", ["around", "twice", "gated", "squared"])
def test_keras_models_that_must_not_be_cut_short_are_right_all_the_same(kind):
    keras.utils.set_random_seed(5)
    inputs = keras.Input((6,), dtype="float64")
    first = keras.layers.Dense(6, dtype="float64")
    ops = keras.ops
    hidden = {
        "around": lambda: ops.relu(first(inputs)) * inputs,
        "twice": lambda: ops.relu(first(ops.relu(first(inputs)))),
        "gated": lambda: ops.tanh(first(inputs * ops.cast(inputs > 0, "float64"))),
        "squared": lambda: ops.tanh(first(inputs * inputs)),
    }[kind]()
    model = keras.Model(inputs, keras.layers.Dense(4, dtype="float64")(hidden))
    close(ours(model, TABLE).values, by_hand_in_tensorflow(model, TABLE))


class Forces(keras.Model):
    """Gives the gradient of an energy at the input, which a run from the middle does not read."""

    def __init__(self):
        super().__init__(dtype="float64")
        self.first = keras.layers.Dense(5, dtype="float64")
        self.second = keras.layers.Dense(1, dtype="float64")

    def call(self, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            energy = tf.reduce_sum(self.second(tf.tanh(self.first(x))))
        return tape.gradient(energy, x, unconnected_gradients="zero")


def test_a_keras_model_that_differentiates_by_its_input_is_right_all_the_same():
    keras.utils.set_random_seed(6)
    model = Forces()
    model(TABLE)
    close(ours(model, TABLE).values, by_hand_in_tensorflow(model, TABLE))


def test_a_keras_layer_of_lower_precision_gets_points_of_the_input():
    keras.utils.set_random_seed(6)
    first = keras.layers.Conv2D(
        3, 3, activation="relu", dtype=keras.mixed_precision.DTypePolicy("mixed_bfloat16")
    )
    ends = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((8, 8, 2)), first, *ends])
    x = np.moveaxis(PICTURES, 1, -1).astype(np.float32)
    # Both sides round to eight bits, points alike.
    close(ours(model, x).values, by_hand_in_tensorflow(model, x), bound=1e-5)


@pytest.mark.parametrize("n_times", [1, 2, 4])
def test_a_keras_model_that_folds_time_into_the_batch_is_explained(n_times):
    class Folding(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.first = keras.layers.Dense(5, dtype="float64")
            self.head = keras.layers.Dense(4, dtype="float64")

        def call(self, x):
            hidden = self.first(tf.reshape(x, [-1, 3]))
            return self.head(tf.tanh(tf.reshape(hidden, [-1, 5 * n_times])))

    keras.utils.set_random_seed(7)
    model = Folding()
    x = np.random.default_rng(7).normal(size=(3, n_times, 3))
    model(x)
    for size in (2, 64):
        each_close(ours(model, x, layout="NTC", batch_size=size).values, by_hand_in_tensorflow(model, x))


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("score", ["logit", "log_probability"])
def test_an_affine_network_is_run_on_its_logits(framework, score, monkeypatch):
    samples = explain.zoo.samples("names_rnn", framework=framework)
    model = explain.zoo.load("names_rnn", framework, "float64")
    options = {"target": 3, "lengths": samples.lengths, "score": score, "n_steps": 9}
    past = explain.attribute(model, samples.x, "ig", **options)
    monkeypatch.setattr(TorchBackend, "skips_affine_prefix", False)
    monkeypatch.setattr(TensorFlowBackend, "skips_affine_prefix", False)
    close(past.values, explain.attribute(model, samples.x, "ig", **options).values)


@pytest.mark.parametrize("name", explain.zoo.names())
def test_twins_are_kinked_alike(name):
    rules = set()
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples(name, framework=framework)
        lengths = None if samples.lengths is None else samples.lengths[:2]
        a = explain.attribute(
            explain.zoo.load(name, framework), samples.x[:2], "ig", target=1, lengths=lengths, tolerance=0.5
        )
        rules.add(a.rule)
    # The gradients of `fashion_rnn` are smooth, with spikes.
    smooth = "adaptive" if name == "fashion_rnn" else "fejer"
    assert rules == {"golden" if name.startswith("cifar") else smooth}


class _OwnReader(keras.layers.Layer):
    """Reads the input of its own activation once more."""

    def __init__(self):
        super().__init__()
        self.activation = keras.activations.relu

    def call(self, x):
        doubled = 2 * x
        return self.activation(doubled) + keras.ops.sin(doubled)


@pytest.mark.parametrize("readers", ["two layers", "one layer twice"])
def test_a_prefix_that_an_activation_and_others_read(readers):
    keras.utils.set_random_seed(0)
    x = keras.Input((6,))
    stem = keras.layers.Dense(5)(x)
    if readers == "two layers":
        both = [keras.layers.Activation("tanh")(stem), keras.layers.ReLU()(stem)]
        both.append(keras.layers.Activation("relu")(stem))
        joined = keras.layers.Concatenate()(both)
    else:
        joined = _OwnReader()(stem)
    model = keras.Model(x, keras.layers.Dense(3)(joined))
    examples = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    found = explain.attribute(model, examples, "ig", target=1, n_steps=4, rule="midpoint")
    total = np.zeros_like(examples)
    for node in (np.arange(4) + 0.5) / 4:
        point = tf.constant(examples * np.float32(node))
        with tf.GradientTape() as tape:
            tape.watch(point)
            score = tf.reduce_sum(model(point, training=False)[:, 1])
        total += tape.gradient(score, point).numpy() / 4
    np.testing.assert_allclose(found.values, total * examples, rtol=1e-5, atol=1e-6)
