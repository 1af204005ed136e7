"""`explain.evaluate` itself: what it takes and refuses, and that its values depend on nothing but what they measure."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from models.evaluated import NETWORK, OF_NETWORK, PICTURES, WEIGHT, X, linear, network, of_linear, values_of
from models.texts import WordTokenizer
from torch import nn

import explain
from explain.errors import (
    EvaluationError,
    ModelCallError,
    OptionError,
)
from explain.metrics.chosen import DEFAULT_METRICS

MAP_ONLY = ["sparseness", "complexity"]


# What is measured.


def test_the_defaults_need_neither_masks_nor_other_explanations():
    found = explain.evaluate(NETWORK, OF_NETWORK)
    assert tuple(found) == DEFAULT_METRICS
    assert len(found) == 3
    rows = [explain.metrics.find(name) for name in DEFAULT_METRICS]
    assert {need for row in rows for need in row.needs} == {"scores"}


def test_what_it_records():
    found = explain.evaluate(NETWORK, OF_NETWORK, ["sparseness", ("deletion", {"n_steps": 3})], seed=7)
    assert (found.method, found.framework, found.model) == ("input_x_gradient", "torch", "Sequential")
    assert (found.score, found.layout, found.target, found.seed) == ("logit", "NCHW", (0, 1, 2), 7)
    assert {"explain", "numpy", "torch"} <= set(found.versions)
    assert found.attribution is OF_NETWORK
    assert found["deletion"].options == {"n_steps": 3, "reference": "baseline", "score": "auto"}
    assert found["deletion"].curve.shape == (3, 4)


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        ("deletion", ["deletion"]),
        (" Deletion AUC", ["deletion"]),
        (["gini", "deletion"], ["sparseness", "deletion"]),
        (("deletion", "insertion"), ["deletion", "insertion"]),
        (("deletion", {"n_steps": 2}), ["deletion"]),
        ([("deletion", {"n_steps": 2}), "sparseness"], ["deletion", "sparseness"]),
        ({"deletion": {"n_steps": 2}, "sparseness": {}}, ["deletion", "sparseness"]),
        (["deletion", ("deletion", {"reference": "mean"})], ["deletion", "deletion (reference='mean')"]),
        ([("deletion", {"n_steps": 2}), "deletion"], ["deletion", "deletion (n_steps=32)"]),
        (
            ["deletion", ("deletion", {"n_steps": 2}), ("deletion", {"n_steps": 2, "reference": 1.0})],
            ["deletion", "deletion (n_steps=2)", "deletion (n_steps=2, reference=1.0)"],
        ),
    ],
)
def test_how_metrics_are_named(metrics, names):
    found = explain.evaluate(linear, of_linear(), metrics)
    assert list(found) == names
    assert [found[name].metric for name in names] == [name.split(" ")[0] for name in names]


def test_each_of_several_of_one_name_has_its_own_options():
    found = explain.evaluate(linear, of_linear(), ["deletion", ("deletion", {"n_steps": 2})])
    alone = explain.evaluate(linear, of_linear(), ("deletion", {"n_steps": 2}))
    assert found["deletion (n_steps=2)"].values.tolist() == alone["deletion"].values.tolist()
    assert found["deletion"].values.tolist() != alone["deletion"].values.tolist()


@pytest.mark.parametrize("metrics", [[], (), {}, 3, object()])
def test_no_metric(metrics):
    with pytest.raises(EvaluationError, match="names no metric: give a name such as 'deletion'"):
        explain.evaluate(linear, of_linear(), metrics)


@pytest.mark.parametrize(
    ("metrics", "error", "says"),
    [
        ("deletoin", EvaluationError, "metrics='deletoin' is not in the catalogue. Did you mean 'deletion'"),
        ([None], EvaluationError, "metrics=None is not in the catalogue. The metrics are "),
        (["deletion", 3], EvaluationError, "metrics=3 is not in the catalogue"),
        (
            [("deletion", "insertion")],
            EvaluationError,
            "such as ('deletion', {'n_steps': 32}); further metrics are",
        ),
        (
            [("sparseness", None)],
            EvaluationError,
            "options of sparseness as a dict, such as ('sparseness', {})",
        ),
        (
            {"deletion": {"steps": 3}},
            OptionError,
            "n_steps, reference, score. Did you mean 'n_steps'?",
        ),
        (
            {"deletion": {"n_steps": 0}},
            OptionError,
            "n_steps=0 is out of range for deletion: give a whole number of",
        ),
        (
            {"deletion": {"score": "logit"}},
            OptionError,
            "score='logit' is out of range for deletion: give one",
        ),
        (
            ["deletion", "deletion"],
            EvaluationError,
            "metrics has 'deletion' twice: leave one out, or give them other",
        ),
        (["deletion", "deletion-auc"], EvaluationError, "metrics has 'deletion' twice"),
        (["deletion", ("deletion", {"n_steps": 32})], EvaluationError, "metrics has 'deletion' twice"),
        (
            [("deletion", {"n_steps": 2}), ("insertion", {}), ("deletion", {"n_steps": 2})],
            EvaluationError,
            "twice",
        ),
    ],
)
def test_metrics_that_are_refused(metrics, error, says):
    with pytest.raises(error, match=re.escape(says)):
        explain.evaluate(linear, of_linear(), metrics)


def test_metrics_are_refused_before_the_model_runs():
    def never(x):
        raise AssertionError

    with pytest.raises(OptionError, match="n_steps=0"):
        explain.evaluate(never, of_linear(), ["sparseness", ("deletion", {"n_steps": 0})])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"tokeniser": WordTokenizer()},
            "'tokeniser' is no argument of .* Did you mean 'tokenizer'?",
        ),
        (
            {"n_steps": 16},
            r"'n_steps' is no argument .* metrics=\[\('deletion', {'n_steps': 16}\)\]",
        ),
        ({"x": X}, "'x' is no argument of explain.evaluate"),
        ({"method": "ig"}, "'method' is no argument of explain.evaluate"),
    ],
)
def test_an_argument_without_effect_is_refused(given, says):
    with pytest.raises(EvaluationError, match=says):
        explain.evaluate(linear, of_linear(), **given)


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(OptionError, match="seed="):
        explain.evaluate(linear, of_linear(), "sparseness", seed=seed)


# Of which results.


@pytest.mark.parametrize("result", [None, X, "a.npz", [of_linear()]])
def test_what_is_no_attribution(result):
    with pytest.raises(EvaluationError, match=r"attribution=.* not an Attribution: give what explain.attr"):
        explain.evaluate(linear, result)


def test_of_no_examples():
    with pytest.raises(EvaluationError, match="attribution has no examples: give at least one"):
        explain.evaluate(linear, of_linear()[[]])


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(WEIGHT))

    def forward(self, left, right):
        return torch.tanh(left @ self.weight) * (right @ self.weight)


def test_one_of_several_inputs_has_metrics_of_the_map_alone():
    model = Two()
    both = explain.attribute(model, (X, X + 1), "saliency")
    with pytest.raises(
        EvaluationError, match=r"one of several inputs, not an Attribution.* only the metrics"
    ):
        explain.evaluate(model, both)
    with pytest.raises(
        EvaluationError, match=r"one of several inputs \('0'\).* Take metrics that read the map alone"
    ):
        explain.evaluate(model, both[0], ["sparseness", "deletion"])
    found = explain.evaluate(model, both[0], MAP_ONLY)
    assert np.isfinite([found[name].values for name in MAP_ONLY]).all()


def test_a_function_of_one_of_two_inputs_has_all_metrics():
    """The advice for several inputs, followed."""
    fixed = torch.tensor(X[:1] + 1)

    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.both = Two()

        def forward(self, left):
            return self.both(left, fixed)

    model = Left()
    assert 0 < explain.evaluate(model, explain.attribute(model, X, "saliency")).deletion < 1


def test_of_a_layer_the_map_is_measured_and_the_model_is_not_asked():
    one = explain.attribute(NETWORK, PICTURES, "activation", layer="0")
    found = explain.evaluate(None, one, MAP_ONLY)
    sizes = np.abs(np.float64(one.values).sum(axis=1)).reshape(3, -1)
    shares = sizes / sizes.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["complexity"].values, -(shares * np.log(shares)).sum(axis=1), rtol=1e-12)
    masks = np.zeros((3, 3, 4), bool)
    masks[:, :2] = True
    located = explain.evaluate(None, one, "relevance_mass_accuracy", masks=masks)
    assert (located["relevance_mass_accuracy"].values <= 1).all()
    with pytest.raises(
        EvaluationError, match="of the layer '0', whose places are not those of the model's input"
    ):
        explain.evaluate(NETWORK, one, "deletion")


def test_of_a_unit_of_a_layer_the_map_is_measured_and_the_model_is_not_asked():
    one = explain.attribute(NETWORK, PICTURES, "saliency", layer="0", neuron=(1, 2, 2))
    assert explain.evaluate(None, one, "sparseness").sparseness > 0.5
    with pytest.raises(EvaluationError, match="is of a unit of the layer '0', not of a score of the model"):
        explain.evaluate(NETWORK, one, "deletion")


def test_a_map_of_a_layer_in_places_of_the_input_has_all_metrics():
    one = explain.attribute(NETWORK, PICTURES, "grad_cam", layer="0")
    assert np.isfinite(explain.evaluate(NETWORK, one, "deletion")["deletion"].values).all()


def test_an_input_that_was_found_is_no_explanation():
    one = explain.maximize(NETWORK, 1, shape=(2, 5, 6), bounds=(-1, 1), n_steps=2)
    with pytest.raises(
        EvaluationError, match="'activation_maximization', whose values are an input and not an expl"
    ):
        explain.evaluate(NETWORK, one, "sparseness")


# Models that fail where the metric looks.


def test_a_score_that_is_not_a_number_at_the_reference():
    def logarithm(x):
        with np.errstate(divide="ignore"):
            return np.log(np.abs(x))[:, :2]

    one = explain.attribute(
        logarithm, X, "feature_ablation", framework="numpy", score="output", target=0, baseline="mean"
    )
    with pytest.raises(
        EvaluationError, match="score is NaN or infinite at an input that the metric makes from x"
    ):
        explain.evaluate(logarithm, one, ("deletion", {"reference": 0.0}))
    found = explain.evaluate(logarithm, one, ("deletion", {"reference": "mean"}))
    assert np.isfinite(found["deletion"].values).all()


def test_a_model_that_raises_at_an_input_of_the_metric():
    def picky(x):
        if (x == 0).any():
            raise ValueError("zeros are missing values")
        return x

    one = explain.attribute(
        picky, X, "feature_ablation", framework="numpy", score="output", target=0, baseline="mean"
    )
    says = "The model raised ValueError at an input that the metric makes from x, but not at x itself: zeros"
    with pytest.raises(EvaluationError, match=says):
        explain.evaluate(picky, one, ("deletion", {"reference": 0.0}))
    assert np.isfinite(explain.evaluate(picky, one, "deletion")["deletion"].values).all()


def test_an_endpoint_that_does_not_answer_is_not_the_references_fault():
    def endpoint(x):
        if not (x[:, np.newaxis] == X).all(axis=2).any(axis=1).all():
            raise TimeoutError("timed out")
        return linear(x)

    with pytest.raises(ModelCallError, match="timed out"):
        explain.evaluate(endpoint, of_linear(), "deletion")


@pytest.mark.parametrize("reference", ["black", np.zeros(7)], ids=["rule", "shape"])
def test_a_reference_that_is_refused_is_named_as_one(reference):
    with pytest.raises(EvaluationError, match=r"reference=.* cannot take the place of what is removed: "):
        explain.evaluate(linear, of_linear(), ("deletion", {"reference": reference}))


def test_the_model_is_restored():
    model = nn.Sequential(network(), nn.Dropout(0.5)).train()
    one = explain.attribute(model, PICTURES, "saliency")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    explain.evaluate(model, one)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(value.grad is None for value in model.parameters())


# On what the values depend.


EVERY = [row.name for row in explain.metrics.rows() if "image" in row.kinds]
MASKS = np.zeros((3, 5, 6), bool)
MASKS[:, 1:3, 2:5] = True


# What is only measured of methods that draw.
OF_DRAWS = {
    "seed_stability": explain.attribute(NETWORK, PICTURES, "smoothgrad", target=[0, 1, 2], n_samples=4)
}


def measured(name, rows=slice(None), beside=(), **arguments):
    one = OF_DRAWS.get(name, OF_NETWORK)[rows]
    return explain.evaluate(NETWORK, one, [name, *beside], masks=MASKS[rows], **arguments)[name]


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_bits_whatever_else_is_drawn(name):
    first = measured(name, seed=3)
    np.random.seed(9)
    torch.manual_seed(9)
    again = measured(name, seed=3)
    np.testing.assert_array_equal(first.values, again.values)
    assert first.left_out == again.left_out
    other = measured(name, seed=4)
    assert first.seeded or np.array_equal(first.values, other.values, equal_nan=True)


@pytest.mark.parametrize("name", EVERY)
def test_the_random_states_of_the_program_are_left_alone(name):
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    measured(name)
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("name", EVERY)
def test_an_example_does_not_depend_on_those_after_it(name):
    whole = measured(name)
    part = measured(name, slice(2))
    np.testing.assert_allclose(part.values, whole.values[:2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", EVERY)
def test_a_metric_does_not_depend_on_those_beside_it(name):
    beside = "insertion" if name != "insertion" else "deletion"
    np.testing.assert_array_equal(measured(name, beside=[beside]).values, measured(name).values)


# Progress, notes and places.


def test_progress_counts_the_metrics_and_changes_nothing(monkeypatch):
    from explain.public_calls import progress_bar

    shown, closed = [], []

    class Recorder:
        def show(self, what, share, left):
            shown.append((what, share))

        def close(self):
            closed.append(True)

    monkeypatch.setattr(progress_bar, "_display", lambda *, always: Recorder())
    monkeypatch.setattr(progress_bar, "_INTERVAL", 0.0)
    found = explain.evaluate(NETWORK, OF_NETWORK, progress=True)
    assert values_of(found) == values_of(explain.evaluate(NETWORK, OF_NETWORK, progress=False))
    assert [*dict.fromkeys(what for what, _ in shown)][1:] == [
        f"evaluate: {name}" for name in ("scores", *found)
    ]
    assert [share for _, share in shown] == sorted(share for _, share in shown)
    assert shown[-1][1] == 1
    assert closed == [True]


def test_a_refusal_is_raised_at_the_callers_line():
    with pytest.raises(EvaluationError) as caught:
        explain.evaluate(linear, of_linear(), "deletoin")
    assert caught.traceback[-1].path.name in ("callers_line.py", "test_evaluating.py")
    assert len(caught.traceback) <= 2
