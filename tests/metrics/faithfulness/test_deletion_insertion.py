"""Deletion and insertion: closed forms on linear models, and what is asked of the model."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import onnxruntime
import pytest
import torch
from models.scored import Recorded, linear, map_of, measured, with_cache
from onnx import TensorProto, helper, numpy_helper
from scipy.ndimage import gaussian_filter
from sklearn.svm import SVC
from torch import nn

from explain.errors import EvaluationError, OptionError, ScoreError

RNG = np.random.default_rng(0)
WEIGHT = RNG.normal(size=6)
X = RNG.normal(size=(3, 6)).round(3).astype(np.float32)


def trapezoid(curve):
    """The area under points at equal distances from 0 to 1, one trapezoid at a time."""
    return sum((left + right) / 2 for left, right in pairwise(curve)) / (len(curve) - 1)


def by_hand(score, x, reference, values, insertion=False):
    """The scores of one flat example while one place after another is replaced, those with the largest values first."""
    order = sorted(range(len(values)), key=lambda place: -values[place])
    now, other = (reference, x) if insertion else (x, reference)
    now, curve = np.array(now, np.float64), []
    for place in (None, *order):
        if place is not None:
            now[place] = other[place]
        curve.append(score(now))
    return np.array(curve)


def shares(curve, insertion=False):
    whole, empty = (curve[-1], curve[0]) if insertion else (curve[0], curve[-1])
    return (curve - empty) / abs(whole - empty)


@pytest.mark.parametrize("metric", ["deletion", "insertion"])
@pytest.mark.parametrize("reference", ["baseline", 0.25, np.arange(6) / 7])
def test_a_linear_model_by_shares_of_its_score(metric, reference):
    model, values = linear(WEIGHT, 0.7), RNG.normal(size=X.shape)
    a = map_of(model, X, values, baseline=0.5)
    found = measured(model, a, metric, n_steps=6, reference=reference)
    other = np.broadcast_to(0.5 if isinstance(reference, str) else reference, 6).astype(np.float32)
    curves = [
        shares(
            by_hand(lambda x: x @ WEIGHT + 0.7, x, other, own, metric == "insertion"), metric == "insertion"
        )
        for x, own in zip(X, values, strict=True)
    ]
    np.testing.assert_allclose(found.curve, curves, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.values, [trapezoid(curve) for curve in curves], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.positions, np.arange(7) / 6)
    assert found.better == ("higher" if metric == "insertion" else "lower")


def test_no_order_deletes_better_than_the_exact_map_whatever_the_sign_of_the_score():
    """Of a linear score below that at the reference too, which a share of a negative drop would turn round."""
    weight = np.array([3.0, -2.0, 1.0, -4.0])
    x = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 0.2, 1.0, 0.2]], np.float32)
    model = linear(weight)
    assert np.sign(x @ weight).tolist() == [-1, 1]
    best = {
        name: measured(model, map_of(model, x, x * weight), name, n_steps=4).values
        for name in ("deletion", "insertion")
    }
    for order in permutations(range(4)):
        other = map_of(model, x, np.tile(np.array(order, np.float32), (2, 1)))
        assert (measured(model, other, "deletion", n_steps=4).values >= best["deletion"] - 1e-9).all()
        assert (measured(model, other, "insertion", n_steps=4).values <= best["insertion"] + 1e-9).all()


def test_without_a_baseline_of_the_attribution_zeros_are_put_in():
    model = linear(WEIGHT)
    a = map_of(model, X, X * WEIGHT)
    bare = map_of(model, X, X * WEIGHT, method="saliency")
    np.testing.assert_array_equal(
        measured(model, bare, "deletion").values, measured(model, a, "deletion", reference="zeros").values
    )


def pictures(layout):
    x = RNG.normal(size=(2, 2, 4, 5)).astype(np.float32)
    return x if layout == "NCHW" else np.ascontiguousarray(x.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("reference", ["blur", "mean"])
def test_places_of_pictures_are_pixels_with_all_channels(layout, reference):
    x, axis = pictures(layout), layout.index("C")
    weight = RNG.normal(size=x.shape[1:])
    model = linear(weight)
    values = RNG.normal(size=x.shape).astype(np.float32)
    a = map_of(model, x, values, layout=layout)
    found = measured(model, a, "deletion", n_steps=20, reference=reference)
    for row, one in enumerate(np.moveaxis(x, axis, 1).astype(np.float64)):
        if reference == "mean":
            other = np.broadcast_to(one.mean(axis=(1, 2), keepdims=True), one.shape)
        else:
            # The longest side is five; an eighth of it is the deviation.
            other = np.stack([gaussian_filter(channel, 5 / 8, mode="nearest") for channel in one])
        lost = ((one - other) * np.moveaxis(weight, axis - 1, 0)).sum(axis=0).ravel()
        order = np.argsort(-np.moveaxis(values[row], axis - 1, 0).sum(axis=0).ravel())
        curve = (lost.sum() - np.concatenate([[0], np.cumsum(lost[order])])) / abs(lost.sum())
        np.testing.assert_allclose(found.curve[row], curve, rtol=1e-4, atol=1e-4)


def test_classes_are_followed_by_their_probability():
    torch.manual_seed(0)
    model = nn.Linear(6, 3).double()
    x = RNG.normal(size=(2, 6))
    values = RNG.normal(size=(2, 6)).astype(np.float32)
    a = map_of(model, torch.tensor(x), values, target=[1, 2])
    weight, bias = (one.detach().numpy() for one in model.parameters())

    def logits(one):
        return weight @ one + bias

    def probability(target):
        return lambda one: np.exp(logits(one)[target]) / np.exp(logits(one)).sum()

    # An attribution has its inputs in single precision.
    x = x.astype(np.float32).astype(np.float64)
    for insertion, metric in enumerate(("deletion", "insertion")):
        rows = list(zip((1, 2), x, values, strict=True))
        auto, given, explained = (measured(model, a, metric, n_steps=6, **one) for one in SCORES)
        curves = [by_hand(probability(t), one, np.zeros(6), own, insertion) for t, one, own in rows]
        np.testing.assert_allclose(auto.curve, curves, rtol=1e-6)
        np.testing.assert_array_equal(auto.curve, given.curve)
        curves = [
            shares(by_hand(lambda at, t=t: logits(at)[t], one, np.zeros(6), own, insertion), insertion)
            for t, one, own in rows
        ]
        np.testing.assert_allclose(explained.curve, curves, rtol=1e-6, atol=1e-9)


SCORES = ({}, {"score": "probability"}, {"score": "explained"})


def test_outputs_of_unknown_kind_have_no_probabilities():
    """The outputs of a function of arrays may be anything: their shares are followed."""
    weight = RNG.normal(size=(6, 3))
    model = Recorded(lambda x: x @ weight)
    a = map_of(model, X, X * weight[:, 1], target=1)
    assert a.predicted is not None
    expected = measured(model, a, "deletion", score="explained").values
    np.testing.assert_array_equal(measured(model, a, "deletion").values, expected)


def test_an_output_that_is_explained_unchanged_is_no_logit():
    """Three outputs may be three quantities: a softmax of them says nothing."""
    torch.manual_seed(0)
    a = map_of(nn.Linear(6, 3), torch.tensor(X), RNG.normal(size=X.shape), target=1, score="output")
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    assert a.predicted is not None
    expected = measured(model, a, "deletion", score="explained").values
    np.testing.assert_array_equal(measured(model, a, "deletion").values, expected)
    assert np.abs(measured(model, a, "deletion", score="probability").values - expected).min() > 0.01


def test_an_estimator_without_probabilities_is_followed_by_its_decision_function():
    labels = (RNG.normal(size=(30, 6)) @ WEIGHT > 0).astype(int) + np.arange(30) % 2
    model = SVC(kernel="linear").fit(RNG.normal(size=(30, 6)), labels)
    a = map_of(model, X, RNG.normal(size=X.shape), target=1)
    assert (a.score, a.predicted is None) == ("logit", False)
    found = measured(model, a, "deletion", n_steps=6)
    for row, (x, own) in enumerate(zip(X.astype(np.float64), a.values, strict=True)):
        curve = by_hand(lambda at: model.decision_function(at[np.newaxis])[0, 1], x, np.zeros(6), own)
        np.testing.assert_allclose(found.curve[row], shares(curve), rtol=1e-6, atol=1e-9)
    with pytest.raises(ScoreError, match="no predict_proba"):
        measured(model, a, "deletion", score="probability")


def test_an_exact_map_is_better_than_its_opposite_and_than_chance():
    model = linear(np.abs(WEIGHT))
    x = np.abs(X)
    exact, chance = map_of(model, x, x * np.abs(WEIGHT)), map_of(model, x, RNG.normal(size=x.shape))
    opposite = map_of(model, x, -x * np.abs(WEIGHT))
    deletion = [measured(model, one, "deletion", n_steps=6).mean for one in (exact, chance, opposite)]
    insertion = [measured(model, one, "insertion", n_steps=6).mean for one in (exact, chance, opposite)]
    assert deletion == sorted(deletion)
    assert insertion == sorted(insertion, reverse=True)
    assert len(set(deletion)) == 3


def test_equal_values_keep_the_order_of_the_places():
    weight = np.array([1.0, 2.0, 4.0, 8.0])
    model = linear(weight)
    found = measured(model, map_of(model, np.ones((1, 4), np.float32), [[0, 3, 3, 0]]), "deletion", n_steps=4)
    np.testing.assert_allclose(found.curve, [[1, 13 / 15, 9 / 15, 8 / 15, 0]], atol=1e-7)


def test_steps_are_equal_and_round_half_up():
    model = linear(np.ones(6))
    a = map_of(model, np.ones((1, 6), np.float32), [[6, 5, 4, 3, 2, 1]])
    four = measured(model, a, "deletion", n_steps=4)
    # 1.5 and 4.5 places are 2 and 5.
    np.testing.assert_allclose(four.curve, [[1, 4 / 6, 3 / 6, 1 / 6, 0]], atol=1e-7)
    many = measured(model, a, "deletion", n_steps=12)
    assert many.curve.shape == (1, 13)
    np.testing.assert_allclose(many.curve[0, ::2], np.arange(6, -1, -1) / 6, atol=1e-7)


def test_examples_without_a_value_say_why():
    weight = np.array([1.0, -1.0, 2.0])
    model = linear(weight)
    x = np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3], [1, 1, 0]], np.float32)
    a = map_of(model, x, [[1, 2, 3], [5, 5, 5], [0, 0, 0], [1, 2, 3]])
    for metric in ("deletion", "insertion"):
        found = measured(model, a, metric)
        assert np.isnan(found.values).tolist() == [False, True, True, True]
        assert found.left_out == {
            1: "The map is constant: it does not order the places.",
            2: "The map is zero: it does not order the places.",
            3: "The score at the reference is that of the input.",
        }
        assert found.count == 1
        assert found.mean == found.values[0]


def test_an_example_of_one_place_has_no_order():
    model = linear([2.0])
    a = map_of(model, np.ones((1, 1), np.float32), [[3.0]])
    assert measured(model, a, "deletion").left_out == {
        0: "The map is constant: it does not order the places."
    }


def test_padding_is_never_removed():
    x = RNG.normal(size=(2, 5, 2)).astype(np.float32)
    weight = RNG.normal(size=(5, 2))
    model = linear(weight)
    values = RNG.normal(size=x.shape).astype(np.float32)
    # Values at padding are no part of the order, even large ones.
    values[1, 3:] = 100
    a = map_of(model, x, values, layout="NTC", lengths=[5, 3])
    found = measured(model, a, "deletion", n_steps=15, score="explained")
    for row, length in enumerate((5, 3)):
        lost = (x[row] * weight).sum(axis=1)[:length].astype(np.float64)
        order = np.argsort(-values[row, :length].sum(axis=1))
        curve = (lost.sum() - np.concatenate([[0], np.cumsum(lost[order])])) / abs(lost.sum())
        np.testing.assert_allclose(found.curve[row, :: 15 // length], curve, rtol=1e-5, atol=1e-5)


class Bag(nn.Module):
    """The weighted mean of the vectors of tokens, two classes."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.words, self.head = nn.Embedding(9, 4), nn.Linear(4, 2)
        self.share = torch.linspace(1, 2, 5)

    def forward(self, ids):
        return self.head((self.words(ids) * self.share[:, None]).sum(1))


