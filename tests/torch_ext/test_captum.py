"""Captum, called by the test itself, as the oracle of the torch extension; then ``engine="captum"``."""

from __future__ import annotations

import captum.attr
import numpy as np
import pytest
import scipy.ndimage
import torch
from models.convolutional import PerPosition, two_convolutions
from models.recurrent import LastStep
from torch import nn

import explain
from explain.errors import BaselineWarning, ConvergenceWarning, EngineError

pytestmark = pytest.mark.filterwarnings(
    "error::explain.errors.ExplainWarning",
    "ignore:Setting forward, backward hooks:UserWarning",  # Captum's own, on ReLU models.
    "ignore:Input Tensor:UserWarning",  # Captum's, where it switches requires_grad on.
)

RULES = {
    "gauss_legendre": "gausslegendre",
    "midpoint": "riemann_middle",
    "riemann_left": "riemann_left",
    "riemann_right": "riemann_right",
}

# Relative L2 of a map. In float64 the nodes of Captum, which are NumPy's too, are the same to 1e-16, and
# what is left is the float32 of our result (6e-8). In float32 Captum's nodes are float32 and so are ours,
# but the sums run in another order: a few units in the last place of fifty terms.
BOUND = {torch.float64: 1e-6, torch.float32: 1e-5}


MODELS = {
    "cnn": (two_convolutions, (3, 10, 10)),
    "mlp": (
        lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 5)),
        (6,),
    ),
    "rnn": (lambda: LastStep(nn.RNN(4, 6, batch_first=True), 6, 5), (7, 4)),
    "lstm": (lambda: LastStep(nn.LSTM(4, 6, batch_first=True), 6, 5), (7, 4)),
    "gru": (lambda: LastStep(nn.GRU(4, 6, batch_first=True), 6, 5), (7, 4)),
}


@pytest.fixture(params=list(MODELS))
def subject(request, torch_kit, few_steps):
    """A model in float64 with weights drawn in NumPy, and four examples.

    Nets with random weights and small scores are far from converged at the same nodes in both engines.
    """
    build, shape = MODELS[request.param]
    model = torch_kit.randomised(build().double().eval(), seed=7)
    return model, np.random.default_rng(8).normal(size=(4, *shape))


