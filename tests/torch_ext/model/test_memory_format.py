"""Pictures lie channels last in memory where that works, and nothing else about the model changes."""

from __future__ import annotations

import copy

import captum.attr
import numpy as np
import pytest
import torch
from models.flattening import Mnist, Reshaping, TakesView, Unflattening
from torch import nn

import explain
from explain.torch_ext.model.memory_format import (
    CONVERTED_FIRST,
    HEAVY,
    ConvertedWeights,
    in_order,
    order_of,
    weights_per_pixel,
)
from explain.torch_ext.model.transfer import to_device

PLAIN, LAST = torch.contiguous_format, torch.channels_last
# One channel and two, odd sizes and even ones, batches of one, and both orders of what the caller gives.
PICTURES = [
    ((3, 1, 15, 13), PLAIN),
    ((1, 1, 14, 12), LAST),
    ((2, 2, 15, 13), LAST),
    ((1, 2, 14, 12), PLAIN),
]
REFERENCES = np.random.default_rng(6).normal(size=(4, 2, 15, 13)).astype(np.float32)
# A few steps and samples: what is tested is how the model is called.
FEW = {
    "activation_maximization": {"n_steps": 3, "bounds": (-3.0, 3.0)},
    "blur_integrated_gradients": {"n_steps": 5},
    "conductance": {"n_steps": 10},
    "expected_gradients": {"n_samples": 4},
    "guided_integrated_gradients": {"n_steps": 4},
    "integrated_gradients": {"n_steps": 10},
    "kernel_shap": {"n_samples": 32},
    "lime": {"n_samples": 64, "alpha": 1e-4},
    "rise": {"n_masks": 32},
    "shapley_value_sampling": {"n_samples": 1},
    "smoothgrad": {"n_samples": 4},
    "smoothgrad_squared": {"n_samples": 4},
    "vargrad": {"n_samples": 4},
    "xrai": {"n_steps": 4, "scales": (5, 20), "bounds": (-3.0, 3.0)},
}
METHODS = {row.name: row for row in explain.methods()}
CASES = [
    (row.name, layer)
    for row in METHODS.values()
    if "image" in row.kinds and "attentions" not in row.needs
    for layer in {"none": [None], "may": [None, "first", "second"]}.get(row.layer, ["first", "second"])
]
# Rows have no axes over which a map could lie.
UNITS = [(method, layer) for method, layer in CASES if layer is not None and METHODS[method].layer != "map"]

pytestmark = pytest.mark.filterwarnings(
    # The scores of an untrained network at input and baseline are nearly the same: no yardstick for a delta.
    "ignore::explain.errors.ExplainWarning",
    "ignore:Setting backward hooks:UserWarning",  # Captum's own, on ReLU models.
    "ignore:Input Tensor:UserWarning",  # Captum's, where it switches requires_grad on.
)


def _x():
    return np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)


def _gradient(model, x, target):
    point = torch.tensor(x, requires_grad=True)
    return torch.autograd.grad(model(point)[:, target].sum(), point)[0].numpy()


# The scores of an untrained network at input and baseline are nearly the same: no yardstick for a delta.
@pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")
def test_a_model_that_takes_a_view_of_its_features_is_explained_in_order():
    model = TakesView()
    for method in ("saliency", "ig"):
        assert np.isfinite(explain.attribute(model, _x(), method, target=1).values).all()
    found = explain.attribute(model, _x(), "saliency", target=1).values
    np.testing.assert_allclose(found, _gradient(model, _x(), 1), rtol=1e-5, atol=1e-6)


def test_the_models_own_weights_keep_their_memory_format():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5))
    strides = [parameter.stride() for parameter in model.parameters()]
    pointers = [parameter.data_ptr() for parameter in model.parameters()]
    found = explain.attribute(model, _x(), "saliency", target=1).values
    assert strides == [parameter.stride() for parameter in model.parameters()]
    assert pointers == [parameter.data_ptr() for parameter in model.parameters()]
    np.testing.assert_allclose(found, _gradient(model, _x(), 1), rtol=1e-5, atol=1e-6)


def _pair(channels, other=Reshaping):
    """The net that takes a view, and another with the same weights."""
    torch.manual_seed(3)
    net = Mnist(channels).eval()
    same = other(channels).eval()
    same.load_state_dict(net.state_dict())
    return net, same


def _pictures(shape, order=PLAIN):
    values = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    return torch.tensor(values).clone(memory_format=order)


