"""Examples that depend on each other are refused, at every call, and the advice works."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import DependentExamplesError, InputError, NonDeterministicWarning

pytestmark = pytest.mark.filterwarnings("error::explain.errors.ExplainWarning")

rng = np.random.default_rng(0)
X = rng.normal(size=(6, 4)).astype(np.float32)
EDGES = np.array([[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0]])
ADJACENCY = np.eye(6, dtype=np.float32)
ADJACENCY[EDGES[1], EDGES[0]] = 1
WEIGHTS = [rng.normal(size=shape).astype(np.float32) / 2 for shape in ((4, 5), (5, 3))]
NODE, CLASS = 2, 1


class Graph(nn.Module):
    """A graph network: every node adds its neighbour."""

    def __init__(self, edges=None):
        super().__init__()
        self.linear, self.edges = nn.Linear(4, 5, bias=False), edges
        self.head = nn.Linear(5, 3, bias=False)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor(WEIGHTS[0].T))
            self.head.weight.copy_(torch.tensor(WEIGHTS[1].T))

    def forward(self, x, edges=None):
        source, target = self.edges if edges is None else edges

        def spread(z):
            return z + torch.zeros_like(z).index_add(0, target, z[source])

        return self.head(spread(torch.tanh(self.linear(spread(x)))))


class OneGraph(nn.Module):
    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    def forward(self, x):
        return self.graph(x[0])[None]


class GraphInKeras(keras.Model):
    def __init__(self):
        super().__init__()
        self.linear = keras.layers.Dense(5, use_bias=False)
        self.head = keras.layers.Dense(3, use_bias=False)

    def call(self, x):
        spread = keras.ops.convert_to_tensor(ADJACENCY)
        return self.head(spread @ keras.ops.tanh(self.linear(spread @ x)))


class OneGraphInKeras(keras.Model):
    def __init__(self, graph):
        super().__init__()
        self.graph = graph

    def call(self, x):
        return self.graph(x[0])[None]


def graph_of(framework):
    """A graph network on the nodes X, and the same with the whole graph as one example."""
    if framework == "torch":
        graph = Graph(torch.tensor(EDGES))
        return graph, OneGraph(graph)
    graph = GraphInKeras()
    graph(X)
    graph.set_weights(WEIGHTS)
    one = OneGraphInKeras(graph)
    one(X[None])
    return graph, one


def score_and_gradient(x):
    """The score of the node, and its gradient to all nodes, by hand."""
    hidden = np.tanh(ADJACENCY @ x @ WEIGHTS[0])
    score = (ADJACENCY @ hidden @ WEIGHTS[1])[NODE, CLASS]
    of_hidden = np.outer(ADJACENCY[NODE], WEIGHTS[1][:, CLASS]) * (1 - hidden**2)
    return score, ADJACENCY.T @ of_hidden @ WEIGHTS[0].T


@pytest.mark.parametrize("framework", ["torch", "tensorflow"])
@pytest.mark.parametrize("method", ["saliency", "ig", "feature_ablation", "smoothgrad"])
def test_a_graph_is_refused_and_as_one_example_right(framework, method):
    graph, one = graph_of(framework)
    with pytest.raises(DependentExamplesError, match=r"give x\[None\] and target=\(row, class\)"):
        explain.attribute(graph, X, method, target=CLASS)
    options = {"ig": {"n_steps": 50, "rule": "gauss_legendre"}, "smoothgrad": {"stdevs": 1e-5}}
    # Twice: that its points are run one by one is found at the first call.
    for _ in range(2):
        a = explain.attribute(one, X[None], method, target=(NODE, CLASS), **options.get(method, {}))
        score, gradient = score_and_gradient(X)
        np.testing.assert_allclose(a.scores, [score], rtol=1e-5)
        if method == "ig":
            nodes, weights = np.polynomial.legendre.leggauss(50)
            path = [score_and_gradient((1 + node) / 2 * X)[1] for node in nodes]
            expected = X * np.tensordot(weights / 2, path, 1)
        elif method == "feature_ablation":
            without = [np.where(np.arange(6)[:, None] == node, 0, X) for node in range(6)]
            fall = [score - score_and_gradient(one)[0] for one in without]
            expected = np.repeat(np.array(fall)[:, None], 4, 1)
        else:
            expected = gradient
        np.testing.assert_allclose(a.values[0], expected, rtol=2e-3, atol=2e-5)


def test_a_model_that_fails_on_one_row_is_refused():
    with pytest.raises(DependentExamplesError, match="fails on example 4 alone"):
        explain.attribute(Graph(), X, "saliency", target=CLASS, forward_kwargs={"edges": torch.tensor(EDGES)})


class Similarity(nn.Module):
    """Each picture against each text of the batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.of_picture, self.of_text = nn.Linear(4, 5), nn.Linear(7, 5)

    def forward(self, pictures, texts):
        return torch.tanh(self.of_picture(pictures)) @ self.of_text(texts).T


