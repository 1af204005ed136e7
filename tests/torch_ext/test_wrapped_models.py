"""Models in the forms in which people keep them: as their plain form, or told how."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import explain
from explain.errors import DependentExamplesError, GradientError, InputError, UnsupportedModelError

# Whether an integral of few steps converges, or a map is empty, is the same in both forms.
pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ExplainWarning")

X = np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32)
METHODS = {
    "saliency": {},
    "integrated_gradients": {"n_steps": 16},
    "grad_cam": {},
    "deep_lift": {},
    "lrp": {},
    "activation": {"layer": "second"},
    "occlusion": {},
}
every_method = pytest.mark.parametrize("method", METHODS)


class Net(nn.Module):
    """A small CNN, its activations called in one of several ways."""

    def __init__(self, relu=None):
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 5, 3)
        self.pool, self.flat = nn.MaxPool2d(2), nn.Flatten()
        self.dense, self.out = nn.Linear(20, 6), nn.Linear(6, 4)
        self.relus = nn.ModuleList(nn.ReLU(inplace=relu == "layer in place") for _ in range(3))
        self.relu = relu
        for parameter in self.parameters():
            parameter.data *= 3

    def activated(self, x, place):
        if self.relu == "function":
            return functional.relu(x)
        if self.relu == "function in place":
            return functional.relu(x, inplace=True)
        if self.relu == "method in place":
            return x.relu_()
        return self.relus[place](x)

    def forward(self, x, scale=1.0):
        x = self.pool(self.activated(self.first(x), 0))
        x = self.flat(self.activated(self.second(x), 1))
        return self.out(self.activated(self.dense(x), 2)) * scale


def net(relu=None):
    return Net(relu).eval()


def explained(model, method, **more):
    return explain.attribute(model, X, method, target=1, **METHODS[method], **more)


def assert_same(model, plain, method, tolerance=1e-5, **more):
    found, expected = explained(model, method), explained(plain, method, **more)
    distance = np.linalg.norm(found.values - expected.values)
    assert distance <= tolerance * np.linalg.norm(expected.values)
    assert expected.values.any()
    assert found.score == expected.score


@every_method
@pytest.mark.parametrize("relu", ["layer in place", "function in place", "method in place"])
def test_activations_in_place(relu, method):
    plain = net("layer" if relu == "layer in place" else "function")
    assert_same(net(relu), plain, method)


def with_fixed_weights(model):
    """The same net, its computed weights as plain ones."""
    plain = net()
    for name in ("first", "second", "dense", "out"):
        layer, own = getattr(plain, name), getattr(model, name)
        layer.weight.data, layer.bias.data = own.weight.detach().clone(), own.bias.detach().clone()
    return plain


PARAMETRISED = {
    "weight norm": parametrizations.weight_norm,
    "weight norm by hooks": nn.utils.weight_norm,
    "spectral norm": parametrizations.spectral_norm,
    "spectral norm by hooks": nn.utils.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
    "pruned": partial(prune.l1_unstructured, name="weight", amount=0.3),
}


@every_method
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("change", PARAMETRISED)
def test_computed_weights(change, method):
    model = net()
    for layer in (model.first, model.second, model.dense, model.out):
        PARAMETRISED[change](layer)
    model.eval()(torch.tensor(X))
    assert_same(model, with_fixed_weights(model), method)


@every_method
def test_a_partial_of_a_model(method):
    plain = net()
    assert_same(partial(plain), plain, method)
    scaled = partial(partial(plain, scale=3.0), scale=2.0)
    assert_same(scaled, plain, method, forward_kwargs={"scale": 2.0})
    found = explained(scaled, method, forward_kwargs={"scale": 1.0})
    np.testing.assert_array_equal(found.values, explained(plain, method).values)


def test_a_partial_that_is_told_of_another_way():
    with pytest.raises(
        UnsupportedModelError, match=r"partial of a Net with 1 argument by position.*name them"
    ):
        explained(partial(net(), torch.ones(1)), "saliency")
    with pytest.raises(explain.errors.MigrationError, match=r"partial of a Net.*give the model itself"):
        explain.check_migration(partial(net()), net(), X)
    found = explain.attribute(partial(functional.softmax, dim=1), X[:, :, 0, 0], "saliency", framework="torch",
                              target=1, score="output")  # fmt: skip
    assert found.values.any()


def compiled_in_place():
    model = net()
    model.compile(backend="eager")
    return model


@every_method
def test_compiled_and_parallel_models(method):
    plain = net()
    assert_same(torch.compile(net(), backend="eager"), plain, method)
    assert_same(nn.DataParallel(net()), plain, method)
    model = compiled_in_place()
    call = model._compiled_call_impl
    assert_same(model, plain, method)
    assert model._compiled_call_impl is call


@every_method
def test_parts_that_are_compiled(method):
    """They run as they were written: the compiler would compile the hooks of layers anew for each of their shapes."""
    torch._dynamo.reset()
    made = []

    def compiler(graph, inputs):
        made.append(graph)
        return graph

    for part in ("pool", "first", "forward"):
        model, plain = net(), net()
        setattr(model, part, torch.compile(getattr(model, part), backend=compiler))
        assert_same(model, plain, method)
        assert not made
        model(torch.tensor(X))
        # Afterwards it is compiled as before.
        assert made
        made.clear()


def test_layers_of_a_model_that_is_compiled_in_place_are_compared():
    report = explain.check_migration(compiled_in_place(), net(), X, methods="saliency")
    assert report.passed
    assert len(report.of_stage("layers")) > 5


class Autocast(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.inner(x)


@every_method
def test_mixed_precision(method):
    if method != "occlusion":
        # Steps of bfloat16 are 2 ** -8 of a number.
        assert_same(Autocast(net()), net(), method, tolerance=0.05)
        return

    def by_hand(x):
        with torch.no_grad():
            return Autocast(net())(torch.tensor(x)).float().numpy()

    # The loss of a window is a difference of two rounded scores: compared with rounded scores.
    given = {"framework": "numpy", "score": "output", "layout": "NCHW"}
    expected = explain.attribute(by_hand, X, "occlusion", target=1, **given)
    np.testing.assert_allclose(
        explained(Autocast(net()), method).values, expected.values, atol=1e-6 * np.abs(expected.values).max()
    )


class LowRank(nn.Module):
    """A linear layer with an adapter beside it, as in low-rank adaptation."""

    def __init__(self, base):
        super().__init__()
        self.base, self.down, self.up = base, nn.Linear(20, 2, bias=False), nn.Linear(2, 6, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x)) * 4.0


@every_method
def test_an_adapter_beside_a_layer(method):
    model, merged = net(), net()
    model.dense = LowRank(model.dense).eval()
    merged.dense.weight.data += 4 * (model.dense.up.weight @ model.dense.down.weight).detach()
    more = {"epsilon": 1e-9} if method == "lrp" else {}
    found, expected = explained(model, method, **more), explained(merged, method, **more)
    scale = np.abs(expected.values).max()
    np.testing.assert_allclose(found.values, expected.values, atol=1e-4 * scale)


@pytest.fixture(scope="module")
def quantised():
    with pytest.warns(DeprecationWarning, match="torch.ao.quantization"):
        return torch.ao.quantization.quantize_dynamic(net(), {nn.Linear}, dtype=torch.qint8)


@pytest.mark.parametrize("method", ["occlusion", "feature_ablation", "shapley_value_sampling", "rise"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_dynamically_quantised_model_is_explained_one_example_at_a_time(quantised, method):
    # Its layers scale by the extremes of the batch, so that a value would depend on its size.
    def by_hand(x):
        return np.concatenate([quantised(torch.tensor(one[None])).detach().numpy() for one in x])

    options = {"feature_mask": "grid"} if method in ("feature_ablation", "shapley_value_sampling") else {}
    if method == "shapley_value_sampling":
        options["n_samples"] = 3
    if method == "rise":
        options["n_masks"] = 50
    found = explain.attribute(quantised, X, method, target=1, **options)
    given = {"framework": "numpy", "score": "output", "layout": "NCHW"}
    expected = explain.attribute(by_hand, X, method, target=1, **options, **given)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-5 * np.abs(expected.scores).max())
    assert found.values.any()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_quantised_model_has_no_gradient_and_says_what_works(quantised):
    for method in ("saliency", "integrated_gradients"):
        with pytest.raises(GradientError, match=r"a quantised model.*feature_ablation"):
            explained(quantised, method)
    for method in ("deep_lift", "lrp"):
        with pytest.raises(
            UnsupportedModelError, match=r"no derivative either: use feature_ablation or occlusion"
        ):
            explained(quantised, method)
    found = explained(quantised, "activation")
    np.testing.assert_allclose(found.values, explained(net(), "activation").values, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_layers_of_a_statically_quantised_model_are_in_real_numbers():
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    x = torch.tensor(X)
    prepared = quantize_fx.prepare_fx(copy.deepcopy(plain), get_default_qconfig_mapping("x86"), (x,))
    prepared(x)
    model = quantize_fx.convert_fx(prepared)
    found = explain.attribute(model, X, "activation", layer="0")
    expected = torch.relu(plain[0](x)).detach().numpy()
    # The steps of eight bits between the extremes.
    np.testing.assert_allclose(found.values, expected, atol=expected.max() / 64)
    by_hand = model(x)[:, 1].detach().numpy()
    np.testing.assert_array_equal(explain.attribute(model, X, "occlusion", target=1).scores, by_hand)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_observers_of_a_model_that_learns_to_be_quantised_are_put_back():
    """One operation moves the extremes that they saw, without a trace of it in the versions of the buffers."""
    from torch.ao import quantization

    class Learning(nn.Module):
        def __init__(self):
            super().__init__()
            self.start, self.inner = quantization.QuantStub(), net()

        def forward(self, x):
            return self.inner(self.start(x))

    model = Learning().train()
    model.qconfig = quantization.get_default_qat_qconfig("x86")
    model = quantization.prepare_qat(model).eval()
    x = torch.tensor(X)
    for seen in (False, True):
        if seen:
            model(x / 2)
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(DependentExamplesError, match=r"give batch_size=1"):
            explain.attribute(model, X, "occlusion", target=1)
        found = explain.attribute(model, X, "saliency", target=1, batch_size=1)
        assert found.values.any()
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name]), name
    model.apply(quantization.disable_observer)
    point = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(point)[:, 1].sum(), point)
    found = explain.attribute(model, X, "saliency", target=1)
    np.testing.assert_allclose(found.values, gradient, rtol=1e-5, atol=1e-6)


class Bag(nn.Module):
    def __init__(self, mode):
        super().__init__()
        torch.manual_seed(0)
        self.bag, self.out = nn.EmbeddingBag(20, 4, mode=mode), nn.Linear(4, 3)

    def forward(self, ids):
        return self.out(torch.tanh(self.bag(ids)))


IDS = np.random.default_rng(0).integers(1, 20, (3, 6))


@pytest.mark.parametrize("mode", ["mean", "sum", "max"])
def test_bags_of_tokens(mode):
    from captum.attr import FeatureAblation, ShapleyValues

    model = Bag(mode)
    found = explain.attribute(model, IDS, "feature_ablation", target=1, baseline=3)
    expected = FeatureAblation(model).attribute(torch.tensor(IDS), target=1, baselines=3)
    np.testing.assert_allclose(found.values, expected.detach(), atol=1e-6)
    assert found.layout == "NT"
    exact = ShapleyValues(model).attribute(torch.tensor(IDS[:, :4]), target=1, baselines=3).detach()
    found = explain.attribute(model, IDS[:, :4], "kernel_shap", target=1, baseline=3)
    np.testing.assert_allclose(found.values, exact, atol=1e-5)
    occluded = explain.attribute(model, IDS, "occlusion", target=1, baseline=3)
    np.testing.assert_allclose(occluded.values, expected.detach(), atol=1e-6)


def test_other_methods_on_bags_say_what_works():
    for method in ("saliency", "integrated_gradients", "deep_lift", "rise"):
        with pytest.raises(
            InputError, match=r"nn\.EmbeddingBag, hides the tokens: take method='feature_ablation'"
        ):
            explain.attribute(Bag("mean"), IDS, method, target=1)


def test_an_embedding_for_each_column():
    class Columns(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b, self.out = nn.Embedding(5, 3), nn.Embedding(7, 2), nn.Linear(5, 2)

        def forward(self, x):
            return self.out(torch.cat([self.a(x[:, 0]), self.b(x[:, 1])], 1))

    model, x = Columns(), np.array([[1, 2], [3, 6]])
    found = explain.attribute(model, x, "feature_ablation", target=1)
    for column in (0, 1):
        other = x.copy()
        other[:, column] = 0
        lost = model(torch.tensor(x))[:, 1] - model(torch.tensor(other))[:, 1]
        np.testing.assert_allclose(found.values[:, column], lost.detach(), atol=1e-6)


def test_a_network_inside_an_estimator():
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Trained(ClassifierMixin, BaseEstimator):
        """An estimator that keeps its network, as skorch does."""

        def __init__(self):
            self.module_, self.criterion_ = nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), nn.NLLLoss()
            self.classes_ = np.arange(3)

        def predict_proba(self, x):
            with torch.no_grad():
                return self.module_(torch.tensor(x)).numpy()

    estimator, x = Trained(), X[:, :, :2, :2].reshape(9, 4)
    with pytest.raises(UnsupportedModelError, match=r"'feature_ablation'.*its module_ \(a Sequential\)\.$"):
        explain.attribute(estimator, x, "saliency", target=1)
    assert explain.attribute(estimator.module_, x, "saliency", target=1).score == "logit"
    given = {"target": 1, "score": "probability"}
    np.testing.assert_allclose(
        explain.attribute(estimator, x, "occlusion", **given).values,
        explain.attribute(estimator.module_, x, "occlusion", **given).values,
        atol=1e-6,
    )


def test_numbers_of_an_estimator_that_are_no_probabilities():
    """Each network of skorch has a predict_proba, which gives the network's output."""
    from sklearn.base import BaseEstimator, RegressorMixin

    class Network(BaseEstimator):
        def __init__(self):
            self.module_ = nn.Linear(4, 1)

        def predict_proba(self, x):
            with torch.no_grad():
                return self.module_(torch.tensor(x)).numpy()

        predict = predict_proba

    class Regressor(RegressorMixin, Network):
        pass

    x = X[:, :, :2, :2].reshape(9, 4)
    for model in (Regressor(), Regressor().predict_proba, Network()):
        found = explain.attribute(model, x, "occlusion", target=0)
        assert found.score == "output"
    with pytest.raises(explain.errors.ScoreError, match=r"has no predict_proba: say score='output'"):
        explain.attribute(Regressor(), x, "occlusion", target=0, score="probability")
