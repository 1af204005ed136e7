"""DeepLift's rescale rule, against Captum and in closed form, whatever way a model writes its activations."""

from __future__ import annotations

import warnings

import captum.attr
import numpy as np
import pytest
import torch
from models.backward_rules import (
    ManyActivations,
    ManyActivationsFunctional,
    ManyActivationsReused,
    apart,
    in_place_on_a_view,
    rows_of_many_activations,
    settled,
    with_weights_of,
    without_a_rule,
)
from models.convolutional import TutorialNet, tutorial_in_modules
from torch import nn

import explain
from explain.errors import BaselineWarning, ConvergenceWarning, UnsupportedModelError
from explain.inputs.layout import Layout


def drawn(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def of_captum(model, x, base, target):
    """Captum's values, example by example: its rule for pools mixes up those that lie beside each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lift = captum.attr.DeepLift(model)
        found = [
            lift.attribute(torch.tensor(one[None]), torch.tensor(start[None]), target=label)
            for one, start, label in zip(x, base, target, strict=True)
        ]
    return torch.cat(found).detach().numpy()


@pytest.mark.parametrize(("kind", "shape"), [(rows_of_many_activations, (5,)), (ManyActivations, (2, 8, 8))])
def test_equal_to_captum_where_every_activation_is_a_module_of_its_own(kind, shape):
    model, x, base, target = settled(kind), drawn(4, *shape), drawn(4, *shape, seed=2), [0, 1, 2, 1]
    found = explain.attribute(model, x, "deep_lift", target=target, baseline=base)
    np.testing.assert_allclose(found.values, of_captum(model, x, base, target), rtol=1e-6, atol=1e-8)
    assert (found.relative_delta < 1e-9).all()
    plain = explain.attribute(model, x, "saliency", target=target)
    assert np.abs(plain.values * (x - base) - found.values).max() > 0.1 * np.abs(found.values).max()


@pytest.mark.parametrize("kind", [ManyActivationsReused, ManyActivationsFunctional])
def test_reused_and_functional_activations_are_like_any_other(kind):
    model, x, base, target = (
        settled(ManyActivations),
        drawn(4, 2, 8, 8),
        drawn(4, 2, 8, 8, seed=2),
        [0, 1, 2, 1],
    )
    found = explain.attribute(with_weights_of(model, kind), x, "deep_lift", target=target, baseline=base)
    np.testing.assert_allclose(found.values, of_captum(model, x, base, target), rtol=1e-6, atol=1e-8)


def test_captum_is_not_complete_where_a_pool_follows_a_relu():
    """So that it is no oracle there: its values miss the difference of the scores, and ours do not."""
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    model, x, base = nn.Sequential(*layers).double(), drawn(1, 2, 8, 8), drawn(1, 2, 8, 8, seed=2)
    found = explain.attribute(model, x, "deep_lift", target=0, baseline=base)
    together = of_captum(model, x, base, [0]).sum() - found.values.sum(dtype=np.float64)
    kept_apart = of_captum(apart(layers), x, base, [0])
    assert abs(together) > 0.01
    assert (abs(found.delta) < 1e-9).all()
    np.testing.assert_allclose(found.values, kept_apart, rtol=1e-6, atol=1e-8)


def test_the_tutorials_own_net():
    model, x, target = settled(TutorialNet), drawn(3, 3, 32, 32), [0, 4, 9]
    distinct = apart(tutorial_in_modules(model))
    found = explain.attribute(model, x, "deeplift", target=target)
    np.testing.assert_allclose(
        found.values, of_captum(distinct, x, np.zeros_like(x), target), rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", ["cifar_net", "cifar_keras"])
def test_tensorflow_gives_captums_numbers(name):
    samples = explain.zoo.samples(name, framework="torch")
    x = Layout(samples.layout).to_canonical(samples.x).astype(np.float64)[:4]
    x, target = x + 1e-3 * drawn(*x.shape), [int(label) for label in samples.y[:4]]
    a = explain.attribute(explain.zoo.load(name, "tensorflow", "float64"), x, "deep_lift", target=target)
    first = np.moveaxis(x, -1, 1).copy()
    expected = of_captum(
        apart(explain.zoo.load(name, "torch", "float64")), first, np.zeros_like(first), target
    )
    np.testing.assert_allclose(np.moveaxis(a.values, -1, 1), expected, rtol=1e-5, atol=1e-8)


def test_one_unit_in_closed_form(kit):
    """w tanh(v·x): every input's share is v (x − b) of the unit's difference."""
    v, w, x, base = drawn(4, 1), np.array([[1.5, -2.0]]), drawn(3, 4, seed=3), drawn(3, 4, seed=4)
    model = kit.dense([(v, np.array([0.3])), (w, np.zeros(2))], between="tanh", dtype="float64")
    found = explain.attribute(model, x, "deep_lift", target=1, baseline=base)
    before, after = ((one @ v + 0.3) for one in (base, x))
    expected = w[0, 1] * (np.tanh(after) - np.tanh(before)) / (after - before) * v.T * (x - base)
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)


def test_overlapping_pools_are_complete_in_both_frameworks(tensorflow_kit):
    """Windows that share their maximum: Captum leaves one of them out."""
    layers = tensorflow_kit.keras.layers
    model = tensorflow_kit.keras.Sequential(
        [
            tensorflow_kit.keras.Input((7, 7, 1), dtype="float64"),
            layers.MaxPooling2D(3, strides=1, dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(2, dtype="float64"),
        ]
    )
    weight, bias = model.get_weights()
    twin = nn.Sequential(nn.MaxPool2d(3, stride=1), nn.Flatten(), nn.Linear(25, 2)).double()
    twin[2].weight.data, twin[2].bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
    x, base = drawn(3, 7, 7, 1), drawn(3, 7, 7, 1, seed=5)
    a = explain.attribute(model, x, "deep_lift", target=0, baseline=base)
    b = explain.attribute(
        twin, np.moveaxis(x, -1, 1), "deep_lift", target=0, baseline=np.moveaxis(base, -1, 1)
    )
    np.testing.assert_allclose(np.moveaxis(a.values, -1, 1), b.values, rtol=1e-6, atol=1e-9)
    assert (a.relative_delta < 1e-9).all()


def test_the_names_network_is_affine():
    """Its logit's DeepLift is gradient × (input − baseline)."""
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples("names_rnn", framework=framework)
        model, x, lengths = explain.zoo.load("names_rnn", framework), samples.x[:4], samples.lengths[:4]
        found = explain.attribute(model, x, "deep_lift", target=2, lengths=lengths)
        plain = explain.attribute(model, x, "saliency", target=2, lengths=lengths)
        np.testing.assert_allclose(found.values, x * plain.values, rtol=1e-5, atol=1e-6)


def test_chunks_and_neighbours_do_not_matter(kit):
    model = kit.cnn(dtype="float64")
    x = drawn(5, *kit.picture_shape(1, 8, 8))
    whole = explain.attribute(model, x, "deep_lift", target=1, batch_size=1000)
    for size in (1, 2):
        one = explain.attribute(model, x, "deep_lift", target=1, batch_size=size)
        np.testing.assert_allclose(one.values, whole.values, rtol=1e-6, atol=1e-10)
    alone = explain.attribute(model, x[3:4], "deep_lift", target=1)
    np.testing.assert_allclose(alone.values, whole.values[3:4], rtol=1e-6, atol=1e-10)
    total = whole.values.reshape(5, -1).sum(axis=1)
    at = [explain.attribute(model, one, "saliency", target=1).scores for one in (x, 0 * x)]
    np.testing.assert_allclose(total, at[0] - at[1], rtol=1e-5, atol=1e-7)


def test_a_recurrent_network_is_complete(kit):
    """Its loop is written out, or its cells are called one by one."""
    samples = explain.zoo.samples("fashion_rnn", framework=kit.name)
    model = explain.zoo.load("fashion_rnn", kit.name)
    found = explain.attribute(model, samples.x[:2], "deep_lift", target=0)
    assert (found.relative_delta < 1e-3).all()


def test_what_no_operation_made_is_told_apart():
    """A weight, two inputs: an activation right on one of them must not take the other for what it was given."""

    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.row = nn.Linear(4, 4)

        def forward(self, x, y):
            return (self.row(y) + torch.tanh(x) - torch.tanh(y)).sum(1)

    torch.manual_seed(0)
    model, inputs = Wide().double(), (drawn(3, 4), drawn(3, 4, seed=2))
    found = explain.attribute(model, inputs, "deep_lift", baseline=0.5)
    weight = model.row.weight.detach().numpy().sum(0)
    np.testing.assert_allclose(found[0].values, np.tanh(inputs[0]) - np.tanh(0.5), rtol=1e-6)
    expected = weight * (inputs[1] - 0.5) - np.tanh(inputs[1]) + np.tanh(0.5)
    np.testing.assert_allclose(found[1].values, expected, rtol=1e-5, atol=1e-7)


def test_an_operation_without_a_rule_is_refused_and_the_methods_named_work(kit):
    model, x = without_a_rule(kit), drawn(2, 3)
    with pytest.raises(UnsupportedModelError, match=r"DeepLift has no rule for the operation Cumprod"):
        explain.attribute(model, x, "deep_lift", target=0)
    for method in ("integrated_gradients", "saliency", "feature_ablation"):
        assert np.isfinite(explain.attribute(model, x, method, target=0).values).all()


def test_an_operation_without_a_rule_is_named_with_its_module():
    class Odd(nn.Module):
        def forward(self, x):
            return x.cumprod(1)

    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), Odd()), nn.Linear(4, 2)).double()
    for method in ("deep_lift", "lrp"):
        with pytest.raises(
            UnsupportedModelError, match=r"operation Cumprod \(in '1\.1', a Odd\) of Sequential"
        ):
            explain.attribute(model, drawn(2, 3), method, target=0)


