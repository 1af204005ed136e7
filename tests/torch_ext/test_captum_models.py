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
from explain.errors import ExplainError, NonDeterministicWarning, UnusedInputWarning

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
# Those of several inputs: how to make each, the shape of an example of each input, the target, and what goes beside.
SEVERAL_INPUTS = {
    "BasicModel2": (lambda m: m.BasicModel2(), ((2,), (2,)), 1, {}),
    "BasicModel3": (lambda m: m.BasicModel3(), ((2,), (2,)), 1, {}),
    "BasicModel4_MultiArgs": (
        lambda m: m.BasicModel4_MultiArgs(),
        ((2,), (2,)),
        None,
        {"additional_input1": 4, "additional_input2": 1},
    ),
    "BasicModel5_MultiArgs": (
        lambda m: m.BasicModel5_MultiArgs(),
        ((2,), (2,)),
        None,
        {"additional_input1": [3, 2], "additional_input2": 1},
    ),
    "BasicModel6_MultiTensor": (lambda m: m.BasicModel6_MultiTensor(), ((2,), (2,)), None, {}),
    "BasicLinearModel": (lambda m: m.BasicLinearModel(), ((3,), (4,)), 0, {}),
    "ReLUDeepLiftModel": (lambda m: m.ReLUDeepLiftModel(), ((2,), (2,)), 1, {"x3": 3}),
    "TanhDeepLiftModel": (lambda m: m.TanhDeepLiftModel(), ((2,), (2,)), 1, {}),
    "ReLULinearModel": (lambda m: m.ReLULinearModel(), ((3,), (3,)), 0, {"x3": 2}),
    "BasicModel_MultiLayer_MultiInput": (
        lambda m: m.BasicModel_MultiLayer_MultiInput(),
        ((3,), (3,), (3,)),
        1,
        {"scale": 2},
    ),
    "BasicModel_MultiLayer_TrueMultiInput": (
        lambda m: m.BasicModel_MultiLayer_TrueMultiInput(),
        ((3,), (3,), (3,), (3,)),
        1,
        {},
    ),
}
# Token ids, which tests/explanation/test_several_inputs.py holds to Captum at the embeddings.
TOKENS = {"BasicEmbeddingModel"}
# What the model gives or takes, and what the error says of it.
REFUSED = {
    "BasicModel_MultiLayer_with_Future": (
        lambda m: m.BasicModel_MultiLayer_with_Future(),
        np.ones((2, 3)),
        "returns a Future: it should be a tensor",
    ),
    "BasicModelBoolInput": (lambda m: m.BasicModelBoolInput(), np.ones((2, 3), bool), "dtype bool"),
    "BasicModelBoolInput_with_Future": (
        lambda m: m.BasicModelBoolInput_with_Future(),
        np.ones((2, 3), bool),
        "dtype bool",
    ),
    "BasicModel_MultiLayer_MultiInput_with_Future": (
        lambda m: partial_of(m.BasicModel_MultiLayer_MultiInput_with_Future(), scale=1),
        (np.ones((2, 3)),) * 3,
        "returns a Future: it should be a tensor",
    ),
    # One argument that is a tuple; a function of three makes it one that can be explained.
    "BasicModel_MultiLayer_TupleInput": (
        lambda m: m.BasicModel_MultiLayer_TupleInput(),
        (np.ones((2, 3)),) * 3,
        "which are 3 inputs, but the model takes one",
    ),
    # One number for a whole batch.
    "BasicModelWithSparseInputs": (
        lambda m: m.BasicModelWithSparseInputs(),
        (np.ones((2, 3)), np.ones((2, 1))),
        "one row per example",
    ),
}
# Gives two outputs, each of one of its inputs.
TWO_OUTPUTS = {"MultiRelu"}
# No models: parts of others, of the kind that test_tokens.py tests whole.
PARTS = {"TextModule", "PassThroughLayerOutput"}

# Makes a layer with new weights at every call: no two of its outputs are alike.
RANDOM = {"BasicModel_GradientLayerAttribution"}
# Captum's DeepLift refuses a module that serves twice; here the values must sum to the difference.
REUSED = {"BasicModelWithReusedModules", "BasicModelWithReusedLinear"}
# Float64 models; what is left is the float32 of our results.
CLOSE = {"rtol": 2e-6, "atol": 1e-9}


def partial_of(model, **keywords):
    """A module that gives keywords of its own."""

    class Partial(nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model.double()

        def forward(self, *inputs):
            return self.model(*inputs, **keywords)

    return Partial()


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


# Its LRP has rules for modules: none for one-dimensional and three-dimensional convolutions, and a sum that a function
# takes is given whole to each of what it sums up, so that relevance doubles.
NO_LRP = {name for name in ONE_INPUT if "MaxPool1d" in name or "MaxPool3d" in name or "Conv1d" in name}
NOT_CONSERVED = {"BasicModel_MaxPool_ReLU"}


@pytest.mark.parametrize("name", ONE_INPUT)
def test_relevance(name):
    model, plain = made(name)
    x, target = drawn(name), ONE_INPUT[name][2]
    found = explain.attribute(model, x, "lrp", target=target, rule="epsilon")
    if name in NO_LRP | {"BasicModelWithReusedLinear"}:
        with pytest.raises((TypeError, RuntimeError), match=r"no rule|more than once"):
            of_captum("LRP", plain, x, target=target)
        return
    if hasattr(plain, "softmax"):
        # Captum has no rule for what stands in the place of the softmax either.
        plain.softmax = nn.Dropout()
    expected = of_captum("LRP", plain.eval(), x, target=target)
    if name in NOT_CONSERVED:
        np.testing.assert_allclose(found.values.sum(axis=(1, 2)), found.scores, rtol=1e-6)
        np.testing.assert_allclose(expected.sum(axis=(1, 2)), 2 * found.scores, rtol=1e-6)
        return
    # Sums near zero, by which both divide, are formed in another order.
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-7)


