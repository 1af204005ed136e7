"""Several inputs: tuples, lists and dicts in, the same structure out, with Captum's numbers for tuples."""

from __future__ import annotations

import warnings

import captum.attr
import numpy as np
import pytest
import torch
from captum.testing.helpers.basic_models import (
    BasicEmbeddingModel,
    BasicModel2,
    BasicModel3,
    BasicModel_MultiLayer_MultiInput,
)
from models.several_inputs import PictureAndTable
from torch import nn

import explain
from explain.errors import (
    BaselineError,
    ConvergenceWarning,
    HeldInputWarning,
    InputError,
    LayerError,
    LayoutError,
    ModelCallError,
    NoiseWarning,
    OptionError,
    UnsupportedInputError,
    UnsupportedModelError,
    UnusedInputWarning,
)
from explain.running.paths.quadrature import nodes_and_weights

RNG = np.random.default_rng(0)
IMAGE, TABLE = RNG.normal(size=(3, 2, 6, 6)), RNG.normal(size=(3, 4))
BASES = RNG.normal(size=IMAGE.shape), RNG.normal(size=TABLE.shape)
CLOSE = {"rtol": 1e-5, "atol": 1e-7}  # Values are float32.

# Few steps are enough to compare two results.
pytestmark = pytest.mark.filterwarnings("ignore::explain.errors.ConvergenceWarning")


@pytest.fixture
def both():
    return PictureAndTable().double().eval()


def tensors(*arrays):
    return tuple(torch.tensor(one) for one in arrays)


def check(found, expected, **close):
    assert [one.input_name for one in found] == [str(place) for place in range(len(found))]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, other.detach().numpy(), **(close or CLOSE))


