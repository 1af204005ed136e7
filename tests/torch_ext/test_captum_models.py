"""Captum's own small test models give Captum's numbers, for every deterministic method that both have."""

from __future__ import annotations

import inspect
import warnings

import captum.attr
import numpy as np
import pytest
import torch
from captum.testing.helpers import basic_models
from torch import nn

import explain
from explain.errors import ExplainError, NonDeterministicWarning

pytestmark = [
    pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::explain.errors.ZeroGradientWarning"),
    pytest.mark.filterwarnings("ignore::explain.errors.ZeroMapWarning"),
    pytest.mark.filterwarnings("ignore::explain.errors.PlainGradientWarning"),
]

# How to make each model that takes one input, the shape of an example, the target, and a layer to look at.
ONE_INPUT = {
    "BasicLinearReLULinear": (lambda m: m.BasicLinearReLULinear(3), (3,), None, "relu1"),
    "MixedKwargsAndArgsModule": (lambda m: m.MixedKwargsAndArgsModule(), (3,), 1, None),
    "BasicModel": (lambda m: m.BasicModel(), (3,), 1, None),
    "BasicLinearModel2": (lambda m: m.BasicLinearModel2(3, 2), (3,), 1, "linear"),
    "BasicLinearModel_Multilayer": (lambda m: m.BasicLinearModel_Multilayer(3, 4, 2), (3,), 1, "linear1"),
    "LinearMaxPoolLinearModel": (lambda m: m.LinearMaxPoolLinearModel(), (4,), None, "lin2"),
    "BasicModelWithReusedModules": (lambda m: m.BasicModelWithReusedModules(), (3,), 1, "lin2"),
    "BasicModelWithReusedLinear": (lambda m: m.BasicModelWithReusedLinear(), (3,), 1, None),
    "BasicModel_MaxPool_ReLU": (lambda m: m.BasicModel_MaxPool_ReLU(), (2, 6), 1, "maxpool"),
    "SimpleLRPModel": (lambda m: m.SimpleLRPModel(inplace=False), (3,), None, "linear"),
    "Conv1dSeqModel": (lambda m: m.Conv1dSeqModel(), (4, 1000), (1, 0), "seq.0"),
    "BasicModel_MultiLayer": (lambda m: m.BasicModel_MultiLayer(), (3,), 1, "linear1"),
    "BasicModel_ConvNet_One_Conv": (lambda m: m.BasicModel_ConvNet_One_Conv(), (1, 4, 4), 1, "conv1"),
    "BasicModel_ConvNetWithPaddingDilation": (
        lambda m: m.BasicModel_ConvNetWithPaddingDilation(),
        (1, 5, 5),
        1,
        "conv1",
    ),
    "BasicModel_ConvNet": (lambda m: m.BasicModel_ConvNet(), (1, 10, 10), 1, "conv2"),
    "BasicModel_ConvNet_MaxPool1d": (lambda m: m.BasicModel_ConvNet_MaxPool1d(), (1, 10), 1, "conv2"),
    "BasicModel_ConvNet_MaxPool3d": (lambda m: m.BasicModel_ConvNet_MaxPool3d(), (1, 10, 10, 10), 1, "conv2"),
}
# Left to the tests of several inputs.
SEVERAL_INPUTS = {
    "BasicModel2",
    "BasicModel3",
    "BasicModel4_MultiArgs",
    "BasicModel5_MultiArgs",
    "BasicModel6_MultiTensor",
    "BasicLinearModel",
    "ReLUDeepLiftModel",
    "TanhDeepLiftModel",
    "ReLULinearModel",
    "BasicModelWithSparseInputs",
    "BasicEmbeddingModel",
    "MultiRelu",
    "BasicModel_MultiLayer_MultiInput",
    "BasicModel_MultiLayer_TupleInput",
    "BasicModel_MultiLayer_MultiInput_with_Future",
    "BasicModel_MultiLayer_TrueMultiInput",
}
# What the model gives or takes, and what the error says of it.
REFUSED = {
    "BasicModel_MultiLayer_with_Future": (
        lambda m: m.BasicModel_MultiLayer_with_Future(),
        np.ones((2, 3)),
        "Future, not a tensor",
    ),
    "BasicModelBoolInput": (lambda m: m.BasicModelBoolInput(), np.ones((2, 3), bool), "dtype bool"),
    "BasicModelBoolInput_with_Future": (
        lambda m: m.BasicModelBoolInput_with_Future(),
        np.ones((2, 3), bool),
        "dtype bool",
    ),
}
# No models: parts of others, of the kind that test_tokens.py tests whole.
PARTS = {"TextModule", "PassThroughLayerOutput"}

# Makes a layer with new weights at every call: no two of its outputs are alike.
RANDOM = {"BasicModel_GradientLayerAttribution"}
# Captum's DeepLift refuses a module that serves twice; here the values must sum to the difference.
REUSED = {"BasicModelWithReusedModules", "BasicModelWithReusedLinear"}
# Float64 models; what is left is the float32 of our results.
CLOSE = {"rtol": 2e-6, "atol": 1e-9}


def made(name):
    """A model in float64, and its like without a softmax at its end, which ours explains the logits of."""
    models = []
    for _ in range(2):
        torch.manual_seed(1)
        model = ONE_INPUT[name][0](basic_models).double().eval()
        models.append(model)
    if hasattr(models[1], "softmax"):
        models[1].softmax = nn.Identity()
    return models