# The net with `reshape` runs channels last and sums in another order: float32 rounding, below 1e-4 of a value.
def _close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def _explained(model, x, method, layer=None, **options):
    options = FEW.get(method, {}) | options
    if METHODS[method].takes_references:
        options.setdefault("baseline", REFERENCES[(slice(None), *map(slice, x.shape[1:]))])
    if layer is not None:
        options["layer"] = layer
    if method != "activation_maximization":
        options["target"] = 1
    return explain.attribute(model, x, method, **options).values


@pytest.mark.parametrize(
    ("method", "layer", "shape", "order"),
    # What permutes examples needs several.
    [
        (*case, *given)
        for case in CASES
        for given in PICTURES
        if given[0][0] > 1 or case != ("feature_permutation", None)
    ],
)
def test_every_method_takes_a_view_as_it_takes_a_reshape(method, layer, shape, order):
    net, same = _pair(shape[1])
    expected = _explained(same, _pictures(shape), method, layer)
    if len(expected) > 1:
        assert expected.any()
    _close(_explained(net, _pictures(shape, order), method, layer), expected)


def _closed_forms(net, x):
    """What methods give, from autograd alone."""

    def slopes(point, after):
        point = point.detach().requires_grad_()
        return torch.autograd.grad(after(point)[:, 1].sum(), point)[0]

    nodes, weights = np.polynomial.legendre.leggauss(10)

    def path(end, after):
        steps = [w / 2 * slopes(end * (n + 1) / 2, after) for n, w in zip(nodes, weights, strict=True)]
        return end * torch.stack(steps).sum(0)

    net, x = copy.deepcopy(net).double(), x.double()
    units = net.first(x).detach()
    at_input, at_units = slopes(x, net), slopes(units, net.after)

    def spread(maps):
        """Every channel of the input has an equal share of the map."""
        found = nn.functional.interpolate(maps[:, None].relu(), x.shape[2:], mode="bilinear") / x.shape[1]
        return found.expand(x.shape)

    return {
        ("saliency", None): at_input,
        ("input_x_gradient", None): x * at_input,
        ("integrated_gradients", None): path(x, net),
        ("saliency", "first"): at_units,
        ("input_x_gradient", "first"): units * at_units,
        ("activation", "first"): units,
        ("grad_cam", "first"): spread((units * at_units.mean((2, 3), keepdim=True)).sum(1)),
        ("layer_cam", "first"): spread((units * at_units.relu()).sum(1)),
    }


@pytest.mark.parametrize(("shape", "order"), PICTURES)
def test_a_view_is_explained_as_autograd_says(shape, order):
    net, same = _pair(shape[1])
    for (method, layer), expected in _closed_forms(same, _pictures(shape)).items():
        found = _explained(
            net,
            _pictures(shape, order),
            method,
            layer,
            **({"rule": "gauss_legendre", "baseline": 0.0} if method == "integrated_gradients" else {}),
        )
        _close(found, expected.numpy())


@pytest.mark.parametrize(("shape", "order"), PICTURES)
def test_a_view_is_explained_as_captum_says(shape, order):
    net, same = _pair(shape[1])
    x = _pictures(shape)
    window = (shape[1], 3, 3)
    zeros = {"baseline": 0.0}
    for method, theirs, given, options in (
        ("guided_backprop", captum.attr.GuidedBackprop, {}, {}),
        ("deconvolution", captum.attr.Deconvolution, {}, {}),
        (
            "occlusion",
            captum.attr.Occlusion,
            {"sliding_window_shapes": window, "strides": (shape[1], 2, 2)},
            zeros,
        ),
    ):
        expected = theirs(same).attribute(x.clone(), target=1, **given).detach().numpy()
        found = _explained(net, _pictures(shape, order), method, **given, **options)
        _close(found, expected)
    for method in ("saliency", "integrated_gradients"):
        own, theirs = (
            _explained(net, _pictures(shape, order), method, engine=engine)
            for engine in ("explain", "captum")
        )
        _close(own, theirs)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("method", "layer"), UNITS)
def test_a_layer_is_entered_in_the_memory_format_of_what_it_gives(method, layer, count):
    net, rows = _pair(1, Unflattening)
    x = _pictures((count, 1, 15, 13))
    references = REFERENCES[:, :1, :15, :13]
    given = {"baseline": references.reshape(len(references), -1)} if METHODS[method].takes_references else {}
    _close(_explained(rows, x.flatten(1), method, layer, **given), _explained(net, x, method, layer))


