"""Activation maximization: what it must find on paper, and the rules that it keeps at every step."""

from __future__ import annotations

import numpy as np
import pytest

import explain
from explain.algorithms.maximization.activation_maximization import total_variation_gradient
from explain.errors import InputError, OptionError
from explain.inputs.layout import Layout

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

# No penalty and no jitter: the climb alone.
FREE = {"l2_weight": 0, "tv_weight": 0, "jitter": 0}
WEIGHTS = np.array([[2.0, -1.0], [-1.0, 3.0], [0.5, -0.5], [-4.0, 1.0]])


def test_linear_score_ends_in_the_corner_of_the_bounds(kit):
    model = kit.dense([(WEIGHTS, np.zeros(2))])
    found = explain.maximize(model, target=[0, 1], shape=(4,), bounds=(-1, 3), **FREE)
    expected = np.where(WEIGHTS.T > 0, 3.0, -1.0)
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_allclose(found.scores, (expected * WEIGHTS.T).sum(axis=1), rtol=1e-6)
    assert found.target == (0, 1)
    assert found.method == "activation_maximization"


def test_quadratic_bump_ends_at_its_centre(kit):
    centre = np.array([0.3, -0.2, 0.55], np.float32)
    constant = kit.tensor(centre)
    model = kit.function(lambda x: -kit.sum((x - constant) ** 2, 1))
    found = explain.maximize(model, shape=(3,), bounds=(-1, 1), n_steps=300, **FREE)
    # The gradient is scaled to unit mean square, so that the climb circles the top within its last steps.
    np.testing.assert_allclose(found.values[0], centre, atol=5e-3)
    assert found.history[-1, 0] > -1e-4


def spy(kit, ranges):
    """A model that records the range of all that it is shown, and scores the mean of the first channel."""

    def call(x):
        if kit.name == "torch":
            ranges.append((float(x.detach().min()), float(x.detach().max())))
        else:
            ranges.append((float(kit.tf.reduce_min(x)), float(kit.tf.reduce_max(x))))
        return kit.sum(x**3 + 2 * x, (1, 2, 3))

    model = kit.function(call)
    if kit.name == "tensorflow":
        model.run_eagerly = True
    return model


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.1, 0.7)])
def test_bounds_hold_at_every_step(kit, bounds):
    ranges = []
    found = explain.maximize(
        spy(kit, ranges), shape=(3, 5, 5), bounds=bounds, n_steps=25, learning_rate=0.5, layout="NCHW"
    )
    low, high = (np.float32(bound) for bound in bounds)
    assert len(ranges) >= 26
    assert all(low <= least and most <= high for least, most in ranges)
    assert found.values.min() >= low
    assert found.values.max() <= high
    # The climb gets to the bound, so that they were really in the way.
    assert found.values.max() == high


def test_history_has_a_score_before_each_step_and_after_the_last(kit):
    model = kit.cnn(channels=2)
    shape = kit.picture_shape(2, 8, 8)
    found = explain.maximize(model, target=[0, 2], shape=shape, bounds=(-1, 1), n_steps=20, jitter=0)
    assert found.history.shape == (21, 2)
    np.testing.assert_array_equal(found.history[-1], found.scores)
    assert (found.history[-1] > found.history[0]).all()
    for values, score in ((found.inputs, found.history[0]), (found.values, found.scores)):
        again = explain.attribute(model, values, "saliency", target=[0, 2]).scores
        np.testing.assert_allclose(again, score, rtol=1e-5)


def test_seeds(kit):
    model, shape = kit.cnn(channels=2), kit.picture_shape(2, 8, 8)

    def values(seed):
        return explain.maximize(model, target=1, shape=shape, bounds=(0, 1), n_steps=4, seed=seed).values

    np.testing.assert_array_equal(values(0), values(0))
    assert np.abs(values(0) - values(1)).max() > 1e-3


def test_start_is_the_same_picture_in_every_layout_and_for_every_target():
    from explain.explanation.maximization_start import noise

    last = noise((2, 4, 5, 3), Layout("NHWC"), (-2.0, 6.0), 3)
    first = noise((2, 3, 4, 5), Layout("NCHW"), (-2.0, 6.0), 3)
    np.testing.assert_array_equal(np.moveaxis(last, -1, 1), first)
    np.testing.assert_array_equal(first[0], first[1])
    # A tenth of the range's width about its middle.
    assert first.min() >= 2 - 0.4
    assert first.max() <= 2 + 0.4
    assert first.std() > 0.1


def test_penalties_reduce_what_they_penalise(torch_kit):
    model, shape = torch_kit.cnn(channels=2), (2, 8, 8)

    def found(**options):
        values = explain.maximize(
            model, target=1, shape=shape, bounds=(-1, 1), n_steps=30, **{**FREE, **options}
        ).values.astype(np.float64)
        roughness = sum((np.diff(values, axis=axis) ** 2).sum() for axis in (2, 3))
        return (values**2).sum(), roughness

    free_size, free_roughness = found()
    assert found(l2_weight=2.0)[0] < 0.7 * free_size
    assert found(tv_weight=2.0)[1] < 0.5 * free_roughness