# A pool follows a ReLU there, and Captum's DeepLift is not complete: tests/algorithms/backward_rules/test_deep_lift.py.
POOL_AFTER_RELU = {"BasicModel_ConvNet", "BasicModel_ConvNet_MaxPool1d", "BasicModel_ConvNet_MaxPool3d"}


@pytest.mark.parametrize("name", [name for name in ONE_INPUT if name not in REUSED])
def test_deep_lift_over_references(name):
    model, plain = made(name)
    x, target = drawn(name), ONE_INPUT[name][2]
    references = x[::-1].copy()
    found = explain.attribute(model, x, "deep_lift_shap", target=target, baseline=references)
    if name in POOL_AFTER_RELU:
        assert (found.relative_delta < 1e-9).all()
        return
    each = [
        of_captum("DeepLift", plain, x, target=target, baselines=torch.tensor(one[None]))
        for one in references
    ]
    np.testing.assert_allclose(found.values, np.mean(each, axis=0), **CLOSE)


@pytest.mark.parametrize(
    "name", [name for name, (_, shape, _, layer) in ONE_INPUT.items() if layer and len(shape) > 1]
)
def test_class_activation_maps(name):
    model, plain = made(name)
    x, (_, shape, target, layer) = drawn(name), ONE_INPUT[name]
    mode = {2: "linear", 3: "bilinear", 4: "trilinear"}[len(shape)]
    layout = {"layout": "NCT"} if len(shape) == 2 else {}
    inner = plain.get_submodule(layer)
    maps = of_captum("LayerGradCam", plain, x, inner, target=target, relu_attributions=True)
    expected = captum.attr.LayerAttribution.interpolate(torch.tensor(maps), shape[1:], mode).numpy()
    found = explain.attribute(model, x, "grad_cam", target=target, layer=layer, **layout).values
    np.testing.assert_allclose(found.sum(axis=1, keepdims=True), expected, **CLOSE)
    guided = of_captum("GuidedBackprop", plain, x, target=target)
    found = explain.attribute(model, x, "guided_grad_cam", target=target, layer=layer, **layout).values
    np.testing.assert_allclose(found, guided * expected, rtol=1e-5, atol=1e-7)


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


# A functional ReLU is none to Captum's hooks, and its DeepLift refuses the modules that TrueMultiInput calls twice.
FUNCTIONAL = {name for name in SEVERAL_INPUTS if name.startswith("BasicModel") and name[10].isdigit()}
TWICE = {"BasicModel_MultiLayer_TrueMultiInput"}


@pytest.mark.parametrize("method", [*METHODS, "feature_ablation", "occlusion"])
@pytest.mark.parametrize("name", SEVERAL_INPUTS)
@pytest.mark.filterwarnings("ignore::explain.errors.UnusedInputWarning")
def test_several_inputs(name, method):
    make, shapes, target, beside = SEVERAL_INPUTS[name]
    torch.manual_seed(1)
    model = make(basic_models).double().eval()
    generator = np.random.default_rng(4)
    x = tuple(3 * generator.normal(size=(3, *shape)) for shape in shapes)
    given = {"target": target, "forward_kwargs": beside, "score": "output"}
    more = {"occlusion": {"sliding_window_shapes": (1,)}, **{name: row[1] for name, row in METHODS.items()}}
    found = explain.attribute(model, x, method, **given, **more.get(method, {}))
    kinds = {
        "feature_ablation": ("FeatureAblation", {}),
        "occlusion": ("Occlusion", {"sliding_window_shapes": ((1,),) * len(x)}),
    }
    kind, theirs = kinds.get(method) or (METHODS[method][0], METHODS[method][2])
    if method in ("guided_backprop", "deconvolution", "deep_lift") and name in FUNCTIONAL | TWICE:
        # Captum is no oracle there: it passes a function by, and mixes up the calls of a module.
        if method == "deep_lift":
            assert (found[0].relative_delta < 1e-9).all()
        return
    captums = getattr(captum.attr, kind)(partial_of(model, **beside) if beside else model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors = tuple(torch.tensor(one, requires_grad=True) for one in x)
        expected = captums.attribute(tensors, target=target, **theirs)
    for own, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(own.values, other.detach().numpy(), **CLOSE)


def test_one_of_two_outputs():
    x = tuple(np.random.default_rng(index).normal(size=(3, 4)) for index in range(2))
    with pytest.warns(UnusedInputWarning):
        first, second = explain.attribute(basic_models.MultiRelu(), x, "input_x_gradient", output=0, target=2)
    np.testing.assert_allclose(first.values[:, 2], np.maximum(x[0][:, 2], 0), rtol=1e-6)
    assert not second.values.any()


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
    assert classes == {*ONE_INPUT, *SEVERAL_INPUTS, *TOKENS, *TWO_OUTPUTS, *REFUSED, *RANDOM, *PARTS}