def test_an_operation_that_a_view_hides_is_refused():
    with pytest.raises(UnsupportedModelError, match=r"relu_ in place on a view.*inplace=False"):
        explain.attribute(in_place_on_a_view(), drawn(2, 2, 4), "deep_lift", target=0)


def test_another_way_for_the_baseline_is_refused():
    class Fork(nn.Module):
        def forward(self, x):
            return torch.tanh(x) if x.sum() > 0 else torch.sigmoid(x)

    with pytest.raises(UnsupportedModelError, match="other operations for the baseline"):
        explain.attribute(Fork(), np.ones((1, 3)), "deep_lift", target=0, baseline=-1.0)


def test_what_has_no_gradient_shows_in_the_delta(kit):
    """A detached gate is taken for a constant: the values then do not add up, and say so."""
    model = kit.function(lambda x: x * kit.detached(x), dtype="float64")
    with pytest.warns(ConvergenceWarning, match="without a gradient"):
        explain.attribute(model, np.full((1, 2), 3.0), "deep_lift", target=0, baseline=1.0)
    with pytest.warns(BaselineWarning):
        explain.attribute(
            kit.function(kit.tanh, dtype="float64"), np.ones((1, 2)), "deep_lift", target=0, baseline=1.0
        )


def test_the_model_leaves_as_it_came():
    model = settled(ManyActivationsFunctional).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    explain.attribute(model, drawn(3, 2, 8, 8), "deep_lift", target=0)
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    for module in model.modules():
        hooks = module._forward_hooks, module._forward_pre_hooks, module._backward_hooks
        assert not any(hooks)