def test_total_variation_gradient_is_a_gradient():
    generator = np.random.default_rng(0)
    position, step = generator.normal(size=(2, 3, 4, 5)), 1e-6

    def variation(one):
        return sum((np.diff(one, axis=axis) ** 2).sum() for axis in (2, 3)) / 2

    found = total_variation_gradient(position, Layout("NCHW"))
    for index in [(0, 0, 0, 0), (1, 2, 3, 4), (0, 1, 2, 2), (1, 0, 0, 3)]:
        moved = np.zeros_like(position)
        moved[index] = step
        slope = (variation(position + moved) - variation(position - moved)) / (2 * step)
        assert found[index] == pytest.approx(slope, abs=1e-7)


def test_jitter_shifts_and_is_undone(torch_kit):
    # A score of one pixel: with jitter its neighbours are excited too, without it that pixel alone.
    model = torch_kit.function(lambda x: x[:, 0, 4, 4])
    options = {"shape": (1, 9, 9), "bounds": (-1, 1), "n_steps": 60, "l2_weight": 0, "tv_weight": 0}
    alone = explain.maximize(model, jitter=0, **options)
    changed = np.abs(alone.values - alone.inputs)[0, 0] > 1e-6
    assert changed.sum() == 1
    assert changed[4, 4]
    shifted = explain.maximize(model, jitter=1, **options)
    changed = np.abs(shifted.values - shifted.inputs)[0, 0] > 1e-6
    assert changed[3:6, 3:6].all()
    assert changed.sum() == 9


def test_shape_and_bounds_like_a_batch(kit):
    model = kit.cnn(channels=2)
    x = (
        np.linspace(0.2, 0.9, 128)
        .reshape(1, *kit.picture_shape(2, 8, 8))
        .repeat(3, axis=0)
        .astype(np.float32)
    )
    found = explain.maximize(model, target=1, like=x, n_steps=3)
    assert found.values.shape == (1, *x.shape[1:])
    assert found.values.min() >= x.min()
    assert found.values.max() <= x.max()
    tensor = explain.maximize(model, target=1, like=kit.tensor(x), n_steps=3)
    np.testing.assert_array_equal(tensor.values, found.values)
    wide = explain.maximize(model, target=1, like=x, bounds=(-5, 5), n_steps=30, **FREE)
    assert wide.values.max() > 1


def test_shape_and_bounds_that_the_model_states(kit):
    model = kit.cnn(channels=2)
    shape = kit.picture_shape(2, 8, 8)
    if kit.name == "torch":
        with pytest.raises(InputError, match="like=x"):
            explain.maximize(model, target=1, bounds=(0, 1))
        model.input_shape = shape
    found = explain.maximize(model, target=1, bounds=(0, 1), n_steps=2)
    assert found.values.shape == (1, *shape)
    model.input_bounds = (0.25, 0.5)
    assert explain.maximize(model, target=1, n_steps=2).values.max() <= 0.5
    display = {"bounds": (0.75, 1.0)}
    assert explain.maximize(model, target=1, n_steps=2, display=display).values.min() >= 0.75


def test_shape_left_open_in_part(tensorflow_kit):
    keras = tensorflow_kit.keras
    model = keras.Sequential(
        [keras.Input((None, None, 1)), keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D()]
    )
    with pytest.raises(InputError, match="None, None, 1"):
        explain.maximize(model, target=1, bounds=(0, 1))
    assert explain.maximize(model, target=1, shape=(6, 5, 1), bounds=(0, 1), n_steps=2).values.shape == (
        1,
        6,
        5,
        1,
    )


def test_as_a_method_of_attribute_starting_from_x(kit):
    model = kit.dense([(WEIGHTS, np.zeros(2))])
    x = np.random.default_rng(0).uniform(-1, 1, size=(3, 4)).astype(np.float32)
    found = explain.attribute(
        model, x, "activation_maximization", target=0, bounds=(-1, 1), n_steps=1, **FREE
    )
    np.testing.assert_array_equal(found.inputs, x)
    # Adam's first step is as long as the learning rate in every direction, up to its floor.
    gradient = WEIGHTS[:, 0] / np.sqrt((WEIGHTS[:, 0] ** 2).mean())
    step = 0.05 * gradient / (np.abs(gradient) + 0.01)
    np.testing.assert_allclose(found.values, np.clip(x + step, -1, 1), rtol=1e-5, atol=1e-6)
    with pytest.raises(OptionError, match="bounds"):
        explain.attribute(model, x, "maximize", target=0)


def test_sequences_keep_their_padding(kit):
    model = kit.function(lambda x: kit.sum(kit.sum(x, 2), 1))
    x = np.random.default_rng(0).uniform(0.2, 0.8, size=(2, 5, 3)).astype(np.float32)
    found = explain.attribute(model, x, "maximize", bounds=(0, 1), lengths=[2, 5], n_steps=5)
    np.testing.assert_array_equal(found.values[0, 2:], x[0, 2:])
    assert (found.values[0, :2] > x[0, :2]).all()


@pytest.mark.parametrize(
    "option",
    [{"learning_rate": -1}, {"tv_weight": np.inf}, {"l2_weight": "no"}, {"jitter": -1}, {"n_steps": 0}],
)
def test_options_out_of_range(torch_kit, option):
    (name,) = option
    with pytest.raises(OptionError, match=name):
        explain.maximize(torch_kit.cnn(), target=1, shape=(1, 8, 8), bounds=(0, 1), **option)