class Permuting(nn.Module):
    """Takes a view for which the channels have to lie last, and so pictures that do."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3)
        self.head = nn.Linear(2 * 4 * 4, 3)

    def forward(self, x):
        features = self.second(self.first(x).relu()).permute(0, 2, 3, 1)
        return self.head(features.view(len(x), -1))


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "occlusion", "lrp", "conductance"])
def test_pictures_of_one_channel_lie_channels_last(method):
    torch.manual_seed(3)
    net, x = Permuting().eval(), _pictures((2, 1, 8, 8))
    with pytest.raises(RuntimeError, match="view"):
        net(x)
    for layer in {"none": [None], "may": [None, "first"], "must": ["first"]}[METHODS[method].layer]:
        assert _explained(net, x, method, layer).any()


class TimeMajor(nn.Module):
    """Takes a view of sequences with the time first."""

    def __init__(self):
        super().__init__()
        self.each, self.head = nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, *inputs):
        return sum(
            self.head(torch.tanh(self.each(x.view(-1, 4)))).view(*x.shape[:2], 3).sum(0) for x in inputs
        )


def test_a_batch_axis_that_is_not_the_first_leaves_the_input_contiguous():
    torch.manual_seed(3)
    net = TimeMajor()
    x, y = np.random.default_rng(0).normal(size=(2, 5, 2, 4)).astype(np.float32)
    _close(explain.attribute(net, x, "saliency", target=1, layout="TNC").values, _gradient(net, x, 1))
    both = explain.attribute(net, (x, y), "saliency", target=1, layout=("TNC", "TNC"))
    for found, one in zip(both, (x, y), strict=True):
        _close(found.values, _gradient(net, one, 1))
    for method in ("integrated_gradients", "occlusion", "lrp"):
        assert explain.attribute(net, x, method, target=1, layout="TNC").values.any()


class Masked(nn.Module):
    """Takes a picture, and a mask of it as a keyword."""

    def __init__(self):
        super().__init__()
        self.net, self.of_mask = Mnist(1), nn.Conv2d(1, 3, (15, 11))

    def forward(self, x, mask):
        return self.net(x) * self.of_mask(mask).view(len(x), -1)[:, :3]


def test_a_keyword_of_one_channel_is_contiguous():
    torch.manual_seed(3)
    net, x, mask = Masked().eval(), _pictures((3, 1, 15, 13)), _pictures((3, 1, 15, 13), LAST)
    with pytest.raises(RuntimeError, match="view"):
        net(x, mask)
    found = explain.attribute(net, x, "saliency", target=1, forward_kwargs={"mask": mask}).values
    _close(found, _gradient(lambda point: net(point, mask.clone(memory_format=PLAIN)), x.numpy(), 1))


@pytest.mark.parametrize(
    "shape", [(3, 1, 5, 4), (1, 3, 5, 4), (3, 2, 1, 1), (1, 2, 1, 4), (1, 1, 1, 1), (2, 1, 3, 1, 2)]
)
def test_strides_are_those_of_a_new_tensor_where_axes_have_size_one(shape):
    orders = [PLAIN, LAST] if len(shape) == 4 else [PLAIN]
    for given in orders:
        tensor = torch.ones(shape).clone(memory_format=given)
        assert torch.empty(shape, memory_format=order_of(tensor)).stride() == torch.ones_like(tensor).stride()
        for wanted in orders:
            expected = torch.empty(shape, memory_format=wanted).stride()
            last = wanted == LAST
            assert in_order(tensor, channels_last=last).stride() == expected
            moved = to_device(tensor.numpy(), tensor.device, tensor.dtype, channels_last=last)
            assert moved.stride() == expected


def _deep(channels=4):
    torch.manual_seed(7)
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 5),
    ).eval()


@pytest.fixture
def orders(monkeypatch):
    """The order of the pictures and of the weights in every call of a second convolution."""
    found = []
    forward = nn.Conv2d.forward

    def noted(self, x):
        if self.in_channels > 3:
            found.append((x.stride()[1] == 1, self.weight.stride()[1] == 1))
        return forward(self, x)

    monkeypatch.setattr(nn.Conv2d, "forward", noted)
    return found


@pytest.mark.parametrize("method", ["integrated_gradients", "smoothgrad", "occlusion", "grad_cam"])
def test_weights_are_converted_once_for_many_points_and_come_back(method, orders, monkeypatch):
    model, x = _deep(), _x()
    before = [(one.data_ptr(), one.stride(), one._version) for one in model.parameters()]
    options = FEW.get(method, {}) | ({"layer": "2"} if method == "grad_cam" else {})
    found = explain.attribute(model, x, method, target=1, **options).values
    assert orders[-1] == (True, True)
    assert [(one.data_ptr(), one.stride(), one._version) for one in model.parameters()] == before
    monkeypatch.setattr(ConvertedWeights, "convert", lambda self, modules: None)
    np.testing.assert_array_equal(found, explain.attribute(model, x, method, target=1, **options).values)
    assert orders[-1] == (True, False)


def test_a_single_pass_of_a_heavy_model_over_small_pictures_is_contiguous(orders):
    model, x = _deep(96), _x()
    assert weights_per_pixel(model.modules(), x.shape[1:]) >= HEAVY
    alone = np.concatenate(
        [explain.attribute(model, x[row : row + 1], "saliency", target=1).values for row in range(3)]
    )
    first = explain.attribute(model, x, "saliency", target=1).values
    assert orders[-1] == (False, False)
    again = explain.attribute(model, x, "saliency", target=1).values
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, alone, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(first, _gradient(model, x, 1), rtol=1e-5, atol=1e-7)
    explain.attribute(model, x, "integrated_gradients", target=1, n_steps=10)
    assert orders[-1] == (True, True)


@pytest.mark.parametrize(("channels", "converted"), [(4, False), (32, True)])
def test_a_single_pass_converts_many_weights_first(channels, converted, orders):
    # With several pictures, or in a first call, checks run the model too.
    model, x = _deep(channels), _x()[:1]
    load = weights_per_pixel(model.modules(), x.shape[1:])
    assert load < HEAVY
    assert (load >= CONVERTED_FIRST) == converted
    before = [(one.data_ptr(), one.stride(), one._version) for one in model.parameters()]
    explain.attribute(model, x, "saliency", target=1)
    orders.clear()
    found = explain.attribute(model, x, "saliency", target=1).values
    assert set(orders) == {(True, converted)}
    assert [(one.data_ptr(), one.stride(), one._version) for one in model.parameters()] == before
    np.testing.assert_allclose(found, _gradient(model, x, 1), rtol=1e-5, atol=1e-7)


def test_the_order_does_not_follow_from_how_many_pictures_there_are(orders):
    for channels in (4, 32, 96):
        model, x = _deep(channels), _x()
        seen = []
        for count in (1, 3):
            explain.attribute(model, x[:count], "saliency", target=1)
            seen.append(orders[-1][0])
        assert seen[0] == seen[1]


def test_weights_come_back_after_an_error():
    model, pointers = _deep(), []

    def fail(module, given):
        pointers.append(model[2].weight.stride())
        if len(pointers) > 8:
            raise RuntimeError("on purpose")

    model[2].register_forward_pre_hook(fail)
    before = [(one.data_ptr(), one.stride()) for one in model.parameters()]
    with pytest.raises(explain.errors.ModelCallError, match="on purpose"):
        explain.attribute(model, _x(), "occlusion", target=1, batch_size=1)
    assert [(one.data_ptr(), one.stride()) for one in model.parameters()] == before
    assert (36, 1, 12, 4) in pointers


class ViewsItsWeight(nn.Module):
    """Scales its features by a norm of its weights, for which it takes a view of them."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(64, 3)

    def forward(self, x):
        scale = self.second.weight.view(4, -1).norm(dim=1)[:, None, None]
        return self.head((torch.relu(self.second(torch.relu(self.first(x)))) / scale).flatten(1))