@pytest.mark.parametrize(
    ("method", "options", "theirs", "settings"),
    [
        ("saliency", {}, "Saliency", {"abs": False}),
        ("input_x_gradient", {}, "InputXGradient", {}),
        (
            "ig",
            {"n_steps": 20, "baseline": BASES},
            "IntegratedGradients",
            {"n_steps": 20, "baselines": BASES},
        ),
        ("deep_lift", {"baseline": BASES}, "DeepLift", {"baselines": BASES}),
        ("deep_lift_shap", {"baseline": BASES}, "DeepLiftShap", {"baselines": BASES}),
        ("guided_backprop", {}, "GuidedBackprop", {}),
        ("deconvolution", {}, "Deconvolution", {}),
        (
            "feature_ablation",
            {"baseline": BASES, "feature_mask": "elements"},
            "FeatureAblation",
            {"baselines": BASES},
        ),
        (
            "occlusion",
            {"sliding_window_shapes": ((2, 3, 3), (2,)), "strides": ((2, 2, 2), 1)},
            "Occlusion",
            {"sliding_window_shapes": ((2, 3, 3), (2,)), "strides": ((2, 2, 2), (1,))},
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks", "ignore:Setting forward")
def test_values_are_captums_for_tuples(method, options, theirs, settings):
    model = nn.Module.double(PictureAndTable()).eval()
    if theirs in ("DeepLift", "DeepLiftShap", "GuidedBackprop", "Deconvolution"):
        # Captum's rules see modules only.
        model.rectify, model.squash = nn.ReLU(), nn.Tanh()
        model.forward = lambda image, table: model.head(
            model.squash(model.picture(model.rectify(model.see(image)).flatten(1)) + model.row(table))
        )
    settings = {name: tensors(*value) if name == "baselines" else value for name, value in settings.items()}
    x = tuple(one.requires_grad_() for one in tensors(IMAGE, TABLE))
    expected = getattr(captum.attr, theirs)(model).attribute(x, target=1, **settings)
    for batch_size in (1, 1000):
        found = explain.attribute(model, (IMAGE, TABLE), method, target=1, batch_size=batch_size, **options)
        check(found, expected)
    # An example alone has the values that it has in a batch.
    own = {
        name: tuple(base[:1] for base in value)
        if name == "baseline" and method != "deep_lift_shap"
        else value
        for name, value in options.items()
    }
    alone = explain.attribute(model, (IMAGE[:1], TABLE[:1]), method, target=1, **own)
    check(alone, [one[:1] for one in expected])


@pytest.mark.parametrize("engine", ["captum", "explain"])
@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "ig"])
def test_both_engines_take_tuples(both, method, engine):
    options = {"n_steps": 20} if method == "ig" else {}
    found = explain.attribute(both, [IMAGE, TABLE], method, target=1, engine=engine, **options)
    assert isinstance(found, list)
    own = explain.attribute(both, (IMAGE, TABLE), method, target=1, **options)
    for one, other in zip(found, own, strict=True):
        np.testing.assert_allclose(one.values, other.values, **CLOSE)
        assert one.engine == engine


def test_a_layer_and_a_neuron(both):
    x = tensors(IMAGE, TABLE)
    expected = captum.attr.LayerConductance(both, both.row).attribute(x, target=1, n_steps=50)
    found = explain.attribute(both, (IMAGE, TABLE), "conductance", target=1, layer="row")
    # Captum lays one step more between the same nodes: the sums differ by what a step does.
    assert isinstance(found, explain.Attribution)
    assert found.layer == "row"
    np.testing.assert_allclose(found.values, expected.detach().numpy(), rtol=1e-3, atol=1e-4)
    given = explain.attribute(both, (IMAGE, TABLE), "activation", layer="row")
    np.testing.assert_allclose(given.values, both.row(x[1]).detach().numpy(), **CLOSE)
    inner = captum.attr.LayerIntegratedGradients(both, both.picture).attribute(x, target=1, n_steps=20)
    path = explain.attribute(both, (IMAGE, TABLE), "ig", target=1, layer="picture", n_steps=20)
    np.testing.assert_allclose(path.values, inner.detach().numpy(), **CLOSE)
    unit = captum.attr.NeuronGradient(both, both.head).attribute(x, neuron_selector=2)
    check(explain.attribute(both, (IMAGE, TABLE), "saliency", layer="head", neuron=2), unit)


def test_through_a_neuron(both):
    # By hand, since Captum fails where a neuron does not read all inputs.
    expected = np.zeros(TABLE.shape)
    for node, weight in zip(*nodes_and_weights("gauss_legendre", 30), strict=True):
        image, table = tensors(node * IMAGE, node * TABLE)
        row = both.row(table)
        hidden = both.picture(torch.relu(both.see(image)).flatten(1)) + row
        (slope,) = torch.autograd.grad(both.head(torch.tanh(hidden))[:, 1].sum(), row)
        through = slope[:, 2:3] * both.row.weight[2]
        expected += weight * through.detach().numpy() * TABLE
    # The score does depend on the picture, if not by this way: it is not called unused.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnusedInputWarning)
        image, table = explain.attribute(
            both, (IMAGE, TABLE), "conductance", target=1, layer="row", neuron=2, n_steps=30
        )
    np.testing.assert_allclose(table.values, expected, **CLOSE)
    assert not image.values.any()
    assert table.neuron == (2, 2, 2)


def test_relevance_is_shared_out_to_both(both):
    image, table = explain.attribute(both, (IMAGE, TABLE), "lrp", target=1, rule="epsilon")
    held = {"forward_kwargs": {"table": TABLE}}
    alone = explain.attribute(both, IMAGE, "lrp", target=1, rule="epsilon", **held)
    np.testing.assert_allclose(image.values, alone.values, rtol=1e-5, atol=1e-7)
    assert table.values.all()


def test_models_of_captums_own():
    for model, expected in ((BasicModel2(), (1.5, -0.5)), (BasicModel3(), (1.5, -0.5))):
        # Sundararajan et al., arXiv:1703.01365, table 1: inputs of shape (N,), one number per example.
        x = np.array([3.0, 3.0]), np.array([1.0, 1.0])
        found = explain.attribute(model, x, "ig", score="output", n_steps=500, baseline=0)
        theirs = captum.attr.IntegratedGradients(model).attribute(tensors(*x), n_steps=500)
        check(found, theirs, rtol=1e-5)
        assert found[0].layout == "N"
        assert sum(float(one.values[0]) for one in found) == pytest.approx(sum(expected), abs=5e-3)
    model = BasicModel_MultiLayer_MultiInput().double().eval()
    x = tuple(RNG.normal(size=(4, 3)) for _ in range(3))
    found = explain.attribute(model, x, "deep_lift", target=0, forward_kwargs={"scale": 3}, score="output")
    theirs = captum.attr.IntegratedGradients(model).attribute(
        tensors(*x), target=0, additional_forward_args=3, n_steps=400
    )
    path = explain.attribute(
        model, x, "ig", target=0, forward_kwargs={"scale": 3}, score="output", n_steps=400
    )
    check(path, theirs)
    # What it adds is symmetric: each input gets the slope that all have.
    slope = [one.values / given for one, given in zip(found, x, strict=True)]
    np.testing.assert_allclose(slope[0], slope[1], rtol=1e-5)


def test_embeddings_are_told_apart():
    model = BasicEmbeddingModel(nested_second_embedding=True).double().eval()
    first, second = RNG.integers(1, 30, size=(2, 5)), RNG.integers(1, 30, size=(2, 5))
    third = RNG.integers(1, 30, size=(2, 5))
    found = explain.attribute(
        model, (first, second, third), "ig", score="output", target=0, n_steps=30, baseline=0
    )
    layers = [model.embedding1, model.embedding2.inner_embedding, model.embedding2.inner_embedding2]
    theirs = captum.attr.LayerIntegratedGradients(lambda *x: model(*x)[:, 0], layers)
    ids = tensors(first, second, third)
    expected = theirs.attribute(ids, baselines=tuple(map(torch.zeros_like, ids)), n_steps=30)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.values, other.detach().numpy().sum(axis=2), rtol=1e-4, atol=1e-6)
        assert one.layout == "NT"
        assert one.baseline_rule == {"rule": "token", "id": 0}


