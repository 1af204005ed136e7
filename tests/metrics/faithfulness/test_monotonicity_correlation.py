"""Monotonicity correlation: its formula written out, from replacements that are drawn again."""

import numpy as np
import pytest
import torch
from models.mapped import drawn, measured, subject_of, with_map
from scipy.stats import spearmanr
from torch import nn

import explain
from explain.errors import EvaluationError, OptionError
from explain.metrics.faithfulness.monotonicity_correlation import replacement_draws
from explain.metrics.subject import Subject

X = drawn(3, 6)
WEIGHT = drawn(6, seed=1).astype(np.float64)


def curved(x):
    return np.sin(2 * x @ WEIGHT)[:, np.newaxis] + (x[:, :1] * x[:, 1:2]) ** 2


def test_points_on_the_line_to_the_reference_in_a_table():
    values, reference = drawn(3, 6, seed=3), drawn(6, seed=4)
    a = with_map(curved, X, values)
    expected = []
    for row in range(3):
        draws = replacement_draws(subject_of(curved, a, seed=2), row, "line", 8)
        assert draws.shape == (8, 6)
        assert ((draws >= 0) & (draws < 1)).all()
        errors = []
        for place in range(6):
            squares = []
            for draw in draws:
                moved = X[row : row + 1].copy()
                moved[0, place] += draw[place] * (reference[place] - X[row, place])
                squares.append((curved(moved) - curved(X[row : row + 1]))[0, 0] ** 2)
            errors.append(np.mean(squares))
        expected.append(spearmanr(np.abs(values[row]), errors).statistic)
    options = {"n_samples": 8, "reference": reference}
    found = measured(curved, a, "monotonicity_correlation", seed=2, **options).values
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert not np.allclose(
        measured(curved, a, "monotonicity_correlation", seed=3, n_samples=1).values, expected
    )


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_other_places_of_a_picture_group_by_group(layout):
    weight = drawn(2, 4, 6, seed=1).astype(np.float64)

    def first(x):
        return np.tanh((x * weight).sum(axis=(1, 2, 3)) / 3)[:, np.newaxis] + x[:, 0, :1, 0] ** 2

    x, values = drawn(2, 2, 4, 6, seed=2), drawn(2, 2, 4, 6, seed=3)
    model = first if layout == "NCHW" else lambda x: first(np.moveaxis(x, -1, 1))
    given = [one if layout == "NCHW" else np.moveaxis(one, 1, -1) for one in (x, values)]
    a = with_map(model, *given, layout)
    subject = subject_of(model, a)
    expected = []
    for row in range(2):
        draws = replacement_draws(subject, row, "places", 5)
        places = x[row].reshape(2, 24)
        sizes, errors = [], []
        for top in (0, 2):
            for left in (0, 2, 4):
                squares = []
                for draw in draws:
                    moved = x[row].copy()
                    for i in range(top, top + 2):
                        for j in range(left, left + 2):
                            moved[:, i, j] = places[:, draw[6 * i + j]]
                    squares.append((first(moved[np.newaxis]) - first(x[row : row + 1]))[0, 0] ** 2)
                errors.append(np.mean(squares))
                square = values[row, :, top : top + 2, left : left + 2]
                sizes.append(np.abs(square.astype(np.float64).sum(axis=0)).sum())
        expected.append(spearmanr(sizes, errors).statistic)
    found = measured(model, a, "monotonicity_correlation", n_samples=5, n_groups=6).values
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_tokens_become_other_tokens_of_the_text_and_padding_stays():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.words, self.head = nn.Embedding(12, 4), nn.Linear(4, 2)

        def forward(self, ids):
            real = (ids != 0).double()[..., None]
            return self.head(torch.tanh((self.words(ids) * real).cumsum(1)).mean(1))

    reader, ids = Reader().double().eval(), np.array([[1, 2, 3, 4, 5], [6, 7, 8, 0, 0]])
    a = explain.attribute(reader, ids, "feature_ablation", lengths=[5, 3])

    def scored(one, row):
        return reader(torch.tensor(one[np.newaxis])).softmax(-1)[0, a.target[row]].item()

    expected = []
    for row, length in enumerate((5, 3)):
        draws = replacement_draws(Subject(reader, a, {}), row, "places", 10)
        assert draws.shape == (10, length)
        errors = []
        for place in range(length):
            moved = [ids[row].copy() for _ in draws]
            for one, draw in zip(moved, draws, strict=True):
                one[place] = ids[row, draw[place]]
            errors.append(np.mean([(scored(one, row) - scored(ids[row], row)) ** 2 for one in moved]))
        expected.append(spearmanr(np.abs(a.values[row, :length]), errors).statistic)
    found = explain.evaluate(reader, a, "monotonicity_correlation")["monotonicity_correlation"].values
    np.testing.assert_allclose(found, expected, atol=1e-9)
    with pytest.raises(EvaluationError, match="none between tokens: give replacement='places'"):
        explain.evaluate(reader, a, {"monotonicity_correlation": {"replacement": "line"}})


def test_the_exact_map_of_a_linear_model_is_best():
    weight = np.array([1.0, -2, 4, -8, 16, -32])

    def linear(x):
        return (x @ weight)[:, np.newaxis]

    x = np.ones((1, 6), np.float32)
    options = {"n_samples": 30, "reference": 0}
    good, bad = with_map(linear, x, [weight]), with_map(linear, x, [1 / weight])
    assert measured(linear, good, "monotonicity_correlation", **options).values.tolist() == [1.0]
    assert measured(linear, bad, "monotonicity_correlation", **options).values.tolist() == [-1.0]
    mixed = with_map(linear, x, [[3, 1, 6, 2, 5, 4]])
    assert measured(linear, mixed, "monotonicity_correlation", **options).values[0] < 0.9


def test_draws_reach_each_place_alike():
    subject = subject_of(curved, with_map(curved, X, X, "NT"))
    draws = replacement_draws(subject, 0, "places", 1000)
    counts = np.bincount(draws.ravel(), minlength=6)
    # Of 6000 draws each place has 1000; five standard deviations are 144.
    assert (np.abs(counts - 1000) < 144).all()
    assert (replacement_draws(subject, 1, "places", 1000) != draws).any()


def test_examples_without_a_correlation():
    mask = np.arange(6) < np.array([6, 6, 1])[:, np.newaxis]
    values = drawn(3, 6, seed=3) * mask
    values[0] = [1, -1, 1, -1, 1, 1]
    values[1] = 0
    found = measured(curved, with_map(curved, X, values, "NT", mask=mask), "monotonicity_correlation")
    assert np.isnan(found.values).all()
    assert found.left_out == {
        0: "All places have values of the same size, or no replacement changes the score.",
        1: "The map is zero: it does not order the places.",
        2: "It has one place or none: there is no correlation.",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_samples": 0}, "n_samples=0"),
        ({"n_groups": 1}, "n_groups=1"),
        ({"replacement": "uniform"}, "replacement='uniform'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        measured(curved, with_map(curved, X, X), "monotonicity_correlation", **options)