class AgainstTexts(nn.Module):
    def __init__(self, similarity, texts):
        super().__init__()
        self.similarity, self.texts = similarity, texts

    def forward(self, pictures):
        return self.similarity(pictures, self.texts)


def test_a_similarity_matrix_is_refused_and_with_held_texts_right():
    model, texts = Similarity(), rng.normal(size=(6, 7)).astype(np.float32)
    with pytest.raises(DependentExamplesError, match="another shape"):
        explain.attribute(model, (X, texts), "saliency", target=2)
    held = AgainstTexts(model, torch.tensor(texts))
    x = torch.tensor(X, requires_grad=True)
    held(x)[:, 2].sum().backward()
    found = explain.attribute(held, X, "saliency", target=2)
    np.testing.assert_allclose(found.values, x.grad.numpy(), atol=1e-6)


class Centred(nn.Module):
    """Subtracts the mean over the batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 3)
        self.reads_batch = True

    def forward(self, x):
        mean = x.mean(dim=0) if self.reads_batch else 0.5
        return torch.tanh(self.linear(torch.exp(x) - mean))


def centred_in_keras(kit, size=None):
    inputs = keras.Input((4,), batch_size=size)
    mean = keras.layers.Lambda(lambda x: keras.ops.exp(x) - keras.ops.mean(x, axis=0, keepdims=True))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="tanh")(mean(inputs)))
    return kit.randomised(model)


def of_each_alone(call, gradient_of, x, n_steps):
    """Integrated gradients by the midpoint rule, every point run by itself."""
    total = np.zeros_like(x)
    for row in range(len(x)):
        for node in (np.arange(n_steps) + 0.5) / n_steps:
            total[row] += gradient_of(call, node * x[row : row + 1])[0] / n_steps
    return x * total


def torch_gradient(call, point):
    point = torch.tensor(point, dtype=torch.float32, requires_grad=True)
    call(point)[:, 1].sum().backward()
    return point.grad.numpy()


def tensorflow_gradient(call, point):
    import tensorflow as tf

    point = tf.constant(point, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(point)
        score = tf.reduce_sum(call(point)[:, 1])
    return tape.gradient(score, point).numpy()


@pytest.mark.usefixtures("few_steps")
def test_statistics_over_the_batch_are_refused_and_each_row_by_itself_is_right(kit):
    model = Centred() if kit.name == "torch" else centred_in_keras(kit)
    gradient_of = torch_gradient if kit.name == "torch" else tensorflow_gradient
    for _ in range(2):
        with pytest.raises(DependentExamplesError, match="batch_size=1"):
            explain.attribute(model, X, "ig", target=1)
    steps = {"n_steps": 9, "rule": "midpoint"}
    found = explain.attribute(model, X, "ig", target=1, batch_size=1, **steps)
    expected = of_each_alone(model, gradient_of, X, 9)
    np.testing.assert_allclose(found.values, expected, atol=1e-6)
    # A single example: no other depends on it, but its points would on each other. Of a model without a history too.
    fresh = Centred() if kit.name == "torch" else centred_in_keras(kit)
    for one in (model, fresh):
        alone = explain.attribute(one, X[:1], "ig", target=1, **steps)
        np.testing.assert_allclose(alone.values, expected[:1], atol=1e-6)


STATISTICS = {
    "largest": (lambda x: x.max(), lambda ops, x: ops.max(x)),
    "smallest": (lambda x: x.min(), lambda ops, x: ops.min(x)),
    "largest size": (lambda x: x.abs().max(), lambda ops, x: ops.max(ops.abs(x))),
    "mean size": (lambda x: x.abs().mean(), lambda ops, x: ops.mean(ops.abs(x))),
    "mean": (lambda x: x.mean(), lambda ops, x: ops.mean(x)),
    "spread": (lambda x: x.std(unbiased=False), lambda ops, x: ops.std(x)),
}


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_statistic_over_the_batch_is_seen_whichever_row_decides_it(kit, statistic):
    in_torch, in_keras = STATISTICS[statistic]
    if kit.name == "torch":

        class Scaled(nn.Module):
            def forward(self, x):
                return x @ torch.tensor(WEIGHTS[0], dtype=x.dtype) / (2 + in_torch(x))

        gradient_of = torch_gradient
    else:

        class Scaled(keras.Model):
            def call(self, x):
                return x @ keras.ops.convert_to_tensor(WEIGHTS[0]) / (2 + in_keras(keras.ops, x))

        gradient_of = tensorflow_gradient
    for first in range(6):
        with pytest.raises(DependentExamplesError):
            explain.attribute(Scaled(), np.roll(X, first, axis=0), "saliency", target=1)
    steps = {"n_steps": 5, "rule": "midpoint"}
    for row in (0, 1):
        alone = explain.attribute(Scaled(), X[row : row + 1], "ig", target=1, **steps)
        expected = of_each_alone(Scaled(), gradient_of, X[row : row + 1], 5)
        np.testing.assert_allclose(alone.values, expected, atol=1e-6)


def test_that_they_depend_is_kept_with_the_structure():
    model, calls = Centred(), []
    model.linear.register_forward_hook(lambda module, given, output: calls.append(len(output)))
    with pytest.raises(DependentExamplesError):
        explain.attribute(model, X, "saliency", target=1)
    calls.clear()
    # Rows that are alike do not show it again.
    with pytest.raises(DependentExamplesError, match="example 4 changes by"):
        explain.attribute(model, np.repeat(X[:1], 6, axis=0), "saliency", target=1)
    assert 1 not in calls
    model.reads_batch = False
    explain.attribute(model, X, "saliency", target=1)
    assert 1 in calls


@pytest.mark.parametrize("backwards", [False, True])
def test_a_model_that_runs_along_the_batch_is_refused(backwards):
    class Running(nn.Module):
        def forward(self, x):
            return (x.flip(0).cumsum(dim=0).flip(0) if backwards else x.cumsum(dim=0)) ** 2

    with pytest.raises(DependentExamplesError, match="layout="):
        explain.attribute(Running(), X, "saliency", target=1)


def test_a_fixed_batch_size_is_asked_by_changing_the_others(tensorflow_kit):
    for rows in (4, 2, 1):
        with pytest.raises(DependentExamplesError, match="when the others change"):
            explain.attribute(centred_in_keras(tensorflow_kit, 4), X[:rows], "saliency", target=1)
    plain = keras.Sequential([keras.Input((4,), batch_size=4), keras.layers.Dense(3, activation="tanh")])
    tensorflow_kit.randomised(plain)
    found = explain.attribute(plain, X, "saliency", target=1)
    weight = plain.get_weights()[0]
    slope = 1 - np.tanh(X @ weight[:, 1] + plain.get_weights()[1][1]) ** 2
    np.testing.assert_allclose(found.values, slope[:, None] * weight[:, 1], atol=1e-6)


def test_a_model_of_a_fixed_batch_size_is_built_for_batches_of_one():
    def scaled(size):
        class Scaled(keras.Layer):
            def call(self, x):
                return x / (1 + keras.ops.max(keras.ops.abs(x)))

        model = keras.Sequential([keras.Input((4,), batch_size=size), Scaled(), keras.layers.Dense(3)])
        model.set_weights([WEIGHTS[0][:, :3], np.zeros(3)])
        return model

    with pytest.raises(DependentExamplesError, match="build the model for batches of 1"):
        explain.attribute(scaled(3), X, "feature_ablation", target=1)
    found = explain.attribute(scaled(1), X, "feature_ablation", target=1)

    def score(row):
        return row @ WEIGHTS[0][:, 1] / (1 + np.abs(row).max())

    for row, values in zip(X.astype(np.float64), found.values, strict=True):
        hidden = [score(row) - score(np.where(np.arange(4) == place, 0, row)) for place in range(4)]
        np.testing.assert_allclose(values, hidden, atol=1e-6)


def test_a_model_that_fails_on_one_row_is_made_to_take_one():
    class BesideTheFirst(nn.Linear):
        reads_first = True

        def forward(self, x):
            if not self.reads_first:
                return super().forward(x)
            if len(x) == 1:
                raise ValueError("two rows at least")
            return super().forward(x) * (1 + x[0, 0] ** 2)

    model = BesideTheFirst(4, 3)
    with pytest.raises(DependentExamplesError, match="make the model take one row"):
        explain.attribute(model, X, "saliency", target=1)
    model.reads_first = False
    found = explain.attribute(model, X, "saliency", target=1)
    np.testing.assert_allclose(found.values, model.weight[1].detach().numpy()[None].repeat(6, 0), rtol=1e-6)


def test_rounding_that_follows_the_number_of_rows_is_no_dependence():
    class Rounded(nn.Linear):
        def forward(self, x):
            # As kernels of half precision, that sum in another order for another number of rows.
            return super().forward(x) * (1.01 if len(x) == 1 else 1)

    model = Rounded(4, 3)
    with pytest.raises(DependentExamplesError):
        explain.attribute(model, X, "saliency", target=1)
    expected = model.weight[1].detach().bfloat16().float().numpy()[None].repeat(6, 0)
    # Under autocast the weights stay in single precision, and the outputs alone show it.
    fresh = Rounded(4, 3)
    fresh.load_state_dict(model.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        found = explain.attribute(fresh, X, "saliency", target=1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    model.to(torch.bfloat16)
    found = explain.attribute(model, X, "saliency", target=1)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


def test_a_little_of_the_others_is_dependence():
    class Little(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 0.1 * (x**2).mean()

    for dtype in (torch.float32, torch.bfloat16):
        with pytest.raises(DependentExamplesError):
            explain.attribute(Little(4, 3).to(dtype), X, "saliency", target=1)


def test_a_model_that_squeezes_its_output_takes_several_examples():
    class Squeezing(nn.Linear):
        def forward(self, x):
            return super().forward(x).squeeze()

    model = Squeezing(4, 1)
    found = explain.attribute(model, X, "saliency")
    np.testing.assert_allclose(found.values, model.weight.detach().numpy().repeat(6, 0), rtol=1e-6)


def test_a_random_model_is_not_taken_for_a_dependent_one():
    class Noisy(nn.Linear):
        def forward(self, x):
            return super().forward(nn.functional.dropout(x, 0.5, training=True))

    x = rng.normal(size=(2, 64)).astype(np.float32)
    for _ in range(20):
        with pytest.warns(NonDeterministicWarning):
            explain.attribute(Noisy(64, 3), x, "saliency", target=1)


def test_an_output_of_other_rows_is_refused(kit):
    def repeated(x):
        return kit.stack([x, x], 1).reshape(-1, 4) if kit.name == "torch" else keras.ops.repeat(x, 2, axis=0)

    with pytest.raises(InputError, match=r"shape \(12, 4\) for a batch of 6"):
        explain.attribute(kit.function(repeated), X, "saliency", target=1)


def test_a_model_of_one_example_at_a_time(kit):
    def first_only(x):
        return x[:1] ** 2

    model = kit.function(first_only)
    with pytest.raises(InputError, match="batch_size=1"):
        explain.attribute(model, X, "ig", target=1)
    found = explain.attribute(model, X, "ig", target=1, batch_size=1, n_steps=5)
    expected = np.zeros_like(X)
    expected[:, 1] = X[:, 1] ** 2
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-6)


class Mixing(nn.Module):
    """Rows that hear of each other as far as a weight says."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(4, 3)
        self.share = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return torch.tanh(self.linear(x.exp() - self.share * x.exp().mean(dim=0, keepdim=True)))


@pytest.mark.usefixtures("few_steps")
def test_a_weight_that_makes_points_depend_on_each_other_is_seen_at_the_next_call():
    model = Mixing()
    steps = {"n_steps": 9, "rule": "midpoint"}
    for share in (0.0, 0.7, 0.0):
        # No version, no address and no flag tells of this change.
        model.share.data.copy_(torch.tensor(share))
        alone = explain.attribute(model, X[:1], "ig", target=1, **steps)
        expected = of_each_alone(model, torch_gradient, X[:1], 9)
        np.testing.assert_allclose(alone.values, expected, atol=1e-6)
