"""Max-sensitivity and average sensitivity, by their formula, by hand, and by Captum."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients, Saliency
from captum.metrics import sensitivity_max
from torch import nn

import explain
from explain.errors import EvaluationError, OptionError
from explain.metrics.robustness.neighbours import perturbations
from explain.metrics.subject import Subject

BOTH = ("max_sensitivity", "avg_sensitivity")


def test_of_a_linear_model():
    """Of w · x the map is w x: it changes by w δ."""
    net = nn.Linear(4, 1, bias=False).double()
    w = np.array([1.0, -2.0, 0.5, 3.0])
    net.weight.data = torch.tensor(w[np.newaxis])
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    a = explain.attribute(net, x, "input_x_gradient")
    found = explain.evaluate(net, a, BOTH[0], seed=4)[BOTH[0]].values
    subject = Subject(net, a, {}, seed=4)
    for row in range(3):
        moves = perturbations(subject, row, 0.02, 10)
        assert moves.shape == (10, 4)
        assert 0.015 < np.abs(moves).max() <= 0.02
        changes = np.linalg.norm(w * moves, axis=1) / np.linalg.norm(w * x[row])
        np.testing.assert_allclose(found[row], changes.max(), rtol=1e-4)  # x + δ is in single precision


def test_by_hand(net, explained, by_hand):
    walked = by_hand(net, explained, radius=0.3, n_samples=7, seed=5)
    for relative in (True, False):
        options = {"radius": 0.3, "n_samples": 7, "relative": relative}
        e = explain.evaluate(net, explained, [(name, options) for name in BOTH], seed=5)
        for row, one in enumerate(walked):
            changes = []
            for other in one.maps:
                total = sum((p - q) ** 2 for p, q in zip(other, one.map, strict=True)) ** 0.5
                changes.append(total / np.sqrt((one.map**2).sum()) if relative else total)
            np.testing.assert_allclose(e[BOTH[0]].values[row], max(changes), rtol=1e-6)
            np.testing.assert_allclose(e[BOTH[1]].values[row], sum(changes) / 7, rtol=1e-6)


@pytest.fixture(scope="module")
def cifar_nets():
    return {
        framework: (
            explain.zoo.load("cifar_net", framework=framework),
            explain.zoo.samples("cifar_net", framework=framework),
        )
        for framework in ("torch", "tensorflow")
    }


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
def test_equals_captum_on_both_twins(cifar_nets, method):
    """Captum's sensitivity_max of Captum's own maps, with the same draws."""
    target, how = [3, 8, 1], {"n_steps": 20, "rule": "gauss_legendre"} if method != "saliency" else {}
    model, samples = cifar_nets["torch"]
    x = samples.x[:3]
    options = {"radius": 0.05, "n_samples": 4}
    a = explain.attribute(model, x, method, target=target, **how)
    subject = Subject(model, a, {}, seed=2)
    moves = np.stack([perturbations(subject, row, **options) for row in range(3)])

    def perturbed(inputs, radius):
        return inputs + torch.tensor(moves.reshape(-1, *x.shape[1:]), dtype=torch.float32)

    def maps(inputs, target):
        with torch.enable_grad():
            if method == "saliency":
                found = Saliency(model).attribute(inputs, target=target, abs=False)
            else:
                found = IntegratedGradients(model).attribute(
                    inputs, target=target, n_steps=20, method="gausslegendre"
                )
        return tuple(one.detach() for one in found) if isinstance(found, tuple) else found.detach()

    expected = sensitivity_max(
        maps, (torch.tensor(x),), perturb_func=perturbed, n_perturb_samples=4, target=torch.tensor(target)
    ).numpy()
    found = explain.evaluate(
        model, a, ("max_sensitivity", options) and [("max_sensitivity", options)], seed=2
    )
    np.testing.assert_allclose(found["max_sensitivity"].values, expected, rtol=1e-5)

    twin, of_twin = cifar_nets["tensorflow"]
    b = explain.attribute(twin, of_twin.x[:3], method, target=target, **how)
    assert b.layout != a.layout
    again = explain.evaluate(twin, b, [("max_sensitivity", options)], seed=2)
    np.testing.assert_allclose(again["max_sensitivity"].values, expected, rtol=1e-4)


@pytest.mark.parametrize("metric", BOTH)
def test_a_map_that_jumps_is_worse(metric):
    """The slope of a fast wave turns with the input, the mean slope of the neighbourhood hardly."""

    class Wave(nn.Module):
        def forward(self, x):
            return torch.sin(40 * x).sum(1) + 30 * x.sum(1)

    x = np.random.default_rng(0).normal(size=(5, 6))
    maps = {
        method: explain.attribute(Wave().double(), x, method, **options)
        for method, options in {"saliency": {}, "smoothgrad": {"n_samples": 400}}.items()
    }
    found = {name: explain.evaluate(Wave(), a, metric)[metric].values for name, a in maps.items()}
    assert (found["saliency"] > 3 * found["smoothgrad"]).all()


@pytest.mark.parametrize("metric", BOTH)
def test_constant_map_and_zero_map(metric):
    class Half(nn.Module):
        def forward(self, x):
            return torch.stack([x.sum(1), x[:, 0].clamp(min=0) * 0], dim=1)

    x = np.ones((2, 3), np.float32)
    a = explain.attribute(Half(), x, "saliency", target=[0, 1])
    found = explain.evaluate(Half(), a, metric)[metric]
    assert found.values[0] == 0
    assert np.isnan(found.values[1])
    assert found.left_out == {1: "The map is zero: a change of it is no share of it."}
    absolute = explain.evaluate(Half(), a, [(metric, {"relative": False})])[metric]
    assert absolute.values.tolist() == [0, 0]
    assert not absolute.left_out


def test_one_place():
    a = explain.attribute(lambda x: x[:, 0] ** 2, np.array([[3.0]]), "feature_ablation", framework="numpy")
    e = explain.evaluate(lambda x: x[:, 0] ** 2, a, BOTH[0], framework="numpy")
    moves = perturbations(Subject(None, a, {}), 0, 0.02, 10)[:, 0]
    np.testing.assert_allclose(e[BOTH[0]].values, np.abs((3 + moves) ** 2 - 9).max() / 9, rtol=1e-4)


def test_padding_is_not_moved():
    class Sums(nn.Module):
        def forward(self, x):
            return torch.tanh(x.sum(2)).sum(1)

    x = np.random.default_rng(0).normal(size=(2, 5, 2)).astype(np.float32)
    x[0, 3:] = 0
    a = explain.attribute(Sums(), x, "input_x_gradient", layout="NTC", lengths=[3, 5])
    subject = Subject(Sums(), a, {}, seed=1)
    moves = perturbations(subject, 0, 0.5, 6)
    assert (moves[:, 3:] == 0).all()
    assert (moves[:, :3] != 0).all()
    found = explain.evaluate(Sums(), a, [(BOTH[0], {"radius": 0.5, "n_samples": 6})], seed=1)
    short = explain.attribute(Sums(), x[:1, :3], "input_x_gradient", layout="NTC")

    def slopes(x):
        return x / np.cosh(x.sum(axis=-1, keepdims=True)) ** 2

    own, others = slopes(x[0, :3].astype(float)), slopes(x[0, :3] + moves[:, :3])
    expected = np.sqrt(((others - own) ** 2).sum(axis=(1, 2))).max() / np.linalg.norm(short.values)
    np.testing.assert_allclose(found[BOTH[0]].values[0], expected, rtol=1e-4)


def test_each_column_has_its_own_radius(net, explained):
    radius = np.array([1e-6, 0.1, 0.2, 0.3, 0.4])
    moves = perturbations(Subject(net, explained, {}), 1, radius, 50)
    np.testing.assert_array_less(np.abs(moves).max(axis=0), radius)
    np.testing.assert_array_less(0.8 * radius, np.abs(moves).max(axis=0))
    found = explain.evaluate(net, explained, [(BOTH[0], {"radius": radius})])[BOTH[0]]
    assert found.options == {"radius": "an array", "n_samples": 10, "relative": True}
    uniform = explain.evaluate(
        net, explained, [(BOTH[0], {"radius": np.full(5, 0.1)}), (BOTH[0], {"radius": 0.1})]
    )
    first, second = uniform.measurements.values()
    assert first.values.tolist() == second.values.tolist()


def test_radius_below_single_precision(net, explained):
    found = explain.evaluate(net, explained, [(BOTH[0], {"radius": 1e-12})])[BOTH[0]]
    assert np.isnan(found.values).all()
    assert set(found.left_out.values()) == {"No perturbed input differs from it in single precision."}


def test_value_does_not_depend_on_the_other_examples(net, explained):
    whole = explain.evaluate(net, explained, BOTH[0])[BOTH[0]].values
    part = explain.evaluate(net, explained[:2], BOTH[0])[BOTH[0]].values
    np.testing.assert_allclose(part, whole[:2], rtol=1e-6)


def test_seed_decides(net, explained):
    one, same, other = (
        explain.evaluate(net, explained, BOTH[0], seed=seed)[BOTH[0]].values for seed in (0, 0, 1)
    )
    assert (one == same).all()
    assert (one != other).all()


def test_all_metrics_share_one_call(net, explained, monkeypatch):
    """The perturbed inputs of all examples are explained together, and once for all metrics of the family."""
    import explain.metrics.subject as module

    calls = []
    original = module.explained

    def counted(request):
        calls.append(request.given.x.shape)
        return original(request)

    monkeypatch.setattr(module, "explained", counted)
    explain.evaluate(net, explained, [*BOTH, "local_lipschitz", "ris", "ros"])
    assert calls == [(40, 5)]
    explain.evaluate(net, explained, [BOTH[0], (BOTH[0], {"radius": 0.1})])
    assert calls[1:] == [(40, 5), (40, 5)]


def test_large_inputs_are_explained_in_groups(net, explained, monkeypatch):
    import explain.metrics.robustness.neighbours as module

    whole = explain.evaluate(net, explained, BOTH[0])[BOTH[0]].values
    calls = []
    original = Subject.explained_again

    def counted(self, rows, inputs):
        calls.append(len(rows))
        return original(self, rows, inputs)

    monkeypatch.setattr(Subject, "explained_again", counted)
    monkeypatch.setattr(Subject, "explained_at_once", 25)
    monkeypatch.setattr(module, "_VALUES_WORTH_A_CALL", 1)
    grouped = explain.evaluate(net, explained, BOTH[0])[BOTH[0]].values
    np.testing.assert_allclose(grouped, whole, rtol=1e-6)
    assert calls == [20, 20]


@pytest.mark.parametrize(
    "options",
    [
        {"radius": 0},
        {"radius": -0.1},
        {"radius": [0.1, -0.1]},
        {"radius": "big"},
        {"n_samples": 0},
        {"relative": "yes"},
    ],
)
def test_bad_options(net, explained, options):
    (name,) = options
    with pytest.raises(OptionError, match=f"{name}=.* is out of range for max_sensitivity: give "):
        explain.evaluate(net, explained, [(BOTH[0], options)])


def test_radius_of_another_shape(net, explained):
    with pytest.raises(OptionError, match=r"radius has shape \(3,\), .* an example of shape \(5,\)"):
        explain.evaluate(net, explained, [(BOTH[0], {"radius": [0.1, 0.2, 0.3]})])


def test_token_ids_are_refused():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.head = nn.Embedding(7, 3), nn.Linear(3, 2)

        def forward(self, ids):
            return self.head(self.words(ids).mean(1))

    net = Reads()
    a = explain.attribute(net, np.array([[1, 2, 3]]), "saliency")
    with pytest.raises(EvaluationError, match="'max_sensitivity' moves the input a little"):
        explain.evaluate(net, a, BOTH[0])


def test_draws_are_uniform_within_the_radius(net, explained):
    """On both sides of the example, the same in every layout and whichever examples are beside it."""
    subject = Subject(net, explained, {}, seed=3)
    moves = perturbations(subject, 2, 0.3, 4000)
    assert -0.3 <= moves.min() < -0.299
    assert 0.299 < moves.max() <= 0.3
    np.testing.assert_allclose(moves.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(moves.std(axis=0), 0.3 / np.sqrt(3), rtol=0.05)
    assert (perturbations(Subject(net, explained[:3], {}, seed=3), 2, 0.3, 4000) == moves).all()
    assert (perturbations(subject, 1, 0.3, 4000) != moves).any()
