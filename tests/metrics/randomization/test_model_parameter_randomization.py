"""The similarity of maps under random weights, against the definition written out beside networks of our own."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import scipy.stats
import skimage.metrics
import torch
from torch import nn

import explain
from explain.errors import EvaluationError, ExplainWarning, OptionError
from explain.metrics.randomization.random_weights import KEY

MPRT = "model_parameter_randomization"
ORDERS = ("top_down", "bottom_up", "independent")


def explained(model, x, method="saliency", **arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return explain.attribute(model, x, method, **arguments)


def measured(model, a, seed=0, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplainWarning)
        return explain.evaluate(model, a, {MPRT: options}, seed=seed)[MPRT]


def drawn(array, seed, layer, tensor):
    """The permutation of a tensor, of shape (in, out) as Keras has it."""
    generator = np.random.default_rng((seed, KEY, layer, tensor))
    return generator.permutation(array.ravel()).reshape(array.shape)


def gradients(x, target, weights):
    """Of a tanh network with two layers: the gradient of one output, written out."""
    (first, bias), (second, _) = weights
    hidden = np.tanh(x @ first + bias)
    return (second[:, target].T * (1 - hidden**2)) @ first.T


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("similarity", "correlation"), [("spearman", scipy.stats.spearmanr), ("pearson", scipy.stats.pearsonr)]
)
def test_it_is_the_correlation_of_sizes_after_each_layer(kit, order, similarity, correlation):
    draw = np.random.default_rng(7).normal
    weights = [(draw(size=(9, 6)), draw(size=6)), (draw(size=(6, 4)), draw(size=4))]
    model = kit.dense(weights, between="tanh", dtype="float64")
    x, target = draw(size=(3, 9)), [2, 0, 3]
    a = explained(model, x, "saliency", target=target)
    np.testing.assert_allclose(a.values, gradients(x, target, weights), rtol=1e-5)
    own = np.abs(gradients(x, target, weights))
    # Bias before kernel: the names of a layer's tensors in the order of the alphabet.
    random = [
        (drawn(kernel, 5, layer, 1), drawn(bias, 5, layer, 0)) for layer, (kernel, bias) in enumerate(weights)
    ]
    stages = {
        "top_down": [[weights[0], random[1]], random],
        "bottom_up": [[random[0], weights[1]], random],
        "independent": [[weights[0], random[1]], [random[0], weights[1]]],
    }[order]
    if order == "independent":
        stages = stages[::-1]
    found = measured(model, a, seed=5, order=order, similarity=similarity)
    expected = np.array(
        [
            [
                correlation(one, np.abs(other))[0]
                for one, other in zip(own, gradients(x, target, stage), strict=True)
            ]
            for stage in stages
        ]
    ).T
    np.testing.assert_allclose(found.curve, expected, atol=2e-6)
    np.testing.assert_allclose(found.values, expected.mean(axis=1), atol=2e-6)
    assert len(found.labels) == 2


def test_the_gradient_of_a_linear_model_is_its_permuted_weight():
    weight = np.array([[5.0, -4.0, 3.0, 2.0, -1.0, 0.5]])
    model = nn.Linear(6, 1, bias=False).double()
    with torch.no_grad():
        model.weight.copy_(torch.tensor(weight))
    a = explained(model, np.ones((2, 6)), "saliency")
    found = measured(model, a, seed=11)
    expected = scipy.stats.spearmanr(np.abs(weight[0]), np.abs(drawn(weight.T, 11, 0, 0)[:, 0]))[0]
    np.testing.assert_allclose(found.values, [expected, expected], atol=1e-12)
    assert found.labels == ("(model)",)


def test_structural_similarity_is_of_maps_divided_by_their_largest_size():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(3 * 64, 3))
    x = np.random.default_rng(0).normal(size=(2, 1, 10, 10)).astype(np.float32)
    a = explained(model, x, target=1)
    found = measured(model, a, similarity="ssim")
    assert found.labels == ("3", "0")
    kernel, bias = (one.detach().numpy() for one in model[3].parameters())
    # Rows of the kernel as they were if the map were flattened with channels last.
    rows = np.arange(3 * 64).reshape(3, 64).T.ravel()
    changed = np.empty_like(kernel.T)
    changed[rows] = drawn(kernel.T[rows], 0, 1, 1)
    with torch.no_grad():
        model[3].weight.copy_(torch.tensor(changed.T))
        model[3].bias.copy_(torch.tensor(drawn(bias, 0, 1, 0)))
    other = explained(model, x, target=1)
    for row in range(2):
        one, two = (np.abs(m.values[row, 0].astype(float)) for m in (a, other))
        one, two = one / one.max(), two / two.max()
        joint = max(one.max(), two.max()) - min(one.min(), two.min())
        expected = skimage.metrics.structural_similarity(one / joint, two / joint, win_size=7, data_range=1.0)
        assert found.curve[row, 0] == pytest.approx(expected, abs=1e-9)


def test_the_values_of_an_example_do_not_depend_on_the_others():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3))
    x = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    every, one = measured(model, explained(model, x)), measured(model, explained(model, x[2:3]))
    np.testing.assert_allclose(every.curve[2], one.curve[0], atol=1e-6)
    assert not np.allclose(every.curve, measured(model, explained(model, x), seed=1).curve)


def test_a_map_that_does_not_look_at_the_weights_is_the_worst():
    """A product with the input alone would stay the same; the gradient does not."""
    torch.manual_seed(0)

    class Passing(nn.Module):
        """Its gradient is one at every place, whatever its weights, as the input is added to all else."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(40, 40)

        def forward(self, x):
            return (x + 1e-4 * torch.tanh(self.layer(x))).sum(dim=1, keepdim=True)

    model = Passing()
    x = np.random.default_rng(0).normal(size=(3, 40)).astype(np.float32)
    deep = nn.Sequential(nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
    blind = measured(model, explained(model, x, "input_x_gradient"))
    good = measured(deep, explained(deep, x, "input_x_gradient"))
    assert (blind.values > 0.99).all()
    assert (good.values < 0.8).all()
    assert good.better == "lower"


def test_guided_maps_stay_alike_and_gradients_do_not():
    """The finding of Adebayo et al.: with random upper layers, guided backpropagation still shows the same edges."""
    model = explain.zoo.load("cifar_net", framework="torch")
    x = explain.zoo.samples("cifar_net", framework="torch").x[:8]
    upper = {
        method: measured(model, explained(model, x, method)).curve[:, :3].mean()
        for method in ("saliency", "input_x_gradient", "guided_backprop", "deconvolution")
    }
    assert min(upper["guided_backprop"], upper["deconvolution"]) > upper["saliency"] + 0.1, upper


def test_examples_without_an_order_are_left_out_with_the_reason():
    """One unit is on for the second example, none for the first; with random weights it may count for nothing."""
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        model[0].weight.copy_(
            torch.tensor([[0.1, 0.2, 0.1, 0.3], [1.0, 2.0, 3.0, 4.0], [0.2, 0.1, 0.2, 0.1]])
        )
        model[0].bias.copy_(torch.tensor([-50.0, 50.0, -50.0]))
        model[2].weight.copy_(torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.5]]))
    a = explained(model, np.array([[-10.0] * 4, [0.1, 0.2, 0.3, 0.4]], np.float32), target=0)
    assert not a.values[0].any()
    assert a.values[1].any()
    each = [measured(model, a, seed=seed) for seed in range(12)]
    alive, dead = (next(one for one in each if (1 in one.left_out) == is_dead) for is_dead in (False, True))
    assert alive.left_out == {0: "The map is zero: it does not order the places."}
    assert np.isnan(alive.values[0])
    assert np.isfinite(alive.values[1])
    assert dead.left_out[1] in {
        f"With {label!r} randomised all places have the same size: there is nothing to compare."
        for label in ("0", "2")
    }
    assert np.isnan(dead.values).all()


