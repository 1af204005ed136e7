"""Nodes where the gradient changes: against integrals known on paper, repeated, and independent of chunks and mates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.algorithms.path.local_cubics import judged, split
from explain.errors import ConvergenceWarning, OptionError
from explain.running import execution

X = np.random.default_rng(3).normal(size=(8, 6))
X32 = X.astype(np.float32)


class Ridges(nn.Module):
    """A sum of tanh along some directions: the integral of each is known."""

    def __init__(self, sharpness, seed=0, dtype=torch.float64):
        super().__init__()
        generator = np.random.default_rng(seed)
        self.directions = generator.normal(size=(6, len(sharpness)))
        self.places = generator.uniform(-1, 1, len(sharpness))
        self.heights = generator.normal(size=len(sharpness))
        self.sharpness = np.array(sharpness, float)
        inner, outer = nn.Linear(6, len(sharpness)), nn.Linear(len(sharpness), 1, bias=False)
        with torch.no_grad():
            inner.weight.copy_(torch.tensor((self.directions * self.sharpness).T))
            inner.bias.copy_(torch.tensor(-self.places * self.sharpness))
            outer.weight.copy_(torch.tensor(self.heights[np.newaxis]))
        self.layers = nn.Sequential(inner, nn.Tanh(), outer).to(dtype)

    def forward(self, x):
        return self.layers(x)[:, 0]

    def integral(self, x):
        """Give the exact values: each ridge has the change of its tanh, shared as x · direction is."""
        along = x @ self.directions
        change = np.tanh(self.sharpness * (along - self.places)) - np.tanh(-self.sharpness * self.places)
        return np.einsum("nd,dk,nk->nd", x, self.directions, self.heights * change / along)


def distance(found, truth):
    return np.linalg.norm(found - truth, axis=1) / np.linalg.norm(truth, axis=1)


@pytest.mark.parametrize("tolerance", [0.05, 0.02, 0.005])
def test_sharp_ridges_are_found_with_few_nodes(tolerance):
    errors, steps = [], []
    for seed in range(16):
        model = Ridges([60.0, 25.0, 4.0, 1.0], seed)
        found = explain.attribute(model, X, "ig", tolerance=tolerance)
        assert found.rule == "adaptive"
        assert (found.map_error <= tolerance).all()
        assert (found.relative_delta <= 0.05).all()
        assert found.nodes.shape == (8, 2, found.steps.max())
        np.testing.assert_array_equal((found.nodes[:, 1] != 0).sum(axis=1), found.steps)
        np.testing.assert_allclose(found.nodes[:, 1].sum(axis=1), 1, rtol=1e-12)
        errors.append(distance(found.values, model.integral(X)) / found.map_error)
        steps.append(found.steps)
    # The bound is one for 95 % of examples.
    assert (np.concatenate(errors) <= 1).mean() >= 0.95
    fejer = [explain.attribute(Ridges([60.0, 25.0, 4.0, 1.0], seed), X, "ig", tolerance=tolerance, rule="fejer").steps
             for seed in range(2)]  # fmt: skip
    assert np.mean(steps[:2]) < 0.6 * np.mean(fejer)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_affine_model_needs_three_steps(kit, dtype):
    model = kit.dense([(np.arange(18.0).reshape(6, 3) - 8, np.ones(3))])
    found = explain.attribute(model, X.astype(dtype), "ig", target=1)
    assert found.steps.tolist() == [3] * 8
    assert (found.rule, found.nodes) == ("fejer", None)
    np.testing.assert_allclose(found.values, X * (3 * np.arange(6) - 7), rtol=1e-5, atol=1e-5)


def test_smooth_gradients_keep_fejers_rule(kit):
    # A polynomial of degree 3 is exact with 3 nodes; a logistic function that is nowhere steep with 7 or 15.
    cubic = kit.function(lambda x: kit.sum(x * x * x, 1))
    found = explain.attribute(cubic, X32, "ig")
    assert (found.rule, found.steps.tolist()) == ("fejer", [7] * 8)
    np.testing.assert_allclose(found.values, X32**3, rtol=1e-5, atol=1e-6)
    logistic = kit.function(lambda x: kit.sigmoid(kit.sum(x, 1) / 4))
    found = explain.attribute(logistic, X32, "ig", score="output", tolerance=1e-4)
    along = X32.sum(axis=1, dtype=np.float64) / 4
    exact = X32 * ((1 / (1 + np.exp(-along)) - 0.5) / (4 * along))[:, np.newaxis]
    assert found.rule == "fejer"
    assert found.steps.max() <= 15
    np.testing.assert_allclose(found.values, exact, rtol=1e-4, atol=1e-6)


def test_the_rule_can_be_asked_for():
    model = Ridges([1.0, 0.5])
    found = explain.attribute(model, X, "ig", rule="adaptive")
    assert found.rule == "adaptive"
    assert found.nodes is not None
    kinks = nn.Sequential(nn.Linear(6, 9), nn.ReLU(), nn.Linear(9, 3)).double()
    found = explain.attribute(kinks, X, "ig", target=1, rule="adaptive", tolerance=0.05)
    truth = explain.attribute(kinks, X, "ig", target=1, rule="midpoint", n_steps=6561)
    assert found.rule == "adaptive"
    assert (distance(found.values, truth.values) <= 0.1).all()


def test_nodes_repeat_an_integral_bit_by_bit():
    model = Ridges([40.0, 9.0])
    found = explain.attribute(model, X, "ig", batch_size=1)
    again = explain.attribute(model, X, "ig", nodes=found.nodes, batch_size=1)
    np.testing.assert_array_equal(again.values, found.values)
    np.testing.assert_array_equal(again.nodes, found.nodes)
    assert again.steps.tolist() == found.steps.tolist()
    assert (again.rule, again.map_error, again.options["nodes"]) == ("adaptive", None, "given")
    some = explain.attribute(model, X[[5, 2]], "ig", nodes=found[[5, 2]].nodes.tolist())
    np.testing.assert_allclose(some.values, found[[5, 2]].values, rtol=1e-6)
    named = explain.attribute(model, X, "ig", nodes=found.nodes, rule="adaptive")
    np.testing.assert_allclose(named.values, found.values, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:The integral has not converged")
def test_nodes_by_hand():
    # The midpoints of two cells, and one node with all the weight.
    nodes = np.array([[[0.25, 0.75], [0.5, 0.5]], [[0.5, 0.1], [1.0, 0.0]]])
    model = Ridges([2.0, 1.0])
    found = explain.attribute(model, X[:2], "ig", nodes=nodes)
    assert found.steps.tolist() == [2, 1]
    for row, n_steps in enumerate((2, 1)):
        midpoint = explain.attribute(model, X[[row]], "ig", n_steps=n_steps, rule="midpoint")
        np.testing.assert_allclose(found.values[row], midpoint.values[0], rtol=1e-6)


@pytest.mark.parametrize(
    "nodes",
    [
        "many",
        0.5,
        np.ones((8, 5)),
        np.ones((8, 3, 5)),
        np.ones((8, 2, 0)),
        np.full((8, 2, 1), np.nan),
        np.full((8, 2, 1), 1.5),
        np.array([[[0.5], [0.0]]] * 8),
        [[1, 2], [3]],
    ],
)
def test_what_are_no_nodes_is_refused(nodes):
    with pytest.raises(OptionError, match="nodes="):
        explain.attribute(Ridges([1.0]), X, "ig", nodes=nodes)


@pytest.mark.parametrize(
    "options", [{"n_steps": 5}, {"rule": "fejer"}, {"n_steps": [5] * 8, "rule": "adaptive"}]
)
def test_nodes_stand_alone(options):
    with pytest.raises(OptionError, match=r"nodes and (n_steps|rule)=.* are given"):
        explain.attribute(Ridges([1.0]), X, "ig", nodes=np.full((8, 2, 1), 1.0), **options)
    with pytest.raises(OptionError, match="nodes are of 3 examples, and 8 are explained"):
        explain.attribute(Ridges([1.0]), X, "ig", nodes=np.full((3, 2, 1), 1.0))


def test_chunks_groups_and_mates_make_no_difference(monkeypatch):
    model = Ridges([50.0, 20.0, 3.0], dtype=torch.float32)
    whole = explain.attribute(model, X32, "ig")
    sizes = [explain.attribute(model, X32, "ig", batch_size=size) for size in (1, 5, 64)]
    alone = [explain.attribute(model, X32[[row]], "ig") for row in range(8)]
    # Room for the gradients of three examples: 405 nodes of 6 numbers of 4 bytes each, in a quarter of the budget.
    monkeypatch.setattr(execution, "SHARE_OF_FREE_MEMORY", 1e-30)
    monkeypatch.setattr(execution, "KEPT_SHARE", 0.25)
    groups = explain.attribute(model, X32, "ig", memory_budget=3 * 405 * 6 * 4 * 4, batch_size=4)
    for other in (*sizes, groups):
        np.testing.assert_allclose(other.values, whole.values, rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(other.nodes, whole.nodes)
    for row, one in enumerate(alone):
        np.testing.assert_allclose(one.values[0], whole.values[row], rtol=1e-6, atol=1e-6)
        assert one.steps[0] == whole.steps[row]


@pytest.mark.filterwarnings("ignore:The map has not reached")
def test_without_room_for_one_example_fejers_rule_serves():
    model = Ridges([50.0, 20.0, 3.0], dtype=torch.float32)
    found = explain.attribute(model, X32, "ig", memory_budget=404 * 6 * 4 * 4, batch_size=4)
    assert (found.rule, found.nodes) == ("fejer", None)
    again = explain.attribute(model, X32, "ig", rule="fejer")
    np.testing.assert_allclose(found.values, again.values, rtol=1e-6, atol=1e-6)


def test_a_model_of_a_fixed_batch_size(tensorflow_kit):
    keras = tensorflow_kit.keras
    generator = np.random.default_rng(0)
    weights = [
        (6 * generator.normal(size=(6, 7)), generator.normal(size=7)),
        (generator.normal(size=(7, 2)), np.zeros(2)),
    ]
    fixed = keras.Sequential(
        [keras.Input(batch_shape=(4, 6)), keras.layers.Dense(7, activation="tanh"), keras.layers.Dense(2)]
    )
    fixed.set_weights([array for pair in weights for array in pair])
    found = explain.attribute(fixed, X32, "ig", target=1)
    free = explain.attribute(tensorflow_kit.dense(weights, between="tanh"), X32, "ig", target=1)
    assert found.rule == "adaptive"
    np.testing.assert_allclose(found.nodes, free.nodes, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.values, free.values, rtol=1e-5, atol=1e-5)
    again = explain.attribute(fixed, X32, "ig", target=1, nodes=found.nodes)
    np.testing.assert_allclose(again.values, found.values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["fashion_rnn", "names_rnn"])
def test_twins_get_the_same_nodes(name):
    samples = explain.zoo.samples(name, "torch")
    found = [
        explain.attribute(
            explain.zoo.load(name, framework), samples.x[:6], "ig", target=[0] * 6, lengths=lengths
        )
        for framework in ("torch", "tensorflow")
        for lengths in [None if samples.lengths is None else samples.lengths[:6]]
    ]
    one, other = found
    assert one.rule == other.rule
    assert one.steps.tolist() == other.steps.tolist()
    if one.nodes is not None:
        np.testing.assert_array_equal(one.nodes[:, 0], other.nodes[:, 0])
        np.testing.assert_allclose(one.nodes[:, 1], other.nodes[:, 1], atol=1e-6)
    scale = np.abs(one.values).max()
    np.testing.assert_allclose(one.values, other.values, rtol=0, atol=2e-6 * scale)


def test_a_tolerance_out_of_reach_is_told_of():
    # Rules of smooth gradients alone reach so small a tolerance; the caller's own is taken.
    model = Ridges([30.0, 9.0], 1)
    with pytest.warns(ConvergenceWarning, match="tolerance=1e-12 within 40 steps"):
        found = explain.attribute(model, X, "ig", tolerance=1e-12, max_steps=40, rule="adaptive")
    assert found.steps.tolist() == [40] * 8
    assert (found.map_error > 1e-12).all()
    for most in (3, 6, 7, 9):
        few = explain.attribute(model, X, "ig", tolerance=10.0, max_steps=most)
        assert (few.steps <= most).all()
        assert np.isfinite(few.map_error).all()


def test_results_with_nodes_are_kept_cut_and_repeated_from_a_file(tmp_path):
    found = explain.attribute(Ridges([40.0, 9.0]), X, "ig")
    assert found.nodes.dtype == np.float64
    assert not found.nodes.flags.writeable
    loaded = explain.load(found.save(tmp_path / "a.npz"))
    assert loaded == found
    assert hash(loaded) == hash(found)
    np.testing.assert_array_equal(loaded.nodes, found.nodes)
    np.testing.assert_array_equal(found[2:4].nodes, found.nodes[2:4])
    np.testing.assert_array_equal(found[found.scores > 0].nodes, found.nodes[found.scores > 0])
    assert found.to_dict()["nodes"] == found.nodes.tolist()


@pytest.mark.parametrize("degree", range(4))
def test_cubics_are_exact_on_equal_gaps_but_for_the_ends(degree):
    nodes = (np.arange(400) + 0.5) / 400
    weights = judged(nodes, np.ones((400, 1)) + nodes[:, np.newaxis] ** degree).weights
    assert weights @ nodes**degree == pytest.approx(1 / (degree + 1), abs=1e-8)


def test_a_constant_has_no_error_and_a_jump_has_one_gap():
    nodes = np.linspace(0.1, 0.9, 9)
    assert judged(nodes, np.ones((9, 3))).gaps.tolist() == [0] * 10
    gaps = judged(nodes, (nodes > 0.45)[:, np.newaxis].astype(float)).gaps
    assert gaps.argmax() == 4
    np.testing.assert_allclose(np.sort(split(nodes, gaps, 0, 1)), [0.45])
    three = np.sort(split(nodes, np.where(np.arange(10) == 4, 1.0, 0.0), 0.0, 3))
    np.testing.assert_allclose(three, [0.425, 0.45, 0.475])


def test_a_very_small_tolerance_keeps_fejers_rule():
    model = Ridges([9.0, 3.0])
    found = explain.attribute(model, X, "ig", tolerance=1e-5)
    assert found.rule == "fejer"
    assert (distance(found.values, model.integral(X)) <= 1e-5).all()
    own = explain.attribute(model, X, "ig", tolerance=1e-3, rule="adaptive")
    assert own.rule == "adaptive"
    assert (distance(own.values, model.integral(X)) <= 1e-3).all()