def _close(found, expected, bound):
    """Every example's map within the bound, in relative L2."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    axes = tuple(range(1, found.ndim))
    size = np.sqrt((expected**2).sum(axis=axes))
    assert (size > 0).all()
    assert (np.sqrt(((found - expected) ** 2).sum(axis=axes)) / size).max() < bound


def _captum_saliency(model, x, target, dtype=torch.float64):
    points = torch.tensor(x, dtype=dtype, requires_grad=True)
    return captum.attr.Saliency(model.to(dtype)).attribute(points, target=target, abs=False).numpy()


def _captum_ig(
    model, x, target, baseline=0.0, n_steps=50, rule="gauss_legendre", dtype=torch.float64, **options
):
    if isinstance(baseline, np.ndarray):
        baseline = torch.tensor(np.broadcast_to(baseline, x.shape).copy(), dtype=dtype)
    points = torch.tensor(x, dtype=dtype)
    engine = captum.attr.IntegratedGradients(model.to(dtype))
    found = engine.attribute(points, baseline, target=target, n_steps=n_steps, method=RULES[rule], **options)
    return found.detach().numpy()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("target", [2, [0, 4, 1, 1]])
def test_saliency(subject, target, dtype):
    model, x = subject
    expected = _captum_saliency(model, x, target, dtype)
    _close(explain.attribute(model, x, "saliency", target=target).values, expected, BOUND[dtype])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("target", [3, [0, 4, 1, 1]])
def test_integrated_gradients(subject, target, dtype):
    model, x = subject
    expected = _captum_ig(model, x, target, dtype=dtype)
    found = explain.attribute(model, x, "ig", target=target, n_steps=50)
    _close(found.values, expected, BOUND[dtype])


def test_predicted_class(subject):
    model, x = subject
    classes = model(torch.tensor(x)).argmax(dim=1).tolist()
    found = explain.attribute(model, x, "ig", n_steps=50)
    assert found.target == tuple(classes)
    _close(found.values, _captum_ig(model, x, classes), BOUND[torch.float64])


@pytest.mark.parametrize("baseline", [0.7, "per feature", "per example"])
def test_baselines(subject, baseline):
    model, x = subject
    generator = np.random.default_rng(2)
    if baseline == "per feature":
        baseline = generator.normal(size=x.shape[1:])
    elif baseline == "per example":
        baseline = generator.normal(size=x.shape)
    expected = _captum_ig(model, x, 1, baseline)
    _close(
        explain.attribute(model, x, "ig", target=1, baseline=baseline, n_steps=50).values,
        expected,
        BOUND[torch.float64],
    )


@pytest.mark.usefixtures("few_steps")
def test_blurred_baseline(torch_kit):
    model = torch_kit.randomised(two_convolutions().double(), seed=7)
    x = np.random.default_rng(8).normal(size=(2, 3, 10, 10))
    found = explain.attribute(model, x, "ig", target=1, baseline="blur", n_steps=50)
    sigma = found.baseline_rule["sigma"]
    blurred = np.stack(
        [[scipy.ndimage.gaussian_filter(plane, sigma, mode="nearest") for plane in picture] for picture in x]
    )
    np.testing.assert_allclose(found.baseline, blurred, rtol=1e-5, atol=1e-6)
    _close(found.values, _captum_ig(model, x, 1, blurred), BOUND[torch.float64])


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("n_steps", [2, 6, 33])
@pytest.mark.parametrize("rule", RULES)
def test_rules(torch_kit, rule, n_steps):
    model = torch_kit.randomised(MODELS["mlp"][0]().double(), seed=7)
    x = np.random.default_rng(8).normal(size=(3, 6))
    expected = _captum_ig(model, x, 2, rule=rule, n_steps=n_steps)
    found = explain.attribute(model, x, "ig", target=2, rule=rule, n_steps=n_steps)
    _close(found.values, expected, BOUND[torch.float64])


@pytest.mark.parametrize("batch_size", [3, 10, 1000])
def test_chunks_change_nothing(subject, batch_size):
    model, x = subject
    expected = _captum_ig(model, x, [0, 1, 2, 3], n_steps=7)
    found = explain.attribute(model, x, "ig", target=[0, 1, 2, 3], n_steps=7, batch_size=batch_size)
    _close(found.values, expected, BOUND[torch.float64])


@pytest.mark.parametrize("target", [(2, 3), [(0, 0), (4, 5), (1, 1), (2, 0)]])
def test_outputs_of_rank_three(torch_kit, target):
    model = torch_kit.randomised(PerPosition().double(), seed=1)
    x = np.random.default_rng(4).normal(size=(4, 4, 6))
    _close(
        explain.attribute(model, x, "saliency", target=target).values,
        _captum_saliency(model, x, target),
        1e-6,
    )
    _close(
        explain.attribute(model, x, "ig", target=target, n_steps=50).values,
        _captum_ig(model, x, target),
        1e-6,
    )


def test_callable_target(torch_kit):
    model = torch_kit.randomised(PerPosition().double(), seed=1)
    x = np.random.default_rng(4).normal(size=(4, 4, 6))

    def margin(outputs):
        return outputs[:, 1].mean(dim=1) - outputs[:, 2].amax(dim=1)

    found = explain.attribute(model, x, "ig", target=margin, n_steps=50)
    expected = captum.attr.IntegratedGradients(lambda points: margin(model(points))).attribute(
        torch.tensor(x)
    )
    _close(found.values, expected.detach().numpy(), BOUND[torch.float64])
    assert found.target == ("margin",) * 4
    np.testing.assert_allclose(found.scores, margin(model(torch.tensor(x))).detach().numpy(), rtol=1e-12)


def test_convergence_delta_is_captums(subject):
    model, x = subject
    _, delta = captum.attr.IntegratedGradients(model).attribute(
        torch.tensor(x), target=2, n_steps=50, return_convergence_delta=True
    )
    found = explain.attribute(model, x, "ig", target=2, n_steps=50)
    # Captum rounds its weights to float32.
    np.testing.assert_allclose(found.delta, delta.detach().numpy(), rtol=0, atol=1e-7)


def test_terminal_softmax_is_taken_off(torch_kit):
    # The oracle is Captum on the model without its softmax; Captum on the whole model gives another map.
    body = torch_kit.randomised(MODELS["mlp"][0]().double(), seed=7)
    whole = nn.Sequential(body, nn.Softmax(dim=1))
    x = np.random.default_rng(8).normal(size=(3, 6))
    found = explain.attribute(whole, x, "ig", target=2, n_steps=50)
    _close(found.values, _captum_ig(body, x, 2), BOUND[torch.float64])
    probability = explain.attribute(whole, x, "ig", target=2, score="probability", n_steps=50)
    _close(probability.values, _captum_ig(whole, x, 2), BOUND[torch.float64])


# --- engine="captum" ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [2, [0, 4, 1, 1]])
def test_engine_saliency(subject, target):
    model, x = subject
    found = explain.attribute(model, x, "saliency", target=target, engine="captum", batch_size=3)
    assert found.engine == "captum"
    np.testing.assert_array_equal(found.values, _captum_saliency(model, x, target).astype(np.float32))


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("batch_size", [2, None])
@pytest.mark.parametrize("rule", RULES)
def test_engine_integrated_gradients(torch_kit, rule, batch_size):
    model = torch_kit.randomised(LastStep(nn.RNN(4, 6, batch_first=True), 6, 5).double(), seed=7)
    x = np.random.default_rng(8).normal(size=(5, 7, 4))
    target, baseline = [0, 4, 1, 1, 2], np.random.default_rng(1).normal(size=(5, 7, 4))
    arguments = {"target": target, "baseline": baseline, "rule": rule, "n_steps": 7, "batch_size": batch_size}
    found = explain.attribute(model, x, "ig", engine="captum", **arguments)
    _close(found.values, _captum_ig(model, x, target, baseline, 7, rule), BOUND[torch.float64])
    own = explain.attribute(model, x, "ig", **arguments)
    _close(found.values, own.values, BOUND[torch.float64])
    np.testing.assert_allclose(found.delta, own.delta, rtol=0, atol=1e-7)  # Captum's weights are float32.


def test_engine_refuses_captums_trapezoid(torch_kit):
    # What the refusal says of Captum is checked here: its weights sum to (n − 1)/n.
    model = torch_kit.dense([(np.array([[2.0], [3.0]]), np.zeros(1))], dtype="float64")
    x = np.ones((1, 2))
    theirs = captum.attr.IntegratedGradients(model).attribute(
        torch.tensor(x), target=0, n_steps=10, method="riemann_trapezoid"
    )
    np.testing.assert_allclose(theirs.detach().numpy(), [[1.8, 2.7]], rtol=1e-6)
    with pytest.raises(EngineError, match="trapezoid"):
        explain.attribute(model, x, "ig", rule="trapezoid", engine="captum")
    ours = explain.attribute(model, x, "ig", rule="trapezoid", n_steps=10)
    np.testing.assert_allclose(ours.values, [[2.0, 3.0]], rtol=1e-6)


def test_engine_refuses_what_captum_asserts(torch_kit):
    model = torch_kit.dense([(np.ones((2, 1)), np.zeros(1))])
    with pytest.raises(EngineError, match="n_steps"):
        explain.attribute(
            model, np.ones((1, 2), np.float32), "ig", rule="midpoint", n_steps=1, engine="captum"
        )


def test_engine_warns_as_ours_does(torch_kit):
    model = torch_kit.function(lambda x: (x * x).sum(dim=1))
    x = np.array([[1.0], [2.0]])
    with pytest.warns(ConvergenceWarning, match="n_steps"):
        explain.attribute(model, x, "ig", rule="riemann_left", n_steps=5, engine="captum")
    with pytest.warns(BaselineWarning, match=r"example \[1\]"):
        explain.attribute(model, x, "ig", baseline=2.0, engine="captum")


def test_engine_has_no_activation_maximization(torch_kit):
    with pytest.raises(EngineError, match="engine='explain'"):
        explain.attribute(
            torch_kit.cnn(), np.zeros((1, 1, 8, 8), np.float32), "maximize", bounds=(0, 1), engine="captum"
        )


def test_engine_keeps_padding_and_one_hot_lengths(torch_kit):
    # The adapter that holds lengths is under both engines.
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden_size = 3
            self.step = nn.RNNCell(4, 3)

        def forward(self, input, hidden):
            hidden = self.step(input, hidden)
            return hidden, hidden

    model = torch_kit.randomised(Tagger().double(), seed=2)
    x = np.zeros((2, 5, 4))
    x[0, np.arange(5), [0, 1, 2, 3, 0]] = 1
    x[1, np.arange(2), [3, 1]] = 1
    ours, theirs = (
        explain.attribute(model, x, "ig", target=1, n_steps=50, engine=engine)
        for engine in ("explain", "captum")
    )
    _close(ours.values, theirs.values, BOUND[torch.float64])
    assert (theirs.values[1, 2:] == 0).all()
    alone = explain.attribute(model, x[1:, :2], "ig", target=1, n_steps=50)
    np.testing.assert_allclose(ours.values[1, :2], alone.values[0], rtol=1e-6, atol=1e-7)
