"""How often a method runs the model, forward and backward; and that what is known of a model is not known too long."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

import explain
from explain.errors import LayerError
from explain.torch_ext.model.graph import keeps_rows

pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")

X = np.random.default_rng(3).normal(size=(3, 2, 8, 8)).astype(np.float32)
AT_LAYER = {"layer": "conv2"}
STEPS = 6
# Runs on the three examples themselves, runs of the backward pass, and points besides. A baseline is a run of its own.
PASSES = {
    "saliency": ({}, 1, 1, 0),
    "input_x_gradient": ({}, 1, 1, 0),
    "guided_backprop": ({}, 1, 1, 0),
    "deconvolution": ({}, 1, 1, 0),
    "lrp": ({}, 1, 1, 0),
    "deep_lift": ({}, 2, 1, 0),
    "grad_cam": (AT_LAYER, 1, 1, 0),
    "grad_cam_plus_plus": (AT_LAYER, 1, 1, 0),
    "layer_cam": (AT_LAYER, 1, 1, 0),
    "guided_grad_cam": (AT_LAYER, 1, 2, 0),
    # The baseline's activations end at the layer; its score is a whole run.
    "conductance": ({**AT_LAYER, "n_steps": STEPS, "batch_size": 100}, 3, 1, 3 * (STEPS + 1)),
    "occlusion": (
        {"sliding_window_shapes": (2, 4, 4), "strides": (2, 4, 4), "batch_size": 100},
        1,
        0,
        3 * 4,
    ),
    "feature_ablation": ({"feature_mask": "grid", "batch_size": 1000}, 1, 0, 3 * 64),
}


class Net(nn.Module):
    """Two convolutions; the map of the second is square, and the ReLU behind it works in place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv1 = nn.Conv2d(2, 4, 3)
        self.conv2 = nn.Conv2d(4, 5, 2)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(5, 4)
        self.turned = False

    def forward(self, x):
        hidden = self.conv2(torch.relu(self.conv1(x)))
        if self.turned:
            hidden = torch.flip(hidden, (2,)) * torch.linspace(0, 1, 5)
        return self.fc(self.relu(hidden).mean((2, 3)))


@pytest.mark.parametrize("method", PASSES)
def test_the_number_of_passes(method):
    options, forward, backward, points = PASSES[method]
    model, rows, gradients = Net().eval(), [], []
    model.conv1.register_forward_pre_hook(lambda module, given: rows.append(len(given[0])))

    def watch(module, given, output):
        if output.requires_grad:
            # Nothing flows through DeepLift's run at the baseline.
            output.register_hook(
                lambda gradient: None if gradient is None else gradients.append(len(gradient))
            )

    model.fc.register_forward_hook(watch)
    for _ in range(2):
        explain.attribute(model, X, method, target=1, **options)
    rows.clear(), gradients.clear()
    explain.attribute(model, X, method, target=1, **options)
    # A single row is the check that examples do not depend on each other.
    assert sum(rows) - rows.count(1) == forward * len(X) + points
    assert rows.count(len(X)) == forward
    assert len(gradients) == backward


def _loaded(model, **how):
    other = Net()
    with torch.no_grad():
        for weights in other.parameters():
            weights.mul_(1.5).add_(0.1)
    model.load_state_dict(other.state_dict(), **how)


def _set_data(model):
    for weights in model.parameters():
        weights.data.copy_(weights.data.flip(0) * 1.3)


def _in_place(model):
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(-0.8)


def _wider(model):
    """The named layer has other channels, and what reads it too."""
    torch.manual_seed(9)
    model.conv2, model.fc = nn.Conv2d(4, 7, 3), nn.Linear(7, 4)


def _nested(model):
    """The name stands for another kind of layer, with a layer of its own."""
    torch.manual_seed(9)
    model.conv2 = nn.Sequential(nn.Conv2d(4, 5, 2), nn.Softplus())


def _hooked(model):
    model.conv2.register_forward_hook(lambda module, given, output: output * torch.linspace(-1, 2, 5))


def _turned(model):
    model.turned = True