@pytest.mark.parametrize("metric", ["deletion", "insertion"])
def test_token_ids_are_replaced_by_the_token_of_the_baseline(metric):
    model = Bag().eval()
    ids = np.array([[1, 2, 3, 4, 5], [8, 7, 6, 5, 4]])
    values = RNG.normal(size=ids.shape).astype(np.float32)
    a = map_of(model, ids, values, baseline=3, target=0)
    found = measured(model, a, metric, n_steps=5)

    def probability(one):
        with torch.no_grad():
            return float(model(torch.tensor(one[np.newaxis]).long()).softmax(1)[0, 0])

    curves = [
        by_hand(probability, one, np.full(5, 3), own, metric == "insertion")
        for one, own in zip(ids, values, strict=True)
    ]
    np.testing.assert_allclose(found.curve, curves, rtol=1e-5)


class TestWhatIsAsked:
    """A perturbation is asked for once, whichever metrics need it."""

    def test_two_metrics_share_a_perturbation(self):
        model = linear(WEIGHT)
        a = map_of(model, X, X * WEIGHT)
        removed = []
        for x in X.astype(np.float64):
            order = np.argsort(-x * WEIGHT)
            for count in range(1, 7):
                moved = x.copy()
                moved[order[:count]] = 0
                removed.append(moved)
        model.asked.clear()
        metrics = [("deletion", {"n_steps": 6}), ("deletion", {"n_steps": 3}), ("insertion", {"n_steps": 6})]
        found = with_cache(model, a, metrics, {})
        alone = [measured(linear(WEIGHT), a, name, **options).values for name, options in metrics]
        for one, own in zip(found.measurements.values(), alone, strict=True):
            np.testing.assert_array_equal(one.values, own)
        # All zeros are asked for once for each example; the three examples share this input.
        counts = model.count(removed)
        assert [count for place, count in enumerate(counts) if place % 6 != 5] == [1] * 15
        assert counts[5] == 3

    def test_the_examples_themselves_are_not_asked_for_again(self):
        model = linear(WEIGHT)
        a = map_of(model, X, X * WEIGHT)
        few, many = [], []
        for counts, n_steps in ((few, 1), (many, 6)):
            model.asked.clear()
            measured(model, a, "deletion", n_steps=n_steps)
            counts += model.count(X)
        assert few == many

    def test_maps_with_other_baselines_share_no_scores(self):
        model, cache = linear(WEIGHT), {}
        metrics = [("deletion", {"n_steps": 3})]
        for baseline in (0.0, 0.5, 0.0):
            a = map_of(model, X, X * WEIGHT, baseline=baseline)
            found = with_cache(model, a, metrics, cache)
            alone = with_cache(model, a, metrics, None)
            np.testing.assert_array_equal(found["deletion"].values, alone["deletion"].values)
        assert len(cache) == 2 * 3 * 4

    def test_maps_of_other_targets_share_no_scores(self):
        weight, cache = RNG.normal(size=(6, 3)), {}
        model = Recorded(lambda x: x @ weight)
        metrics = [("deletion", {"n_steps": 3})]
        for target in (0, 1):
            a = map_of(model, X, X, target=target)
            found = with_cache(model, a, metrics, cache)
            alone = with_cache(model, a, metrics, None)
            np.testing.assert_array_equal(found["deletion"].values, alone["deletion"].values)


