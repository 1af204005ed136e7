"""The passes that are counted are those that the model sees: counted once more by hooks, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

import explain
from explain.algorithms.catalogue import methods
from explain.public_calls.passes import (
    Passes,
    count_passes,
    count_passes_of,
    counting,
    takes_passes,
    uncounted,
)

COUNT = 12
LAYER = "conv2"

# No softmax lies on the way to the scores of this network.
METHODS = {row.name: row for row in methods() if row.drawn != "input" and row.family != "attention"}

# One example is run by itself, to see whether the examples depend on each other.
ALONE = 1
# All examples are run to the layer, forwards and backwards, to see whether the model keeps their order there.
ORDER = 2 * COUNT
# Four examples with the output of the layer held, to see whether everything goes through it: with gradients.
HELD = 4
CHECKS = {
    **dict.fromkeys(("grad_cam", "grad_cam_plus_plus", "guided_grad_cam", "layer_cam"), ALONE + ORDER + HELD),
    "score_cam": ALONE + ORDER + HELD,
    "activation": ALONE + ORDER,
}

# These run the model up to the layer once, and no hook on its output sees that.
UP_TO_THE_LAYER = {"score_cam": COUNT, "activation": COUNT, "conductance": COUNT}

# The whole model runs once for outputs and gradients, if all examples are one chunk; else the gradients run it again.
KEEPS_THE_PASS = {
    "saliency",
    "input_x_gradient",
    "guided_backprop",
    "deconvolution",
    "deep_lift",
    "lrp",
    "conductance",
}

# TensorFlow takes no gradient of a run that is over: these rules run the model again in a trace that shows every
# operation. One trace serves all that conductance asks for: outputs, units at both ends of the paths and scores at the
# baseline bring gradients, and the units at the input take a run of their own.
TWIN_TAKES_MORE = {
    "deep_lift": (COUNT, 0),
    "lrp": (COUNT, 0),
    "conductance": (COUNT, 4 * COUNT),
}


def arguments_of(row, x):
    found = {"layer": LAYER} if row.layer == "must" else {}
    return {**found, "baseline": x[:4]} if row.takes_references else found


def counted(model, x, name, batch_size):
    with counting() as passes:
        explain.attribute(model, x, name, batch_size=batch_size, seed=0, **arguments_of(METHODS[name], x))
    return passes.forward, passes.backward


class Hooked:
    """A twin of the network, with rows counted by hooks of our own."""

    def __init__(self, framework):
        self.model = explain.zoo.load("cifar_net", framework=framework)
        self.x = np.asarray(explain.zoo.samples("cifar_net", framework=framework).x)[:COUNT]
        self.forward = self.backward = 0
        if framework == "torch":
            self.model.register_forward_hook(self._end)

    def _end(self, model, arguments, output):
        self.forward += len(output)
        if output.requires_grad:
            output.register_hook(self._back)

    def _back(self, gradient):
        # DeepLift's rescale rule reads the run at the baseline, and sends nothing back through it.
        self.backward += 0 if gradient is None else len(gradient)


@pytest.fixture(scope="module")
def hooked():
    return Hooked("torch")


@pytest.fixture(scope="module")
def twin():
    return Hooked("tensorflow")


@pytest.mark.parametrize("name", METHODS)
def test_as_many_are_counted_as_the_model_sees(hooked, name):
    model, x = hooked.model, hooked.x
    counted(model, x, name, 64)
    hooked.forward = hooked.backward = 0
    forward, backward = counted(model, x, name, 64)
    checks = CHECKS.get(name, ALONE)
    assert forward == hooked.forward - checks + UP_TO_THE_LAYER.get(name, 0)
    assert backward == hooked.backward - (HELD if checks == ALONE + ORDER + HELD else 0)
    assert forward >= COUNT


@pytest.mark.parametrize("name", METHODS)
def test_what_is_done_once_for_a_model_is_not_counted(hooked, name):
    new = explain.zoo.load("cifar_net", framework="torch")
    assert new is not hooked.model
    # What a name means is known only after the first call, so that its first pass cannot keep the layer's output.
    more = COUNT if name == "conductance" else 0
    first, later = (counted(new, hooked.x, name, 64) for _ in range(2))
    assert first == (later[0] + more, later[1])


@pytest.mark.parametrize("name", METHODS)
def test_small_batches_take_no_more_passes(hooked, name):
    one = counted(hooked.model, hooked.x, name, 64)
    cut = counted(hooked.model, hooked.x, name, 7)
    assert cut == (one[0] + (COUNT if name in KEEPS_THE_PASS else 0), one[1])


@pytest.mark.parametrize("name", METHODS)
def test_twins_take_the_same_passes(hooked, twin, name):
    more = TWIN_TAKES_MORE.get(name, (0, 0))
    forward, backward = counted(hooked.model, hooked.x, name, 64)
    assert counted(twin.model, twin.x, name, 64) == (forward + more[0], backward + more[1])


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        # The scores of all examples, and a gradient for each sample.
        ("smoothgrad", {"n_samples": 5}, (1 + 5, 5)),
        ("rise", {"n_masks": 30}, (1 + 30, 0)),
        # The upper half of the pixels is removed, then the lower one.
        ("feature_ablation", {"feature_mask": np.arange(1024).reshape(1, 32, 32) // 512}, (1 + 2, 0)),
    ],
)
def test_counts_are_those_of_the_definition(hooked, name, options, expected):
    x = hooked.x
    with counting() as passes:
        explain.attribute(hooked.model, x, name, seed=0, **options)
    assert tuple(passes.per_example(len(x)).values()) == expected


def test_a_function_of_arrays_counts_its_calls():
    seen = []

    def function(x):
        seen.append(len(x))
        return x.sum(axis=1)

    x = np.random.default_rng(0).normal(size=(3, 5))
    with counting() as passes:
        explain.attribute(function, x, "feature_ablation", framework="numpy", score="output")
    assert passes.per_example(3) == {"forward": 6.0, "backward": 0.0}
    assert sum(seen) >= passes.forward


def test_jax_counts_points_of_paths_and_what_fills_up_a_batch():
    jnp = pytest.importorskip("jax.numpy")
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    with counting() as passes:
        explain.attribute(
            lambda x: jnp.tanh(x), x, "saliency", framework="jax", target=1, score="output", batch_size=8
        )
    assert passes == Passes(16, 8)
    with counting() as passes:
        explain.attribute(
            lambda x: jnp.tanh(x), x, "smoothgrad", framework="jax", target=1, n_samples=4, score="output"
        )
    assert passes == Passes(8 + 32, 32)


def test_inner_counts_belong_to_outer_ones_and_nothing_else_does():
    count_passes(forward=5)
    with counting() as outer:
        count_passes(forward=1)
        with counting() as inner:
            count_passes(forward=2, backward=3)
        with uncounted():
            count_passes(forward=7)
            with counting() as hidden:
                count_passes(backward=11)
        count_passes(backward=1)
    assert (inner, hidden, outer) == (Passes(2, 3), Passes(0, 11), Passes(3, 4))
    # An error ends a count like anything else does.
    count = counting()
    failed = count.__enter__()
    count_passes(forward=1)
    assert not count.__exit__(KeyError, KeyError(), None)
    count_passes(forward=5)
    assert failed == Passes(1)


def test_a_computation_counts_what_is_said_of_it():
    @takes_passes(forward=2)
    def rescaled():
        """Nothing: it is only counted."""

    with counting() as passes:
        count_passes_of(rescaled, 4)
        count_passes_of(print, 3)
    assert passes == Passes(11, 4)