def test_padding_takes_no_part():
    torch.manual_seed(0)

    class Steps(nn.Module):
        def __init__(self):
            super().__init__()
            self.steps, self.head = nn.LSTM(3, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x):
            return self.head(self.steps(x)[0].mean(dim=1))

    model = Steps()
    x = np.random.default_rng(0).normal(size=(2, 7, 3)).astype(np.float32)
    x[0, 4:] = 0
    a = explained(model, x, "input_x_gradient", lengths=[4, 7], target=0)
    assert not a.values[0, 4:].any()
    found = measured(model, a, order="bottom_up")
    # The place of the padding has a gradient, so that only leaving it out gives the correlation of four places.
    assert found.labels == ("steps", "head")
    levels = np.array([scipy.stats.spearmanr(range(4), one)[0] for one in itertools.permutations(range(4))])
    assert np.abs(found.curve[0][:, None] - levels).min(axis=1).max() < 1e-9


def test_bad_options_are_refused():
    torch.manual_seed(0)
    model, x = nn.Linear(5, 3), np.ones((1, 5), np.float32)
    a = explained(model, x)
    with pytest.raises(OptionError, match="'top_down'"):
        measured(model, a, order="up")
    with pytest.raises(OptionError, match="'spearman'"):
        measured(model, a, similarity="cosine")
    with pytest.raises(EvaluationError, match=r"tables with places of shape \(5,\)"):
        measured(model, a, similarity="ssim")
    convolutional = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 12, 2))
    a = explained(convolutional, np.ones((1, 1, 5, 6), np.float32))
    with pytest.raises(EvaluationError, match=r"windows of 7 by 7 places, .* shape \(5, 6\)"):
        measured(convolutional, a, similarity="ssim")


def test_a_model_that_fails_with_random_weights_says_with_which():
    class Fragile(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 2)
            with torch.no_grad():
                self.layer.weight.copy_(torch.eye(4) + torch.arange(16.0).reshape(4, 4) / 100)

        def forward(self, x):
            if float(self.layer.weight[0, 0]) != 1.0:
                raise RuntimeError("lost")
            return self.head(torch.tanh(self.layer(x)))

    torch.manual_seed(0)
    model = Fragile()
    a = explained(model, np.ones((1, 4), np.float32), target=0)
    before = model.layer.weight.clone()
    with pytest.raises(
        EvaluationError, match=r"With 'layer' randomised the model cannot be explained: .*lost"
    ):
        measured(model, a)
    assert torch.equal(model.layer.weight, before)