def test_one_embedding_that_reads_two_inputs():
    class Siamese(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.words, self.head = nn.Embedding(9, 4), nn.Linear(8, 2)

        def forward(self, one, other):
            both = torch.cat([self.words(one).mean(1), self.words(other).mean(1)], 1)
            return self.head(torch.tanh(both))

    model = Siamese().double()
    one, other = RNG.integers(1, 9, size=(2, 5)), RNG.integers(1, 9, size=(2, 5))
    a, b = explain.attribute(model, (one, other), "ig", target=1, baseline=0, n_steps=30)
    zero = torch.zeros((2, 5), dtype=torch.int64)
    with torch.no_grad():
        change = (model(*tensors(one, other)) - model(zero, zero))[:, 1].numpy()
        half = (model(torch.tensor(one), zero) - model(zero, zero))[:, 1].numpy()
    np.testing.assert_allclose(a.values.sum(1) + b.values.sum(1), change, rtol=1e-4)
    # The halves do not meet before the head, which is linear.
    np.testing.assert_allclose(a.values.sum(1), half, rtol=1e-4)


def test_ids_of_one_number_an_example(both):
    class Item(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.users, self.head = nn.Embedding(9, 4), nn.Linear(7, 2)

        def forward(self, user, features):
            return self.head(torch.cat([self.users(user), features], 1))

    model, users, features = Item().double(), np.array([3, 5]), RNG.normal(size=(2, 3))
    a, b = explain.attribute(model, {"user": users, "features": features}, "ig", target=1, n_steps=3).values()
    weight = model.head.weight[1].detach().numpy()
    table = model.users.weight.detach().numpy()
    np.testing.assert_allclose(a.values, (table[users] - table[0]) @ weight[:4], **CLOSE)
    np.testing.assert_allclose(b.values, features * weight[4:], **CLOSE)
    assert (a.layout, a.inputs.tolist()) == ("N", [3, 5])


def test_shapley_values_are_exact_over_all_inputs():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 2)).double()

    class Joined(nn.Module):
        def forward(self, a, b):
            return net(torch.cat([a, b], 1))

    a, b = RNG.normal(size=(2, 2)), RNG.normal(size=(2, 3))
    expected = captum.attr.ShapleyValues(Joined()).attribute(tensors(a, b), target=1)
    check(explain.attribute(Joined(), (a, b), "kernel_shap", target=1, n_samples=64), expected)
    # Features that have a number in common, in whichever input, are one.
    masks = np.array([0, 1]), np.array([1, 2, 0])
    together = captum.attr.ShapleyValues(Joined()).attribute(
        tensors(a, b), target=1, feature_mask=tensors(*(one[None] for one in masks))
    )
    check(
        explain.attribute(Joined(), (a, b), "kernel_shap", target=1, n_samples=64, feature_mask=masks),
        together,
    )
    # By one rule and one array: the rule's are numbered on.
    mixed = explain.attribute(
        Joined(), (a, b), "kernel_shap", target=1, n_samples=64, feature_mask=(None, np.array([0, 0, 1]))
    )
    check(
        mixed,
        captum.attr.ShapleyValues(Joined()).attribute(
            tensors(a, b), target=1, feature_mask=tensors(np.array([[2, 3]]), np.array([[0, 0, 1]]))
        ),
    )


