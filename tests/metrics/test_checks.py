"""``attribute(..., checks=True)``: what it finds of good and of planted bad maps, and where it is seen."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from figure_texts import drawn_texts
from torch import nn

import explain
from explain.errors import OptionError
from explain.metrics.checks import SAME_FOR_RANDOM, STEADY

X = np.random.default_rng(0).normal(size=(4, 3, 6, 6)).astype(np.float32)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)).eval()


def checked(model=None, x=X, method="integrated_gradients", **arguments):
    return explain.attribute(network() if model is None else model, x, method, checks=True, **arguments)


def of(attribution, name):
    (found,) = [one for one in attribution.checks if one["name"] == name]
    return found


def test_a_good_map_raises_no_doubt_and_says_what_was_checked():
    a = checked()
    assert [one["name"] for one in a.checks] == [
        "sum of the values",
        "error of the map",
        "shuffled network",
        "deletion",
        "insertion",
    ]
    assert not any(one["doubtful"] for one in a.checks)
    assert a.verdict == (
        "No doubt by: sum of the values, error of the map, shuffled network, deletion, insertion."
    )
    assert of(a, "sum of the values")["value"] == pytest.approx(a.relative_delta.max())
    assert {one["count"] for one in a.checks} == {4}
    # Without checks there are none, and the values are the same.
    plain = explain.attribute(network(), X)
    assert plain.checks == ()
    assert plain.verdict == ""
    np.testing.assert_array_equal(plain.values, a.values)


def test_what_is_compared_is_what_the_metrics_measure():
    model = network()
    a = checked(model)
    last = explain.evaluate(
        model, a, ("model_parameter_randomization", {"aggregate": "last"}), seed=a.seed
    ).model_parameter_randomization
    assert of(a, "shuffled network")["value"] == pytest.approx(float(last), abs=1e-6)
    own = explain.evaluate(model, a, "deletion")["deletion"].values
    # Drawn channels last, in the layout of neither framework alone.
    drawn = np.stack(
        [np.random.default_rng((0x3A9, a.seed, row)).standard_normal((6, 6, 3)) for row in range(4)]
    ).transpose(0, 3, 1, 2)
    by_chance = explain.evaluate(model, replace(a, values=drawn.astype(np.float32)), "deletion")["deletion"]
    assert of(a, "deletion")["value"] == pytest.approx((by_chance.values - own).mean(), abs=1e-6)


def test_a_map_that_shuffled_weights_do_not_change_is_doubted():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(108, 2))
    with torch.no_grad():
        # The map is x times the weights: nearly x, in whatever order the weights are.
        model[1].weight.copy_(1 + 1e-3 * torch.rand(2, 108))
    a = checked(model, method="input_x_gradient", target=0)
    found = of(a, "shuffled network")
    assert found["doubtful"]
    assert found["value"] > 0.99 > SAME_FOR_RANDOM
    assert a.verdict.startswith("Nearly the same map for an untrained network: do not rely on it.")


def test_a_map_that_the_seed_decides_is_doubted():
    a = checked(method="lime", n_samples=30)
    found = of(a, "other seeds")
    assert found["doubtful"] == (found["value"] < STEADY)
    assert found["doubtful"]
    assert "Another map for another seed: draw more samples." in a.verdict
    # Many samples follow the advice.
    assert not of(checked(method="lime", n_samples=3000, feature_mask="grid"), "other seeds")["doubtful"]


def test_a_map_with_its_order_turned_round_is_doubted():
    class Upside(nn.Module):
        """A network whose gradient has the wrong sign: a planted defect of a layer of the user's own."""

        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            return self.inner(2 * x.detach() - x)

    a = checked(Upside(), method="input_x_gradient", target=1)
    assert of(a, "deletion")["doubtful"]
    assert "do not rely on its order" in a.verdict


def test_the_model_is_put_back_bit_for_bit():
    model = network()
    model.train()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    checked(model)
    assert model.training
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_twins_find_the_same():
    found = {}
    for framework in ("torch", "tensorflow"):
        samples = explain.zoo.samples("cifar_net", framework)
        a = explain.attribute(
            explain.zoo.load("cifar_net", framework), samples.x[:2], "ig", n_steps=8, checks=True
        )
        found[framework] = [(one["name"], one["doubtful"], one["value"]) for one in a.checks]
    for one, other in zip(found["torch"], found["tensorflow"], strict=True):
        assert one[:2] == other[:2]
        assert one[2] == pytest.approx(other[2], rel=1e-2, abs=1e-4)


def test_the_checks_are_kept_drawn_and_reported(tmp_path):
    a = checked(method="lime", n_samples=30)
    stream = io.BytesIO()
    a.save(stream)
    stream.seek(0)
    again = explain.load(stream)
    assert again.checks == a.checks
    assert json.loads(json.dumps(a.checks)) == list(a.checks)
    assert f"Checks: {a.verdict}" in " ".join(drawn_texts(a.plot())[0])
    explain.report(a, tmp_path / "report.html", model=network())
    assert a.verdict in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_function_without_weights_says_what_was_not_checked():
    weights = np.random.default_rng(0).normal(size=6)
    x = np.random.default_rng(1).normal(size=(3, 6))
    a = explain.attribute(
        lambda batch: batch @ weights, x, "feature_ablation", framework="numpy", score="output", checks=True
    )
    found = of(a, "shuffled network")
    assert found["value"] is None
    assert found["words"].startswith("Not checked: ")
    assert not found["doubtful"]
    assert a.verdict == "No doubt by: deletion, insertion. Not checked: shuffled network."


def test_an_error_of_a_check_does_not_cost_the_map(monkeypatch):
    def fails(*arguments, **named):
        raise explain.errors.GradientError("planted")

    monkeypatch.setattr("explain.metrics.checks.random_weights", fails)
    a = checked()
    assert of(a, "shuffled network")["words"] == "Not checked: planted"
    assert a.verdict.endswith("Not checked: shuffled network.")


def test_ids_that_a_model_sums_by_itself_are_checked():
    class Bag(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.embedding, self.head = nn.EmbeddingBag(20, 8), nn.Linear(8, 3)

        def forward(self, ids):
            return self.head(self.embedding(ids))

    ids = np.random.default_rng(0).integers(0, 20, (4, 6))
    a = checked(Bag().eval(), ids, "feature_ablation", target=1)
    assert of(a, "deletion")["count"] == 4


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: explain.attribute(lambda a, b: a + b, (X, X), framework="torch", checks=True), "one input"),
        (lambda: explain.attribute(network(), X, checks="yes"), "neither True nor False"),
        (lambda: checked(layer="0", method="saliency"), "layer= explains the output of a layer"),
        (
            lambda: explain.maximize(network(), 1, shape=(3, 6, 6), bounds=(0, 1), n_steps=2, checks=True),
            "finds an input",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused_before_it_runs(call, said):
    with pytest.raises(OptionError, match=said):
        call()
