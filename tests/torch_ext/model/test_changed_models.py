"""A model that is changed between two calls: the second call gives what it gives of a model that was never explained.

What is found of a model's structure is kept between calls; each change here must be noticed, or must not matter.
"""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, parametrize, vector_to_parameters

import explain

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")

X = np.random.default_rng(0).normal(size=(3, 2, 8, 8)).astype(np.float32)
METHODS = [
    ("saliency", {}),
    ("integrated_gradients", {"n_steps": 4, "rule": "midpoint"}),
    ("grad_cam", {}),
    ("grad_cam", {"layer": "second"}),
]

# Attributes of a model are put back after a call, so that it cannot count itself.
passes = []


class Net(nn.Module):
    """Reads plain attributes, a list, a dictionary and a configuration in its forward."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.norm, self.act = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()
        self.second, self.end = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)
        self.scale, self.is_squared, self.powers = 1.0, False, [1]
        self.gains = {"second": 1.0}
        self.config = SimpleNamespace(is_negative=False)

    def forward(self, x):
        passes.append(len(x))
        maps = self.act(self.norm(self.first(x * self.scale)))
        maps = self.act(self.second(maps * self.gains["second"])) ** self.powers[0]
        maps = maps**2 if self.is_squared else maps
        found = self.end(maps.mean((2, 3)))
        return -found if self.config.is_negative else found


def other_weights(model):
    torch.manual_seed(1)
    return {
        name: torch.randn_like(one) * 0.3 + 0.7 if one.is_floating_point() else one
        for name, one in model.state_dict().items()
    }


def in_place(model):
    with torch.no_grad():
        for one in model.parameters():
            one.mul_(0.5).add_(0.1)


def copied_without_a_mark(model):
    for one, other in zip(model.parameters(), list(other_weights(model).values())[:2], strict=False):
        one.data.copy_(other)


def new_data(model):
    model.first.weight.data = model.first.weight.data * 2


def half_the_features(model):
    torch.manual_seed(2)
    model.first, model.norm, model.second = nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3)


def other_features_in_place(model):
    torch.manual_seed(2)
    model.second.weight.data, model.second.bias.data = torch.randn(6, 3, 3, 3), torch.randn(6)
    model.end.weight.data = torch.randn(5, 6)


def replaced_twice(model):
    # The second may take the memory of the one that was there first.
    model.act = nn.Tanh()
    model.act = nn.Sigmoid()


def computed_twice(model):
    # Floats leave their memory to others, too.
    model.scale *= 1.5
    model.scale *= 1.5


def with_softmax(model):
    model.end = nn.Sequential(model.end, nn.Softmax(1))


def doubled(module, given, output):
    return 2 * output**2


def hooked(model):
    model.first.register_forward_hook(doubled)


def hooked_before(model):
    model.second.register_forward_pre_hook(lambda module, given: (given[0] ** 3,))


def hooked_backward(model):
    model.act.register_full_backward_hook(lambda module, inputs, outputs: (3 * inputs[0],))


def without_hook(model):
    model.removed.remove()


def other_hook(model):
    model.removed.remove()
    model.first.register_forward_hook(lambda module, given, output: output.abs())


def other_forward(model):
    model.forward = lambda x: Net.forward(model, x) * torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0])


def other_forward_of_a_layer(model):
    layer = model.second
    layer.forward = lambda x: type(layer).forward(layer, x).sin()


def other_class(model):
    class Signed(Net):
        def forward(self, x):
            return super().forward(x) * torch.tensor([1.0, -2.0, 3.0, -4.0, 5.0])

    model.__class__ = Signed


class Tripled(nn.Module):
    def forward(self, weight):
        return 3 * weight


CHANGES = {
    "nothing": lambda model: None,
    "load_state_dict": lambda model: model.load_state_dict(other_weights(model)),
    "load_state_dict, assign": lambda model: model.load_state_dict(other_weights(model), assign=True),
    "data.copy_": copied_without_a_mark,
    "other data": new_data,
    "in place": in_place,
    "vector_to_parameters": lambda model: vector_to_parameters(
        parameters_to_vector(model.parameters()).flip(0).detach() + 0.1, model.parameters()
    ),
    "statistics": lambda model: model.norm.running_mean.add_(0.7),
    "a layer of other features": half_the_features,
    "other features in place": other_features_in_place,
    "replaced twice": replaced_twice,
    "a softmax at the end": with_softmax,
    "a hook": hooked,
    "a hook before": hooked_before,
    "a hook backward": hooked_backward,
    "a hook less": without_hook,
    "another hook": other_hook,
    "a parametrization": lambda model: parametrize.register_parametrization(model.first, "weight", Tripled()),
    "another forward": other_forward,
    "another forward of a layer": other_forward_of_a_layer,
    "another class": other_class,
    "a flag": lambda model: setattr(model, "is_squared", True),
    "a number": computed_twice,
    "an entry of a list": lambda model: model.powers.__setitem__(0, 3),
    "an entry of a dictionary": lambda model: model.gains.update(second=-1.0),
    "a configuration": lambda model: setattr(model.config, "is_negative", True),
    "training": lambda model: model.train(),
    "training of a part": lambda model: model.norm.train(),
    "frozen weights": lambda model: model.requires_grad_(False),
    "a stride": lambda model: setattr(model.second, "stride", (2, 2)),
}

# Changes that the logits do not depend on.
SAME = {"nothing", "training", "training of a part", "frozen weights", "a softmax at the end"}


def made():
    model = Net().eval()
    model.removed = model.first.register_forward_hook(lambda module, given, output: output + 0.3)
    return model


@pytest.mark.parametrize(("method", "options"), METHODS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_calls(change, method, options):
    known, fresh = made(), made()
    for _ in range(2):
        before = explain.attribute(known, X, method, target=2, **options)
    CHANGES[change](known)
    CHANGES[change](fresh)
    found = explain.attribute(known, X, method, target=2, **options)
    expected = explain.attribute(fresh, X, method, target=2, **options)
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert (found.score, found.layer) == (expected.score, expected.layer)
    # Of a hook at the layer whose map Grad-CAM takes, gradients to its output know nothing.
    is_same = change in SAME or (change == "a hook backward" and (method, options) == ("grad_cam", {}))
    assert np.array_equal(found.values, before.values) == is_same


def test_a_change_that_is_taken_back():
    model = made()
    first = explain.attribute(model, X, "saliency", target=2).values
    for _ in range(2):
        model.is_squared = True
        assert not np.array_equal(explain.attribute(model, X, "saliency", target=2).values, first)
        model.is_squared = False
        np.testing.assert_array_equal(explain.attribute(model, X, "saliency", target=2).values, first)


def test_a_class_whose_forward_is_replaced(monkeypatch):
    known, fresh = made(), made()
    explain.attribute(known, X, "saliency", target=2)
    original = Net.forward
    monkeypatch.setattr(Net, "forward", lambda self, x: torch.softmax(original(self, x), 1))
    found, expected = (explain.attribute(one, X, "saliency", target=2) for one in (known, fresh))
    np.testing.assert_array_equal(found.values, expected.values)


def test_a_model_is_freed_that_its_parts_know():
    model = made()
    model.first.owner, model.second.owners, model.act.owner_of = [model], (model,), {"owner": model}
    model.norm.register_forward_hook(lambda module, given, output, owner=model: None)
    for method, options in METHODS:
        explain.attribute(model, X, method, target=2, **options)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


# By method: the passes of a later call over one example, and over three.
PASSES = {
    # The pass of the gradients is that of the prediction.
    "saliency": ([1], [1, 3]),
    # One example beside another or alone, the prediction, the baseline and four points of the path of each example.
    "integrated_gradients": ([2, 1, 1, 4], [1, 3, 3, 12]),
}


@pytest.mark.parametrize(("method", "options"), METHODS[:2])
def test_the_passes_of_a_call(method, options):
    model = made()
    for count, expected in zip((1, 3), PASSES[method], strict=True):
        explain.attribute(model, X[:count], method, target=2, **options)
        for _ in range(2):
            passes.clear()
            explain.attribute(model, X[:count], method, target=2, **options)
            # Examples, and the points of one, are asked at every call whether they depend on each other.
            assert passes == expected