def drawn(name):
    return np.random.default_rng(4).normal(size=(3, *ONE_INPUT[name][1])) * 3


def of_captum(kind, model, x, *layer, many=False, **options):
    """Captum's values, one example at a time: its rule for pools mixes up those that lie beside each other."""
    method = getattr(captum.attr, kind)(model, *layer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [method.attribute(torch.tensor(one[None]).requires_grad_(), **options) for one in x]
    return torch.cat(found).detach().numpy()


METHODS = {
    "saliency": ("Saliency", {}, {"abs": False}),
    "input_x_gradient": ("InputXGradient", {}, {}),
    "integrated_gradients": ("IntegratedGradients", {"n_steps": 20}, {"n_steps": 20}),
    "guided_backprop": ("GuidedBackprop", {}, {}),
    "deconvolution": ("Deconvolution", {}, {}),
    "deep_lift": ("DeepLift", {}, {}),
}
CHEAP = [name for name, (_, shape, _, _) in ONE_INPUT.items() if np.prod(shape) <= 100]
# A functional ReLU is none to Captum's hooks.
UNSEEN_BY_CAPTUM = {"BasicModel"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ONE_INPUT)
def test_gradients_paths_and_rules(name, method):
    model, plain = made(name)
    x, target = drawn(name), ONE_INPUT[name][2]
    kind, ours, theirs = METHODS[method]
    found = explain.attribute(model, x, method, target=target, **ours)
    if method == "deep_lift" and name in REUSED:
        with pytest.raises(RuntimeError, match=r"reused|more than once"):
            of_captum(kind, plain, x, target=target)
        assert (found.relative_delta < 1e-9).all()
        return
    if method in ("guided_backprop", "deconvolution") and name in UNSEEN_BY_CAPTUM:
        slopes = explain.attribute(model, x, "saliency", target=target).values
        # 1 − relu(1 − x): what arrives at the ReLU is −1, and no negative gradient is handed on.
        np.testing.assert_array_equal(found.values, np.zeros_like(slopes))
        return
    expected = of_captum(kind, plain, x, target=target, **theirs)
    np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("name", CHEAP)
def test_perturbations(name):
    model, plain = made(name)
    x, (_, shape, target, _) = drawn(name), ONE_INPUT[name]
    window = tuple(min(2, side) for side in shape)
    found = explain.attribute(model, x, "occlusion", target=target, sliding_window_shapes=window, strides=1)
    expected = of_captum("Occlusion", plain, x, sliding_window_shapes=window, target=target)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    mask = np.arange(np.prod(shape)).reshape(shape) // 2
    found = explain.attribute(model, x, "feature_ablation", target=target, feature_mask=mask)
    expected = of_captum("FeatureAblation", plain, x, feature_mask=torch.tensor(mask)[None], target=target)
    np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("name", [name for name in CHEAP if np.prod(ONE_INPUT[name][1]) <= 4])
def test_shapley_values_of_all_orders(name):
    model, plain = made(name)
    x, target = drawn(name), ONE_INPUT[name][2]
    expected = of_captum("ShapleyValues", plain, x, target=target)
    found = explain.attribute(model, x, "kernel_shap", target=target)
    # So few features that every coalition is seen; the regression is solved to about the root of float64.
    np.testing.assert_allclose(found.values, expected.reshape(x.shape), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", [name for name, row in ONE_INPUT.items() if row[3]])
def test_layers(name):
    model, plain = made(name)
    x, (_, _, target, layer) = drawn(name), ONE_INPUT[name]
    inner = plain.get_submodule(layer)
    found = explain.attribute(model, x, "activation", target=target, layer=layer)
    np.testing.assert_allclose(found.values, of_captum("LayerActivation", plain, x, inner), **CLOSE)
    found = explain.attribute(model, x, "input_x_gradient", target=target, layer=layer)
    expected = of_captum("LayerGradientXActivation", plain, x, inner, target=target)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    found = explain.attribute(model, x, "integrated_gradients", target=target, layer=layer, n_steps=20)
    expected = of_captum("LayerIntegratedGradients", plain, x, inner, target=target, n_steps=20)
    np.testing.assert_allclose(found.values, expected, **CLOSE)
    found = explain.attribute(model, x, "conductance", target=target, layer=layer, n_steps=20)
    expected = of_captum("LayerConductance", plain, x, inner, target=target, n_steps=20)
    np.testing.assert_allclose(found.values, expected, **CLOSE)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    make, x, words = REFUSED[name]
    with pytest.raises(ExplainError, match=words):
        explain.attribute(make(basic_models), x, "saliency", target=0)


def test_one_that_is_random_is_told_of():
    model = basic_models.BasicModel_GradientLayerAttribution(dict_output=False)
    with pytest.warns(NonDeterministicWarning):
        explain.attribute(model, np.ones((2, 3), np.float32), "saliency", target=1)


def test_every_model_is_in_a_list():
    classes = {
        name
        for name, one in inspect.getmembers(basic_models, inspect.isclass)
        if issubclass(one, nn.Module) and one.__module__ == basic_models.__name__
    }
    assert classes == {*ONE_INPUT, *SEVERAL_INPUTS, *REFUSED, *RANDOM, *PARTS}