def test_noise_is_a_share_of_each_inputs_own_range(both):
    # The score is linear in each of them and quadratic in both: noise on the one is the gradient of the other.
    class Product(nn.Module):
        def forward(self, a, b):
            return (a * b).sum(1, keepdim=True)

    a, b = RNG.normal(size=(1, 400)), 1000 * RNG.normal(size=(1, 400))
    found = explain.attribute(Product(), (a, b), "vargrad", score="output", n_samples=50, stdevs=0.1)
    for one, other in zip(found, (b, a), strict=True):
        # The variance over 50 draws, not over all but one, at 400 places: within three standard errors, √(2 / 20 000).
        expected = (0.1 * np.ptp(other)) ** 2 * 49 / 50
        assert one.values.mean() == pytest.approx(expected, rel=0.03)
    flat = np.ones((1, 400))
    with pytest.warns(NoiseWarning, match="in one of the inputs"):
        explain.attribute(Product(), (flat, b), "smoothgrad", score="output", n_samples=2)


def test_deltas_are_those_of_all_inputs(both, tmp_path):
    for method in ("ig", "expected_gradients", "guided_ig", "shapley_value_sampling", "kernel_shap"):
        baseline = BASES if method == "expected_gradients" else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = explain.attribute(both, (IMAGE, TABLE), method, target=1, baseline=baseline)
        assert np.array_equal(found[0].delta, found[1].delta)
        assert all(one.together == ("0", "1") for one in found)
    ig = explain.attribute(both, {"table": TABLE, "image": IMAGE}, "ig", target=1, n_steps=300)
    with torch.no_grad():
        change = (both(*tensors(IMAGE, TABLE)) - both(*tensors(0 * IMAGE, 0 * TABLE)))[:, 1].numpy()
    total = sum(one.values.reshape(3, -1).sum(1) for one in ig.values())
    np.testing.assert_allclose(total - change, ig["image"].delta, atol=1e-5)
    for name, one in ig.items():
        again = explain.load(one.save(tmp_path / name))
        assert (again.input_name, again.together) == (name, ("table", "image"))
        assert f"input_name={name!r}" in repr(one)
        texts = [text.get_text() for text in one.plot().findobj(lambda part: hasattr(part, "get_text"))]
        assert any("joint delta" in text for text in texts)
        assert any(f"input {name}" in text for text in texts)


def test_results_show_themselves_and_are_the_plain_containers(both):
    for x in ((IMAGE, TABLE), [IMAGE, TABLE], {"image": IMAGE, "table": TABLE}):
        found = explain.attribute(both, x, "saliency", target=1)
        assert isinstance(found, type(x))
        assert found == type(x)(found)
        data, _ = found._repr_mimebundle_()
        assert data["text/html"].count("<img") == 2
        assert repr(found).count("\n") == 1


