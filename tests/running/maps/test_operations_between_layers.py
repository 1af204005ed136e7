"""Where the model's own code brings ways together, its operation is the layer: held to Grad-CAM written out here."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from models import joins
from torch import nn

import explain
from explain.errors import LayerError, SharedMapWarning

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ZeroMapWarning")
CLOSE = {"rtol": 1e-4, "atol": 1e-6}
X = np.random.default_rng(0).normal(size=(2, 3, *joins.SIZE)).astype(np.float32)
LAST = np.ascontiguousarray(np.moveaxis(X, 1, -1))


def made(kind, *arguments):
    torch.manual_seed(2)
    keras.utils.set_random_seed(2)
    found = kind(*arguments)
    return found.eval() if isinstance(found, nn.Module) else found


def torch_slopes(model):
    """What the head reads, and the gradient of class 1 to it, channels last, by autograd alone."""
    score = model(torch.tensor(X))[:, 1].sum()
    (slopes,) = torch.autograd.grad(score, model.seen)
    return (one.detach().movedim(1, -1).numpy() for one in (model.seen, slopes))


def keras_slopes(seen_of, scores_of):
    with tf.GradientTape() as tape:
        seen = seen_of(LAST)
        tape.watch(seen)
        score = scores_of(seen)[:, 1]
    return seen.numpy(), tape.gradient(score, seen).numpy()


def cam(units, slopes):
    found = np.maximum((slopes.mean((1, 2), keepdims=True) * units).sum(-1), 0)
    assert found.any()
    return found


@pytest.mark.parametrize(
    ("kind", "label"),
    [
        (joins.Concatenated, "cat()"),
        (joins.ConcatenatedWithRelu, "relu()[1]"),
        (joins.Residual, "add()"),
        (joins.ResidualInPlace, "relu()[1]"),
        (joins.Gated, "mul()"),
        (joins.Repeated, "add()[2]"),
        (joins.FromTheInput, "cat()"),
        (joins.Wrapped, "net.add()"),
        # What other classes read is no part of the way, and ways that meet in a layer are its own affair.
        (joins.Levels, "fine"),
        (joins.PartsInALayer, "stem"),
        # One way, without a join: the last layer, as for every network that ends in a pooling.
        (joins.Chain, "conv"),
    ],
)
def test_the_operation_where_the_ways_meet(kind, label):
    model = made(kind)
    expected = cam(*torch_slopes(model))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    a = explain.attribute(model, X, "grad_cam", target=1)
    assert a.layer == label
    np.testing.assert_allclose(a.values.sum(1), expected, **CLOSE)
    # Its name gives the same, and nothing of the model was changed.
    name = (label[:-3], int(label[-2])) if label.endswith("]") else label
    again = explain.attribute(model, X, "grad_cam", target=1, layer=name)
    np.testing.assert_array_equal(again.values, a.values)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("join", ["sum", "relu", "concatenation", "residual", "gate"])
def test_the_operation_where_the_ways_meet_in_a_functional_model(join):
    model, both = made(joins.keras_joined, join)
    head = model.get_layer("head")
    expected = cam(*keras_slopes(lambda x: both(x)[0], lambda seen: head(tf.reduce_mean(seen, axis=[1, 2]))))
    a = explain.attribute(model, LAST, "grad_cam", target=1)
    assert a.layer.endswith("()") or "()[" in a.layer
    np.testing.assert_allclose(a.values.sum(-1), expected, **CLOSE)


@pytest.mark.parametrize(
    ("kind", "label"), [(joins.KerasConcatenated, "ConcatV2()"), (joins.KerasResidual, "AddV2()[1]")]
)
def test_the_operation_where_the_ways_meet_in_a_subclass(kind, label):
    model = made(kind)
    expected = cam(*keras_slopes(model.seen, model.from_seen))
    a = explain.attribute(model, LAST, "grad_cam", target=1)
    assert a.layer == label
    np.testing.assert_allclose(a.values.sum(-1), expected, **CLOSE)
    name = (label[:-3], int(label[-2])) if label.endswith("]") else label
    np.testing.assert_array_equal(
        explain.attribute(model, LAST, "grad_cam", target=1, layer=name).values, a.values
    )


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients"])
def test_every_method_takes_an_operation_as_its_layer(method):
    """The head is linear in what it reads: the gradient there is the same everywhere on a path from zero."""
    for model, x, name, (units, slopes) in (
        (made(joins.Concatenated), X, "cat()", torch_slopes(made(joins.Concatenated))),
        (
            keras_model := made(joins.KerasConcatenated),
            LAST,
            "ConcatV2()",
            keras_slopes(keras_model.seen, keras_model.from_seen),
        ),
    ):
        options = {} if method != "integrated_gradients" else {"n_steps": 4, "baseline": x * 0}
        a = explain.attribute(model, x, method, target=1, layer=name, **options)
        values = np.moveaxis(a.values, 1, -1) if x is X else a.values
        if method == "saliency":
            expected = slopes
        elif method == "input_x_gradient":
            expected = slopes * units
        else:
            blank = (
                model(torch.zeros(1, 3, *joins.SIZE)) is not None
                and model.seen.detach().movedim(1, -1).numpy()
                if x is X
                else model.seen(np.zeros_like(LAST[:1])).numpy()
            )
            expected = slopes * (units - blank)
        np.testing.assert_allclose(values, expected, **CLOSE)


def test_an_operation_that_is_not_called_is_refused_with_those_that_are():
    with pytest.raises(
        LayerError, match=r"layer='catt\(\)' is not a layer of the model. Did you mean 'cat\(\)'"
    ):
        explain.attribute(made(joins.Concatenated), X, "grad_cam", target=1, layer="catt()")
    with pytest.raises(LayerError, match=r"layer='add\(\)' is called 3 times: say which call"):
        explain.attribute(made(joins.Repeated), X, "grad_cam", target=1, layer="add()")


def test_two_pictures_each_have_the_operation_that_it_alone_reaches():
    class TwoViews(nn.Module):
        def __init__(self):
            super().__init__()
            self.views, self.head = nn.ModuleList([joins.Residual(), joins.Residual()]), nn.Linear(10, 4)

        def forward(self, left, right):
            parts = []
            for net, x in zip(self.views, (left, right), strict=True):
                x = net.stem(x).relu()
                parts.append(x + net.right(x))
            self.seen = parts
            return self.head(torch.cat([part.mean((2, 3)) for part in parts], dim=1))

    model = made(TwoViews)
    other = X[::-1].copy()
    found = explain.attribute(model, (X, other), "grad_cam", target=1)
    score = model(torch.tensor(X), torch.tensor(other))[:, 1].sum()
    slopes = torch.autograd.grad(score, model.seen)
    for one, label, seen, slope in zip(found, ("add()[0]", "add()[1]"), model.seen, slopes, strict=True):
        assert one.layer == label
        expected = cam(seen.detach().movedim(1, -1).numpy(), slope.movedim(1, -1).numpy())
        np.testing.assert_allclose(one.values.sum(1), expected, **CLOSE)
    with pytest.warns(SharedMapWarning):
        shared = explain.attribute(made(Added), (X, other), "grad_cam", target=1)
    assert [one.layer for one in shared] == ["add()[1]", "add()[1]"]


class Added(nn.Module):
    """Two pictures that meet at once, and a residual sum of what they share."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.head = nn.Conv2d(3, 5, 3), nn.Conv2d(5, 5, 1), nn.Linear(5, 4)

    def forward(self, left, right):
        x = self.stem(left + right)
        return self.head((x + self.conv(x)).mean((2, 3)))