def test_a_model_that_takes_a_view_of_its_weights_is_explained():
    torch.manual_seed(1)
    model = ViewsItsWeight().eval()
    pointers = [one.data_ptr() for one in model.parameters()]
    found = explain.attribute(
        model, _x(), "integrated_gradients", target=1, n_steps=10, rule="midpoint", baseline=0.0
    ).values
    expected = sum(_gradient(model, _x() * np.float32((n + 0.5) / 10), 1) for n in range(10)) / 10 * _x()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert [one.data_ptr() for one in model.parameters()] == pointers


def test_a_tensor_that_the_models_code_gives_a_parameter_stays():
    layer, weights = nn.Conv2d(2, 4, 3), ConvertedWeights()
    weights.convert([layer])
    layer.weight.data = other = torch.ones(4, 2, 3, 3)
    weights.restore()
    assert layer.weight.data_ptr() == other.data_ptr()


def test_a_graph_made_before_the_conversion_is_still_right():
    layer, x = nn.Conv2d(2, 4, 3), torch.randn(3, 2, 6, 6).requires_grad_()
    expected = torch.autograd.grad(layer(x).sum(), x)[0]
    output, weights = layer(x).sum(), ConvertedWeights()
    weights.convert([layer])
    found = torch.autograd.grad(output, x)[0]
    weights.restore()
    torch.testing.assert_close(found, expected)