def test_methods_that_need_axes_hold_the_others(both):
    held = {"forward_kwargs": {"table": TABLE}}
    for method, options in (
        ("rise", {"n_masks": 40}),
        ("blur_ig", {"n_steps": 10}),
        ("xrai", {"n_steps": 10, "bounds": (-3, 3)}),
        ("gradcam", {}),
        ("score_cam", {}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image, table = explain.attribute(both, (IMAGE, TABLE), method, target=1, **options)
            alone = explain.attribute(both, IMAGE, method, target=1, **held, **options)
        np.testing.assert_allclose(image.values, alone.values, rtol=1e-5, atol=1e-7)
        assert image.together == ()
        assert (table is None) == (method != "rise")
    with pytest.warns(HeldInputWarning, match="not for a table"):
        explain.attribute(both, (IMAGE, TABLE), "blur_ig", target=1, n_steps=50)
    with pytest.raises(UnsupportedInputError, match="is for images"):
        explain.attribute(nn.Bilinear(4, 4, 3).double(), (TABLE, TABLE), "xrai", target=1, bounds=(0, 1))


def test_a_map_is_of_the_tower_that_reads_the_input():
    class Towers(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.left, self.right, self.head = nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3), nn.Linear(6, 2)

        def forward(self, one, other):
            both = [self.left(one).relu().mean((2, 3)), self.right(other).relu().mean((2, 3))]
            return self.head(torch.cat(both, 1))

    model = Towers().double()
    one, other = explain.attribute(model, (IMAGE, IMAGE[::-1].copy()), "layer_cam", target=0)
    assert (one.layer, other.layer) == ("left", "right")
    with pytest.warns(HeldInputWarning, match="does not read this input"):
        named = explain.attribute(model, (IMAGE, IMAGE), "layer_cam", target=0, layer="left")
    assert named[1] is None
    with pytest.raises(LayerError, match="is not a layer of the model"):
        explain.attribute(model, (IMAGE, IMAGE), "layer_cam", target=0, layer="middle")


def test_what_is_held_is_held_at_references_too():
    class Gated(nn.Module):
        def forward(self, a, b, gate):
            return ((a + b) * gate.to(a.dtype)).sum(1, keepdim=True)

    gate = RNG.integers(0, 2, size=TABLE.shape) > 0
    references = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    # As many samples as references, or a multiple: each is drawn as often, and the score is linear.
    found = explain.attribute(
        Gated(),
        (TABLE, TABLE, gate),
        "expected_gradients",
        score="output",
        baseline=(*references, None),
        n_samples=10,
    )
    for one, some in zip(found, references, strict=False):
        np.testing.assert_allclose(one.values, (TABLE - some.mean(0)) * gate, **CLOSE)
    assert (found[0].relative_delta < 1e-9).all()
    with pytest.raises(BaselineError, match="'2', which stays fixed"):
        explain.attribute(
            Gated(),
            (TABLE, TABLE, gate),
            "expected_gradients",
            score="output",
            baseline=(*references, references[0]),
        )


def test_none_and_what_is_not_used(both):
    found = explain.attribute(both, (IMAGE, None), "ig", target=1, n_steps=5)
    alone = explain.attribute(both, IMAGE, "ig", target=1, n_steps=5)
    np.testing.assert_array_equal(found[0].values, alone.values)
    assert found[1] is None

    class Deaf(nn.Module):
        def forward(self, a, b):
            return a.square()

    for method in ("saliency", "ig", "feature_ablation", "occlusion"):
        with pytest.warns(UnusedInputWarning, match="input 'b' has no effect that was seen"):
            ours = explain.attribute(Deaf(), {"a": TABLE, "b": TABLE}, method, target=1, score="output")
        assert ours["a"].values[:, 1].all()
        assert not ours["b"].values.any()
    # Where the values are zero for another reason it is not said.
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnusedInputWarning)
        explain.attribute(both, (IMAGE, 0 * TABLE), "ig", target=1, n_steps=50)


def test_functions_of_arrays(both):
    weight = RNG.normal(size=4)

    def score(a, b=None, flag=None):
        total = (a * weight).sum(1) + (0 if b is None else (b * b).sum(1))
        return np.stack([total, -total], 1)

    arguments = {"target": 0, "framework": "numpy", "score": "output"}
    for x in ((TABLE, TABLE), {"a": TABLE, "b": TABLE}):
        found = explain.attribute(score, x, "kernel_shap", **arguments)
        one, other = found.values() if isinstance(found, dict) else found
        np.testing.assert_allclose(one.values, TABLE * weight, **CLOSE)
        np.testing.assert_allclose(other.values, TABLE**2, **CLOSE)
    with pytest.warns(HeldInputWarning, match="int64"):
        found = explain.attribute(
            score, {"a": TABLE, "flag": np.ones(3, int), "b": None}, "occlusion", **arguments
        )
    assert found["b"] is None
    assert found["flag"].values.tolist() == [0, 0, 0]
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression().fit(TABLE, [0, 1, 1])
    with pytest.raises(UnsupportedModelError, match="takes one array"):
        explain.attribute(fitted, (TABLE, TABLE), "kernel_shap")


@pytest.mark.parametrize(
    ("x", "arguments", "error", "words"),
    [
        ((), {}, InputError, "without an array"),
        ((None, None), {}, InputError, "without an array"),
        ({1: IMAGE}, {}, InputError, "key 1"),
        ((IMAGE, "table"), {}, InputError, r"x\[1\] is of type str"),
        ((IMAGE, TABLE[:2]), {}, InputError, "'0' has 3, '1' has 2"),
        ((IMAGE, np.full((3, 4), np.nan)), {}, InputError, r"x\[1\] has 12 values"),
        ((IMAGE, TABLE, TABLE), {}, ModelCallError, "positional arguments"),
        ({"image": IMAGE, "tabel": TABLE}, {}, ModelCallError, "tabel"),
        ({"table": TABLE}, {}, ModelCallError, "image"),
        ((IMAGE, TABLE), {"baseline": (0, 0, 0)}, BaselineError, "3 entries, but x has 2"),
        ((IMAGE, TABLE), {"baseline": {"image": 0}}, BaselineError, "is a dict, but x is a tuple"),
        (
            {"image": IMAGE, "table": TABLE},
            {"baseline": {"tabel": 0}},
            BaselineError,
            "'tabel', which is not an input",
        ),
        ({"image": IMAGE, "table": TABLE}, {"baseline": {"table": IMAGE}}, BaselineError, "input 'table'"),
        ((IMAGE, TABLE), {"layout": ("NCHW", "NHW")}, LayoutError, "3 axes"),
        ((IMAGE, TABLE), {"lengths": {"a": [1]}}, InputError, "is a dict"),
        ((IMAGE, TABLE), {"method": "occlusion", "strides": (1, 1, 1)}, OptionError, "3 entries"),
        ((IMAGE, TABLE), {"method": "lime", "feature_mask": ("grids", None)}, OptionError, "grids"),
        ((IMAGE, TABLE), {"method": "maximize", "bounds": (0, 1)}, UnsupportedInputError, "searches for one"),
        (
            (IMAGE, TABLE),
            {"method": "expected_gradients", "baseline": (IMAGE, TABLE[:2])},
            BaselineError,
            "the same number",
        ),
        ((IMAGE > 0, TABLE > 0), {}, InputError, "no input that a method can change"),
        (
            {"image": IMAGE, "table": TABLE},
            {"forward_kwargs": {"table": TABLE}},
            InputError,
            "'table' is given in x and in forward_kwargs",
        ),
    ],
)
def test_what_cannot_be_is_refused(both, x, arguments, error, words):
    with pytest.raises(error, match=words):
        explain.attribute(both, x, **{"method": "ig", "target": 1, **arguments})


def test_time_may_come_first_in_one_of_them():
    class Reader(nn.Module):
        def __init__(self, batch_first):
            super().__init__()
            torch.manual_seed(0)
            self.rnn, self.head = nn.GRU(3, 4, batch_first=batch_first), nn.Linear(6, 2)

        def forward(self, rest, steps):
            last = self.rnn(steps)[0]
            return self.head(torch.cat([last[:, -1] if self.rnn.batch_first else last[-1], rest], 1))

    rest, steps = RNG.normal(size=(2, 2)), RNG.normal(size=(2, 5, 3))
    expected = explain.attribute(Reader(True).double(), (rest, steps), "ig", target=1, n_steps=10)
    turned = (rest, np.swapaxes(steps, 0, 1).copy())
    found = explain.attribute(
        Reader(False).double(), turned, "ig", target=1, n_steps=10, layout=(None, "TNC")
    )
    np.testing.assert_allclose(found[0].values, expected[0].values, **CLOSE)
    np.testing.assert_allclose(np.swapaxes(found[1].values, 0, 1), expected[1].values, **CLOSE)


def test_a_session_of_several_inputs():
    import onnxruntime
    from onnx import TensorProto, helper

    kind = TensorProto.DOUBLE
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["flag"], ["factor"], to=kind),
            helper.make_node("Mul", ["a", "factor"], ["scaled"]),
            helper.make_node("Add", ["scaled", "b"], ["y"]),
        ],
        "network",
        [
            helper.make_tensor_value_info("a", kind, ["N", 4]),
            helper.make_tensor_value_info("b", kind, ["N", 4]),
            helper.make_tensor_value_info("flag", TensorProto.INT64, ["N", 1]),
        ],
        [helper.make_tensor_value_info("y", kind, ["N", 4])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    flag = np.array([[2], [3], [-1]])
    with pytest.warns(HeldInputWarning):
        a, b, held = explain.attribute(
            session, (TABLE, TABLE, flag), "feature_ablation", target=1, score="output"
        )
    np.testing.assert_allclose(a.values[:, 1], TABLE[:, 1] * flag[:, 0], **CLOSE)
    np.testing.assert_allclose(b.values[:, 1], TABLE[:, 1], **CLOSE)
    assert not held.values.any()


def test_a_backend_that_takes_one_input_says_so(both, monkeypatch):
    from explain.torch_ext.backend import TorchBackend

    monkeypatch.delattr("explain.backends.layered.Layered.takes_several_inputs")
    assert not hasattr(TorchBackend, "takes_several_inputs")
    with pytest.raises(UnsupportedModelError, match="torch backend takes one"):
        explain.attribute(both, (IMAGE, TABLE), "saliency", target=1)


def test_what_is_given_for_each_input_is_its_own(both):
    found = explain.attribute(
        both,
        {"image": IMAGE, "table": TABLE},
        "ig",
        target=1,
        n_steps=5,
        baseline={"image": "blur"},
        display={"table": {"feature_names": list("abcd")}},
    )
    assert found["image"].baseline_rule["rule"] == "blur"
    assert found["table"].baseline_rule == {"rule": "zeros"}
    assert found["table"].display.feature_names == tuple("abcd")
    assert found["image"].display.feature_names == ()
    drawn = explain.attribute(
        both, (IMAGE, TABLE), "ig", target=1, n_steps=5, baseline="uniform", bounds=((-1, 0), (5, 6))
    )
    assert drawn[0].baseline.max() <= 0
    assert drawn[1].baseline.min() >= 5
    shown = explain.attribute(
        both, (IMAGE, TABLE), "ig", target=1, n_steps=5, display={"classes": ["x", "y", "z"]}
    )
    assert all(one.display.classes == ("x", "y", "z") for one in shown)


def test_the_model_leaves_as_it_came(both):
    both.train()
    before = {name: one.clone() for name, one in both.state_dict().items()}
    state = torch.get_rng_state()
    for method in ("ig", "smoothgrad", "rise"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explain.attribute(both, (IMAGE, TABLE), method, target=1)
    assert both.training
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one, before[name]) for name, one in both.state_dict().items())
    assert not both._forward_hooks