def session_of_rows(factors, weight):
    """An ONNX model of a fixed batch whose rows have a factor each, as a state by row would be."""
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["product"]),
        helper.make_node("Mul", ["product", "factors"], ["score"]),
    ]
    shape = [len(factors), len(weight)]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, shape)],
        [helper.make_tensor_value_info("score", TensorProto.DOUBLE, [len(factors), 1])],
        [
            numpy_helper.from_array(weight[:, np.newaxis], "weight"),
            numpy_helper.from_array(np.array(factors, np.float64)[:, np.newaxis], "factors"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_points_of_a_model_with_a_fixed_batch_stay_in_the_row_of_their_example():
    """Sharing does not see the factors; the scores that are kept do."""
    model, cache = session_of_rows([2.0, 5.0], WEIGHT), {}
    values = RNG.normal(size=X.shape).astype(np.float32)
    # The third example is alone in the second batch, in its first row.
    a = map_of(model, X, values)
    metrics = [("deletion", {"n_steps": 6}), ("insertion", {"n_steps": 3})]
    found = with_cache(model, a, metrics, cache)
    for metric, insertion in (("deletion", False), ("insertion", True)):
        step = 2 if insertion else 1
        for row, (x, own) in enumerate(zip(X.astype(np.float64), values, strict=True)):
            curve = shares(by_hand(lambda at: at @ WEIGHT, x, np.zeros(6), own, insertion)[::step], insertion)
            np.testing.assert_allclose(found[metric].curve[row], curve, rtol=1e-6, atol=1e-9)
    # With one row at a time more points than its own would be asked for: each example's factor shows in its scores.
    for row, factor in enumerate((2.0, 5.0, 2.0)):
        order, x = np.argsort(-values[row]), X[row].astype(np.float64)
        expected = {0.0}
        for count in range(6):
            for kept in (order[count:], order[:count]):
                expected.add(round(factor * float(x[kept] @ WEIGHT[kept]), 6))
        own = {round(score, 6) + 0.0 for key, score in cache.items() if key[1] == row}
        assert own <= {one + 0.0 for one in expected}
        assert len(own) > 6


def test_refused():
    model = linear(WEIGHT)
    a = map_of(model, X, X)
    for options in (
        {"n_steps": 0},
        {"reference": None},
        {"reference": True},
        {"score": "logit"},
        {"steps": 3},
    ):
        with pytest.raises(OptionError, match=next(iter(options))):
            measured(model, a, "deletion", **options)

    def reciprocal(x):
        with np.errstate(divide="ignore"):
            return (1 / x).sum(axis=1, keepdims=True)

    broken = map_of(reciprocal, X, X, baseline=1.0)
    with pytest.raises(EvaluationError, match="NaN or infinite at an input that the metric makes"):
        measured(reciprocal, broken, "insertion", reference=1e-320, n_steps=3)