CHANGES = {
    "load_state_dict": _loaded,
    "assign": lambda model: _loaded(model, assign=True),
    "data": _set_data,
    "in place": _in_place,
    "another layer": _wider,
    "layers in a layer": _nested,
    "a hook": _hooked,
    "a switch": _turned,
}
CALLS = {
    "guided_backprop": {},
    "deep_lift": {},
    "grad_cam": AT_LAYER,
    "guided_grad_cam": AT_LAYER,
    "conductance": {**AT_LAYER, "n_steps": STEPS},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("method", CALLS)
def test_a_change_of_the_model_counts_at_once(method, change):
    """After a change, a model that was explained before is explained as a copy that never was."""
    model = Net().eval()
    for _ in range(2):
        before = explain.attribute(model, X, method, target=1, **CALLS[method]).values
    CHANGES[change](model)
    found = explain.attribute(model, X, method, target=1, **CALLS[method]).values
    fresh = explain.attribute(deepcopy(model), X, method, target=1, **CALLS[method]).values
    np.testing.assert_allclose(found, fresh, rtol=1e-5, atol=1e-7)
    assert found.shape != before.shape or not np.allclose(found, before)
    again = explain.attribute(model, X, method, target=1, **CALLS[method]).values
    np.testing.assert_allclose(again, fresh, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("method", ["grad_cam", "guided_grad_cam", "conductance"])
def test_a_shared_pass_gives_what_a_pass_of_its_own_gives(method):
    """In chunks of one example each, no run is shared."""
    model = Net().eval()
    for _ in range(2):
        shared = explain.attribute(model, X, method, target=[1, 2, 0], **AT_LAYER)
    for row, target in enumerate([1, 2, 0]):
        # The first call of a model knows no layer that it could keep.
        alone = explain.attribute(deepcopy(model), X[row : row + 1], method, target=target, **AT_LAYER)
        np.testing.assert_allclose(shared.values[row], alone.values[0], rtol=1e-5, atol=1e-7)


class Reordering(nn.Module):
    """Runs its convolution on the examples in another order, if it is told to."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv = nn.Conv2d(2, 5, 2)
        self.fc = nn.Linear(5, 4)
        self.reorders = False

    def forward(self, x):
        order = x.sum((1, 2, 3)).argsort() if self.reorders else torch.arange(len(x))
        hidden = torch.relu(self.conv(x[order]) if self.reorders else self.conv(x))
        return self.fc(hidden.mean((2, 3))[order.argsort()])


@pytest.mark.parametrize("method", ["grad_cam", "conductance"])
def test_a_model_that_begins_to_reorder_its_examples_is_refused(method):
    model = Reordering().eval()
    for _ in range(2):
        explain.attribute(model, X, method, target=1, layer="conv")
    model.reorders = True
    for _ in range(3):
        with pytest.raises(LayerError, match="in another order than the examples"):
            explain.attribute(model, X, method, target=1, layer="conv")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: torch.relu(x) + 1, True),
        (lambda x: nn.functional.conv2d(x, torch.ones(3, 2, 2, 2)), True),
        (lambda x: nn.functional.max_pool2d(x, 2) * 2, True),
        (lambda x: x.roll(1, 0), False),
        (lambda x: torch.relu(x)[[2, 1, 0]], False),
        (lambda x: x.transpose(0, 1), False),
        (lambda x: x.sort(0).values, False),
        (lambda x: torch.cat([x[1:], x[:1]]), False),
        # Weights that are computed from other rows.
        (lambda x: nn.functional.conv2d(x, torch.relu(x)[:, :, :2, :2]), False),
        # Without a way in the graph, nothing is known.
        (lambda x: torch.relu(x.detach() * torch.ones(1, requires_grad=True)), False),
    ],
)
def test_operations_that_keep_rows(function, expected):
    x = torch.tensor(X, requires_grad=True)
    assert keeps_rows(function(x).grad_fn, [x]) is expected


@pytest.mark.parametrize("layer", [("conv2", [0]), ["conv2"], ("conv2", 0, 1)])
def test_a_name_that_is_none_is_refused_at_every_call(layer):
    model = Net().eval()
    for _ in range(2):
        with pytest.raises(LayerError):
            explain.attribute(model, X, "grad_cam", target=1, layer=layer)


@pytest.mark.parametrize("given", ["the layer itself", ("conv2", 0)])
def test_other_ways_to_say_which_layer(given):
    model = Net().eval()
    expected = explain.attribute(model, X, "grad_cam", target=1, **AT_LAYER).values
    layer = model.conv2 if isinstance(given, str) else given
    for _ in range(2):
        found = explain.attribute(model, X, "grad_cam", target=1, layer=layer).values
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