@pytest.mark.parametrize(("kind", "shape"), [(rows_of_many_activations, (5,)), (ManyActivations, (2, 8, 8))])
def test_over_a_set_of_references_it_is_captums_deep_lift_shap(kind, shape):
    model, x, references, target = settled(kind), drawn(4, *shape), drawn(3, *shape, seed=2), [0, 1, 2, 1]
    found = explain.attribute(model, x, "deep_lift_shap", target=target, baseline=references)
    expected = np.mean(
        [of_captum(model, x, np.broadcast_to(one, x.shape), target) for one in references], axis=0
    )
    np.testing.assert_allclose(found.values, expected, rtol=1e-6, atol=1e-8)
    assert (found.relative_delta < 1e-9).all()
    if kind is rows_of_many_activations:
        # Captum's own mean over the set; of pictures in a batch its rule for pools mixes up those beside each other.
        captums = captum.attr.DeepLiftShap(model)
        for index, label in enumerate(target):
            own = captums.attribute(
                torch.tensor(x[index : index + 1]), torch.tensor(references), target=label
            )
            np.testing.assert_allclose(found.values[index : index + 1], own.detach(), rtol=1e-6, atol=1e-8)


def test_a_set_of_references_in_chunks_and_with_neighbours(kit):
    model = kit.cnn(dtype="float64")
    x, references = (drawn(count, *kit.picture_shape(1, 8, 8), seed=count) for count in (4, 5))
    whole = explain.attribute(model, x, "deep_lift_shap", target=1, baseline=references, batch_size=1000)
    for size in (1, 3):
        one = explain.attribute(model, x, "deep_lift_shap", target=1, baseline=references, batch_size=size)
        np.testing.assert_allclose(one.values, whole.values, rtol=1e-6, atol=1e-10)
    alone = explain.attribute(model, x[2:3], "deep_lift_shap", target=1, baseline=references)
    np.testing.assert_allclose(alone.values, whole.values[2:3], rtol=1e-6, atol=1e-10)
    single = explain.attribute(model, x, "deep_lift_shap", target=1, baseline=references[:1])
    plain = explain.attribute(
        model, x, "deep_lift", target=1, baseline=np.broadcast_to(references[:1], x.shape)
    )
    np.testing.assert_allclose(single.values, plain.values, rtol=1e-6, atol=1e-10)
    scores = [explain.attribute(model, one, "saliency", target=1).scores for one in (x, references)]
    total = whole.values.reshape(4, -1).sum(axis=1)
    np.testing.assert_allclose(total, scores[0] - scores[1].mean(), rtol=1e-5, atol=1e-7)


def test_references_at_padded_steps_do_not_matter(kit):
    samples = explain.zoo.samples("fashion_rnn", framework=kit.name)
    model, x = explain.zoo.load("fashion_rnn", kit.name), samples.x[:2]
    references = samples.x[2:5].copy()
    lengths = [20, x.shape[1]]
    found = explain.attribute(
        model, x, "deep_lift_shap", target=0, baseline=references, lengths=lengths
    ).values
    assert (found[0, 20:] == 0).all()
    references[:, 20:] += 1
    other = explain.attribute(
        model, x[:1], "deep_lift_shap", target=0, baseline=references, lengths=lengths[:1]
    )
    np.testing.assert_allclose(other.values, found[:1], rtol=1e-4, atol=1e-6)
